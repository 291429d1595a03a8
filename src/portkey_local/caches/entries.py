"""What is kept of an answer, as bytes: its JSON or its events, when, and which target gave it.

Ground rules: pure. An entry is JSON and never anything else: a line that says what it is (`about`),
and a line with the answer, so that the first can be read without the second. Of the headers only
those stay true that speak of the answer itself; rate limits and cookies spoke of a call that is
over. What cannot be read is no entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from portkey_local.caches.keys import CHUNKED, EMBEDDINGS, MESSAGES
from portkey_local.model import DONE, Answer, ServerEvent

__all__ = ["Entry", "Unreadable", "cut_short", "decoded", "encoded", "fit"]

KEPT: Final = ("content-type", "request-id", "x-request-id")
COMPLETE: Final = (200, 201)  # 206 is a part, 246 failed a guardrail, 202 and 204 say nothing
REFUSED: Final = frozenset(  # as OpenAI says it, and vendors in words of their own
    {
        "blocklist", "content_filter", "content_filtered", "error", "guardrail_intervened",
        "jailbreak", "language", "model_armor", "prohibited_content", "recitation", "refusal",
        "safety", "spii",
    }
)  # fmt: skip
CUT: Final = frozenset({"length", "max_tokens", "model_context_window_exceeded"})  # by its limit
HOLDING: Final[Mapping[str, str]] = {  # the list that an answer consists of
    **dict.fromkeys(CHUNKED, "choices"),
    EMBEDDINGS: "data",
    MESSAGES: "content",
    "/moderations": "results",
    "/responses": "output",
}
ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)


class Unreadable(Exception):
    """What a cache has under a key is no entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A kept answer: `data` of a whole one, or the `events` of a stream.

    `at` is the time of day when it came, `target` the place of who gave it among the targets of
    the node that keeps it, `usage` whether a stream was asked for its usage.
    `further` are the keys under which caches further in keep it, too.
    """

    at: float
    target: int
    status: int
    headers: Mapping[str, str]
    data: Any = None
    events: list[ServerEvent] | None = None
    usage: bool = False
    further: tuple[bytes, ...] = ()


def encoded(
    at: float,
    target: int,
    answer: Answer,
    data: Any,
    events: Sequence[ServerEvent] | None = None,
    *,
    usage: bool = False,
    said: bytes = b"{}",
    further: Sequence[bytes] = (),
) -> bytes:
    """Return an entry as bytes, with what is said of it in front; raise ValueError or TypeError for
    what JSON cannot hold.
    """
    headers = {name: answer.headers[name] for name in KEPT if name in answer.headers}
    told = None
    if events is not None:
        told = [[event.name, None if event.data is DONE else [event.data]] for event in events]
    also = [key.hex() for key in further]
    line = ENCODER.encode([at, target, answer.status, headers, data, told, usage, *also])
    return said + b"\n" + line.encode()


def decoded(value: bytes) -> Entry | None:
    """Return the entry in bytes, or None where there is none."""
    try:
        line = value[value.index(b"\n") :]
        at, target, status, headers, data, told, usage, *also = from_json(line)
        events = None
        if told is not None:
            events = [ServerEvent(name, DONE if d is None else d[0], b"") for name, d in told]
        head = float(at), int(target), int(status), dict(headers)
        further = tuple(map(bytes.fromhex, also))
        return Entry(*head, data, events, usage=usage is True, further=further)
    except (ValueError, TypeError):
        return None


def fit(answer: Answer, datas: Sequence[Any], path: str) -> bool:
    """Whether an answer is good and whole: no error, no refusal, nothing withheld or unfinished.

    `datas` are its JSON, or that of the events of its stream, `path` that of the endpoint.
    """
    if answer.status not in COMPLETE or any(map(_marred, datas)):
        return False
    if len(datas) > 1 and path not in CHUNKED:  # a stream of events, of which one is its end
        return True
    return any(_objects(data.get(HOLDING.get(path))) for data in datas if data is not DONE)


def cut_short(datas: Sequence[Any]) -> bool:
    """Whether an answer is half of one, because it met the limit of its length."""
    return any(reason in CUT for data in datas for reason in _reasons(data))


def _marred(data: Any) -> bool:
    if data is DONE:
        return False
    if not isinstance(data, Mapping) or data.get("error") or _unfinished(data):
        return True
    if any(reason in REFUSED for reason in _reasons(data)):
        return True
    return any(map(_refused, _objects(data.get("choices"))))


def _refused(choice: Mapping[str, Any]) -> bool:
    said = choice.get("message") or choice.get("delta")
    return bool(said.get("refusal")) if isinstance(said, Mapping) else False


def _reasons(data: Any) -> Iterator[str]:
    """Walk the words for why an answer, or each of its choices, has ended."""
    if not isinstance(data, Mapping):
        return
    delta = data.get("delta")  # of Anthropic's messages
    ended = [data.get("stop_reason"), delta.get("stop_reason") if isinstance(delta, Mapping) else 0]
    ended += [choice.get("finish_reason") for choice in _objects(data.get("choices"))]
    yield from (each.lower().removeprefix("image_") for each in ended if isinstance(each, str))


def _unfinished(data: Mapping[str, Any]) -> bool:
    """Whether a Responses answer, or the event that ends its stream, tells of less than a whole."""
    whole = data.get("response")
    if data.get("type") in ("response.failed", "response.incomplete", "response.refusal.done"):
        return True
    if not isinstance(whole, Mapping):
        whole = data
    if whole.get("object") != "response" or data.get("type") not in (None, "response.completed"):
        return False
    parts = (
        part for item in _objects(whole.get("output")) for part in _objects(item.get("content"))
    )
    return whole.get("status") != "completed" or any(
        part.get("type") == "refusal" for part in parts
    )


def _objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list that may be no list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
