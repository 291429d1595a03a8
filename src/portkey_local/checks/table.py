"""The checks by their ids: what each takes, and what makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from portkey_local import patterns
from portkey_local.checks import (
    parameters as kind,
    remote,
    requests,
    structures,
    tokens,
    transformers,
    wording,
)
from portkey_local.checks.parameters import Parameter, WrongCheck
from portkey_local.hooks import Check

__all__ = ["CHECKS", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One check."""

    make: Callable[[Mapping[str, Any]], Check]
    takes: Mapping[str, Parameter]


NOT: Final = {"not": Parameter(kind.flag, default=False)}
OPERATOR: Final = Parameter(kind.choice("any", "all", "none"), default="any")
METADATA_RULE: Final = {
    "metadataKey": Parameter(kind.text, required=True),
    "values": Parameter(kind.names, required=True),
    "models": Parameter(kind.names, required=True),
}
ANY_COUNT: Final = 9_999_999  # the reference's


def _count(unit: str) -> dict[str, Parameter]:
    return {
        f"min{unit}": Parameter(kind.whole, default=0),
        f"max{unit}": Parameter(kind.whole, default=ANY_COUNT),
        **NOT,
    }


def _metadata_rules(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(rule, dict) for rule in value):
        raise ValueError("must be a list of objects with metadataKey, values and models")
    problems: list[tuple[kind.Location, str]] = []
    for index, rule in enumerate(value):
        try:
            kind.read(rule, METADATA_RULE)
        except WrongCheck as wrong:
            problems += [((index, *below), message) for below, message in wrong.problems]
    if problems:
        raise WrongCheck(problems)
    return value


WHITELIST: Final = Row(
    requests.whitelist,
    {"models": Parameter(kind.names), "metadataRules": Parameter(_metadata_rules), **NOT},
)

CHECKS: Final[Mapping[str, Row]] = {
    "regexMatch": Row(wording.matches, {"rule": Parameter(patterns.pattern, required=True), **NOT}),
    "sentenceCount": Row(wording.sentences, _count("Sentences")),
    "wordCount": Row(wording.words, _count("Words")),
    "characterCount": Row(wording.characters, _count("Characters")),
    "contains": Row(
        wording.contains,
        {"words": Parameter(kind.names, required=True), "operator": OPERATOR, **NOT},
    ),
    "jsonSchema": Row(
        structures.matches_schema, {"schema": Parameter(kind.schema, required=True), **NOT}
    ),
    "jsonKeys": Row(
        structures.has_keys,
        {"keys": Parameter(kind.names, required=True), "operator": OPERATOR, **NOT},
    ),
    "validUrls": Row(remote.valid_urls, {"onlyDNS": Parameter(kind.flag, default=False), **NOT}),
    "containsCode": Row(
        wording.code,
        {
            "format": Parameter(kind.choice(*wording.LANGUAGES.values()), required=True),
            **NOT,
        },
    ),
    "alluppercase": Row(wording.uppercase, NOT),
    "alllowercase": Row(wording.lowercase, NOT),
    "endsWith": Row(wording.ends, {"suffix": Parameter(kind.text, required=True), **NOT}),
    "notNull": Row(wording.present, NOT),
    "modelWhitelist": WHITELIST,
    "modelwhitelist": WHITELIST,  # as the reference spells it in one place
    "modelRules": Row(requests.by_rules, {"rules": Parameter(kind.rules, required=True), **NOT}),
    "requiredMetadataKeys": Row(
        requests.metadata_keys,
        {
            "metadataKeys": Parameter(kind.names, required=True),
            "operator": Parameter(kind.choice("any", "all", "none"), default="all"),
            **NOT,
        },
    ),
    "allowedRequestTypes": Row(
        requests.request_types,
        {
            "allowedTypes": Parameter(kind.names_or_text, default=[]),
            "blockedTypes": Parameter(kind.names_or_text, default=[]),
        },
    ),
    "jwt": Row(
        tokens.jwt,
        {
            "jwksUri": Parameter(kind.url, required=True),
            "headerKey": Parameter(kind.text, default="Authorization"),
            "cacheMaxAge": Parameter(kind.seconds, default=86400.0),
            "clockTolerance": Parameter(kind.seconds, default=5.0),
            "maxTokenAge": Parameter(tokens.age, default=86400.0),
        },
    ),
    "webhook": Row(
        remote.webhook,
        {
            "webhookURL": Parameter(kind.url, required=True),
            "headers": Parameter(kind.headers, default={}),
            "timeout": Parameter(kind.whole),
        },
    ),
    "log": Row(
        remote.log,
        {
            "logURL": Parameter(kind.url, required=True),
            "headers": Parameter(kind.headers, default={}),
            "timeout": Parameter(kind.whole),
        },
    ),
    "addPrefix": Row(
        transformers.prefix,
        {
            "prefix": Parameter(kind.text, required=True),
            "applyToRole": Parameter(kind.text, default="user"),
            "addToExisting": Parameter(kind.flag, default=True),
            "onlyIfEmpty": Parameter(kind.flag, default=False),
        },
    ),
    "regexReplace": Row(
        transformers.replace,
        {
            "rule": Parameter(patterns.delimited, required=True),
            "redactText": Parameter(kind.text, default="[REDACTED]"),
            "failOnDetection": Parameter(kind.flag, default=False),
        },
    ),
}
