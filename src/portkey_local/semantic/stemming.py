"""What a word is without its inflection: "flights", "booked" and "booking" are flight and book.

Stems are compared with each other and never shown, so they need not be words. Comparatives are left
alone (a cheaper flight is not a cheap one), and so are the endings that make another word.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from portkey_local.semantic.lexicon import vocabulary

__all__ = ["stem"]

_IRREGULAR: Final = {
    form: base
    for base, forms in {
        "be": "is are was were been being am",
        "begin": "began begun", "bite": "bit bitten", "break": "broke broken",
        "bring": "brought", "build": "built", "buy": "bought", "catch": "caught",
        "choose": "chose chosen", "come": "came", "draw": "drew drawn", "drink": "drank drunk",
        "drive": "drove driven", "eat": "ate eaten", "fall": "fell fallen", "feel": "felt",
        "find": "found", "fly": "flew flown", "forget": "forgot forgotten", "get": "got gotten",
        "give": "gave given", "go": "went gone goes", "grow": "grew grown", "hear": "heard",
        "hide": "hid hidden", "hold": "held", "keep": "kept", "know": "knew known",
        "learn": "learnt", "leave": "left", "lend": "lent", "lose": "lost", "make": "made",
        "mean": "meant", "meet": "met", "pay": "paid", "ride": "rode ridden", "ring": "rang rung",
        "run": "ran", "say": "said", "see": "saw seen", "sell": "sold", "send": "sent",
        "shake": "shook shaken", "sing": "sang sung", "sit": "sat", "sleep": "slept",
        "speak": "spoke spoken", "spend": "spent", "stand": "stood", "steal": "stole stolen",
        "swim": "swam swum", "take": "took taken", "teach": "taught", "tell": "told",
        "think": "thought", "throw": "threw thrown", "understand": "understood",
        "wake": "woke woken", "wear": "wore worn", "win": "won", "write": "wrote written",
        "child": "children", "person": "people", "man": "men", "woman": "women", "foot": "feet",
        "tooth": "teeth", "mouse": "mice", "goose": "geese", "life": "lives", "wife": "wives",
        "knife": "knives", "leaf": "leaves", "half": "halves", "index": "indices indexes",
        "datum": "data", "criterion": "criteria", "phenomenon": "phenomena", "die": "dying died",
        "lie": "lying", "tie": "tying",
        # one spelling for both sides of the ocean
        "center": "centre centres", "check": "cheque cheques", "gray": "grey",
        "license": "licence licences", "program": "programme programmes", "tire": "tyre tyres",
        "installment": "instalment instalments", "enrollment": "enrolment", "liter": "litre litres",
        "meter": "metre metres", "theater": "theatre theatres", "catalog": "catalogue",
        "jewelry": "jewellery", "fulfill": "fulfil", "practice": "practise", "defense": "defence",
    }.items()
    for form in forms.split()
}  # fmt: skip
_WHOLE: Final = vocabulary(
    "always news species series lens gas bus plus during nothing something anything everything "
    "morning evening wedding ceiling need feed seed speed breed hundred indeed exceed proceed "
    "succeed thing king ring sing spring string bring red bed perhaps physics mathematics "
    "economics politics christmas whereas business canvas atlas alias bias texas kansas chaos "
    "cosmos address access process wireless"
)
_VOWEL: Final = re.compile("[aeiouy]")


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Return what is compared instead of a word in lower case."""
    word = _IRREGULAR.get(word, word)
    if len(word) > 3 and word.isalpha() and word not in _WHOLE:
        word = _singular(word)
        word = _tenseless(word)
        word = _american(word)
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _singular(word: str) -> str:
    if not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word[:-2] in _WHOLE or word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    return word[:-1]


def _tenseless(word: str) -> str:
    if word in _WHOLE:
        return word
    if word.endswith("ied") and len(word) > 4:
        return word[:-3] + "y"
    base = word.removesuffix("ing") if word.endswith("ing") else word.removesuffix("ed")
    if base == word or len(base) < 2 or not _VOWEL.search(base) or word.endswith("eed"):
        return word
    doubled = len(base) > 3 and base[-1] == base[-2] and base[-1] not in "aeiouszf"
    if doubled and (base[-1] != "l" or len(base) > 5):
        return base[:-1]
    return base


def _american(word: str) -> str:
    if len(word) > 5 and word.endswith(("metre", "litre")):
        return word[:-2] + "er"
    if len(word) > 5 and word.endswith("our"):
        return word[:-3] + "or"
    if len(word) > 5 and word.endswith(("ise", "yse")):
        return word[:-2] + "ze"
    if len(word) > 5 and word.endswith("is") and not word.endswith("sis"):  # organising
        return word[:-1] + "z"
    return word
