"""One edit to a question: those that change what is asked are never served, the others are."""

from hypothesis import given, strategies as st

from portkey_local.semantic.deciding import PROFILES, Candidate, decide
from portkey_local.semantic.eligibility import unfit

VERBS = ["book", "cancel", "change", "find", "track", "compare"]
THINGS = ["flight", "ticket", "hotel", "parcel", "lesson", "table", "museum"]
CITIES = ["London", "Paris", "Madrid", "Oslo", "Lima", "Cairo"]
FRAMES = ["How do I {}?", "How can I {}?", "Can you {}?", "I want to {}.", "Why did they {}?"]
WRAPPERS = [
    "Please {}", "Hi, {}", "Hello there! {}", "Quick question: {}", "{} Thanks!", "um {}",
    "I was wondering, {}", "Could you tell me: {}", "Good morning, {} Thank you", "{} please",
]  # fmt: skip


@st.composite
def questions(draw):
    """A question with a number, and a way from one city to another."""
    start, end = draw(st.permutations(CITIES))[:2]
    verb, thing = draw(st.sampled_from(VERBS)), draw(st.sampled_from(THINGS))
    number = draw(st.integers(2, 500))
    asked = f"{verb} {number} {thing}s from {start} to {end}"
    return draw(st.sampled_from(FRAMES)).format(asked), number, (start, end), thing


profiles = st.sampled_from(PROFILES)


def served(question, other, profile, similarity=0.999):
    return decide(question, [Candidate(other, similarity)], profile, 0.6, tokens=20).served == 0


@given(questions(), profiles, st.integers(2, 500))
def test_another_number_is_another_question(asked, profile, number):
    question, before, _, _ = asked
    other = question.replace(str(before), str(number))
    assert served(question, other, profile) is (number == before)


@given(questions(), profiles)
def test_the_way_back_is_another_question(asked, profile):
    question, _, (start, end), _ = asked
    back = question.replace(start, "#").replace(end, start).replace("#", end)
    assert not served(question, back, profile)


@given(questions(), profiles, st.sampled_from(CITIES))
def test_another_place_is_another_question(asked, profile, city):
    question, _, (start, end), _ = asked
    if city not in (start, end):
        assert not served(question, question.replace(end, city), profile)


@given(questions(), profiles, st.sampled_from(["not", "never"]))
def test_a_denial_is_another_question(asked, profile, word):
    question, number, _, _ = asked
    denied = question.replace(f" {number}", f" {number} {word}", 1)
    assert not served(question, denied, profile)
    assert not served(denied, question, profile)


@given(questions(), profiles, st.sampled_from(WRAPPERS))
def test_politeness_changes_nothing(asked, profile, wrapper):
    question = asked[0]
    assert served(wrapper.format(question), question, profile)
    assert served(question, wrapper.format(question), profile)


@given(questions(), profiles, st.sampled_from([str.lower, str.upper, str.title]))
def test_case_changes_nothing(asked, profile, change):
    assert served(change(asked[0]), asked[0], profile)


@given(questions(), profiles, st.text("?!. ", max_size=4))
def test_punctuation_at_the_end_changes_nothing(asked, profile, end):
    assert served(asked[0].rstrip("?.") + end, asked[0], profile)


@given(questions(), profiles, st.integers(1, 4))
def test_letters_that_changed_places_change_nothing(asked, profile, place):
    question, _, _, thing = asked
    if len(thing) < 6:
        return
    place = min(place, len(thing) - 2)
    mistyped = thing[:place] + thing[place + 1] + thing[place] + thing[place + 2 :]
    assert served(question.replace(thing, mistyped), question, profile)


@given(st.text(max_size=200), profiles)
def test_a_text_has_the_answer_of_itself(text, profile):
    assert served(text, text, profile, similarity=1.0)


WORDS = [
    "what", "is", "the", "how", "do", "i", "not", "one", "two", "first", "of", "from", "to", "for",
    "cats", "dogs", "cat's", "broken", "reset", "rest", "resett", "log in", "login", ",", "?", "my",
    "$5", "5", "5pm", "can't", "you", "he", "her", '"quoted"', "Paris", "paris", "XK12", "please",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join),
    profiles,
    st.integers(1, 100),
)
def test_who_asked_first_makes_no_difference(one, other, profile, tokens):
    there = decide(one, [Candidate(other, 0.95)], profile, 0.6, tokens=tokens)
    back = decide(other, [Candidate(one, 0.95)], profile, 0.6, tokens=tokens)
    assert there == back


@given(st.text(max_size=300), st.text(max_size=300), profiles)
def test_any_text_is_decided(one, other, profile):
    there = decide(one, [Candidate(other, 0.95)], profile, 0.6, tokens=12)
    assert there == decide(other, [Candidate(one, 0.95)], profile, 0.6, tokens=12)
    assert unfit(one, tokens=12, window=512) is None or isinstance(
        unfit(one, tokens=12, window=512), str
    )
