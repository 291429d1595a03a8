"""A Messages request as a chat request of OpenAI's shape.

Ground rules: a value is sent as it was given, or dropped and named. What asks for nothing but what
happens anyhow (`cache_control`, a tier of "auto") is left out without a word. OpenAI's own
parameters, which a caller may give beside Anthropic's, pass as they are. Raises Inexpressible for a
body of a wrong shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2s
from typing import Any, Final

from portkey_local.providers.anthropic.models import model_of
from portkey_local.providers.messages.host import Host
from portkey_local.providers.messages.tools import form_of, offer
from portkey_local.providers.messages.turns import messages_of

__all__ = ["answer_request", "asks_thoughts", "chat_request"]

CHATS: Final = (  # parameters of OpenAI's chat, which pass
    "frequency_penalty",
    "logit_bias",
    "max_completion_tokens",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "stop",
    "store",
    "user",
    "verbosity",
    "web_search_options",
)
READ: Final = frozenset(CHATS).union(
    {
        "cache_control", "max_tokens", "messages", "metadata", "model", "output_config",
        "output_format", "service_tier", "stop_sequences", "stream", "system", "thinking",
        "temperature", "tool_choice", "tools", "top_k", "top_p",
    }
)  # fmt: skip
# From how many tokens of thinking on it is which effort: the budgets that each gets at Anthropic.
EFFORTS: Final = ((12_000, "high"), (4_000, "medium"), (0, "low"))
BEYOND_HIGH: Final = frozenset({"xhigh", "max"})  # which few models of others take
THINKING: Final = frozenset({"adaptive", "between_tools", "enabled"})
SAMPLING: Final = ("temperature", "top_p")
USAGE: Final = {"include_usage": True}
MOST_STOPS: Final = 4  # of OpenAI's
LONGEST_USER: Final = 64  # characters, of OpenAI's


def chat_request(body: Mapping[str, Any], host: Host) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the chat request, and the names of what it has no words for."""
    told = messages_of(body, host)
    tools = offer(body, host)
    form, formless = form_of(body, host)
    dropped = [*told.dropped, *tools.dropped, *formless]
    made: dict[str, Any] = {"model": body["model"]} if body.get("model") is not None else {}
    made["messages"] = told.messages
    if body.get("max_tokens") is not None:
        made[host.limit] = body["max_tokens"]
    made |= {name: body[name] for name in CHATS if body.get(name) is not None}
    made |= _sampling(body, host, dropped)
    made |= tools.fields
    made |= form
    made |= _stops(body, host, dropped)
    made |= _thinking(body, host, dropped)
    made |= _user(body, host, dropped)
    made |= _rest(body, host, dropped)
    if body.get("stream") is True:
        made["stream"] = True
        if host.open:
            made["stream_options"] = USAGE
    dropped += (name for name, value in body.items() if name not in READ and _says(value))
    return made, tuple(dropped)


def answer_request(body: Mapping[str, Any], host: Host) -> dict[str, Any]:
    """Return what of the chat request is looked at by whoever reads the answer: the model, and for
    a vendor's translation the tools and the form that were asked for.
    """
    made = {name: body[name] for name in ("model", "response_format", "stream") if name in body}
    if host.vendor:
        made |= offer(body, host).fields
        made |= form_of(body, host)[0]
        made["stream_options"] = USAGE
    return made


def asks_thoughts(body: Mapping[str, Any]) -> bool:
    """Whether a request wants to see what the model thinks."""
    told = body.get("thinking")
    if not isinstance(told, Mapping):
        return False
    kind = told.get("type")
    return isinstance(kind, str) and kind in THINKING and told.get("display") != "omitted"


def _sampling(body: Mapping[str, Any], host: Host, dropped: list[str]) -> dict[str, Any]:
    told = {name: body[name] for name in SAMPLING if body.get(name) is not None}
    if not host.refuses_sampling:
        return told
    dropped += (name for name, value in told.items() if value != 1)  # which is what happens anyhow
    return {}


def _stops(body: Mapping[str, Any], host: Host, dropped: list[str]) -> dict[str, Any]:
    stops = body.get("stop_sequences")
    if not stops:
        return {}
    if host.refuses_sampling:
        dropped.append("stop_sequences")
        return {}
    if not host.vendor and isinstance(stops, list) and len(stops) > MOST_STOPS:
        dropped.append("stop_sequences")
        stops = stops[:MOST_STOPS]
    return {"stop": stops}


def _thinking(body: Mapping[str, Any], host: Host, dropped: list[str]) -> dict[str, Any]:
    """Return how much the model is to think."""
    thinking, config = body.get("thinking"), body.get("output_config")
    effort = config.get("effort") if isinstance(config, Mapping) else None
    if host.takes_thinking and (own := _own_thinking(thinking, effort, host)) is not None:
        return own
    asked = effort if effort is not None else _effort(thinking)
    if asked is None or "reasoning_effort" in body:
        return {}
    if not host.reasons:
        dropped.append("thinking" if effort is None else "output_config.effort")
        return {}
    beyond = isinstance(asked, str) and asked in BEYOND_HIGH
    return {"reasoning_effort": "high" if beyond else asked}


def _own_thinking(thinking: Any, effort: Any, host: Host) -> dict[str, Any] | None:
    """Return how a Claude is to think in its own words, None where it does not know these."""
    model = model_of(host.model)
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    known = {
        "adaptive": model.adaptive,
        "enabled": model.thinks and model.sampled,
        "disabled": True,
    }
    fits = thinking is None if kind is None else isinstance(kind, str) and known.get(kind, False)
    if not fits or (effort is not None and not model.adaptive):
        return None
    told = {"thinking": thinking, "output_config": {"effort": effort} if effort else None}
    fields = {name: value for name, value in told.items() if value is not None}
    return {"additional_model_request_fields": fields} if fields else {}


def _effort(thinking: Any) -> str | None:
    """Return the effort that a budget of thinking comes to."""
    match thinking:
        case {"type": "enabled", "budget_tokens": int() as budget}:
            return next(effort for least, effort in EFFORTS if budget >= least or least == 0)
    return None


def _user(body: Mapping[str, Any], host: Host, dropped: list[str]) -> dict[str, Any]:
    """Return who the end user is: a digest of the name where it is longer than OpenAI takes."""
    metadata = body.get("metadata")
    named = metadata.get("user_id") if isinstance(metadata, Mapping) else None
    if not isinstance(named, str) or not named or "user" in body:
        return {}
    if not host.open:
        dropped.append("metadata.user_id")
        return {}
    if len(named) > LONGEST_USER:
        named = blake2s(named.encode("utf-8", "replace")).hexdigest()
    return {"user": named}


def _rest(body: Mapping[str, Any], host: Host, dropped: list[str]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if body.get("top_k") is not None:
        if host.vendor:
            made["top_k"] = body["top_k"]
        else:
            dropped.append("top_k")
    tier = body.get("service_tier")
    if tier == "standard_only" and host.own:
        made["service_tier"] = "default"
    elif tier not in (None, "auto", "standard_only"):
        dropped.append("service_tier")
    return made


def _says(value: Any) -> bool:
    """Whether a parameter's value asks for anything."""
    return value is not None and value is not False and value not in ([], {}, "")
