"""A whole answer as a stream, and a stream as a whole answer: of chat, completions and Messages.

Ground rules: pure functions on JSON of OpenAI's shapes. Nothing is made up: a stream that told no
usage becomes an answer without one. None means that it cannot be done, which is a miss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from portkey_local.caches.entries import Entry
from portkey_local.caches.keys import CHUNKED, MESSAGES
from portkey_local.caches.messages import message_events, whole_message
from portkey_local.model import DONE, ServerEvent

__all__ = ["chunks_of", "fitted", "replayed", "whole_of"]

JSON, EVENTS = "application/json", "text/event-stream"
OBJECTS: Final = {"chat.completion.chunk": "chat.completion", "text_completion": "text_completion"}
NOT_IN_CHUNKS: Final = ("choices", "hook_results", "object", "usage")
SAID_ONCE: Final = frozenset({"id", "index", "name", "role", "type"})  # pieces of no text


def fitted(entry: Entry, path: str, *, stream: bool, usage: bool) -> Entry | None:
    """Return an entry in the form asked for: whole, or as a stream with or without usage."""
    data, events, kind = None, None, EVENTS if stream else JSON
    if not stream:
        data = entry.data if entry.events is None else _whole(entry.events, path)
    elif entry.events is None:
        events = _events(entry.data, path, usage=usage)
    else:
        as_it_was = path not in CHUNKED or (usage and entry.usage)
        events = entry.events if as_it_was else replayed(entry.events, usage=usage)
    if data is None and events is None:
        return None
    headers = entry.headers
    if (entry.events is None) is stream:
        headers = {**headers, "content-type": kind}
    return replace(entry, headers=headers, data=data, events=events)


def _whole(events: Sequence[ServerEvent], path: str) -> dict[str, Any] | None:
    return whole_message(events) if path == MESSAGES else whole_of(events)


def _events(data: Any, path: str, *, usage: bool) -> list[ServerEvent] | None:
    if path == MESSAGES:
        return message_events(data)
    return chunks_of(data, chat=path != "/completions", usage=usage)


def chunks_of(data: Any, *, chat: bool, usage: bool) -> list[ServerEvent] | None:
    """Return a whole answer as the events of a stream, with its usage at the end if asked for."""
    choices = data.get("choices") if isinstance(data, Mapping) else None
    if not isinstance(choices, list) or not all(isinstance(each, Mapping) for each in choices):
        return None
    if usage and not data.get("usage"):
        return None
    kind = "chat.completion.chunk" if chat else "text_completion"
    frame = {name: value for name, value in data.items() if name not in NOT_IN_CHUNKS}
    frame["object"] = kind
    if usage:
        frame["usage"] = None
    chunks = []
    for choice in choices:
        chunks += [{**frame, "choices": [piece]} for piece in _pieces(choice, chat=chat)]
    if usage:
        chunks.append({**frame, "choices": [], "usage": data["usage"]})
    return [*(ServerEvent(None, chunk, b"") for chunk in chunks), ServerEvent(None, DONE, b"")]


def _pieces(choice: Mapping[str, Any], *, chat: bool) -> list[dict[str, Any]]:
    """Return a choice as it comes in a stream: what it says, then why it ends."""
    index, reason = choice.get("index", 0), choice.get("finish_reason")
    told = {name: value for name, value in choice.items() if name != "finish_reason"}
    if not chat:
        return [{**told, "finish_reason": reason}]
    message = told.pop("message", None) or {}
    delta = {name: value for name, value in message.items() if value is not None}
    if isinstance(calls := delta.get("tool_calls"), list):
        delta["tool_calls"] = [{"index": at, **call} for at, call in enumerate(calls)]
    first = {**told, "index": index, "delta": delta, "finish_reason": None}
    return [first, {"index": index, "delta": {}, "finish_reason": reason}]


def replayed(events: Sequence[ServerEvent], *, usage: bool) -> list[ServerEvent] | None:
    """Return a stream's events as a caller with or without `include_usage` gets them."""
    if usage:
        told = any(isinstance(event.data, Mapping) and event.data.get("usage") for event in events)
        return list(events) if told else None
    kept = [event for event in events if not _tells_usage_alone(event.data)]
    for event in kept:
        if isinstance(event.data, dict) and event.data.get("usage", ...) is None:
            del event.data["usage"]
    return kept


def _tells_usage_alone(data: Any) -> bool:
    return isinstance(data, Mapping) and data.get("choices") == [] and bool(data.get("usage"))


def whole_of(events: Sequence[ServerEvent]) -> dict[str, Any] | None:
    """Return the whole answer that a stream of chunks told, or None for any other stream."""
    whole: dict[str, Any] = {}
    choices: dict[int, dict[str, Any]] = {}
    for event in events:
        data = event.data
        if data is DONE:
            continue
        if not isinstance(data, Mapping) or data.get("object") not in OBJECTS:
            return None
        for choice in data.get("choices") or ():
            _grow(choices.setdefault(choice.get("index", 0), {}), choice)
        whole |= {name: value for name, value in data.items() if value is not None}
    if not choices:
        return None
    whole["object"] = OBJECTS[whole["object"]]
    whole["choices"] = [_settled(index, choice) for index, choice in sorted(choices.items())]
    return whole


def _settled(index: int, choice: dict[str, Any]) -> dict[str, Any]:
    """Return a grown choice as it stands in a whole answer."""
    settled: dict[str, Any] = {"finish_reason": None, "logprobs": None, **choice, "index": index}
    if "text" in settled:
        return settled
    message = {"role": "assistant", "content": None, "refusal": None, **settled.pop("delta", {})}
    if isinstance(calls := message.get("tool_calls"), list):
        message["tool_calls"] = [
            {name: value for name, value in call.items() if name != "index"} for call in calls
        ]
    return {**settled, "message": message}


def _grow(grown: dict[str, Any], piece: Mapping[str, Any]) -> None:
    """Add a piece of a stream to what has come: texts and lists go on, objects grow."""
    for name, value in piece.items():
        known = grown.get(name)
        if value is None:
            continue
        if isinstance(value, Mapping):
            grown[name] = known = known if isinstance(known, dict) else {}
            _grow(known, value)
        elif isinstance(value, list):
            grown[name] = known = known if isinstance(known, list) else []
            _go_on(known, value)
        elif isinstance(known, str) and isinstance(value, str) and name not in SAID_ONCE:
            grown[name] = value if name == "finish_reason" else known + value
        elif known is None or name not in SAID_ONCE:
            grown[name] = value


def _go_on(known: list[Any], pieces: list[Any]) -> None:
    """Add to a list: to its element of the same index where elements have one, else at its end."""
    for piece in pieces:
        index = piece.get("index") if isinstance(piece, Mapping) else None
        if index is None:
            known.append(piece)
            continue
        same = next((each for each in known if each.get("index") == index), None)
        if same is None:
            known.append(same := {})
        _grow(same, piece)
