"""Checks of a text's words: patterns, counts, letters, endings, code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from portkey_local.checks.parameters import WrongCheck
from portkey_local.checks.plain import OfText, Plain, judged
from portkey_local.hooks import Check, CheckContext, CheckResult

LOWER: Final = re.compile("[a-z]")
UPPER: Final = re.compile("[A-Z]")
FENCE: Final = re.compile(r"```([\w#+]+)\n.*?\n```", re.DOTALL)
LANGUAGES: Final[Mapping[str, str]] = {
    "sql": "SQL",
    "py": "Python",
    "ts": "TypeScript",
    "js": "JavaScript",
    "java": "Java",
    "cs": "C#",
    "cpp": "C++",
    "c": "C",
    "rb": "Ruby",
    "php": "PHP",
    "swift": "Swift",
    "kt": "Kotlin",
    "go": "Go",
    "rs": "Rust",
    "scala": "Scala",
    "r": "R",
    "pl": "Perl",
    "sh": "Shell",
    "html": "HTML",
    "css": "CSS",
    "xml": "XML",
    "json": "JSON",
    "yml": "YAML",
    "md": "Markdown",
    "dockerfile": "Dockerfile",
}
# A fence may name its language in full, too: the reference knows the short names alone.
NAMED: Final = {name.lower(): name for name in LANGUAGES.values()} | {
    "bash": "Shell",
    "gyp": "Python",
    "jsx": "JavaScript",
    "tsx": "TypeScript",
    **LANGUAGES,
}


def matches(given: Mapping[str, Any]) -> Check:
    """`regexMatch`: the pattern is found anywhere in the text."""
    rule: re.Pattern[str] = given["rule"]
    return OfText(lambda context: judged(rule.search(context.text) is not None, given["not"]))


def counts(
    given: Mapping[str, Any], unit: str, count: Callable[[str], int]
) -> Callable[[CheckContext], CheckResult]:
    """Return what decides that a count lies between `min<unit>` and `max<unit>`, both included."""
    least, most = given[f"min{unit}"], given[f"max{unit}"]
    if least > most:
        raise WrongCheck([((f"min{unit}",), f"must not be more than max{unit}")])

    def decide(context: CheckContext) -> CheckResult:
        number = count(context.text)
        return judged(least <= number <= most, given["not"], count=number, min=least, max=most)

    return decide


def sentences(given: Mapping[str, Any]) -> Check:
    """`sentenceCount`: a sentence ends with a full stop, an exclamation or a question mark."""
    return Plain(counts(given, "Sentences", lambda text: len(re.findall(r"[.!?]", text))))


def words(given: Mapping[str, Any]) -> Check:
    """`wordCount`: words are what white space parts."""
    return OfText(counts(given, "Words", lambda text: len(text.split())), blank=True)


def characters(given: Mapping[str, Any]) -> Check:
    """`characterCount`: UTF-16 units, as the reference counts, so that an emoji is two or more."""
    return OfText(counts(given, "Characters", _units))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def contains(given: Mapping[str, Any]) -> Check:
    """`contains`: any, all or none of the words stand in the text, in the same case."""
    wanted: list[str] = given["words"]

    def decide(context: CheckContext) -> CheckResult:
        found = [word for word in wanted if word in context.text]
        missing = [word for word in wanted if word not in found]
        return judged(
            _as_asked(given["operator"], found, missing),
            given["not"],
            foundWords=found,
            missingWords=missing,
            operator=given["operator"],
        )

    return Plain(decide)


def _as_asked(operator: str, found: list[str], missing: list[str]) -> bool:
    return {"any": bool(found), "all": not missing, "none": not found}[operator]


def uppercase(given: Mapping[str, Any]) -> Check:
    """`alluppercase`: no letter of the text, of A to Z, is in lower case."""
    return OfText(lambda context: judged(LOWER.search(context.text) is None, given["not"]))


def lowercase(given: Mapping[str, Any]) -> Check:
    """`alllowercase`: no letter of the text, of A to Z, is in upper case."""
    return OfText(lambda context: judged(UPPER.search(context.text) is None, given["not"]))


def ends(given: Mapping[str, Any]) -> Check:
    """`endsWith`: the text ends with the suffix, or with it and a full stop."""
    suffix: str = given["suffix"]
    endings = suffix, f"{suffix}."
    return OfText(lambda context: judged(context.text.endswith(endings), given["not"]))


def code(given: Mapping[str, Any]) -> Check:
    """`containsCode`: the text has a fenced block of code in the language."""

    def decide(context: CheckContext) -> CheckResult:
        found = {NAMED.get(name.lower()) for name in FENCE.findall(context.text)}
        return judged(given["format"] in found, given["not"], searchedFormat=given["format"])

    return OfText(decide)


def present(given: Mapping[str, Any]) -> Check:
    """`notNull`: there is a text, and not of white space alone."""
    return Plain(lambda context: judged(bool(context.text.strip()), given["not"]))
