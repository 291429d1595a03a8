"""Tools, the choice among them, and answers that must be JSON, in Anthropic's words.

Ground rules: an answer of a schema is asked for natively where the model can be bound to it.
Otherwise its schema becomes a tool that the model has to call, which nobody sees: whoever reads the
answer asks `form_of` the same question again and takes that tool's input for the content. A model
that thinks cannot be forced to call a tool: it is asked to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from portkey_local.providers.anthropic.models import Model
from portkey_local.providers.anthropic.schemas import closed, is_object, open_object
from portkey_local.providers.chat import Choice, Function, choice_of, format_of, functions_of

__all__ = ["Form", "Offer", "form_of", "offer"]

ANSWER: Final = "answer_in_json"
ANY_OBJECT: Final[Mapping[str, Any]] = {"type": "object", "additionalProperties": True}
ANSWER_DESCRIPTION: Final = "Gives the answer to the user. The input is the answer, as JSON."
ASKED_FOR: Final = f"Give your answer by calling the tool {ANSWER}; its input is the whole answer."
OWN_KEYS: Final = (
    "allowed_callers",
    "cache_control",
    "defer_loading",
    "eager_input_streaming",
    "input_examples",
)


@dataclass(frozen=True, slots=True)
class Form:
    """How an answer in JSON is asked for: by its `native` schema, or else by a hidden tool."""

    native: Mapping[str, Any] | None
    schema: Mapping[str, Any]

    @property
    def hidden(self) -> bool:
        """Whether the answer comes as the input of the tool that nobody sees."""
        return self.native is None


def form_of(body: Mapping[str, Any], model: Model) -> Form | None:
    """Return how a request's JSON answer is asked for, None where no JSON is wanted.

    A request that insists on a call of its own tools gets that call, and no JSON beside it.
    """
    if body.get("response_format") is None or (told := format_of(body)) is None:
        return None
    native = closed(told.schema) if told.schema is not None and model.structured else None
    if native is None:
        choice = choice_of(body)
        if choice is not None and choice.mode == "required":
            return None
    return Form(native, open_object(told.schema) if told.schema is not None else ANY_OBJECT)


@dataclass(slots=True)
class Offer:
    """The tools of a request, and the choice among them; `asked` is said in the system prompt."""

    tools: list[Mapping[str, Any]]
    choice: dict[str, Any] | None
    dropped: list[str]
    asked: str | None = None


def offer(
    body: Mapping[str, Any],
    model: Model,
    form: Form | None,
    *,
    thinking: bool,
    called: Mapping[str, None],
) -> Offer:
    """Return a request's tools; those `called` before are declared where no tools are given."""
    functions, others = functions_of(body)
    choice = choice_of(body)
    told = Offer([], None, [])
    functions = _allowed(functions, choice)
    told.tools = [_tool(each, body, model, told) for each in functions]
    told.tools += _own_tools(others, body, told)
    if form is not None and form.hidden:
        _hide(form, choice, told, thinking=thinking)
    elif told.tools:
        told.choice = _choice(choice)
    elif called:
        told.tools = [{"name": name, "input_schema": ANY_OBJECT} for name in called]
        told.choice = {"type": "none"}
    _one_by_one(body, told)
    return told


def _allowed(functions: list[Function], choice: Choice | None) -> list[Function]:
    """Return the functions that may be called; one that must be is named, which is enough."""
    if choice is None or (choice.mode == "required" and len(choice.names) == 1):
        return functions
    return [each for each in functions if each.name in choice.names] or functions


def _hide(form: Form, choice: Choice | None, told: Offer, *, thinking: bool) -> None:
    """Add the tool whose input is the answer, and see to it that the model ends by calling it."""
    if choice is not None and choice.mode == "none":
        told.tools = []
    alone = not told.tools
    tool = {"name": ANSWER, "description": ANSWER_DESCRIPTION, "input_schema": form.schema}
    told.tools.append(tool)
    if thinking:
        told.choice, told.asked = {"type": "auto"}, ASKED_FOR
    elif alone:
        told.choice = {"type": "tool", "name": ANSWER}
    else:
        told.choice = {"type": "any"}
    if alone:
        told.choice["disable_parallel_tool_use"] = True


def _choice(choice: Choice | None) -> dict[str, Any] | None:
    if choice is None:
        return None
    if choice.mode != "required":
        return {"type": choice.mode}
    if len(choice.names) == 1:
        return {"type": "tool", "name": choice.names[0]}
    return {"type": "any"}


def _one_by_one(body: Mapping[str, Any], told: Offer) -> None:
    if body.get("parallel_tool_calls") is not False or not told.tools:
        return
    choice = told.choice or {"type": "auto"}
    if choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    told.choice = choice


def _tool(function: Function, body: Mapping[str, Any], model: Model, told: Offer) -> dict[str, Any]:
    tool: dict[str, Any] = {"name": function.name}
    if function.description:
        tool["description"] = function.description
    schema = function.parameters
    if not schema.get("properties"):  # a tool without parameters is closed already
        schema = {"additionalProperties": False, **schema}
    bound = function.strict and model.structured and is_object(schema)
    strict = closed(schema) if bound else None
    tool["input_schema"] = open_object(function.parameters) if strict is None else strict
    if strict is not None:
        tool["strict"] = True
    elif function.strict:
        told.dropped.append(f"{_place(function.written, body)}.strict")
    inner = function.written.get("function")
    for written in (inner, function.written):
        if isinstance(written, Mapping):
            tool |= {key: written[key] for key in OWN_KEYS if written.get(key) is not None}
    return tool


def _own_tools(
    others: list[Mapping[str, Any]], body: Mapping[str, Any], told: Offer
) -> list[Mapping[str, Any]]:
    """Return the tools that are Anthropic's own; drop those of OpenAI's."""
    kept = []
    for tool in others:
        kind = tool.get("type", "custom")
        dated = isinstance(kind, str) and kind[-8:].isdigit()  # web_search_20250305
        if dated or kind == "mcp_toolset" or (kind == "custom" and "input_schema" in tool):
            kept.append(tool)
        else:
            told.dropped.append(_place(tool, body))
    return kept


def _place(written: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    for name in ("tools", "functions"):
        for number, each in enumerate(body.get(name) or ()):
            if each is written:
                return f"{name}[{number}]"
    return "tools"
