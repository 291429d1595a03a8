"""How a step goes onto the wire, misbehaviour included.

Ground rules:
- One short function per fault, one table that names them all; `answer` is the only door.
- Every function returns whether the connection may carry another request. Those that close do not
  close themselves: they return False, and the connection's owner closes.
- A plain answer, and a stream without gaps, leaves in a single send.
- Body faults work on streams (their events joined) and stream faults on plain bodies (cut in two),
  so any fault can be set on any step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from itertools import chain, repeat
from typing import Final

from portkey_local.testing.connection import Connection
from portkey_local.testing.received import Received
from portkey_local.testing.steps import Fault, Step, chat, chat_stream, error

__all__ = ["answer"]

DRIP_GAP: Final = 0.05
DRIP_PROMISE: Final = 1_000_000  # bytes announced beyond the body: no client waits for them all
REASONS: Final[Mapping[int, str]] = {status.value: status.phrase for status in HTTPStatus}
GARBAGE: Final = b"!! 200 not a status line\r\n"
MALFORMED: Final = b'data: {"choices": [{"delta": {"content": \n\n'
COMMENT: Final = b": keep-alive\n\n"
LAST_CHUNK: Final = b"0\r\n\r\n"


def answer(connection: Connection, received: Received, step: Step) -> bool:
    """Answer one request as the step says; False asks to close the connection."""
    exchange = Exchange(connection, step, content_of(step, received))
    if step.delay > 0:
        connection.pause(step.delay)
    usual = _stream if exchange.is_stream else _whole
    send = usual if step.fault is None else MISBEHAVIOURS[step.fault]
    return send(exchange) and not exchange.says_close


def content_of(step: Step, received: Received) -> Step:
    """Give the step whose body is sent: the given one, or one made up to fit the request."""
    if step.pieces is not None:
        return step
    if step.status >= HTTPStatus.BAD_REQUEST:
        return error(step.status)
    if step.status != HTTPStatus.OK:
        return EMPTY
    if not received.wants_stream:
        return _greeting(received.target)
    return _greeting_stream(received.target) if step.fault is None else WORDS


EMPTY: Final = Step(body=b"")
WORDS: Final = chat_stream(["one ", "two ", "three ", "four "])  # enough to be cut in half


@lru_cache(maxsize=256)
def _greeting(target: str) -> Step:
    return chat(f"from {target}")


@lru_cache(maxsize=256)
def _greeting_stream(target: str) -> Step:
    return chat_stream(["from ", target])


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request being answered: the manners of `step` with the body of `content`."""

    connection: Connection
    step: Step
    content: Step

    @property
    def is_stream(self) -> bool:
        return self.content.events is not None

    @property
    def says_close(self) -> bool:
        return any(
            name.lower() == "connection" and "close" in value.lower()
            for name, value in self.step.headers.items()
        )

    @property
    def body(self) -> bytes:
        return b"".join(self.content.pieces or ())

    @property
    def pieces(self) -> Sequence[bytes]:
        if self.is_stream:
            return self.content.pieces or ()
        middle = len(self.body) // 2
        return self.body[:middle], self.body[middle:]

    @property
    def halves(self) -> tuple[Sequence[bytes], Sequence[bytes]]:
        pieces = self.pieces
        middle = max(1, len(pieces) // 2)
        return pieces[:middle], pieces[middle:]

    def head(self, framing: Mapping[str, str]) -> bytes:
        """Give status line and headers; the step's own headers win over ours."""
        ours = {"content-type": self._content_type, **framing}
        own = {name.lower() for name in self.step.headers}
        lines = [f"HTTP/1.1 {self.step.status} {REASONS.get(self.step.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in ours.items() if name not in own]
        lines += [f"{name}: {value}" for name, value in self.step.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    @property
    def _content_type(self) -> str:
        usual = "text/event-stream" if self.is_stream else "application/json"
        return self.step.content_type or self.content.content_type or usual

    def head_for(self, length: int) -> bytes:
        return self.head({"content-length": str(length)})

    def head_chunked(self) -> bytes:
        return self.head({"transfer-encoding": "chunked"})

    def send_chunked(self, pieces: Iterable[bytes], end: bytes = b"") -> None:
        """Send head, pieces and end: in one go, or a piece at a time if the step has a gap."""
        chunks = [chunk(piece) for piece in pieces]
        if self.step.event_gap <= 0:
            self.connection.send(b"".join([self.head_chunked(), *chunks, end]))
            return
        self.connection.send(self.head_chunked())
        for place, data in enumerate(chunks):
            if place > 0:
                self.connection.pause(self.step.event_gap)
            self.connection.send(data)
        self.connection.send(end)

    def drip(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.connection.send(piece)
            self.connection.pause(DRIP_GAP)


def chunk(data: bytes) -> bytes:
    """Frame one chunk; no data is no chunk, for an empty one would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def single_bytes(data: bytes) -> Iterable[bytes]:
    return (bytes([byte]) for byte in data)


# ------------------------------------------------------------------------------ good manners


def _whole(exchange: Exchange) -> bool:
    body = exchange.body
    exchange.connection.send(exchange.head_for(len(body)) + body)
    return True


def _stream(exchange: Exchange) -> bool:
    exchange.send_chunked(exchange.pieces, end=LAST_CHUNK)
    return True


# ---------------------------------------------------------------------------- before the body


def _reset(exchange: Exchange) -> bool:
    exchange.connection.reset_on_close()
    return False


def _no_response(_: Exchange) -> bool:
    return False


def _silence(exchange: Exchange) -> bool:
    exchange.connection.hold()


def _headers_then_silence(exchange: Exchange) -> bool:
    length = len(exchange.body)
    head = exchange.head_chunked() if exchange.is_stream else exchange.head_for(length)
    exchange.connection.send(head)
    exchange.connection.hold()


def _drip_headers(exchange: Exchange) -> bool:
    head = exchange.head_for(len(exchange.body))
    unfinished = head.removesuffix(b"\r\n") + b"x-drip: "
    exchange.drip(chain(single_bytes(unfinished), repeat(b"a")))
    return False


def _garbage_status(exchange: Exchange) -> bool:
    _, _, headers = exchange.head_for(len(exchange.body)).partition(b"\r\n")
    exchange.connection.send(GARBAGE + headers + exchange.body)
    return False


# -------------------------------------------------------------------------------- plain bodies


def _drip_body(exchange: Exchange) -> bool:
    body = exchange.body
    exchange.connection.send(exchange.head_for(len(body) + DRIP_PROMISE))
    exchange.drip(chain(single_bytes(body), repeat(b" ")))  # spaces: it stays JSON
    return False


def _cut_body(exchange: Exchange) -> bool:
    body = exchange.body
    exchange.connection.send(exchange.head_for(len(body)) + body[: len(body) // 2])
    return False


def _short_length(exchange: Exchange) -> bool:
    body = exchange.body
    exchange.connection.send(exchange.head_for(len(body) // 2) + body)
    return True


def _long_length(exchange: Exchange) -> bool:
    body = exchange.body
    exchange.connection.send(exchange.head_for(len(body) * 2 + 1) + body)
    return False


# ------------------------------------------------------------------------------------- streams


def _cut_chunked(exchange: Exchange) -> bool:
    exchange.send_chunked(exchange.halves[0])
    return False


def _reset_stream(exchange: Exchange) -> bool:
    exchange.send_chunked(exchange.halves[0])
    # A reset may discard what the client has not read yet: let it read.
    exchange.connection.pause(DRIP_GAP)
    exchange.connection.reset_on_close()
    return False


def _stall_stream(exchange: Exchange) -> bool:
    exchange.send_chunked(exchange.halves[0])
    exchange.connection.hold()


def _comments_stream(exchange: Exchange) -> bool:
    exchange.send_chunked(exchange.halves[0])
    exchange.drip(repeat(chunk(COMMENT)))
    return False


def _clean_cut(exchange: Exchange) -> bool:
    exchange.send_chunked(exchange.halves[0], end=LAST_CHUNK)
    return True


def _malformed_event(exchange: Exchange) -> bool:
    first, rest = exchange.halves
    exchange.send_chunked([*first, MALFORMED, *rest], end=LAST_CHUNK)
    return True


MISBEHAVIOURS: Final[Mapping[Fault, Callable[[Exchange], bool]]] = {
    Fault.RESET: _reset,
    Fault.NO_RESPONSE: _no_response,
    Fault.SILENCE: _silence,
    Fault.HEADERS_THEN_SILENCE: _headers_then_silence,
    Fault.DRIP_HEADERS: _drip_headers,
    Fault.DRIP_BODY: _drip_body,
    Fault.CUT_BODY: _cut_body,
    Fault.CUT_CHUNKED: _cut_chunked,
    Fault.RESET_STREAM: _reset_stream,
    Fault.STALL_STREAM: _stall_stream,
    Fault.COMMENTS_STREAM: _comments_stream,
    Fault.CLEAN_CUT: _clean_cut,
    Fault.SHORT_LENGTH: _short_length,
    Fault.LONG_LENGTH: _long_length,
    Fault.GARBAGE_STATUS: _garbage_status,
    Fault.MALFORMED_EVENT: _malformed_event,
}
