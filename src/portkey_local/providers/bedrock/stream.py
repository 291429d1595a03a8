"""A stream of Converse's as chunks of OpenAI's.

Ground rules: sans-I/O. The role goes with the first content, so that an error before it can still
fall back. An index that Converse counts over all blocks is counted over the calls here. The answer
tool's arguments are the content: texts wait until it is clear that it is not called. `messageStop`
is the terminal event; `metadata`, with the token counts, comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.bedrock.answer import (
    SERVER_TOOL,
    broken_off,
    counts,
    detail,
    finish_reason,
)
from portkey_local.providers.bedrock.errors import stream_error
from portkey_local.providers.bedrock.events import EXCEPTION
from portkey_local.providers.completion import Chunks
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
)

__all__ = ["ConverseTranslator"]

HIDDEN: Final = -1  # the place of a block that the caller does not see
ANSWER: Final = -2  # the place of the tool by which the answer is given


class ConverseTranslator:
    """Translates one stream."""

    def __init__(self, ask: Ask, answer_tool: str | None) -> None:
        """Begin; `answer_tool` is the tool by which the answer is given, if there is one."""
        self.complete = False
        self.ended = False
        self.failed = False
        self.usage: Mapping[str, Any] | None = None
        self._ask = ask
        self._answer_tool = answer_tool
        self._chunks = Chunks(ask.made_id, int(ask.wall), ask.model)
        self._role: dict[str, Any] = {"role": "assistant"}  # until it has been said
        self._places: dict[int, int] = {}  # block -> place among the calls
        self._argued: set[int] = set()  # blocks of which arguments have come
        self._thoughts: dict[int, int] = {}  # block -> place among the reasoning details
        self._calls = 0
        self._answered = False
        self._waiting: list[str] = []
        self._reason: str | None = None

    def take(self, name: str | None, data: Any) -> list[dict[str, Any]]:
        """Return the chunks that an event comes to."""
        match name:
            case "contentBlockDelta":
                return self._delta(data["contentBlockIndex"], data["delta"])
            case "contentBlockStart":
                return self._start(data["contentBlockIndex"], data["start"])
            case "contentBlockStop":
                return self._stop(data["contentBlockIndex"])
            case "messageStop":
                return self._finish(data["stopReason"])
            case "metadata":
                self.usage = counts(data["usage"])
                self.ended = self.complete
            case _ if name == EXCEPTION:
                return self._fail(stream_error(data["type"], data["body"]))
        return []

    def finish(self) -> list[dict[str, Any]]:
        """Return the last chunks: why the answer ended, and the token counts."""
        last = self._flush()
        reason = finish_reason(self._reason, strict=self._ask.strict, calls=self._calls > 0)
        end = self._chunks.delta(self._first({}), finish=reason)
        end["choices"][0] |= broken_off(self._reason)
        last.append(end)
        if self._ask.usage_wanted and self.usage is not None:
            last.append(self._chunks.usage(self.usage))
        return last

    # --- events

    def _start(self, block: int, start: Mapping[str, Any]) -> list[dict[str, Any]]:
        use = start.get("toolUse")
        if use is None:
            self._places[block] = HIDDEN
            return []
        name, called = use["name"], use["toolUseId"]
        if not (isinstance(name, str) and isinstance(called, str)):
            raise Unreadable("a call without a name")
        if name == self._answer_tool:
            self._places[block] = HIDDEN if self._answered else ANSWER
            self._answered = True
            return []
        if use.get("type") == SERVER_TOOL:
            self._places[block] = HIDDEN
            return []
        self._places[block] = place = self._calls
        self._calls += 1
        call = {"index": place, "id": called, "type": "function"}
        return self._say({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]})

    def _delta(self, block: int, delta: Mapping[str, Any]) -> list[dict[str, Any]]:
        match delta:
            case {"text": str(text)}:
                if self._answer_tool is not None:
                    self._waiting.append(text)
                    return []
                return self._say({"content": text}) if text else []
            case {"toolUse": {"input": str(fragment)}}:
                return self._argue(block, fragment) if fragment else []
            case {"reasoningContent": Mapping() as reasoning}:
                return self._think(block, reasoning)
        return []

    def _argue(self, block: int, fragment: str) -> list[dict[str, Any]]:
        """Hand on a fragment of a call's arguments."""
        place = self._places[block]
        self._argued.add(block)
        if place == ANSWER:
            return self._say({"content": fragment})
        if place == HIDDEN:
            return []
        return self._say({"tool_calls": [{"index": place, "function": {"arguments": fragment}}]})

    def _stop(self, block: int) -> list[dict[str, Any]]:
        """End a block: a call without arguments gets the empty object that it means."""
        if block not in self._places or block in self._argued:
            return []
        return self._argue(block, "{}")

    def _think(self, block: int, reasoning: Mapping[str, Any]) -> list[dict[str, Any]]:
        first = block not in self._thoughts
        index = self._thoughts.setdefault(block, len(self._thoughts))
        match reasoning:
            case {"text": str(text)}:
                told = detail(index, first=first, text=text)
                shown = {"reasoning_content": text} if text else {}
                return self._say({**shown, "reasoning_details": [told]})
            case {"signature": str(signature)}:
                told = detail(index, first=first, signature=signature)
            case {"redactedContent": str(data)}:
                told = detail(index, first=first, data=data)
            case _:
                return []
        return self._say({"reasoning_details": [told]})

    def _finish(self, reason: Any) -> list[dict[str, Any]]:
        if not isinstance(reason, str):
            raise Unreadable("a stop reason that is none")
        self._reason = reason
        self.complete = True
        return []

    def _fail(self, event: dict[str, Any]) -> list[dict[str, Any]]:
        self.failed = self.ended = True
        return [event]

    # --- chunks

    def _say(self, delta: dict[str, Any]) -> list[dict[str, Any]]:
        return [self._chunks.delta(self._first(delta))]

    def _first(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Return a delta, with the role if it is the first."""
        role, self._role = self._role, {}
        return {**role, **delta} if role else delta

    def _flush(self) -> list[dict[str, Any]]:
        """Return the texts that have waited, unless the answer came by its tool."""
        text = "".join(self._waiting)
        self._waiting = []
        return self._say({"content": text}) if text and not self._answered else []
