"""A question as the words it is made of, before anything is made of them.

Case, quotes, dashes and spaces are folded, contractions are spelt out ("what's" is "what is",
"can't" is "can not"), and a possessive is a word of its own (`'s`), because "France's capital" and
"capital of France" are told apart by nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

__all__ = ["COMMA", "POSSESSIVE", "STOP", "normal", "quoted", "words"]

COMMA: Final = ","
STOP: Final = "."
POSSESSIVE: Final = "'s"

_FOLDED: Final = str.maketrans(
    {
        "‘": "'", "’": "'", "ʼ": "'", "`": "'", "“": '"', "”": '"', "«": '"', "»": '"',
        "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-", "\u00ad": None, "\u200b": None,
        "×": "*", "÷": "/",
    }
)  # fmt: skip
_POWERS: Final = str.maketrans({sign: f"^{power}" for power, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")})
"""Folded before Unicode makes 102 of ten squared."""

_WORD: Final = re.compile(
    r"""
      https?://\S+ | (?<![\w.+-])[\w.+-]+@[\w-]+\.[\w.-]+        # an address
    | \d[\d,]*(?:[.:/]\d+)*(?:[a-z]+)?                 # a number, a time, a version, with its unit
    | [^\W\d_]+(?:'[^\W\d_]+)*'?(?:\+\+|\#(?!\w))?     # a word, C++, C#
    | [^\W]+                                           # an ID of letters, digits and underscores
    | [$€£¥%+*/=<>^&|~\\\u20a0-\u20cf\u2190-\u22ff]     # a symbol that means something
    | (?<![\w)])-(?=\d)                                # a minus
    | [,;:.?!()\n]                                     # what parts phrases
    """,
    re.VERBOSE,
)

_SUM: Final = re.compile(r"(?:\d|\)|\b[a-z]) ?[+*/^] ?(?:\d|\(|[a-z]\b)|\d - \d", re.IGNORECASE)
"""Where this is in a text, parentheses say what is reckoned first."""

_FACTORIAL: Final = re.compile(r"(?<=\d)!(?=\s?[-+*/^=)?])")
_CLOCK: Final = re.compile(r"(?<=\d)\s?([ap])\.?m\b\.?")
_MONTHS: Final = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_NTH: Final = r"([0-3]?\d)(?:st|nd|rd|th)?"
_DAY_FIRST: Final = re.compile(rf"(?<![\d.,:/$€£]){_NTH}(?: of)? ({_MONTHS})\b(?!')")
_MONTH_FIRST: Final = re.compile(rf"\b({_MONTHS}) (?:the )?{_NTH}\b(?![.,:/]?\d)")
_CAPITALS: Final = {"A": "_a", "IT": "_it", "US": "usa", "WHO": "_who"}
_CAPITAL: Final = re.compile(rf"(?<=[a-z]\s)({'|'.join(_CAPITALS)})\b(?!\s[A-Z])(?!['.]\w)")
"""A name, though in small letters it is a small word: vitamin A, the IT team."""

_PARTING: Final = {",": COMMA, ";": COMMA, ":": COMMA, "(": COMMA, ")": COMMA} | dict.fromkeys(
    ".?!\n", STOP
)

_NOT: Final = {
    "can't": "can", "cannot": "can", "won't": "will", "shan't": "shall", "ain't": "is",
    "cant": "can", "dont": "do", "doesnt": "does", "didnt": "did", "isnt": "is", "arent": "are",
    "wasnt": "was", "werent": "were", "havent": "have", "hasnt": "has", "hadnt": "had",
    "couldnt": "could", "shouldnt": "should", "wouldnt": "would", "wont": "will",
    "mustnt": "must", "neednt": "need",
}  # fmt: skip
_SPELT: Final = {
    "whats": ("what", "is"), "wheres": ("where", "is"), "hows": ("how", "is"),
    "whos": ("who", "is"), "whens": ("when", "is"), "thats": ("that", "is"),
    "theres": ("there", "is"), "im": ("i", "am"), "i'm": ("i", "am"), "ive": ("i", "have"),
    "youre": ("you", "are"), "youve": ("you", "have"), "let's": ("let", "us"),
    "wanna": ("want", "to"), "gonna": ("going", "to"), "gotta": ("have", "to"),
    "gimme": ("give", "me"), "lemme": ("let", "me"), "o'clock": ("oclock",), "y'all": ("you",),
    "pls": ("please",), "plz": ("please",), "u": ("you",), "ur": ("your",), "thx": ("thanks",),
    "&": ("and",), "%": ("percent",), "w/o": ("without",),
}  # fmt: skip
_IS: Final = frozenset(
    ("what", "who", "where", "when", "why", "how", "that", "it", "there", "here", "he", "she")
)
_ENDINGS: Final = {"'re": "are", "'ve": "have", "'ll": "will", "'d": "would", "'m": "am"}


def normal(text: str) -> str:
    """Return a text in one form of Unicode, its quotes, dashes and spaces folded; case is kept."""
    text = unicodedata.normalize("NFKC", text.translate(_POWERS))
    return " ".join(text.translate(_FOLDED).split())


def words(text: str) -> list[str]:
    """Return the words of a normal text in lower case, contractions spelt out.

    Punctuation is a `COMMA` or a `STOP`, whichever it is and however often.
    """
    found: list[str] = []
    counted = "()" if "(" in text and _SUM.search(text) else ""
    for word in _WORD.findall(_dated(_lower(text))):
        if word not in _PARTING or word in counted:
            found.extend(_spelt(word))
        elif found and found[-1] not in (COMMA, STOP):
            found.append(_PARTING[word])
    return found


def _lower(text: str) -> str:
    if not (text.isupper() or text.istitle()):
        text = _CAPITAL.sub(lambda found: _CAPITALS[found[1]], text)
    return text.lower()


def _dated(text: str) -> str:
    """Write a day and a time of day one way: "4th of March" as "march 4", "7 a.m." as "7am"."""
    text = _FACTORIAL.sub(" factorial", text)
    text = _MONTH_FIRST.sub(r"\1 \2", _DAY_FIRST.sub(r"\2 \1", text))
    return _CLOCK.sub(r"\1m", text)


def quoted(text: str) -> list[str]:
    """Return what a normal text holds between quotation marks, in lower case, and its pictures."""
    parts = [part.strip().lower() for part in re.findall(r'"([^"]+)"', text)]
    return parts + [sign for sign in text if unicodedata.category(sign) == "So"]


def _spelt(word: str) -> Iterator[str]:
    if word in _SPELT:
        yield from _SPELT[word]
    elif word in _NOT:
        yield from (_NOT[word], "not")
    elif "'" not in word:
        yield word
    elif word.endswith("n't"):
        yield from (word[:-3], "not")
    else:
        yield from _apostrophe(word)


def _apostrophe(word: str) -> Iterator[str]:
    head, _, tail = word.rpartition("'")
    if tail == "s":
        yield from (head, "is" if head in _IS else POSSESSIVE)
    elif not tail:  # the students' union
        yield from (head, POSSESSIVE) if head.endswith("s") else (head,)
    elif "'" + tail in _ENDINGS:
        yield from (head, _ENDINGS["'" + tail])
    else:  # o'brien
        yield head + tail
