"""Checks of JSON that stands in a text, fenced or bare."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from portkey_local.checks.plain import OfText, Plain, judged
from portkey_local.hooks import Check, CheckContext, CheckResult

FENCE: Final = re.compile(r"```+(?:json)?\s*(.*?)```+", re.DOTALL)


def _refuse(constant: str) -> Any:
    """Refuse NaN and the infinities, which Python reads and JSON does not know."""
    raise ValueError(constant)


DECODER: Final = json.JSONDecoder(parse_constant=_refuse)


def values_in(text: str) -> Iterator[Any]:
    """Yield the JSON values of a text: in its fences, else the text itself and its objects."""
    fenced = FENCE.findall(text)
    if fenced:
        yield from _known(map(_decoded, fenced))
        return
    if isinstance(whole := _decoded(text), list):
        yield whole
    yield from objects_in(text)


def objects_in(text: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON objects of a text, fenced or not, whatever stands around them."""
    at = text.find("{")
    while at >= 0:
        try:
            value, end = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            at = text.find("{", at + 1)
            continue
        yield value
        at = text.find("{", end)


def _known(values: Iterable[Any]) -> Iterator[Any]:
    return (value for value in values if value is not None)


def _decoded(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def matches_schema(given: Mapping[str, Any]) -> Check:
    """`jsonSchema`: one of the text's JSON values is valid by the schema."""
    from jsonschema import Draft202012Validator
    from referencing import Registry

    from portkey_local.checks.formats import checker

    # An empty registry: a reference elsewhere is an error, never a download.
    validator = Draft202012Validator(given["schema"], registry=Registry(), format_checker=checker())

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
        objects = list(objects_in(context.text))
        if not objects:
            return CheckResult(verdict=False, data={"explanation": "no JSON object in the text"})
        return judged(any(map(holds, objects)), given["not"], operator=operator, keys=keys)

    return OfText(decide)
