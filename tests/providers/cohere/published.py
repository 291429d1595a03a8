"""Cohere's published types as a validator: what its SDK declares, and nothing beside it.

The SDK's models let unknown fields pass; here one of them is a mistake, at any depth.
"""

from __future__ import annotations

import inspect
import typing
from typing import Any

import pydantic
from cohere.v2.client import V2Client
from pydantic import BaseModel, ConfigDict


def _model_of(method: Any) -> type[BaseModel]:
    hints = typing.get_type_hints(method, include_extras=True)
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(method).parameters.items():
        if name in ("self", "request_options"):
            continue
        required = parameter.default is inspect.Parameter.empty
        fields[name] = (hints[name], ... if required else None)
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return pydantic.create_model(method.__name__, __config__=config, **fields)


CHAT = _model_of(V2Client.chat)
EMBED = _model_of(V2Client.embed)


def unknown(value: Any, place: str = "") -> list[str]:
    """The fields that no type of Cohere's has."""
    if isinstance(value, BaseModel):
        found = [f"{place}.{name}" for name in value.model_extra or ()]
        known = ((name, getattr(value, name)) for name in type(value).model_fields)
        return found + [each for name, inner in known for each in unknown(inner, f"{place}.{name}")]
    if isinstance(value, list | tuple):
        return [each for inner in value for each in unknown(inner, f"{place}[]")]
    return []


def check_chat(body: dict[str, Any]) -> None:
    """Raise for a chat request that Cohere's types do not hold."""
    told = {name: value for name, value in body.items() if name != "stream"}
    assert unknown(CHAT.model_validate(told)) == []
    assert body.get("stream") in (None, True)
    for message in body["messages"]:  # the union of the types is loose: each role has its own
        assert message["role"] in ("system", "user", "assistant", "tool")
        assert message.get("content") or message.get("tool_calls")
        assert ("tool_call_id" in message) == (message["role"] == "tool")


def check_embed(body: dict[str, Any]) -> None:
    """Raise for an embeddings request that Cohere's types do not hold."""
    assert unknown(EMBED.model_validate(body)) == []
