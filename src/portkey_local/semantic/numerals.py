"""Numbers, however they are written: digits, words, ordinals."""

from __future__ import annotations

import re
from typing import Final

from portkey_local.semantic.lexicon import vocabulary

__all__ = ["is_number", "numeral", "spelt"]

MARK: Final = "#"


def _counted(words: str, start: int) -> dict[str, int]:
    return {word: number for number, word in enumerate(words.split(), start)}


_UNITS: Final = _counted(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen",
    0,
)
_TENS: Final = {
    word: 10 * number
    for word, number in _counted("twenty thirty forty fifty sixty seventy eighty ninety", 2).items()
}
_SCALES: Final = {"thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_ORDINALS: Final = _counted(
    "third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth",
    3,
) | {word[:-1] + "ieth": number for word, number in _TENS.items()}
_AFTER_TENS: Final = {"first": 1, "second": 2} | {
    word: number for word, number in _ORDINALS.items() if number < 10
}
_DIGITS: Final = re.compile(r"(\d[\d,]*(?:\.\d+)?)([a-z]*)")
_ORDINAL: Final = frozenset(("st", "nd", "rd", "th"))
_CURRENCIES: Final = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen"}
_PRONOUN_AFTER: Final = vocabulary(
    "the this that which a an any each every no new another other some what wrong right good bad "
    "only best"
)


def is_number(word: str) -> bool:
    """Tell whether a word is a marked number."""
    return word.startswith(MARK)


def numeral(word: str) -> list[str] | None:
    """Return the parts of a word of digits: the number, marked, and its unit; None for a word."""
    if not word[:1].isdigit():
        return [_CURRENCIES[word]] if word in _CURRENCIES else None
    matched = _DIGITS.fullmatch(word)
    if matched is None:  # a time, a date, a version, an ID
        return _time(word)
    number, unit = matched.groups()
    if unit in _ORDINAL:
        return [_ordinal(_plain(number.partition(".")[0]))]
    return [MARK + _plain(number), unit] if unit else [MARK + _plain(number)]


def spelt(words: list[str], at: int) -> tuple[int, str] | None:
    """Return how many words from a place on are a number, and that number, marked."""
    word = words[at]
    if word in _ORDINALS:
        return 1, _ordinal(str(_ORDINALS[word]))
    if word == "one" and _pronoun(words, at):
        return None
    total, part, here = 0, None, at
    while here < len(words):
        word = words[here]
        if word in _UNITS and _takes_units(part):
            part = (part or 0) + _UNITS[word]
        elif word in _TENS and (part is None or part % 100 == 0):
            part = (part or 0) + _TENS[word]
        elif word == "hundred" and part is not None and part < 100:
            part *= 100
        elif word in _SCALES and part is not None:
            total, part = total + part * _SCALES[word], 0
        else:
            break
        here += 1
    return None if part is None else _ended(words[at : here + 1], here - at, total, part)


def _ended(said: list[str], length: int, total: int, part: int) -> tuple[int, str]:
    """Return a number and its length in words; one more where it is the twenty-first."""
    last = said[length:]
    if part and _takes_units(part) and last and last[0] in _AFTER_TENS:
        return length + 1, _ordinal(str(total + part + _AFTER_TENS[last[0]]))
    return length, MARK + str(total + part)


def _takes_units(part: int | None) -> bool:
    return part is None or (part % 10 == 0 and part % 100 != 10)


def _plain(number: str) -> str:
    whole, _, decimals = number.replace(",", "").partition(".")
    whole = whole.lstrip("0") or "0"
    return f"{whole}.{decimals}" if decimals.strip("0") else whole  # 3.10 may be a version


def _ordinal(number: str) -> str:
    return {"1": "first", "2": "second"}.get(number, f"{MARK}{number}th")


def _time(word: str) -> list[str]:
    head = word.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = word[len(head) :]
    if unit in ("am", "pm"):
        return [MARK + head.removesuffix(":00"), unit]
    return [MARK + word]


def _pronoun(words: list[str], at: int) -> bool:
    before = words[at - 1] if at else ""
    after = words[at + 1] if at + 1 < len(words) else ","
    return before in _PRONOUN_AFTER or after in _AFTER_PRONOUN


_AFTER_PRONOUN: Final = vocabulary(
    ", of is are was were do does did can could should would will may might must has have had i we "
    "you he she they it to in on at for from with that which who and or not 's another"
)
