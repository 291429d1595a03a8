"""JSON schemas as Anthropic's API takes them.

Ground rules: a schema keeps its meaning, or is not rewritten at all. Where decoding is bound to a
schema (`closed`) every object is closed, and limits that the decoder cannot keep, such as a
minimum, are told to the model in the description instead. Nothing given is changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["closed", "is_object", "open_object"]

KEPT: Final = frozenset(
    {"$ref", "const", "default", "description", "enum", "required", "title", "type"}
)
MAPS: Final = ("properties", "$defs", "definitions")
BRANCHES: Final = ("anyOf", "oneOf", "allOf")
KNOWN: Final = KEPT.union(MAPS, BRANCHES, ("additionalProperties", "items"))
SAYING: Final = frozenset({"$ref", "allOf", "anyOf", "const", "enum"})  # without a type
FORMATS: Final = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
)
SILENT: Final = frozenset({"$schema", "$id", "$comment", "examples"})  # bind nothing


class _Unsayable(Exception):
    """A schema that decoding cannot be bound to."""


def closed(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a schema that decoding can be bound to, None where that would change its meaning.

    >>> closed({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}})
    ... # doctest: +NORMALIZE_WHITESPACE
    {'type': 'object', 'properties': {'n': {'type': 'integer', 'description': '(minimum: 1)'}},
     'additionalProperties': False}
    >>> closed({"type": "object", "additionalProperties": {"type": "string"}})
    """
    references: set[str] = set()
    try:
        made = _closed(schema, references)
    except _Unsayable:
        return None
    return None if references and _recursive(schema, references) else made


def _closed(schema: Any, references: set[str]) -> dict[str, Any]:
    if not isinstance(schema, dict):  # true: anything at all
        raise _Unsayable
    made: dict[str, Any] = {key: value for key, value in schema.items() if key in KEPT}
    for key, value in schema.items():
        if key in MAPS and isinstance(value, dict):
            made[key] = {name: _closed(each, references) for name, each in value.items()}
        elif key in BRANCHES and isinstance(value, list):
            # While decoding, no branch of oneOf can be told from another's.
            told = [_closed(each, references) for each in value]
            made["anyOf" if key == "oneOf" else key] = told
        elif key == "items":
            made[key] = _closed(value, references)
    _close(schema, made)
    if not schema.keys() <= KNOWN:
        _note(schema, made)
    if isinstance(reference := schema.get("$ref"), str):
        references.add(reference)
    return made


def _close(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    """Close an object; one that is open on purpose, or of which nothing is said, cannot be."""
    kind = schema.get("type")
    if kind == "object" or "properties" in schema or (isinstance(kind, list) and "object" in kind):
        if schema.get("additionalProperties", False) is not False:
            raise _Unsayable
        if not schema.get("properties") and "additionalProperties" not in schema:
            raise _Unsayable
        made["additionalProperties"] = False
    elif kind is None and made.keys().isdisjoint(SAYING):
        raise _Unsayable


def _note(schema: Mapping[str, Any], made: dict[str, Any]) -> None:
    """Tell in the description what decoding cannot keep."""
    notes = {key: value for key, value in schema.items() if key not in KNOWN | SILENT}
    for key, kept in (("format", notes.get("format") in FORMATS),
                      ("minItems", notes.get("minItems") in (0, 1))):  # fmt: skip
        if kept:
            made[key] = notes.pop(key)
    if notes:
        said = ", ".join(f"{key}: {json.dumps(value)}" for key, value in notes.items())
        before = schema.get("description")
        made["description"] = f"{before} ({said})" if isinstance(before, str) else f"({said})"


def _recursive(schema: Mapping[str, Any], references: set[str]) -> bool:
    """Whether a reference leads back to itself, or out of the schema."""
    definitions = {
        f"#/{name}/{key}": each
        for name in ("$defs", "definitions")
        if isinstance(inner := schema.get(name), Mapping)
        for key, each in inner.items()
    }
    uses = {place: _references(each) for place, each in definitions.items()}
    if not references <= definitions.keys():
        return True
    while settled := [place for place, used in uses.items() if not used & uses.keys()]:
        for place in settled:
            del uses[place]
    return bool(uses)


def _references(schema: Any) -> set[str]:
    if isinstance(schema, Mapping):
        here = schema.get("$ref")
        found = {here} if isinstance(here, str) else set()
        return found.union(*(_references(each) for each in schema.values()))
    if isinstance(schema, list):
        return set().union(*(_references(each) for each in schema))
    return set()


def is_object(schema: Mapping[str, Any]) -> bool:
    """Whether a schema says of itself that it is an object's, without branches at the top."""
    return schema.get("type") == "object" and not any(name in schema for name in BRANCHES)


def open_object(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a tool's schema as any model takes it: an object, without branches at the top.

    Branches are joined into one object that requires what all of them do, and are told to the
    model in its description.
    """
    if is_object(schema):
        return schema
    branches = [
        branch
        for name in BRANCHES
        if isinstance(schema.get(name), list)
        for branch in schema[name]
        if isinstance(branch, Mapping)
    ]
    made = {key: value for key, value in schema.items() if key not in BRANCHES}
    properties: dict[str, Any] = {}
    for each in (*branches, schema):
        if isinstance(inner := each.get("properties"), Mapping):
            properties |= inner
    said = ", ".join(f"{name}: {json.dumps(schema[name])}" for name in BRANCHES if name in schema)
    before = schema.get("description")
    told = [text for text in (before, f"({said})" if said else None) if isinstance(text, str)]
    if told:
        made["description"] = " ".join(told)
    return {**made, "type": "object", "properties": properties}
