"""Checks of JSON that stands in a text, fenced or bare."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from portkey_local.checks.plain import Plain, judged
from portkey_local.hooks import Check, CheckContext, CheckResult

FENCE: Final = re.compile(r"```+(?:json)?\s*(.*?)```+", re.DOTALL)
DECODER: Final = json.JSONDecoder()


def values_in(text: str) -> Iterator[Any]:
    """Yield the JSON values of a text: in its fences, else the text itself, else its objects."""
    fenced = [found for found in map(_decoded, FENCE.findall(text)) if found is not None]
    whole = _decoded(text)
    if fenced:
        yield from fenced
    elif isinstance(whole, dict | list):
        yield whole
    else:
        yield from _objects(text)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _objects(text: str) -> Iterator[Any]:
    """Yield the objects that begin at a brace, whatever stands around them."""
    at = text.find("{")
    while at >= 0:
        try:
            value, end = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        yield value
        at = text.find("{", end)


def matches_schema(given: Mapping[str, Any]) -> Check:
    """`jsonSchema`: one of the text's JSON values is valid by the schema."""
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(given["schema"])

    def decide(context: CheckContext) -> CheckResult:
        values = list(values_in(context.text))
        if not values:
            return CheckResult(verdict=False, data={"explanation": "no JSON in the text"})
        return judged(any(map(validator.is_valid, values)), given["not"], found=len(values))

    return Plain(decide)


def has_keys(given: Mapping[str, Any]) -> Check:
    """`jsonKeys`: one of the text's JSON objects has any, all or none of the keys."""
    keys: list[str] = given["keys"]
    operator = given["operator"]

    def holds(value: Mapping[str, Any]) -> bool:
        there = [key in value for key in keys]
        return {"any": any(there), "all": all(there), "none": not any(there)}[operator]

    def decide(context: CheckContext) -> CheckResult:
        objects = [value for value in values_in(context.text) if isinstance(value, dict)]
        if not objects:
            return CheckResult(verdict=False, data={"explanation": "no JSON object in the text"})
        return judged(any(map(holds, objects)), given["not"], operator=operator, keys=keys)

    return Plain(decide)
