"""JSON schemas as Bedrock takes them: for tools, and for answers that are kept to a schema.

Ground rules: pure functions, nothing given is changed. An answer is kept to schemas of closed
objects only, without limits of numbers, texts and lists: limits move into the description, where
the model still reads them. A schema whose meaning would change (open objects, recursion) is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["closed", "is_object", "of_object"]

LIMITS: Final = frozenset({
    "contains", "exclusiveMaximum", "exclusiveMinimum", "maxContains", "maxItems", "maxLength",
    "maxProperties", "maximum", "minContains", "minItems", "minLength", "minProperties", "minimum",
    "multipleOf", "pattern", "uniqueItems",
})  # fmt: skip
UNSAYABLE: Final = frozenset({
    "dependentRequired", "dependentSchemas", "else", "if", "not", "patternProperties",
    "prefixItems", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
NAMED: Final = frozenset({"$defs", "definitions", "properties"})  # schemas by name
LISTED: Final[Mapping[str, str]] = {"allOf": "allOf", "anyOf": "anyOf", "oneOf": "anyOf"}


class _Open(ValueError):
    """The schema cannot be closed without changing what it means."""


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether only objects fit a schema, as far as its first level tells."""
    return schema.get("type") == "object" or ("type" not in schema and "properties" in schema)


def of_object(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool's schema with the type that Converse demands of it."""
    return schema if schema.get("type") == "object" else {**schema, "type": "object"}


def closed(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema that answers can be kept to, None where there is none of this meaning.

    >>> closed({"type": "object", "properties": {"n": {"type": "integer", "minimum": 0}}})
    {'type': 'object', 'properties': {'n': {'type': 'integer', 'description': 'minimum: 0'}}, \
'additionalProperties': False}
    """
    try:
        made = _closed(schema)
        _refuse_recursion(schema)
    except _Open:
        return None
    return made


def _closed(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or UNSAYABLE & schema.keys():
        raise _Open
    made: dict[str, Any] = {}
    limits: list[str] = []
    for key, value in schema.items():
        if key in LIMITS and not (key == "minItems" and value in (0, 1)):
            limits.append(f"{key}: {value}")
        else:
            made[LISTED.get(key, key)] = _member(key, value)
    if limits:
        told = made.get("description")
        words = ", ".join(limits)
        made["description"] = f"{told} ({words})" if isinstance(told, str) and told else words
    if _allows_objects(schema):
        _close(made)
    return made


def _member(key: str, value: Any) -> Any:
    if key in NAMED and isinstance(value, Mapping):
        return {name: _closed(each) for name, each in value.items()}
    if key in LISTED and isinstance(value, list):
        return [_closed(each) for each in value]
    if key == "items":
        return _closed(value)
    return value


def _allows_objects(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    return (
        kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema
    )


def _close(made: dict[str, Any]) -> None:
    told = made.get("additionalProperties")
    if told is not False and (told is not None or not made.get("properties")):
        raise _Open
    made["additionalProperties"] = False


def _refuse_recursion(schema: Mapping[str, Any]) -> None:
    """Raise where a definition leads back to itself."""
    defined = {
        f"#/{where}/{name}": each
        for where in ("$defs", "definitions")
        for name, each in _named(schema.get(where)).items()
    }
    ways = {name: _references(each) for name, each in defined.items()}
    if "#" in _references(schema):
        raise _Open
    for start, first in ways.items():
        seen: set[str] = set()
        ahead = list(first)
        while ahead:
            at = ahead.pop()
            if at == start:
                raise _Open
            if at not in seen:
                seen.add(at)
                ahead += ways.get(at, ())


def _named(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}


def _references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {found for each in schema for found in _references(each)}
    if not isinstance(schema, Mapping):
        return set()
    found = {found for each in schema.values() for found in _references(each)}
    if isinstance(target := schema.get("$ref"), str):
        found.add(target)
    return found
