"""Regular expressions as configs write them: in JavaScript's language, read into Python's.

Ground rules: a pattern matches here what it matches in the reference, which runs on JavaScript. So
digits, word characters and their boundaries are ASCII, `$` is the very end, groups are named
`(?<name>…)`, and a bracket inside brackets means itself. What Python cannot say is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from portkey_local.errors import looks_secret

__all__ = ["delimited", "pattern", "replacement"]

TOKEN: Final = re.compile(
    r"""\\k<(?P<back>[A-Za-z_]\w*)>   # a named group again
      | \\(?P<escaped>.)
      | \(\?<(?P<group>[A-Za-z_])     # the beginning of a named group; not a look-behind
      | (?P<nothing>\[\])
      | (?P<anything>\[\^\])
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
OUTSIDE: Final = {
    "d": "[0-9]",
    "D": "[^0-9]",
    "w": "[A-Za-z0-9_]",
    "W": "[^A-Za-z0-9_]",
    "b": r"(?a:\b)",
    "B": r"(?a:\B)",
}
IN_CLASS: Final = {"d": "0-9", "w": "A-Za-z0-9_"}
SPECIAL_IN_CLASS: Final = frozenset("[&|~")  # Python may read these as set operations one day
WRITTEN: Final = re.compile(r"/(?P<pattern>.+?)/(?P<flags>[gimsuyd]*)", re.DOTALL)
LINES: Final = re.compile(r"\(\?[a-zA-Z]*m")
FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
REFERENCE: Final = re.compile(r"\$(?:(?P<sign>\$)|(?P<whole>&)|(?P<number>\d\d?)|<(?P<name>\w+)>)")


def pattern(value: Any, flags: int = 0) -> re.Pattern[str]:
    """Read a regular expression."""
    if not isinstance(value, str) or not value:
        msg = "must be a string that is not empty"
        raise ValueError(msg)
    if LINES.search(value):  # Python's own spelling of the flag
        flags |= re.MULTILINE
    try:
        return re.compile(_python(value, flags), flags)
    except (re.error, OverflowError, RecursionError) as error:
        why = error.msg if isinstance(error, re.error) else "too large"
        told = "" if any(map(looks_secret, (why, *why.split("'")))) else f": {why}"
        msg = f"not a valid pattern{told}"
        raise ValueError(msg) from None


def delimited(value: Any) -> re.Pattern[str]:
    """Read a regular expression, bare or as `/expression/flags`."""
    found = WRITTEN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return pattern(value)
    flags = 0
    for letter in found["flags"]:
        flags |= FLAGS.get(letter, 0)
    return pattern(found["pattern"], flags)


def replacement(text: str) -> Callable[[re.Match[str]], str]:
    """Return what puts `text` in the place of a match; `$1`, `$<name>` and `$&` are filled in."""

    def fill(found: re.Match[str]) -> str:
        return REFERENCE.sub(lambda reference: _referred(reference, found), text)

    return fill


def _referred(reference: re.Match[str], found: re.Match[str]) -> str:
    if reference["sign"]:
        return "$"
    if reference["whole"]:
        return found[0]
    if name := reference["name"]:
        known = found.re.groupindex
        return (found[name] or "") if name in known else reference[0] if not known else ""
    number, rest = reference["number"], ""
    if int(number) > found.re.groups and len(number) > 1:
        number, rest = number[0], number[1]
    if not 1 <= int(number) <= found.re.groups:
        return reference[0]
    return (found[int(number)] or "") + rest


def _python(written: str, flags: int) -> str:
    """Return a pattern of JavaScript's as one of Python's."""
    inside, parts = False, []
    for token in TOKEN.finditer(written):
        parts.append(_inside(token) if inside else _outside(token, flags))
        if token["other"] == "[":
            inside = True
        elif inside and token[0].startswith("]"):
            inside = False
    return "".join(parts)


def _outside(token: re.Match[str], flags: int) -> str:
    if token["back"]:
        return f"(?P={token['back']})"
    if token["escaped"]:
        return OUTSIDE.get(token["escaped"], token[0])
    if token["group"]:
        return f"(?P<{token['group']}"
    if token["nothing"]:
        return "(?!)"
    if token["anything"]:
        return r"[\s\S]"
    return r"\Z" if token["other"] == "$" and not flags & re.MULTILINE else token[0]


def _inside(token: re.Match[str]) -> str:
    if token["escaped"]:
        return IN_CLASS.get(token["escaped"], token[0])
    return "".join(f"\\{each}" if each in SPECIAL_IN_CLASS else each for each in token[0])
