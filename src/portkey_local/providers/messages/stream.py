"""A stream of chunks as Anthropic's stream of events.

Ground rules: blocks come one after the other, each begun, told and stopped before the next. Where a
host tells several calls at once, those that are not first wait until the one before them is a whole
object.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from portkey_local.providers.messages.answer import (
    Voice,
    counted,
    head,
    made_id,
    said_of,
    stop_of,
)
from portkey_local.providers.messages.carried import MARK, carried
from portkey_local.providers.messages.thoughts import Reasoned, thought_of
from portkey_local.providers.sse import decode_json
from portkey_local.providers.vendor import Unreadable

__all__ = ["MessageEvents"]

Events: TypeAlias = list[dict[str, Any]]


@dataclass(slots=True)
class _Call:
    """A tool call as far as it has come."""

    key: Any
    id: str = ""
    arguments: str = ""

    @property
    def whole(self) -> bool:
        """Whether its arguments are a whole object."""
        try:
            return isinstance(decode_json(self.arguments.encode()), dict)
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class _Piece:
    """What one chunk adds to one block: `key` is the call's, or the thought's, where it has one."""

    kind: str
    text: str = ""
    key: Any = None
    id: str = ""
    name: str = ""
    signature: str = ""


class MessageEvents:
    """Makes the events of one message out of a completion's chunks."""

    def __init__(self, voice: Voice) -> None:
        """Take who answers."""
        self.begun = False
        self._voice = voice
        self._reasoned = Reasoned(voice.claude)
        self._signature = ""  # of the thought that is being told
        self._open: _Piece | None = None  # the block that is being told
        self._call: _Call | None = None  # the same, where it is a call
        self._index = -1
        self._calls: dict[int, _Call] = {}  # by the host's index
        self._count = 0
        self._ended: set[Any] = set()
        self._waiting: deque[_Piece] = deque()
        self._finish: Any = None
        self._refused: dict[str, Any] = {}
        self._usage: Any = None

    def take(self, chunk: Any) -> Events:
        """Return the events that a chunk comes to. Raises any of `ODD` for one that is odd."""
        if not isinstance(chunk, Mapping):
            raise Unreadable("a chunk that is no object")
        self._usage = chunk.get("usage") or self._usage
        events: Events = []
        choices = [each for each in chunk.get("choices") or () if not each.get("index")]
        if choices and not self.begun:
            self.begun = True
            events.append({"type": "message_start", "message": head(chunk, self._voice.model)})
        for choice in choices:
            for piece in self._pieces(choice.get("delta") or {}):
                events += self._tell(piece)
            self._finish = choice.get("finish_reason") or self._finish
        return events

    def finish(self) -> Events:
        """Return the last events: what waited, why the message ended, and its token counts."""
        events: Events = []
        if not self.begun:
            self.begun = True
            events.append({"type": "message_start", "message": head({}, self._voice.model)})
        while self._waiting:
            events += self._stop()
            events += self._again()
        events += self._stop()
        if self._count:
            kept = carried(self._voice.provider, self._reasoned.told())
            events += [] if kept is None else [*self._start(kept), *self._stop()]
        reason = stop_of(self._finish, self._refused, called=self._count > 0)
        delta = {"stop_reason": reason, "stop_sequence": None}
        events.append({"type": "message_delta", "delta": delta, "usage": counted(self._usage)})
        return [*events, {"type": "message_stop"}]

    # --- what a chunk says

    def _pieces(self, delta: Mapping[str, Any]) -> list[_Piece]:
        pieces = [_signed(detail) for detail in self._reasoned.add(delta)]
        if delta.get("refusal"):
            self._refused = {"refusal": True}
        shown = self._voice.thoughts and not self._reasoned.signed
        if shown and (thought := thought_of(delta)):
            pieces.append(_Piece("thinking", thought))
        if text := said_of(delta):
            pieces.append(_Piece("text", text))
        calls = (self._called(call) for call in delta.get("tool_calls") or ())
        return pieces + [piece for piece in calls if piece is not None]

    def _called(self, told: Mapping[str, Any]) -> _Piece | None:
        """Return what is added to a call: a host may leave its index out, or give one to all."""
        given = told.get("index")
        function = told.get("function") or {}
        named, name = told.get("id") or "", function.get("name") or ""
        text = function.get("arguments") or ""
        if not (named or name or text):
            return None
        at = given if isinstance(given, int) else len(self._calls) - (not (name or named))
        known = self._calls.get(at)
        if known is None or (named and name and named != known.id):
            known = self._calls[at] = _Call(self._count, made_id(told, self._count))
            self._count += 1
        if not isinstance(name, str) or not isinstance(text, str):
            raise Unreadable("a call whose name or arguments are no text")
        return _Piece("tool_use", text, known.key, known.id, name)

    # --- the blocks

    def _tell(self, piece: _Piece) -> Events:
        """Return the events of a piece, or keep it until the call before it is whole."""
        call = self._call
        if call is not None and (piece.kind, piece.key) != ("tool_use", call.key):
            if self._waiting or not call.whole:
                self._waiting.append(piece)
                return self._again() if call.whole else []
        elif call is not None:
            call.arguments += piece.text
        return self._told(piece)

    def _again(self) -> Events:
        """Tell what waited, as far as it need not wait any longer."""
        waiting, self._waiting = self._waiting, deque()
        events: Events = []
        while waiting:
            events += self._tell(waiting.popleft())
        return events

    def _told(self, piece: _Piece) -> Events:
        if piece.kind == "tool_use" and piece.key in self._ended and not piece.text.strip():
            return []  # a blank after a call's end
        events: Events = []
        current = self._open
        if current is None or (current.kind, current.key) != (piece.kind, piece.key):
            events += [*self._stop(), *self._start(_block(piece))]
            self._open = piece
            if piece.kind == "tool_use":
                self._call = _Call(piece.key, piece.id, piece.text)
        self._signature += piece.signature
        if piece.text and piece.kind != "redacted_thinking":
            events.append(self._delta(_delta(piece)))
        return events

    def _start(self, block: Mapping[str, Any]) -> Events:
        self._index += 1
        self._open = _Piece(block["type"])
        return [{"type": "content_block_start", "index": self._index, "content_block": block}]

    def _delta(self, delta: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}

    def _stop(self) -> Events:
        current, call = self._open, self._call
        self._open = self._call = None
        if current is None:
            return []
        if call is not None:
            self._ended.add(call.key)
            if call.arguments.strip() and not call.whole and self._finish != "length":
                raise Unreadable("a call whose arguments are no JSON object")
        events: Events = []
        if current.kind == "thinking":
            signature, self._signature = self._signature or MARK, ""
            events.append(self._delta({"type": "signature_delta", "signature": signature}))
        return [*events, {"type": "content_block_stop", "index": self._index}]


def _signed(detail: Mapping[str, Any]) -> _Piece:
    """Return what is added to a thought that Claude signs."""
    kind, place = "thinking", detail.get("index")
    told = (detail.get(name) or "" for name in ("text", "signature", "data"))
    text, signature, data = (each if isinstance(each, str) else "" for each in told)
    return _Piece("redacted_thinking" if data else kind, data or text, place, signature=signature)


def _block(piece: _Piece) -> dict[str, Any]:
    """Return a block that has nothing in it yet."""
    match piece.kind:
        case "thinking":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case "text":
            return {"type": "text", "text": ""}
        case "redacted_thinking":
            return {"type": "redacted_thinking", "data": piece.text}
    if not piece.name:
        raise Unreadable("a call without a name")
    return {"type": "tool_use", "id": piece.id, "name": piece.name, "input": {}}


def _delta(piece: _Piece) -> dict[str, Any]:
    match piece.kind:
        case "thinking":
            return {"type": "thinking_delta", "thinking": piece.text}
        case "text":
            return {"type": "text_delta", "text": piece.text}
    return {"type": "input_json_delta", "partial_json": piece.text}
