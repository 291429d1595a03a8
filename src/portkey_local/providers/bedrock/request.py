"""A chat request of OpenAI's shape as a request of Converse's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from portkey_local.providers.bedrock.messages import conversation
from portkey_local.providers.bedrock.models import Model
from portkey_local.providers.bedrock.parameters import parameters
from portkey_local.providers.bedrock.tools import tools
from portkey_local.providers.vendor import (
    Asked,
)

__all__ = ["chat", "path_of"]


def path_of(id: str, operation: str) -> str:
    """Return the path of an operation of a model; an ARN's colons and slashes are quoted.

    >>> path_of("amazon.nova-lite-v1:0", "converse")
    '/model/amazon.nova-lite-v1%3A0/converse'
    """
    return f"/model/{quote(id, safe='')}/{operation}"


def chat(body: Mapping[str, Any], id: str, model: Model, beta: tuple[str, ...] = ()) -> Asked:
    """Return a chat request in Converse's words; `id` is what the model is called there."""
    said = conversation(body, model)
    asked = parameters(body, model, said.messages, beta)
    offered = tools(body, model, said.called, thinking=asked.thinking)
    made: dict[str, Any] = {"messages": said.messages}
    if said.system:
        made["system"] = said.system
    if asked.inference:
        made["inferenceConfig"] = asked.inference
    if offered.config is not None:
        made["toolConfig"] = offered.config
    if asked.additional:
        made["additionalModelRequestFields"] = asked.additional
    made |= asked.fields
    if offered.text_format is not None:
        given = made.get("outputConfig")
        rest = given if isinstance(given, Mapping) else {}
        made["outputConfig"] = {**rest, "textFormat": offered.text_format}
    operation = "converse-stream" if body.get("stream") is True else "converse"
    dropped = dict.fromkeys([*said.dropped, *asked.dropped, *offered.dropped])
    return Asked(path_of(id, operation), made, tuple(dropped))
