"""Messages of OpenAI's shape as Anthropic's turns.

Ground rules: nothing said is lost, whatever its place. System and developer messages are told
before all turns; neighbours of one role share a turn; the results of tools come first in theirs,
because they must follow the calls they answer; texts without a word in them, which the API
refuses, are left out. What a turn cannot hold is named in `dropped`.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Any, Final

from portkey_local.providers.chat import (
    SYSTEM,
    Media,
    calls_of,
    media_of,
    messages_of,
    parts_of,
)
from portkey_local.providers.completion import ANTHROPIC, details_of

__all__ = ["Conversation", "conversation"]

IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
OWN_PARTS: Final = frozenset(  # Anthropic's own, which pass as they are
    {"container_upload", "document", "image", "mcp_tool_result", "mcp_tool_use",
     "redacted_thinking", "search_result", "server_tool_use", "thinking", "tool_result",
     "tool_use"}
)  # fmt: skip
THINKING: Final = ("thinking", "redacted_thinking")
ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
NOTHING_SAID: Final = "(nothing said)"  # where the API wants a user's text and there is none


@dataclass(slots=True)
class Conversation:
    """A request's messages, told in Anthropic's words; `called` are the names of tools called."""

    system: list[dict[str, Any]] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    called: dict[str, None] = field(default_factory=dict)

    @property
    def thoughtless(self) -> bool:
        """Whether tools have answered calls for which no thinking is on record.

        A model that thinks by a budget refuses to take up such a conversation.
        """
        if len(self.turns) < 2 or self.turns[-1]["content"][0]["type"] != "tool_result":
            return False
        before: Any = self.turns[-2]["content"][0]["type"]
        return before not in THINKING


def conversation(body: Mapping[str, Any]) -> Conversation:
    """Return a request's messages as Anthropic's turns, its system prompt apart."""
    told = Conversation()
    teller = _Teller(told)
    for place, message in enumerate(messages_of(body)):
        teller.tell(message, f"messages[{place}]")
    turns = told.turns
    if not turns and told.system:  # a system prompt alone is answered as if the user had said it
        turns.append({"role": "user", "content": told.system})
        told.system = []
    if not turns or turns[0]["role"] != "user":
        turns.insert(0, {"role": "user", "content": [_text(NOTHING_SAID)]})
    last = turns[-1]["content"][-1]
    if turns[-1]["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip()  # the API takes no blank at the end of what it goes on
    return told


class _Teller:
    """Tells one message after the other; keeps in mind which ids the calls have been given."""

    def __init__(self, told: Conversation) -> None:
        self.told = told
        self._ids: dict[str, str] = {}
        self._used: set[str] = set()
        self._waiting: dict[str, list[str]] = {}  # a turn's own ids -> those of calls unanswered

    def tell(self, message: Mapping[str, Any], place: str) -> None:
        role = message.get("role")
        if isinstance(message.get("name"), str) and role not in ("tool", "function"):
            self.told.dropped.append(f"{place}.name")
        if role == "assistant":
            self._assistant(message, place)
        elif role in ("tool", "function"):
            self._result(message, place)
        else:
            blocks = self._content(message.get("content"), place, texts_only=role in SYSTEM)
            if blocks:
                _with_cache(blocks[-1], message)
            if role in SYSTEM:
                self.told.system += blocks
            else:
                # A turn of which nothing can be told still parts the turns around it.
                self._add("user", blocks or [_text(NOTHING_SAID)])

    def _add(self, role: str, blocks: list[dict[str, Any]]) -> None:
        if not blocks:
            return
        turns = self.told.turns
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})

    def _assistant(self, message: Mapping[str, Any], place: str) -> None:
        blocks = self._content(message.get("content"), place)
        if blocks and blocks[-1]["type"] not in THINKING:
            _with_cache(blocks[-1], message)
        if "reasoning_details" in message:
            blocks = thoughts(message) + blocks
        self._waiting = {}
        if message.get("audio") is not None:
            self.told.dropped.append(f"{place}.audio")
        for call in calls_of(message):
            self.told.called[call.name] = None
            block = {
                "type": "tool_use",
                "id": self._new_id(call.id),
                "name": call.name,
                "input": call.arguments,
            }
            blocks.append(_with_cache(block, call.written))
        self._add("assistant", blocks)

    def _result(self, message: Mapping[str, Any], place: str) -> None:
        """Add a tool's result to the turn, after the other results and before all else."""
        called = message.get("tool_call_id")
        if not isinstance(called, str):  # the old function messages have the name alone
            called = f"call_{message.get('name')}"
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": self._known_id(called)}
        if content := self._content(message.get("content"), place):
            block["content"] = content
        if isinstance(message.get("is_error"), bool):
            block["is_error"] = message["is_error"]
        turns = self.told.turns
        if not turns or turns[-1]["role"] != "user":
            turns.append({"role": "user", "content": []})
        there = turns[-1]["content"]
        others = (n for n, each in enumerate(there) if each["type"] != "tool_result")
        there.insert(next(others, len(there)), _with_cache(block, message))

    # --- ids

    def _new_id(self, id: str) -> str:
        """Return a call's id as the API takes it: of its letters, and used once only."""
        wanted = fit = _fit(id) if id else f"call_{len(self._used)}"
        number = 2
        while fit in self._used:
            fit, number = f"{wanted[:56]}_{number}", number + 1
        self._used.add(fit)
        self._ids[id] = fit
        self._waiting.setdefault(id, []).append(fit)
        return fit

    def _known_id(self, id: str) -> str:
        """Return the id of the call that a result answers; calls that share one, in their order."""
        if waiting := self._waiting.get(id):
            return waiting.pop(0)
        return self._ids.get(id) or _fit(id)

    # --- contents

    def _content(
        self, content: Any, place: str, *, texts_only: bool = False
    ) -> list[dict[str, Any]]:
        if isinstance(content, str):
            return [_text(content)] if content and not content.isspace() else []
        blocks: list[dict[str, Any]] = []
        for number, part in enumerate(parts_of(content)):
            self._part(part, f"{place}.content[{number}]", blocks, texts_only=texts_only)
        return blocks

    def _part(
        self,
        part: Mapping[str, Any],
        place: str,
        blocks: list[dict[str, Any]],
        *,
        texts_only: bool,
    ) -> None:
        text = part.get("text", part.get("refusal"))
        kind = part.get("type")
        if kind in ("text", "refusal", "input_text", "output_text") and isinstance(text, str):
            if text and not text.isspace():
                blocks.append(_with_cache(_text(text), part))
            return
        block = None if texts_only else _shown(part)
        if block is None:
            self.told.dropped.append(place)
            return
        blocks.append(_with_cache(block, part))
        detail = part.get("image_url")
        if isinstance(detail, Mapping) and detail.get("detail") not in (None, "auto"):
            self.told.dropped.append(f"{place}.image_url.detail")


