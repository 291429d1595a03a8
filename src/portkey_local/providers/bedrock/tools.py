"""Converse's tools, which of them must be called, and the form that an answer must have.

Ground rules: pure functions; what reads an answer asks `answer_tool` here, so that both sides
agree. An answer's form is asked for by the model's own means where it has any (`outputConfig`),
else by a tool of ours that it has to call and that the caller never sees. Converse has no "none":
the tools stay away then, unless the conversation has calls, which it takes only beside tools.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portkey_local.providers.bedrock.blocks import cache_point
from portkey_local.providers.bedrock.models import Model
from portkey_local.providers.bedrock.schemas import closed, is_object, of_object
from portkey_local.providers.chat import (
    Choice,
    Format,
    Function,
    choice_of,
    format_of,
    functions_of,
)

__all__ = ["Tools", "answer_tool", "tools"]

ANSWER: Final = "json_answer"
ANY_OBJECT: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {},
    "additionalProperties": True,
}
DESCRIPTION: Final = (
    "Gives the whole answer to the user, as the arguments of this call. Fill in what was asked for."
)
ANY_DESCRIPTION: Final = (
    "Gives the whole answer to the user, as the arguments of this call: a JSON object with the "
    "keys that the conversation asks for. It must not be empty."
)
NATIVE: Final = frozenset({"cachePoint", "systemTool", "toolSpec"})


@dataclass(slots=True)
class Tools:
    """What goes into `toolConfig`, and the `textFormat` of `outputConfig`."""

    specs: list[dict[str, Any]] = field(default_factory=list)
    choice: dict[str, Any] | None = None
    text_format: dict[str, Any] | None = None
    dropped: list[str] = field(default_factory=list)

    @property
    def config(self) -> dict[str, Any] | None:
        """The `toolConfig`, None where there are no tools."""
        if not any("cachePoint" not in spec for spec in self.specs):
            return None
        chosen = {} if self.choice is None else {"toolChoice": self.choice}
        return {"tools": self.specs, **chosen}


def tools(body: Mapping[str, Any], model: Model, called: Iterable[str], *, thinking: bool) -> Tools:
    """Return the tools of a request; `called` are those that its conversation speaks of.

    A model that is `thinking` cannot be made to call one.
    """
    made = Tools()
    functions, others = functions_of(body)
    choice = choice_of(body)
    forcible = model.forced and not thinking
    offered = _allowed(functions, choice, model, made)
    if choice is not None and choice.mode == "none":
        if called and functions:
            made.dropped.append("tool_choice")
        else:
            offered, others = [], []
    made.specs = [spec for each in offered for spec in _specs(each, body, model, made)]
    made.specs += _native(others, body, made)
    if choice is not None and choice.mode == "required" and made.specs:
        made.choice = _must(choice, model) if forcible else None
        if not forcible:
            made.dropped.append("tool_choice")
    _answer_form(body, model, made, forcible=forcible)
    if made.config is None:  # Converse takes calls and their results only beside tools
        made.specs = [_open_spec(name) for name in called]
    return made


def _allowed(
    functions: list[Function], choice: Choice | None, model: Model, made: Tools
) -> list[Function]:
    """Return the functions that may be called: to leave one out is to forbid it."""
    if choice is None or not choice.names:
        return functions
    if choice.mode == "required" and len(choice.names) == 1 and model.forced_by_name:
        return functions
    allowed = [each for each in functions if each.name in choice.names]
    if not allowed:
        made.dropped.append("tool_choice")
    return allowed or functions


def _must(choice: Choice, model: Model) -> dict[str, Any]:
    if len(choice.names) == 1 and model.forced_by_name:
        return {"tool": {"name": choice.names[0]}}
    return {"any": {}}


def _specs(
    function: Function, body: Mapping[str, Any], model: Model, made: Tools
) -> list[dict[str, Any]]:
    schema = function.parameters
    spec: dict[str, Any] = {"name": function.name}
    if function.description:
        spec["description"] = function.description
    if function.strict:
        kept = closed(schema) if model.structured else None
        if kept is None:
            made.dropped.append(f"{_place(function.written, body)}.strict")
        else:
            schema = kept
            spec["strict"] = True
    spec["inputSchema"] = {"json": of_object(schema)}
    inner = function.written.get("function")
    control = function.written.get("cache_control") or (
        inner.get("cache_control") if isinstance(inner, Mapping) else None
    )
    point = cache_point(control) if model.family in ("claude", "") else None
    return [{"toolSpec": spec}] if point is None else [{"toolSpec": spec}, point]


def _native(
    others: list[Mapping[str, Any]], body: Mapping[str, Any], made: Tools
) -> list[dict[str, Any]]:
    """Return the tools that are of Converse's own shape; name the others as dropped."""
    kept = []
    for tool in others:
        if len(tool) == 1 and NATIVE.issuperset(tool):
            kept.append(dict(tool))
        else:
            made.dropped.append(_place(tool, body))
    return kept


