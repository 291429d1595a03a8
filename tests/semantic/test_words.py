"""Words: their stems, slips of the keyboard, numbers however written, contractions."""

import pytest

from portkey_local.semantic.numerals import numeral, spelt
from portkey_local.semantic.reading import read
from portkey_local.semantic.spelling import known, slip
from portkey_local.semantic.stemming import stem
from portkey_local.semantic.text import normal, words


@pytest.mark.parametrize(
    "forms",
    [
        "flight flights", "city cities", "box boxes", "bus buses", "cancel cancelled cancelling",
        "stop stops stopped stopping", "change changes changed changing", "go went gone going",
        "organise organize organised organizing", "colour color colours", "pay paid paying pays",
        "child children", "licence license", "try tries tried trying", "run ran running",
    ],
)  # fmt: skip
def test_forms_of_one_word_share_a_stem(forms):
    assert len({stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    "pair", ["cheap cheaper", "news new", "thing th", "canvas canva", "need ne", "person personal"]
)
def test_other_words_do_not(pair):
    one, other = pair.split()
    assert stem(one) != stem(other)


@pytest.mark.parametrize(
    "pair",
    ["reset resett", "station staion", "account acount", "emergency emergancy", "kimchi kimhci"],
)
def test_a_slip_is_one_word(pair):
    one, other = pair.split()
    assert slip(one, other)
    assert slip(other, one)


@pytest.mark.parametrize(
    "pair",
    [
        "form from", "austria australia", "dose does", "mary mark", "cat car", "unlock lock",
        "ab12 ab13", "enable unable", "adopt adapt",
    ],
)  # fmt: skip
def test_another_word_is_no_slip(pair):
    one, other = pair.split()
    assert not slip(one, other)
    assert not slip(other, one)


def test_which_words_exist():
    assert all(map(known, ["cities", "went", "organized", "australia", "drawbacks"]))
    assert not any(map(known, ["staion", "emergancy", "xkqz"]))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("twenty five", (2, "#25")),
        ("one hundred five", (3, "#105")),
        ("two thousand", (2, "#2000")),
        ("third", (1, "#3th")),
        ("one of them", None),
        ("that", None),
    ],
)
def test_spelt_numbers(text, value):
    assert spelt(text.split(), 0) == value


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("1,000", ["#1000"]), ("4.00", ["#4"]), ("3.10", ["#3.10"]), ("10gb", ["#10", "gb"]),
        ("7pm", ["#7", "pm"]), ("7:00pm", ["#7", "pm"]), ("3rd", ["#3th"]), ("1st", ["first"]),
        ("€", ["euro"]), ("word", None),
    ],
)  # fmt: skip
def test_written_numbers(word, parts):
    assert numeral(word) == parts


def test_contractions_and_possessives():
    said = words(normal("What’s France's rule, and why can't they’ve it?"))
    assert " ".join(said) == "what is france 's rule , and why can not they have it ."


def test_the_owner_comes_before_what_it_owns():
    assert read("capital of New Zealand").content == read("New Zealand's capital").content