def thoughts(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a message's own reasoning as thinking blocks, which the API wants back unchanged."""
    blocks: list[dict[str, Any]] = []
    for detail in details_of(message, ANTHROPIC):
        text, signature, data = (detail.get(name) for name in ("text", "signature", "data"))
        if isinstance(data, str) and data:
            blocks.append({"type": "redacted_thinking", "data": data})
        elif isinstance(signature, str) and signature:
            told = text if isinstance(text, str) else ""
            blocks.append({"type": "thinking", "thinking": told, "signature": signature})
    return blocks


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _with_cache(block: dict[str, Any], written: Mapping[str, Any]) -> dict[str, Any]:
    if written.get("cache_control") is not None:
        block["cache_control"] = written["cache_control"]
    return block


def _fit(id: str) -> str:
    """Return an id of the letters that the API takes, another one for each."""
    if ID.fullmatch(id):
        return id
    mark = blake2s(id.encode("utf-8", "replace"), digest_size=6).hexdigest()
    return f"{re.sub(r'[^a-zA-Z0-9_-]', '_', id)[:48]}_{mark}"


def _shown(part: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a part that is no text as a block, None where there is none for it."""
    kind = part.get("type")
    if isinstance(kind, str) and (kind in OWN_PARTS or kind.endswith("_tool_result")):
        return dict(part)
    media = media_of(part)
    if media is None:
        return None
    if media.file_id is not None:
        source: dict[str, Any] = {"type": "file", "file_id": media.file_id}
        return _document(source, media)
    if media.kind == "image" or media.type.startswith("image/"):
        return _image(media)
    return _file(media) if media.kind == "file" else None


def _image(media: Media) -> dict[str, Any] | None:
    if media.url is not None:
        if not media.url.startswith(("http://", "https://")):
            return None
        return {"type": "image", "source": {"type": "url", "url": media.url}}
    kind = "image/jpeg" if media.type == "image/jpg" else media.type
    if kind not in IMAGES or not media.data:
        return None
    source = {"type": "base64", "media_type": kind, "data": media.data}
    return {"type": "image", "source": source}


def _file(media: Media) -> dict[str, Any] | None:
    if media.url is not None:
        return _document({"type": "url", "url": media.url}, media)
    if media.type == "application/pdf" and media.data:
        source = {"type": "base64", "media_type": media.type, "data": media.data}
        return _document(source, media)
    if media.type.startswith("text/") or media.type == "application/json":
        try:
            text = b64decode(media.data or "").decode()
        except ValueError:
            return None
        return _document({"type": "text", "media_type": "text/plain", "data": text}, media)
    return None


def _document(source: dict[str, Any], media: Media) -> dict[str, Any]:
    named = {"title": media.name} if media.name else {}
    return {"type": "document", "source": source, **named}
