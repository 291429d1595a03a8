"""The messages of a chat, in Cohere's words.

Ground rules: roles stay where they are (a developer's message is a system's). A part that Cohere
does not take is named in `dropped`; a message that says nothing is left out, for Cohere refuses it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.chat import (
    SYSTEM,
    Call,
    calls_of,
    messages_of,
    parts_of,
    text_of,
)
from portkey_local.providers.completion import COHERE, details_of

__all__ = ["PLAN", "THINKING", "messages"]

# The `id`s of reasoning details: what they were in Cohere's message.
PLAN: Final = "tool_plan"
THINKING: Final = "thinking"

DETAILS: Final = frozenset({"auto", "low", "high"})  # how closely to look at an image
NO_RESULT: Final = "{}"  # of a tool: Cohere takes a JSON object, and no empty text


def messages(body: Mapping[str, Any], dropped: list[str]) -> list[dict[str, Any]]:
    """Return a request's messages, and add to `dropped` what has no words."""
    said = []
    for number, message in enumerate(messages_of(body)):
        told = _message(message, f"messages[{number}]", dropped)
        if told is not None:
            said.append(told)
    return said


def _message(message: Mapping[str, Any], place: str, dropped: list[str]) -> dict[str, Any] | None:
    role = message.get("role")
    if role in ("tool", "function"):
        return _result(message, place, dropped)
    if message.get("name"):
        dropped.append(f"{place}.name")
    if role == "assistant":
        return _assistant(message, place, dropped)
    system = role in SYSTEM
    content = _content(message.get("content"), place, dropped, images=not system)
    return {"role": "system" if system else "user", "content": content} if content else None


def _content(
    content: Any, place: str, dropped: list[str], *, images: bool = False, documents: bool = False
) -> str | list[dict[str, Any]]:
    """Return a content as Cohere takes it: a text, or parts."""
    if isinstance(content, str):
        return content
    said: list[dict[str, Any]] = []
    for number, part in enumerate(parts_of(content)):
        kind = part.get("type")
        text = part.get("text", part.get("refusal"))
        image = _image(part) if images and kind == "image_url" else None
        if isinstance(text, str):
            said += [{"type": "text", "text": text}] if text else []
        elif image is not None:
            said.append(image)
        elif documents and kind == "document" and isinstance(part.get("document"), Mapping):
            said.append({"type": "document", "document": part["document"]})
        else:
            dropped.append(f"{place}.content[{number}]")
    return said


def _image(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an image: its URL, or its data as a URL, as they are in OpenAI's words."""
    inner = part.get("image_url")
    told = inner if isinstance(inner, Mapping) else {"url": inner}
    if not isinstance(told.get("url"), str):
        return None
    image = {"url": told["url"]}
    if told.get("detail") in DETAILS:
        image["detail"] = told["detail"]
    return {"type": "image_url", "image_url": image}


def _assistant(message: Mapping[str, Any], place: str, dropped: list[str]) -> dict[str, Any] | None:
    """Return an assistant's message, with the plan and the thoughts that Cohere once told."""
    content = _content(message.get("content"), place, dropped)
    text = content if isinstance(content, str) else text_of(content)
    said: dict[str, Any] = {"role": "assistant"}
    thoughts, plan = _reasoning(message)
    if thoughts:
        blocks = [{"type": "thinking", "thinking": thought} for thought in thoughts]
        said["content"] = [*blocks, {"type": "text", "text": text}] if text else blocks
    elif text:
        said["content"] = text
    if calls := calls_of(message):
        said["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": _arguments(call),
                },
            }
            for call in calls
        ]
    if plan:
        said["tool_plan"] = plan
    return said if text or calls else None


def _arguments(call: Call) -> str:
    """Return a call's arguments as the JSON of an object: as written, where that is one."""
    inner = call.written.get("function")
    text = inner.get("arguments") if isinstance(inner, Mapping) else None
    if isinstance(text, str) and call.arguments:
        return text
    return json.dumps(call.arguments, ensure_ascii=False)


def _reasoning(message: Mapping[str, Any]) -> tuple[list[str], str]:
    """Return the thoughts and the plan that a message of Cohere's brought along."""
    thoughts, plan = [], ""
    for detail in details_of(message, COHERE):
        text = detail.get("text")
        if isinstance(text, str) and text:
            if detail.get("id") == PLAN:
                plan += text
            else:
                thoughts.append(text)
    return thoughts, plan


def _result(message: Mapping[str, Any], place: str, dropped: list[str]) -> dict[str, Any]:
    """Return what a tool call came to: a text, or texts and documents."""
    told = message.get("tool_call_id")
    called = told if isinstance(told, str) else f"call_{message.get('name')}"
    content = _content(message.get("content"), place, dropped, documents=True)
    return {"role": "tool", "tool_call_id": called, "content": content or NO_RESULT}
