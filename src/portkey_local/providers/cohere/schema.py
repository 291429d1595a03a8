"""JSON schemas as Cohere takes them where it must keep to one.

Ground rules: what a schema's form enforces at Cohere is kept; a constraint that Cohere refuses
(lengths, ranges) is told to the model in the description instead, so that its meaning is not lost.
Nothing given is changed, and a schema without such constraints comes back as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["constrained", "has_required"]

REFUSED: Final = frozenset({
    "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maximum", "minItems",
    "minLength", "minimum", "multipleOf", "not", "uniqueItems",
})  # fmt: skip
FORMATS: Final = frozenset({"date", "date-time", "time", "uuid"})
NAMED: Final = ("$defs", "definitions", "properties")  # fields that hold schemas by name
SEVERAL: Final = ("allOf", "anyOf", "oneOf")
DEPTH: Final = 60  # no schema that anybody wrote is deeper


def constrained(schema: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    """Return a schema without what Cohere refuses.

    >>> constrained({"type": "integer", "minimum": 1})
    {'type': 'integer', 'description': '(minimum: 1)'}
    """
    if depth > DEPTH:
        return schema
    said: dict[str, Any] = {}
    refused: list[str] = []
    for name, value in schema.items():
        if name in REFUSED or (name == "format" and value not in FORMATS):
            refused.append(f"{name}: {json.dumps(value, ensure_ascii=False)}")
        else:
            said |= _kept(name, value, depth + 1)
    if refused:
        text = schema.get("description")
        told = f"({', '.join(refused)})"
        said["description"] = f"{text} {told}" if isinstance(text, str) and text else told
    return said


def _kept(name: str, value: Any, depth: int) -> Mapping[str, Any]:
    """Return what a field comes to: Cohere knows `anyOf`, and neither `oneOf` nor `allOf`."""
    if name == "allOf" and isinstance(value, list) and len(value) == 1:
        return constrained(value[0], depth) if isinstance(value[0], Mapping) else {}
    return {"anyOf" if name == "oneOf" else name: _inner(name, value, depth)}


def _inner(name: str, value: Any, depth: int) -> Any:
    """Return what a field of a schema holds: schemas by name, several, one, or none."""
    if name in NAMED and isinstance(value, Mapping):
        return {
            key: constrained(each, depth) if isinstance(each, Mapping) else each
            for key, each in value.items()
        }
    if name in SEVERAL and isinstance(value, list):
        return [constrained(each, depth) if isinstance(each, Mapping) else each for each in value]
    if name in ("items", "additionalProperties") and isinstance(value, Mapping):
        return constrained(value, depth)
    return value


def has_required(schema: Mapping[str, Any]) -> bool:
    """Whether an object must have a field: Cohere is strict about no other."""
    return bool(schema.get("required"))
