"""JSON schemas as Gemini takes them: the same meaning, without the keywords that it refuses.

Ground rules: pure. A schema that needs no change comes back itself, for most need none and each
request has many. What Gemini has no keyword for is widened, never narrowed: an answer that a schema
allows stays possible. Recursive references stay, because Gemini follows them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

__all__ = ["cleaned"]

PLAIN: Final = frozenset(
    {
        "$anchor", "$id", "default", "description", "enum", "format", "maxItems",
        "maxLength", "maximum", "minItems", "minLength", "minimum", "pattern", "propertyOrdering",
        "required", "title", "type", "uniqueItems",
    }
)  # fmt: skip
ONE: Final = frozenset({"additionalProperties", "items"})  # keywords that hold a schema
MANY: Final = frozenset({"anyOf", "oneOf", "prefixItems"})  # ... a list of them
NAMED: Final = frozenset({"$defs", "properties"})  # ... schemas by name
OBJECT: Final = (dict, Mapping)  # in this order, because the first is told ten times faster
OLD, NEW = "#/definitions/", "#/$defs/"


def cleaned(schema: Any) -> Any:
    """Return a schema in the keywords that Gemini takes.

    >>> cleaned({"const": "a"}), cleaned({"type": "integer", "exclusiveMinimum": 0})
    ({'enum': ['a']}, {'type': 'integer', 'minimum': 1})
    """
    if not isinstance(schema, OBJECT):
        return {} if isinstance(schema, bool) else schema
    told: dict[str, Any] = {}
    rewritten = []
    same = True
    for key, value in schema.items():
        new = value if key in PLAIN else _inner(key, value)
        if new is not None:
            told[key] = new
        elif key in REWRITTEN:
            rewritten.append(key)
        same = same and new is value
    for key in rewritten:
        REWRITTEN[key](told, schema[key])
    if "$ref" in told and len(told) > 1:
        return _apart(told, schema, same=same)
    return schema if same else told


def _inner(key: str, value: Any) -> Any:
    """Return the value of a keyword that holds schemas, itself where nothing changes, else None."""
    if key == "$ref" and isinstance(value, str):
        return value.replace(OLD, NEW, 1) if value.startswith(OLD) else value
    if key in ONE:
        return value if isinstance(value, bool) else cleaned(value)
    if key in MANY and isinstance(value, list | tuple):
        new = [cleaned(each) for each in value]
        return value if all(map(_is, new, value)) else new
    if key in NAMED and isinstance(value, OBJECT):
        inner = {name: cleaned(each) for name, each in value.items()}
        return value if all(map(_is, inner.values(), value.values())) else inner
    return None


def _is(one: Any, other: Any) -> bool:
    return one is other


def _apart(told: dict[str, Any], schema: Mapping[str, Any], *, same: bool) -> Any:
    """Return a reference that stands alone, for Gemini lets only `$` keywords stand beside it."""
    beside = {key: value for key, value in told.items() if not key.startswith("$")}
    local = told["$ref"]
    if not isinstance(local, str) or not beside or set(beside) == {"title"}:
        return schema if same else told
    rest = {key: value for key, value in told.items() if key.startswith("$") and key != "$ref"}
    return {**rest, "anyOf": [{"$ref": local}], **beside}


# --- keywords that are said otherwise; every other unknown one is left out


def _const(told: dict[str, Any], value: Any) -> None:
    told["enum"] = [value]


def _all_of(told: dict[str, Any], value: Any) -> None:
    """Merge what must hold together: properties and requirements add up, else the first wins."""
    for part in value if isinstance(value, list | tuple) else ():
        new = cleaned(part)
        for key, inner in new.items() if isinstance(new, Mapping) else ():
            old = told.get(key)
            if key in NAMED and isinstance(old, Mapping):
                told[key] = {**old, **inner}
            elif key == "required" and isinstance(old, list):
                told[key] = [*old, *(name for name in inner if name not in old)]
            else:
                told.setdefault(key, inner)


def _definitions(told: dict[str, Any], value: Any) -> None:
    if isinstance(value, Mapping):
        told["$defs"] = {name: cleaned(each) for name, each in value.items()} | told.get(
            "$defs", {}
        )


def _nullable(told: dict[str, Any], value: Any) -> None:
    kind = told.get("type")
    if value is True and isinstance(kind, str):
        told["type"] = [kind, "null"]


def _limit(name: str, step: int) -> Callable[[dict[str, Any], Any], None]:
    """Say a limit that is not in the range as one that is: the range gets wider by a point."""

    def rewrite(told: dict[str, Any], value: Any) -> None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            whole = told.get("type") == "integer" and isinstance(value, int)
            told.setdefault(name, value + step if whole else value)

    return rewrite


REWRITTEN: Final[Mapping[str, Callable[[dict[str, Any], Any], None]]] = {
    "allOf": _all_of,
    "const": _const,
    "definitions": _definitions,
    "nullable": _nullable,
    "exclusiveMinimum": _limit("minimum", 1),
    "exclusiveMaximum": _limit("maximum", -1),
}
