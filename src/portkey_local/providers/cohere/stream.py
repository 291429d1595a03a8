"""Cohere's streams of a chat, as chunks.

Ground rules: nothing is said before there is something to say, so that a stream that fails at once
can still fall back. The terminal event is `message-end`; one that tells of an error is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from portkey_local.model import DONE
from portkey_local.providers.cohere.answer import (
    BROKEN,
    NO_ARGUMENTS,
    detail,
    error_of,
    finish_of,
    logprobs_of,
    made_call_id,
    usage_of,
)
from portkey_local.providers.cohere.messages import PLAN, THINKING
from portkey_local.providers.cohere.request import hidden_tool
from portkey_local.providers.completion import Chunks
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
    VendorError,
    error_event,
)

__all__ = ["ChatStream"]

Told = list[dict[str, Any]]


class ChatStream:
    """Turns one stream of Cohere's into chunks."""

    def __init__(self, ask: Ask) -> None:
        """Take what was asked."""
        self.complete = self.ended = self.failed = False
        self.usage: Mapping[str, Any] | None = None
        self._ask = ask
        self._hidden = hidden_tool(ask.body)
        self._chunks = Chunks(ask.made_id, int(ask.wall), ask.model)
        self._begun = False  # whether the role has been said
        self._spoken = False  # whether content, or a tool call, has been said
        self._reason: Any = None
        self._blocks: dict[object, int] = {}  # a block of reasoning -> its detail's index
        self._calls: dict[object, _Fragments] = {}
        self._shown = 0  # tool calls that the caller sees
        self._citations = 0
        self._held: list[str] = []  # text that may turn out to be no answer, beside a form
        self._takers: Mapping[str, Callable[[Mapping[str, Any]], Told]] = {
            "message-start": self._start,
            "content-start": self._content,
            "content-delta": self._content,
            "tool-plan-delta": self._plan,
            "tool-call-start": self._call,
            "tool-call-delta": self._arguments,
            "tool-call-end": self._call_end,
            "citation-start": self._citation,
            "message-end": self._end,
        }

    def take(self, name: str | None, data: Any) -> Told:
        """Return the chunks that an event comes to."""
        if data is DONE:
            return []
        kind = data.get("type")
        if kind is None or kind == "error":
            return self._fail(error_of(data), data)
        taker = self._takers.get(kind)
        return taker(data) if taker is not None else []

    def finish(self) -> Told:
        """Return the last chunks: the finish reason, and the token counts where they are wanted."""
        text = "" if self._form_begun() else "".join(self._held)
        delta: dict[str, Any] = {"content": text} if text or not self._spoken else {}
        finish = finish_of(self._reason, self._ask, called=bool(self._shown))
        told = [self._said(delta, finish=finish)]
        if self.usage is not None and self._ask.usage_wanted:
            told.append(self._chunks.usage(self.usage))
        return told

    def _said(self, delta: Mapping[str, Any], *, finish: str | None = None) -> dict[str, Any]:
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant", **delta}
        return self._chunks.delta(delta, finish=finish)

    def _start(self, data: Mapping[str, Any]) -> Told:
        if isinstance(told := data.get("id"), str) and told:
            self._chunks.id = told
        return []

    def _content(self, data: Mapping[str, Any]) -> Told:
        content = data["delta"]["message"]["content"]
        if thinking := content.get("thinking"):
            return self._reasoning(THINKING, ("block", data.get("index")), thinking)
        text = content.get("text")
        if not text:
            return []
        if self._hidden is not None:
            self._held.append(text)
            return []
        told = self._text(text)
        if item := data.get("logprobs"):
            told[0]["choices"][0]["logprobs"] = logprobs_of([item])
        return told

    def _text(self, text: Any) -> Told:
        if not isinstance(text, str):
            raise Unreadable("a text that is none")
        self._spoken = True
        return [self._said({"content": text})]

    def _plan(self, data: Mapping[str, Any]) -> Told:
        text = data["delta"]["message"]["tool_plan"]
        return self._reasoning(PLAN, PLAN, text) if text else []

    def _reasoning(self, kind: str, block: object, text: Any) -> Told:
        if not isinstance(text, str):
            raise Unreadable("a thought that is no text")
        index = self._blocks.get(block)
        if index is not None:
            more = {"type": "reasoning.text", "index": index, "text": text}
            return [self._said({"reasoning_content": text, "reasoning_details": [more]})]
        index = self._blocks[block] = len(self._blocks)
        apart = f"\n\n{text}" if index else text
        first = detail(kind, index, text)
        return [self._said({"reasoning_content": apart, "reasoning_details": [first]})]

    def _form_begun(self) -> bool:
        return any(call.form for call in self._calls.values())

    def _call(self, data: Mapping[str, Any]) -> Told:
        written = data["delta"]["message"]["tool_calls"]
        function = written["function"]
        name, begun = function["name"], function.get("arguments") or ""
        if not isinstance(name, str) or not isinstance(begun, str):
            raise Unreadable("a tool call that is none")
        call_id = written.get("id") or made_call_id(self._chunks.id, len(self._calls))
        if name == self._hidden:
            call = _Fragments(None, form=not self._form_begun(), given=bool(begun))
            self._calls[data["index"]] = call
            return self._text(begun) if begun and call.form else []
        self._calls[data["index"]] = _Fragments(self._shown, given=bool(begun))
        entry = {
            "index": self._shown,
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": begun},
        }
        self._shown += 1
        self._spoken = True
        return [self._said({"tool_calls": [entry]})]

    def _arguments(self, data: Mapping[str, Any]) -> Told:
        text = data["delta"]["message"]["tool_calls"]["function"]["arguments"]
        return self._fragment(self._calls[data["index"]], text) if text else []

    def _call_end(self, data: Mapping[str, Any]) -> Told:
        call = self._calls[data["index"]]
        return [] if call.given else self._fragment(call, NO_ARGUMENTS)

    def _fragment(self, call: _Fragments, text: Any) -> Told:
        if not isinstance(text, str):
            raise Unreadable("arguments that are no text")
        call.given = True
        if call.index is None:
            return self._text(text) if call.form else []
        entry = {"index": call.index, "function": {"arguments": text}}
        return [self._said({"tool_calls": [entry]})]

    def _citation(self, data: Mapping[str, Any]) -> Told:
        cited = data["delta"]["message"]["citations"]
        each = {"index": self._citations, **cited}
        self._citations += 1
        return [self._said({"citations": [each]})]

    def _end(self, data: Mapping[str, Any]) -> Told:
        delta = data["delta"]
        self._reason = delta["finish_reason"]
        self.usage = usage_of(delta.get("usage"))
        if self._reason in BROKEN or delta.get("error"):
            message = delta.get("error") or f"Cohere's answer broke off ({self._reason})"
            return self._fail(VendorError(str(message), code=str(self._reason)), data)
        finish_of(self._reason, self._ask, called=False)  # an odd reason is odd here, not later
        self.complete = self.ended = True
        return []

    def _fail(self, error: VendorError, data: Any) -> Told:
        self.failed = self.ended = True
        said = error if error.message else VendorError("An error occurred during streaming")
        return [error_event(said, 500, data)]


class _Fragments:
    """A tool call whose arguments come in pieces; `form`: they are the answer itself."""

    def __init__(self, index: int | None, *, form: bool = False, given: bool = False) -> None:
        self.index = index
        self.form = form
        self.given = given
