"""A conversation of OpenAI's shape as Converse takes it: system apart, user and assistant in turns.

Ground rules: nothing that was said is lost: system messages are gathered wherever they stand,
neighbours of one role become one message, the results of tools stand first in theirs. What has no
words here is named in `dropped`, by its place. Texts of nothing but blanks, which Converse
refuses, are left out; where it demands a text, it gets a dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from portkey_local.providers.bedrock.blocks import (
    FILLER,
    cache_point,
    document_name,
    media_block,
    native_block,
)
from portkey_local.providers.bedrock.models import Model
from portkey_local.providers.chat import calls_of, messages_of, parts_of
from portkey_local.providers.completion import BEDROCK, details_of

__all__ = ["Conversation", "conversation"]

ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
IN_RESULT: Final = frozenset({"document", "image", "searchResult", "text", "video"})
UNFIT: Final = re.compile(r"[^A-Za-z0-9_-]")


class Conversation:
    """What has been said, in Converse's words; `called` are the tools that it speaks of."""

    def __init__(self, model: Model) -> None:
        """Begin with nothing said."""
        self.system: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self.dropped: list[str] = []
        self.called: dict[str, None] = {}
        self._model = model
        self._ids: dict[str, list[str]] = {}  # of calls that are not answered yet
        self._taken: set[str] = set()
        self._documents: set[str] = set()

    def add(self, message: Mapping[str, Any], place: str) -> None:
        """Add a message of OpenAI's; `place` is what to call it."""
        match message.get("role"):
            case "system" | "developer":
                self._instruct(message, place)
            case "assistant":
                self._extend("assistant", self._answer(message, place))
            case "tool" | "function":
                self._result(message, place)
            case _:
                self._extend("user", self._asked(message, place))

    def _extend(self, role: str, blocks: list[Any]) -> None:
        if not blocks:
            return
        if self.messages and self.messages[-1]["role"] == role:
            self.messages[-1]["content"] += blocks
        else:
            self.messages.append({"role": role, "content": blocks})

    def _instruct(self, message: Mapping[str, Any], place: str) -> None:
        for block in self._said(message, place):
            if block.keys() & {"text", "guardContent", "cachePoint"}:
                self.system.append(block)
            else:
                self.dropped.append(f"{place}.content")

    # --- what is said

    def _asked(self, message: Mapping[str, Any], place: str) -> list[Any]:
        """Return a user's blocks: beside a document there must be a text."""
        blocks = self._said(message, place)
        if any("document" in each for each in blocks) and not any(
            "text" in each for each in blocks
        ):
            blocks.append({"text": FILLER})
        return blocks

    def _said(self, message: Mapping[str, Any], place: str) -> list[Any]:
        """Return the blocks of a message's content, its cache point last."""
        content = message.get("content")
        if isinstance(content, str):
            blocks = [{"text": content}] if content.strip() else []
        else:
            blocks = list(self._parts(content, place))
        if "cache_control" in message:
            blocks += self._cached(message, place)
        return blocks

    def _parts(self, content: Any, place: str) -> Iterator[dict[str, Any]]:
        for index, part in enumerate(parts_of(content)):
            text = part.get("text") if "text" in part else part.get("refusal")
            block = native_block(part)
            if block is not None:
                yield dict(block)
            elif isinstance(text, str):
                if text.strip():
                    yield {"text": text}
            elif (block := media_block(part, self._model)) is not None:
                yield self._named(block)
            else:
                self.dropped.append(f"{place}.content[{index}]")
            if "cache_control" in part:
                yield from self._cached(part, f"{place}.content[{index}]")

    def _named(self, block: dict[str, Any]) -> dict[str, Any]:
        if "document" in block:
            document = block["document"]
            document["name"] = document_name(document["name"], self._documents)
        return block

    def _cached(self, part: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
        point = cache_point(part["cache_control"])
        if point is not None and not self._model.caches:
            self.dropped.append(f"{place}.cache_control")
            return []
        return [] if point is None else [point]

    # --- answers, calls and their results

    def _answer(self, message: Mapping[str, Any], place: str) -> list[Any]:
        blocks = self._thought(message) if "reasoning_details" in message else []
        blocks += self._said(message, place)
        if message.get("content") is None and isinstance(message.get("refusal"), str):
            blocks += self._said({"content": message["refusal"]}, place)
        if "tool_calls" in message or "function_call" in message:
            for call in calls_of(message):
                self.called[call.name] = None
                use = {
                    "toolUseId": self._new_id(call.id),
                    "name": call.name,
                    "input": call.arguments,
                }
                blocks.append({"toolUse": use})
        if "audio" in message and message["audio"] is not None:
            self.dropped.append(f"{place}.audio")
        return blocks

    def _thought(self, message: Mapping[str, Any]) -> list[Any]:
        """Return the reasoning that the model wants back, word for word."""
        blocks: list[Any] = []
        for detail in details_of(message, BEDROCK):
            signature, text = detail.get("signature"), detail.get("text")
            data = detail.get("data")
            signed = isinstance(signature, str) and bool(signature)
            if isinstance(data, str) and data and self._model.takes_signed:
                blocks.append({"reasoningContent": {"redactedContent": data}})
            elif isinstance(text, str) and signed and self._model.takes_signed:
                reasoning = {"text": text, "signature": signature}
                blocks.append({"reasoningContent": {"reasoningText": reasoning}})
            elif isinstance(text, str) and not signed and self._model.takes_unsigned:
                blocks.append({"reasoningContent": {"reasoningText": {"text": text}}})
        return blocks

    def _result(self, message: Mapping[str, Any], place: str) -> None:
        """Add what a call came to, before anything else that its message says."""
        told = message.get("tool_call_id")
        if not isinstance(told, str):
            told = f"call_{message.get('name')}"
        result: dict[str, Any] = {
            "toolUseId": waiting.pop(0) if (waiting := self._ids.get(told)) else fit_id(told),
            "content": self._shown(message, place),
        }
        if message.get("is_error") is True and self._model.tells_failures:
            result["status"] = "error"
        blocks = [{"toolResult": result}, *self._cached_result(message, place)]
        if not self.messages or self.messages[-1]["role"] != "user":
            self.messages.append({"role": "user", "content": blocks})
            return
        content = self.messages[-1]["content"]
        results = (at for at, each in enumerate(content, 1) if "toolResult" in each)
        at = max(results, default=0)
        content[at:at] = blocks

    def _shown(self, message: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
        """Return what a tool shows: a result takes fewer kinds of blocks than a message."""
        blocks = [each for each in self._said(message, place) if "cachePoint" not in each]
        kept = [each for each in blocks if IN_RESULT.issuperset(each)]
        if len(kept) < len(blocks):
            self.dropped.append(f"{place}.content")
        return kept

    def _cached_result(self, message: Mapping[str, Any], place: str) -> list[dict[str, Any]]:
        parts = [message, *parts_of(message.get("content"))]
        controlled = next((part for part in parts if "cache_control" in part), None)
        return [] if controlled is None else self._cached(controlled, place)

    def _new_id(self, told: str) -> str:
        """Return the id of a call: the caller's own, unless it will not do or is taken."""
        base = made = fit_id(told)
        number = 2
        while made in self._taken:
            made = fit_id(f"{base}_{number}")
            number += 1
        self._taken.add(made)
        self._ids.setdefault(told, []).append(made)
        return made


def fit_id(told: str) -> str:
    """Return an id that Converse takes, the same one for the same text.

    >>> fit_id("call_1"), fit_id("call.1")
    ('call_1', 'call_1_c7a2fd3f2a')
    """
    if ID.fullmatch(told):
        return told
    return f"{UNFIT.sub('_', told)[:48]}_{sha256(told.encode('utf-8', 'replace')).hexdigest()[:10]}"


def conversation(body: Mapping[str, Any], model: Model) -> Conversation:
    """Return what a request's messages say."""
    said = Conversation(model)
    for index, message in enumerate(messages_of(body)):
        said.add(message, f"messages[{index}]")
    if said.messages and said.messages[0]["role"] == "assistant":
        said.messages.insert(0, {"role": "user", "content": [{"text": FILLER}]})
    return said
