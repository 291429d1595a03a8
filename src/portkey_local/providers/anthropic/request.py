"""A chat request of OpenAI's shape as a message request of Anthropic's.

Ground rules: a value is sent as it was given, or dropped and named; none is changed silently.
Anthropic's own parameters pass as they are. What says nothing (`n: 1`, `store: false`, an empty
list) is left out without a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.anthropic.models import Model, model_of
from portkey_local.providers.anthropic.thinking import Thought, thought
from portkey_local.providers.anthropic.tools import Form, Offer, form_of, offer
from portkey_local.providers.anthropic.turns import Conversation, conversation
from portkey_local.providers.chat import choice_of, limit_of, parts_of, stops_of

__all__ = ["message_request"]

OWN: Final = (  # Anthropic's own parameters, which pass as they are
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "fallbacks",
    "inference_geo",
    "mcp_servers",
    "speed",
    "stop_sequences",
    "user_profile_id",
    "workspace_id",
)
READ: Final = frozenset(OWN).union(  # what the functions below look at
    {
        "function_call", "functions", "max_completion_tokens", "max_tokens", "messages",
        "metadata", "model", "output_config", "parallel_tool_calls", "reasoning_effort",
        "response_format", "safety_identifier", "service_tier", "stop", "stream",
        "stream_options", "system", "temperature", "thinking", "tool_choice", "tools", "top_k",
        "top_p", "user",
    }
)  # fmt: skip
SILENT: Final[Mapping[str, Any]] = {  # values that ask for nothing but what comes anyhow
    "frequency_penalty": 0,
    "modalities": ["text"],
    "n": 1,
    "presence_penalty": 0,
    "top_logprobs": 0,
}
TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def message_request(body: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return Anthropic's body for a request, and the names of what it has no words for."""
    model = model_of(body["model"])
    talk = conversation(body)
    limit = limit_of(body)
    limit = model.limit if limit is None else limit
    choice = choice_of(body)
    forced = choice is not None and choice.mode == "required"
    thinks = thought(body, model, limit=limit, budget_fits=not (forced or talk.thoughtless))
    form = form_of(body, model)
    asks_tools = offer(
        body, model, form, thinking=thinks.on or model.always_thinks, called=talk.called
    )
    dropped = talk.dropped + asks_tools.dropped
    if thinks.dropped:
        dropped.append("reasoning_effort")
    if form is None and _formed(body):
        dropped.append("response_format")
    made: dict[str, Any] = {"model": body["model"], "max_tokens": limit}
    made |= _prompt(body, talk, asks_tools)
    made |= thinks.fields
    made |= _output(body, form, thinks)
    made |= _sampling(body, model, thinks, dropped)
    made |= _others(body, dropped)
    dropped += (name for name, value in body.items() if name not in READ and _says(name, value))
    return made, tuple(dropped)


def _prompt(body: Mapping[str, Any], talk: Conversation, asks: Offer) -> dict[str, Any]:
    system = [*parts_of(body.get("system")), *talk.system]
    if asks.asked is not None:
        system.append({"type": "text", "text": asks.asked})
    made: dict[str, Any] = {"system": system} if system else {}
    made["messages"] = talk.turns
    if asks.tools:
        made["tools"] = asks.tools
    if asks.choice is not None:
        made["tool_choice"] = asks.choice
    return made


def _output(body: Mapping[str, Any], form: Form | None, thinks: Thought) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if thinks.effort is not None:
        config["effort"] = thinks.effort
    if form is not None and form.native is not None:
        config["format"] = {"type": "json_schema", "schema": form.native}
    if isinstance(own := body.get("output_config"), Mapping):
        config |= own
    return {"output_config": config} if config else {}


def _formed(body: Mapping[str, Any]) -> bool:
    told = body.get("response_format")
    return told is not None and not (isinstance(told, Mapping) and told.get("type") == "text")


def _sampling(
    body: Mapping[str, Any], model: Model, thinks: Thought, dropped: list[str]
) -> dict[str, Any]:
    """Return temperature, top_p and top_k as far as the model, and its thinking, let them be set.

    OpenAI's temperature goes to 2, and Anthropic's to 1: what lies beyond is dropped.
    """
    told = {
        name: value
        for name in ("temperature", "top_p", "top_k")
        if (value := body.get(name)) is not None
    }
    free = model.sampled and not thinks.on
    taken = {name: value for name, value in told.items() if free and _within(name, value)}
    if model.one_sampling and "temperature" in taken:
        taken.pop("top_p", None)
    # One is what the API takes for either where nothing is said.
    dropped += (name for name, value in told.items() if name not in taken and value != 1)
    return taken


def _within(name: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return name == "top_k" or 0 <= value <= 1


def _others(body: Mapping[str, Any], dropped: list[str]) -> dict[str, Any]:
    made = {name: body[name] for name in OWN if body.get(name) is not None}
    stops = [each for each in stops_of(body) if each.strip()]
    if len(stops) < len(stops_of(body)):  # the API takes no stop of blanks alone
        dropped.append("stop")
    if stops:
        made.setdefault("stop_sequences", stops)
    if user := _user(body, dropped):
        made["metadata"] = {"user_id": user}
    tier = body.get("service_tier")
    if isinstance(tier, str) and tier in TIERS:
        made["service_tier"] = TIERS[tier]
    elif tier is not None:
        dropped.append("service_tier")
    if body.get("stream") is True:
        made["stream"] = True
    return made


def _user(body: Mapping[str, Any], dropped: list[str]) -> str | None:
    """Return the end user's name: all that Anthropic's metadata may hold."""
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    if metadata.keys() - {"user_id"}:
        dropped.append("metadata")
    found = (metadata.get("user_id"), body.get("user"), body.get("safety_identifier"))
    return next((name for name in found if isinstance(name, str) and name), None)


def _says(name: str, value: Any) -> bool:
    """Whether a parameter's value asks for anything."""
    if value is None or value is False or value in ([], {}, ()):
        return False
    return name not in SILENT or value != SILENT[name]
