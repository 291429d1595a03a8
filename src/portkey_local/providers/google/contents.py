"""A conversation of OpenAI's shape as Gemini's contents: turns of a user and of a model.

Ground rules: pure. Everything a system or a developer says goes into the system instruction, in its
order. Neighbours of one role become one turn, and a user begins. What a model has to hear again
(its thoughts and their signatures) comes from the message's `reasoning_details`. What has no words
is named in `dropped`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import from_json

from portkey_local.providers.chat import (
    SYSTEM,
    Media,
    calls_of,
    media_of,
    messages_of,
    parts_of,
    text_of,
)
from portkey_local.providers.completion import GOOGLE, details_of
from portkey_local.providers.google.tools import fitted

__all__ = ["Conversation", "conversation_of"]

# What Google says to send for a call that another model made, whose signature nobody has.
UNSIGNED: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
NOBODY: Final = {"text": " "}  # a user's turn where there must be one
UNKNOWN_TYPES: Final = {"image": "image/jpeg", "audio": "audio/wav", "file": "application/pdf"}
YOUTUBE: Final = ("https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/")

Part = dict[str, Any]


@dataclass(slots=True)
class Conversation:
    """A conversation in Gemini's words, as it is being put together."""

    signed: bool  # whether the model refuses calls without a signature
    system: list[Part] = field(default_factory=list)
    contents: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # of functions, by the call's id

    def say(self, role: str, parts: list[Part]) -> None:
        """Add what somebody says to their turn."""
        if not parts:
            return
        if self.contents and self.contents[-1]["role"] == role:
            self.contents[-1]["parts"] += parts
        else:
            self.contents.append({"role": role, "parts": parts})


def conversation_of(body: Mapping[str, Any], *, signed: bool) -> Conversation:
    """Return a request's messages as Gemini hears them."""
    told = Conversation(signed)
    for place, message in enumerate(messages_of(body)):
        role = message.get("role")
        where = f"messages[{place}]"
        if role == "assistant":
            told.say("model", _answer(message, told))
        elif role in SYSTEM:
            told.system += [{"text": text} for text in _texts(message.get("content"))]
        elif role in ("tool", "function"):
            told.say("user", _result(message, told, where))
        else:
            told.say("user", _heard(message.get("content"), told, where))
        if message.get("name") and role not in ("tool", "function"):
            told.dropped.append(f"{where}.name")
    if not told.contents and told.system:
        told.contents, told.system = [{"role": "user", "parts": told.system}], []
    elif not told.contents or told.contents[0]["role"] == "model":
        told.contents.insert(0, {"role": "user", "parts": [NOBODY]})
    return told


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content] if content else []
    texts = (part.get("text") for part in parts_of(content))
    return [text for text in texts if isinstance(text, str) and text]


# --- what a user says, and shows


def _heard(content: Any, told: Conversation, where: str) -> list[Part]:
    if isinstance(content, str):
        return [{"text": content}] if content else []
    heard = []
    for place, part in enumerate(parts_of(content)):
        media = media_of(part)
        text = part.get("text", part.get("refusal")) if media is None else None
        shown = _shown(media) if media is not None else None
        if isinstance(text, str):
            heard += [{"text": text}] if text else []
        elif shown is not None:
            heard.append(shown)
            if _detail(part):
                told.dropped.append(f"{where}.content[{place}].image_url.detail")
        else:
            told.dropped.append(f"{where}.content[{place}]")
    return heard


def _shown(media: Media) -> Part | None:
    kind = media.type or UNKNOWN_TYPES[media.kind]
    if media.data is not None:
        return {"inlineData": {"mimeType": kind, "data": media.data}}
    if media.url is not None:
        if media.url.startswith(YOUTUBE):
            kind = "video/mp4"
        return {"fileData": {"mimeType": kind, "fileUri": media.url}}
    if media.file_id is not None and "/" in media.file_id:  # of Google's, not of OpenAI's, files
        named = {"mimeType": media.type} if media.type else {}
        return {"fileData": {**named, "fileUri": media.file_id}}
    return None


def _detail(part: Mapping[str, Any]) -> bool:
    image = part.get("image_url")
    return isinstance(image, Mapping) and image.get("detail") not in (None, "auto")


# --- what a model said


def _answer(message: Mapping[str, Any], told: Conversation) -> list[Part]:
    """Return the parts of an answer: thoughts, text and calls, with their signatures."""
    said, unbound, signatures = _remembered(message)
    text = text_of(message.get("content"))
    if unbound:  # the last is the text's, which a stream tells at its end
        said += [{"text": "", "thoughtSignature": signature} for signature in unbound[:-1]]
        said.append({"text": text, "thoughtSignature": unbound[-1]})
    elif text:
        said.append({"text": text})
    first = told.signed
    for call in calls_of(message):
        told.names[call.id] = call.name
        named = {"id": call.id} if call.id else {}
        part: Part = {"functionCall": {**named, "name": fitted(call.name), "args": call.arguments}}
        if (signature := signatures.get(call.id)) is not None:
            part["thoughtSignature"] = signature
        elif first:
            part["thoughtSignature"] = UNSIGNED
        said.append(part)
        first = False
    return said


def _remembered(message: Mapping[str, Any]) -> tuple[list[Part], list[str], dict[str, str]]:
    """Return what is to be said again: whole parts, the text's signatures, and those of calls."""
    parts: list[Part] = []
    unbound: list[str] = []
    signatures: dict[str, str] = {}
    if "reasoning_details" not in message:
        return parts, unbound, signatures
    for detail in details_of(message, GOOGLE):
        kind, data, call = detail.get("type"), detail.get("data"), detail.get("id")
        if kind == "reasoning.encrypted" and isinstance(data, str):
            if isinstance(call, str):
                signatures[call] = data
            else:
                unbound.append(data)
        elif kind == "reasoning.part" and isinstance(part := detail.get("part"), Mapping):
            parts.append(dict(part))
        elif kind == "reasoning.text":
            parts += _thought(detail.get("text") or "", detail.get("signature"))
    return parts, unbound, signatures


def _thought(text: Any, signature: Any) -> list[Part]:
    if not isinstance(text, str) or not (text or signature):
        return []
    signed = {"thoughtSignature": signature} if isinstance(signature, str) and signature else {}
    return [{"text": text, "thought": True, **signed}]


# --- what a tool came to


def _result(message: Mapping[str, Any], told: Conversation, where: str) -> list[Part]:
    """Return a tool's result, and after it what the tool shows."""
    call, content = message.get("tool_call_id"), message.get("content")
    if call is None and message.get("role") == "function":  # which answers the old `function_call`
        call = f"call_{message.get('name')}"
    parts = [] if isinstance(content, str) else _heard(content, told, where)
    shown = [part for part in parts if "text" not in part]
    named = {"id": call} if isinstance(call, str) and call else {}
    name = told.names.get(call) if isinstance(call, str) else None
    function = fitted(str(name or message.get("name") or call or "function"))
    response = _response(text_of(content))
    return [
        {"functionResponse": {**named, "name": function, "response": response}},
        *shown,
    ]


def _response(text: str) -> dict[str, Any]:
    """Return a result as an object, which it must be.

    >>> _response('{"celsius": 7}'), _response("7 degrees")
    ({'celsius': 7}, {'output': '7 degrees'})
    """
    if text.lstrip().startswith("{"):
        try:
            told = from_json(text, allow_inf_nan=False)
        except ValueError:
            told = None
        if isinstance(told, dict):
            return told
    return {"output": text}
