"""Which candidate serves, what the verdict says of the others, and which texts are left alone."""

import time

import pytest

from portkey_local.semantic.deciding import PROFILES, Candidate, Verdict, decide, threshold
from portkey_local.semantic.eligibility import unfit
from portkey_local.semantic.resolve import INT8

ASKED = "How do I reset my router?"


def test_the_first_that_may_serves_and_those_before_say_why_not():
    candidates = [
        Candidate("How do I reset my phone?", 0.95),
        Candidate("How don't I reset my router?", 0.94),
        Candidate("How can I reset my router?", 0.93),
        Candidate("How do I reset my router please", 0.92),
    ]
    verdict = decide(ASKED, candidates, "balanced", 0.7, tokens=8)
    assert verdict == Verdict(2, ((0, "substitution"), (1, "negation")))


def test_one_that_is_not_near_enough_does_not_serve_even_if_it_is_the_same():
    assert decide(ASKED, [Candidate(ASKED, 0.69)], "balanced", 0.7, tokens=8) == Verdict(
        None, ((0, "similarity"),)
    )


def test_nobody_asked_before():
    assert decide(ASKED, [], "loose", 0.7, tokens=8) == Verdict(None)


def test_other_words_must_come_closer():
    one = "How do I make letters on my screen bigger?"
    other = "How can I increase the font size of a display?"
    for profile in ("balanced", "loose"):
        far, near = Candidate(other, 0.79), Candidate(other, 0.81)
        assert decide(one, [far], profile, 0.7, tokens=14).vetoes == ((0, "similarity"),)
        assert decide(one, [near], profile, 0.7, tokens=14).served == 0
    assert decide(one, [near], "strict", 0.7, tokens=14).vetoes == ((0, "rewording"),)


CONTEXT = "The tenant has paid the rent of the flat each month since the spring of that year. " * 40


@pytest.mark.parametrize("profile", PROFILES)
def test_a_long_context_needs_the_very_same_question(profile):
    one, other = CONTEXT + "Who owns the flat?", CONTEXT + "Who sold the flat?"
    assert decide(one, [Candidate(other, 1.0)], profile, 0.6, tokens=500).served is None
    assert decide(one, [Candidate(one + " Thanks!", 1.0)], profile, 0.6, tokens=500).served == 0


def test_in_a_long_text_no_phrase_moves():
    one, other = "In the shower, why is it cold?", "Why is it cold in the shower?"
    assert decide(one, [Candidate(other, 0.99)], "loose", 0.6, tokens=12).served == 0
    assert decide(one, [Candidate(other, 0.99)], "loose", 0.6, tokens=65).vetoes == ((0, "order"),)


def test_much_more_said_is_not_read_closely():
    flood = " ".join(f"flood{''.join(chr(97 + int(d)) for d in str(n))}" for n in range(5_000))
    found = decide(ASKED, [Candidate(f"{ASKED} {flood}", 0.99)], "loose", 0.6, tokens=9)
    assert found.vetoes == ((0, "length"),)


@pytest.mark.parametrize("piece", ["a1", "a.", "+", "1", "</", "4 march ", "x A ", "5 a.m. "])
def test_a_flood_takes_no_longer_than_its_length(piece):
    flood = piece * (40_000 // len(piece))
    began = time.process_time()
    assert decide(ASKED, [Candidate(flood, 0.99)], "balanced", 0.7, tokens=9).served is None
    assert time.process_time() - began < 2  # each start looked at to the end: half a minute


def test_a_number_of_any_length_is_read():
    place = "9" * 5_000 + "th place"
    assert decide(place, [Candidate(place, 1.0)], "balanced", 0.7, tokens=9).served == 0


def test_each_profile_has_a_threshold_for_the_known_model_alone():
    known = [threshold(INT8, profile) for profile in PROFILES]
    assert all(value is not None and 0 < value < 1 for value in known)
    assert threshold("0" * 64, "balanced") is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        (" ?! ", "empty"),
        ("What is the weather today?", "time word"),
        ("Show me the latest news", "time word"),
        ("Who won the match last night?", "time word"),
        ("What's the current price of gold?", "time word"),
        ("What time is it?", "time word"),
        ("Is the pool open now?", "time word"),
        ("Why does this fail?\n```python\nprint(1)\n```", "code"),
        ("Fix this:\ndef add(a, b):\n    return a - b", "code"),
        ("int main() {\n  puts(x);\n}", "code"),
    ],
)
def test_texts_that_are_left_alone(text, word):
    assert unfit(text, tokens=12, window=512) == word


@pytest.mark.parametrize(
    "text",
    [
        "What is the capital of France?",
        "Hi",
        "How do I open a current account?",
        "What should I know about nowhere in particular?",
        "Who was the last emperor of China?",
        "What is it?",
        "フランスの首都は？",
        "Now explain how a class inherits from another in Python",
    ],
)
def test_texts_that_are_not(text):
    assert unfit(text, tokens=12, window=512) is None


def test_a_text_the_model_would_cut_is_left_alone():
    assert unfit("word " * 600, tokens=602, window=512) == "too long"
    assert unfit("word " * 500, tokens=512, window=512) is None