def _place(tool: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """Return where a tool stands in a request."""
    for name in ("tools", "functions"):
        told = body.get(name)
        for index, each in enumerate(told if isinstance(told, list | tuple) else ()):
            if each is tool:
                return f"{name}[{index}]"
    return "tools"


def _open_spec(name: str) -> dict[str, Any]:
    return {"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}}


# --- the form of an answer


def answer_tool(body: Mapping[str, Any], model: Model) -> str | None:
    """Return the name of the tool by which the answer is given, None where it is given as text."""
    wanted = format_of(body)
    if wanted is None or _kept(wanted, model) is not None or not _fits_a_tool(wanted):
        return None
    functions, _ = functions_of(body)
    choice = choice_of(body)
    if functions and choice is not None and choice.mode == "required":
        return None  # a call of the caller's own tools is wanted first
    name = ANSWER
    while any(each.name == name for each in functions):
        name += "_"
    return name


def _kept(wanted: Format, model: Model) -> dict[str, Any] | None:
    """Return the schema that the model keeps an answer to by its own means."""
    return closed(wanted.schema) if wanted.schema is not None and model.structured else None


def _fits_a_tool(wanted: Format) -> bool:
    return wanted.schema is None or is_object(wanted.schema) or "type" not in wanted.schema


def _answer_form(body: Mapping[str, Any], model: Model, made: Tools, *, forcible: bool) -> None:
    wanted = format_of(body)
    if wanted is None:
        return
    schema = _kept(wanted, model)
    if schema is not None:
        made.text_format = _text_format(wanted, schema, body)
        return
    name = answer_tool(body, model)
    if name is None:
        if not _fits_a_tool(wanted):
            made.dropped.append("response_format")
        return
    made.specs.append(_answer_spec(name, wanted, body))
    if forcible:
        made.choice = {"any": {}}
        if model.forced_by_name and len(made.specs) == 1:
            made.choice = {"tool": {"name": name}}
    else:
        made.dropped.append("response_format")


def _answer_spec(name: str, wanted: Format, body: Mapping[str, Any]) -> dict[str, Any]:
    schema = ANY_OBJECT if wanted.schema is None else of_object(wanted.schema)
    words = ANY_DESCRIPTION if wanted.schema is None else DESCRIPTION
    if told := _description(body):
        words = f"{words} {told}"
    return {"toolSpec": {"name": name, "description": words, "inputSchema": {"json": schema}}}


def _text_format(
    wanted: Format, schema: Mapping[str, Any], body: Mapping[str, Any]
) -> dict[str, Any]:
    told = {"schema": json.dumps(schema, ensure_ascii=False), "name": wanted.name}
    if description := _description(body):
        told["description"] = description
    return {"type": "json_schema", "structure": {"jsonSchema": told}}


def _description(body: Mapping[str, Any]) -> str | None:
    match body.get("response_format"):
        case {"json_schema": {"description": str() as told}}:
            return told or None
    return None
