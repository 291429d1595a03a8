"""Tools, the choice among them, and answers in JSON: from Anthropic's words to OpenAI's.

Ground rules: a tool of the caller's own becomes a function. Those that run at Anthropic, or whose
form only its models know (`web_search_20250305`, `bash_20250124`), are dropped and named. OpenAI
binds answers only to schemas that are closed and require all they name; to others none is bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portkey_local.providers.chat import Inexpressible
from portkey_local.providers.messages.blocks import CACHE
from portkey_local.providers.messages.host import Host

__all__ = ["Offer", "form_of", "offer"]

MODES: Final = {"auto": "auto", "any": "required", "none": "none"}
INNER: Final = ("$defs", "definitions", "properties")  # of a schema: schemas by their names
SAYING: Final = ("input_examples",)  # of a tool: what a model would be told and now is not


@dataclass(slots=True)
class Offer:
    """The fields of a chat request that tell of tools."""

    fields: dict[str, Any] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)


def offer(body: Mapping[str, Any], host: Host) -> Offer:
    """Return a request's tools and the choice among them. Raises Inexpressible."""
    told = Offer()
    tools = body.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise Inexpressible("tools is not a list")
    functions = [
        function
        for number, tool in enumerate(tools or ())
        if (function := _function(tool, f"tools[{number}]", told, host)) is not None
    ]
    if functions:
        told.fields["tools"] = functions
    if body.get("tool_choice") is not None:
        _choose(body["tool_choice"], {each["function"]["name"] for each in functions}, told)
    return told


def _function(tool: Any, place: str, told: Offer, host: Host) -> dict[str, Any] | None:
    if not isinstance(tool, Mapping):
        raise Inexpressible(f"{place} is not an object")
    if tool.get("type") not in (None, "custom"):
        told.dropped.append(place)
        return None
    name, schema = tool.get("name"), tool.get("input_schema")
    if not isinstance(name, str) or not isinstance(schema, Mapping):
        raise Inexpressible(f"{place} needs a name and an input_schema")
    function: dict[str, Any] = {"name": name}
    if isinstance(text := tool.get("description"), str) and text:
        function["description"] = text
    # OpenAI refuses an object that has no `properties`.
    function["parameters"] = {"type": "object", "properties": {}, **schema}
    if tool.get("strict") is True:
        if host.vendor or bindable(schema):
            function["strict"] = True
        else:
            told.dropped.append(f"{place}.strict")
    told.dropped += (f"{place}.{field}" for field in SAYING if tool.get(field))
    made: dict[str, Any] = {"type": "function", "function": function}
    if host.vendor and tool.get(CACHE) is not None:
        made[CACHE] = tool[CACHE]
    return made


def _choose(choice: Any, names: set[str], told: Offer) -> None:
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if kind != "tool" and not (isinstance(kind, str) and kind in MODES):
        raise Inexpressible("tool_choice needs the type 'auto', 'any', 'tool' or 'none'")
    if not names:
        if told.dropped and kind in ("any", "tool"):
            told.dropped.append("tool_choice")
        return
    if kind != "tool":
        told.fields["tool_choice"] = MODES[kind]
    elif choice.get("name") in names:
        chosen = {"type": "function", "function": {"name": choice["name"]}}
        told.fields["tool_choice"] = chosen
    else:
        told.dropped.append("tool_choice")
    if choice.get("disable_parallel_tool_use") is True and kind != "none":
        told.fields["parallel_tool_calls"] = False


def form_of(body: Mapping[str, Any], host: Host) -> tuple[dict[str, Any], list[str]]:
    """Return the fields that ask for an answer in JSON, and what is dropped of them."""
    config = body.get("output_config")
    told = config.get("format") if isinstance(config, Mapping) else None
    place = "output_config.format"
    if told is None:
        told, place = body.get("output_format"), "output_format"
    if told is None:
        return {}, []
    match told:
        case {"type": "json_schema", "schema": Mapping() as schema}:
            strict = host.vendor or bindable(schema)
            named = {"name": "answer", "schema": schema, "strict": strict}
            return {"response_format": {"type": "json_schema", "json_schema": named}}, []
    return {}, [place]


def bindable(schema: Any) -> bool:
    """Whether OpenAI can bind an answer to a schema: its objects are closed, and require all.

    >>> bindable({"type": "object", "properties": {"a": {}}, "additionalProperties": False})
    False
    """
    if not isinstance(schema, Mapping):
        return True
    properties = schema.get("properties")
    if schema.get("type") == "object" or properties is not None:
        named = properties if isinstance(properties, Mapping) else {}
        required = schema.get("required")
        listed = required if isinstance(required, list) else []
        if schema.get("additionalProperties") is not False or any(n not in listed for n in named):
            return False
    inner = [each for name in INNER for each in _values(schema.get(name))]
    inner += [schema.get("items"), *_items(schema.get("anyOf"))]
    return all(map(bindable, inner))


def _values(told: Any) -> list[Any]:
    return list(told.values()) if isinstance(told, Mapping) else []


def _items(told: Any) -> list[Any]:
    return told if isinstance(told, list) else []
