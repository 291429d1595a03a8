"""A chat request in Cohere's words.

Ground rules: a parameter keeps its value or is named as dropped, never changed. What Cohere alone
knows (`documents`, `safety_mode`, `k`, ...) passes through as it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from portkey_local.providers.chat import (
    Format,
    Function,
    choice_of,
    format_of,
    functions_of,
    limit_of,
    stops_of,
)
from portkey_local.providers.cohere.messages import messages
from portkey_local.providers.cohere.schema import constrained, has_required
from portkey_local.providers.vendor import (
    Asked,
    Inexpressible,
)

__all__ = ["chat", "hidden_tool"]

OWN: Final = frozenset({
    "citation_options", "citation_quality", "connectors", "documents", "k", "p", "priority",
    "raw_prompting", "safety_mode", "stop_sequences", "strict_tools", "thinking",
})  # fmt: skip
READ: Final = frozenset({
    "function_call", "functions", "max_completion_tokens", "max_tokens", "messages", "model",
    "reasoning_effort", "response_format", "stop", "stream", "stream_options", "tool_choice",
    "tools",
})  # fmt: skip
# OpenAI's name -> Cohere's, and the range of the values that it documents.
SAID: Final[Mapping[str, tuple[str, float, float]]] = {
    "frequency_penalty": ("frequency_penalty", 0, 1),
    "logprobs": ("logprobs", 0, 1),
    "presence_penalty": ("presence_penalty", 0, 1),
    "seed": ("seed", 0, 2**64 - 1),
    "temperature": ("temperature", 0, float("inf")),
    "top_k": ("k", 0, 500),
    "top_p": ("p", 0.01, 0.99),
}
QUIET: Final[Mapping[str, Any]] = {  # values that ask for what is done anyway
    "modalities": ["text"],
    "n": 1,
    "service_tier": "auto",
}
THOUGHTLESS: Final = ("aya", "c4ai-", "command-a-03", "command-a-translate", "command-a-vision",
                      "command-light", "command-nightly", "command-r")  # fmt: skip
BUDGETS: Final[Mapping[str, int]] = {"minimal": 512, "low": 1024, "medium": 4096}
ANY_OBJECT: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {},
    "additionalProperties": True,
}


def chat(body: Mapping[str, Any]) -> Asked:
    """Return a chat request in Cohere's words. Raises Inexpressible."""
    dropped: list[str] = []
    said: dict[str, Any] = {"model": body["model"], "messages": messages(body, dropped)}
    if body.get("stream"):
        said["stream"] = True
    _answer_form(body, said, dropped)
    if (limit := limit_of(body)) is not None:
        said["max_tokens"] = limit
    if stops := stops_of(body):
        said["stop_sequences"] = stops
    _effort(body, said, dropped)
    for name, value in body.items():
        if name in OWN:
            if value is not None:
                said[name] = value
        elif name not in READ:
            _setting(name, value, said, dropped)
    return Asked("/chat", said, tuple(dropped))


def _setting(name: str, value: Any, said: dict[str, Any], dropped: list[str]) -> None:
    """Say one parameter, or name it as dropped, unless its value asks for nothing."""
    own, least, most = SAID.get(name, ("", 0, 0))
    if own and value is not None:
        if not isinstance(value, int | float) or least <= value <= most:
            said.setdefault(own, value)
        else:
            dropped.append(name)
    elif name == "parallel_tool_calls":
        if value is False:
            dropped.append(name)
    elif value and QUIET.get(name) != value:
        dropped.append(name)


def _effort(body: Mapping[str, Any], said: dict[str, Any], dropped: list[str]) -> None:
    """Say how much to think; a model that cannot is not asked to."""
    effort = body.get("reasoning_effort")
    if effort is None:
        return
    if body["model"].startswith(THOUGHTLESS):
        if effort != "none":
            dropped.append("reasoning_effort")
    elif effort == "none":
        said["thinking"] = {"type": "disabled"}
    elif effort in BUDGETS:
        said["thinking"] = {"type": "enabled", "token_budget": BUDGETS[effort]}
    else:
        said["thinking"] = {"type": "enabled"}


# --- the answer's form, and tools


@dataclass(frozen=True, slots=True)
class Offer:
    """The tools that are offered: `required`, whether one must be called."""

    functions: tuple[Function, ...]
    required: bool = False
    none: bool = False


def _answer_form(body: Mapping[str, Any], said: dict[str, Any], dropped: list[str]) -> None:
    """Say which tools there are and which form the answer must have.

    Cohere has the form, but not beside tools: there it is a tool more, which must be called when no
    other is.
    """
    written = body.get("response_format")
    wanted = format_of(body)
    hidden = hidden_tool(body)
    offer = _offer(body, dropped)
    if wanted is not None and (not offer.functions or offer.none):
        said["response_format"] = _native_form(wanted, written)
        return
    functions = offer.functions
    if wanted is not None and hidden is not None:
        functions = (*functions, _as_tool(hidden, wanted))
    if functions:
        _say_tools(functions, said, dropped)
    if offer.none:
        said["tool_choice"] = "NONE"
    elif functions and (offer.required or hidden is not None):
        said["tool_choice"] = "REQUIRED"


def hidden_tool(body: Mapping[str, Any]) -> str | None:
    """Return the name of the tool that stands for the answer's form, where there is one."""
    wanted = format_of(body)
    if wanted is None:
        return None
    taken = {function.name for function in functions_of(body)[0]}
    choice = choice_of(body)
    if not taken or (choice is not None and choice.mode != "auto"):
        return None  # without tools the form is Cohere's own; a tool that must be called goes first
    name = wanted.name
    while name in taken:
        name += "_"
    return name


def _offer(body: Mapping[str, Any], dropped: list[str]) -> Offer:
    functions, others = functions_of(body)
    if others:
        dropped += [f"tools[{body['tools'].index(tool)}]" for tool in others]
    choice = choice_of(body)
    if choice is None or not functions:
        return Offer(tuple(functions))
    if choice.names:  # Cohere cannot be told which: it is shown no other
        functions = [each for each in functions if each.name in choice.names]
        if not functions:
            raise Inexpressible("tool_choice names a tool that is not among the tools")
    return Offer(tuple(functions), choice.mode == "required", choice.mode == "none")


def _say_tools(functions: tuple[Function, ...], said: dict[str, Any], dropped: list[str]) -> None:
    """Say the tools; Cohere is strict about all of them or about none."""
    strict = all(each.strict and has_required(each.parameters) for each in functions)
    if strict:
        said["strict_tools"] = True
    elif any(each.strict for each in functions):
        dropped += [
            f"tools.{each.name}.strict" if each.written else "response_format.json_schema.strict"
            for each in functions
            if each.strict
        ]
    said["tools"] = [_tool(each, strict=strict) for each in functions]


def _tool(function: Function, *, strict: bool) -> dict[str, Any]:
    schema = constrained(function.parameters) if strict else function.parameters
    told: dict[str, Any] = {"name": function.name, "parameters": schema}
    if function.description is not None:
        told["description"] = function.description
    return {"type": "function", "function": told}


def _as_tool(name: str, wanted: Format) -> Function:
    text = "Give the final answer to the user with this tool, once no other tool is needed."
    schema = wanted.schema or ANY_OBJECT
    return Function(name, text, schema, wanted.strict, written={})


def _native_form(wanted: Format, written: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "json_object"}
    own = written.get("json_schema", written.get("schema")) if wanted.schema is None else None
    if isinstance(own, Mapping):  # written in Cohere's words already
        said["json_schema"] = own
    elif wanted.schema:
        said["json_schema"] = constrained(wanted.schema)
    return said
