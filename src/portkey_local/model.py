"""What the engine talks about: requests, targets, calls and outcomes.

Ground rules: everything here is a value. Nothing here performs I/O, reads a clock or draws lots;
the clock and the random numbers a call uses are given to it. Expected failures are values
(`Failure`), never exceptions: exceptions are made once, at the client's door. Nobody changes a
value after it is made; the few that are made for every call, attempt and event are not frozen,
because that check costs as much as the routing itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

EMPTY: Mapping[str, Any] = MappingProxyType({})


def empty() -> Mapping[str, Any]:
    """Return the mapping with nothing in it, as the default of a field."""
    return EMPTY


DISABLED: Final = "DISABLED"  # what x-portkey-cache-status says where no cache was asked
DONE = (
    "[DONE]"  # a stream's last event; compared by identity, for a provider may send the same text
)


class Rng(Protocol):
    """The random numbers a call draws; `random.Random` is one."""

    def random(self) -> float:
        """Return a float drawn uniformly from [0, 1)."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as a client of the caller's own wants to send it: the whole URL, all headers."""

    url: str
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Request:
    """One request in OpenAI's shape, before any target has seen it.

    `body` is the decoded JSON body, `encoded` its bytes where they are known; `content` holds the
    bytes of any other body (multipart, raw).
    `path` starts below the API root (`/chat/completions`); `query` has no question mark.
    `headers` go along to any provider, `withheld` only to a target that forwards them by name.
    `json_expected` is true where the answer must be JSON, `piecemeal` where the caller reads any
    other as it arrives. `own` is what a target "self" sends: a message of the caller's client.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    encoded: bytes | None = field(default=None, repr=False)
    content: bytes | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=empty)
    withheld: Mapping[str, str] = field(default_factory=empty, repr=False)
    query: str = ""
    stream: bool = False
    json_expected: bool = True
    piecemeal: bool = False
    own: Sent | None = None


def merge(body: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return `body` with `override` on top, shallowly; `None` removes a parameter."""
    merged = {**body, **override}
    return {key: value for key, value in merged.items() if key not in override or value is not None}


@dataclass(slots=True)
class Packet:
    """A request as it goes out: an HTTP message for one target.

    `dropped` names the parameters that the target's language has no words for.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    idle: float | None = None  # seconds between two events, where the answer is to be a stream
    dropped: tuple[str, ...] = ()


@dataclass(slots=True)
class ServerEvent:
    """One parsed server-sent event; `data` is its decoded JSON, `raw` its bytes as received.

    An event that a codec has translated has no `raw` bytes: they are made when they are needed.
    """

    name: str | None
    data: Any
    raw: bytes


class EventReader(Protocol):
    """Turns the bytes of one answer's stream into events; knows when the stream is complete.

    Sans-I/O: `feed` returns the events a chunk completes; at bytes that are no event it says why
    in `malformed` and returns nothing more.
    """

    @property
    def complete(self) -> bool:
        """Whether the terminal event has come."""

    @property
    def ended(self) -> bool:
        """Whether no event can follow."""

    @property
    def malformed(self) -> str | None:
        """Why the bytes are no event stream, or None."""

    @property
    def failed(self) -> bool:
        """Whether an error event has come."""

    @property
    def blocked(self) -> bool:
        """Whether the vendor has withheld, or spoilt, all that was to be said so far."""

    @property
    def usage(self) -> Mapping[str, Any] | None:
        """The token counts the stream has told."""

    @property
    def seen(self) -> int:
        """How many events have come that are held back, or that say nothing to the caller."""

    def feed(self, chunk: bytes) -> list[ServerEvent]:
        """Return the events that `chunk` completes."""

    def finish(self) -> list[ServerEvent]:
        """Say that no more bytes come; return the events that were held back until then."""


class Codec(Protocol):
    """What a target speaks: pure functions between OpenAI's shapes and a vendor's HTTP."""

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request`, or why this target cannot take it."""

    def decode(self, target: Target, request: Request, answer: Answer, wall: float) -> Outcome:
        """Judge a whole answer; `wall` is the time of day, for an HTTP date in Retry-After."""

    def streams(self, request: Request, answer: Answer) -> bool:
        """Whether a 2xx answer is read event by event."""

    def reader(self, target: Target, request: Request, wall: float) -> EventReader:
        """Return a fresh parser for one stream that begins at `wall`, a time of day."""

    def judge_first(self, target: Target, answer: Answer, event: ServerEvent) -> Failure | None:
        """Return a failure when a stream's first event is an error."""


class Signer(Protocol):
    """Signs messages in with credentials that change, or that depend on the message."""

    def ready(self) -> bool:
        """Whether `sign` answers at once, without asking anybody."""

    def sign(self, target: Target, packet: Packet) -> Packet | Failure:
        """Return the message with its sign-in, or why there is none. May wait."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A leaf of a config: a provider, a key, and what it overrides.

    `path` is its place in the config (`config.targets[0]`), `url` the base to which a request's
    path is appended, `headers` what the target adds (its key among them), `idle_timeout` the
    seconds that may pass between two events of a stream. `forward` names the caller's headers that
    go along although they would be withheld, `strict` keeps answers to OpenAI's shapes,
    `strict_params` refuses what the target's language has no words for instead of dropping it.
    `signer` signs each message in, where a header that never changes does not do.
    """

    path: str
    provider: str
    url: str
    codec: Codec = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=empty, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    override: Mapping[str, Any] = field(default_factory=empty, repr=False)
    idle_timeout: float = 60.0
    forward: tuple[str, ...] = ()
    strict: bool = True
    strict_params: bool = False
    signer: Signer | None = field(default=None, repr=False)


@dataclass(slots=True)
class Answer:
    """A provider's HTTP answer: status, lower-case headers, and the whole body once it is read.

    A translated answer has no bytes here: its reply's `data` is the body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = field(default=b"", repr=False)


class Fault(StrEnum):
    """Why an attempt failed."""

    STATUS = "status"  # the provider answered with a status outside 2xx
    TIMEOUT = "timeout"  # one of our own time limits
    NETWORK = "network"  # no whole answer came over the network
    MALFORMED = "malformed"  # an answer that is not what it must be
    ERROR_EVENT = "error event"  # a stream whose first event is an error
    ROUTING = "routing"  # no target could take the request
    OPEN = "circuit open"  # the target's breaker lets nothing through
    GUARDRAIL = "guardrail"  # a guardrail denied the request or the answer
    SIGN_IN = "sign-in"  # no credentials could be had to sign the request with


@dataclass(frozen=True, slots=True)
class Source:
    """Where an answer is kept: its keys in the cache, and where it answered a question that is
    only like the one that was asked, the digest of that pair.
    """

    keys: tuple[bytes, ...]
    pair: bytes | None = None


@dataclass(slots=True)
class Reply:
    """A 2xx answer. `data` is its decoded JSON, if it is JSON; `stream` is open if it is a
    stream. `blocked`: nothing is left of it, by the vendor's safety filter or by its mistake.
    `cache` is what `x-portkey-cache-status` says, `source` where a cache has it, `decision` what a
    semantic one says of it.
    """

    target: Target
    answer: Answer
    data: Any = field(default=None, repr=False)
    stream: Any = field(default=None, repr=False)  # the driver's own stream object
    retries: int = 0
    blocked: bool = False
    cache: str = DISABLED
    source: Source | None = field(default=None, repr=False)
    decision: Any = field(default=None, repr=False)  # a semantic.explained.CacheDecision

    @property
    def status(self) -> int:
        """The HTTP status, as `on_status_codes` sees it."""
        return self.answer.status


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that failed, as a value.

    `status` is what `on_status_codes` sees: the provider's own, 408 for our time limits, 500 for
    the network and for malformed answers, 400 for routing, 401 for a sign-in that failed, 446 for
    a guardrail, 503 for an open circuit. `answer` is what the provider sent, if it did. `retries`
    is the count of `x-portkey-retry-attempt-count`: -1 when all are used up.
    """

    target: Target | None
    fault: Fault
    status: int
    message: str
    answer: Answer | None = None
    error: Any = field(default=None, repr=False)  # an error event's body, a denial's results
    retry_after: float | None = None  # seconds
    retries: int = 0
    cause: BaseException | None = field(default=None, repr=False)
    cache: str = DISABLED


Outcome: TypeAlias = Reply | Failure


@dataclass(frozen=True, slots=True)
class Attempt:
    """One send that did not end the call: an entry of the trail in error messages."""

    target: str
    provider: str
    status: int
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened on the way of a call; see the README's table of names.

    Times are seconds: `elapsed` since the call began, `duration` of the attempt, `wait` until the
    next one. Never holds a prompt, an answer or a key.
    """

    name: str
    trace_id: str
    metadata: Mapping[str, Any]
    elapsed: float
    target: str | None = None
    provider: str | None = None
    endpoint: str | None = None
    model: str | None = None
    attempt: int | None = None
    status: int | None = None
    duration: float | None = None
    time_to_first_token: float | None = None
    wait: float | None = None
    reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    similarity: float | None = None
    threshold: float | None = None
    profile: str | None = None
    question: str | None = None  # a hash of one that was asked before
    request_body: Any = field(default=None, repr=False)  # only where the user asked for bodies

    def to_dict(self) -> dict[str, Any]:
        """Return the event as a flat dict without the fields that are unset."""
        names = ((name, getattr(self, name)) for name in self.__slots__)
        facts = {name: value for name, value in names if value is not None}
        facts["metadata"] = dict(self.metadata)
        return {"event": facts.pop("name"), **facts}


Listener: TypeAlias = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class Caching:
    """What a call wishes of the caches on its way.

    Answers are kept apart by `namespace`. Without `reads` no kept answer will do, and without
    `writes` none is kept; one older than `max_age` seconds is stale. `max_stale` and
    `stale_if_error` say for how many seconds more a stale one will do, in place of what the config
    says: at once, and where nothing else can be had. Without `alike` no answer to another question,
    however like it is, will do.
    """

    namespace: str = ""
    reads: bool = True
    writes: bool = True
    max_age: float = math.inf
    max_stale: float | None = None
    stale_if_error: float | None = None
    alike: bool = True


ANY_CACHING: Final = Caching()


@dataclass(slots=True)
class Call:
    """One logical request on its way; `deadline` and `started` are times of `clock`, in seconds.

    A policy that narrows a call makes a new one; `trail` is shared by all of them. `wall` tells the
    time of day, as seconds since 1970, where somebody knows it. `bypass` lets the call through open
    circuits, because every target's is. `caching` is what it wishes of caches.
    """

    request: Request
    deadline: float
    clock: Callable[[], float]
    rng: Rng
    started: float = 0.0
    trace_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=empty)
    emit: Listener | None = None
    trail: list[Attempt] = field(default_factory=list)
    wall: Callable[[], float] | None = None
    bypass: bool = False
    caching: Caching = ANY_CACHING

    def report(self, name: str, target: Target | None = None, **facts: Any) -> None:
        """Tell the listener, if there is one, that `name` happened."""
        if self.emit is not None:
            if target is not None:
                facts["target"] = target.path
                facts["provider"] = target.provider
            self.emit(
                Event(
                    name=name,
                    trace_id=self.trace_id,
                    metadata=self.metadata,
                    elapsed=self.clock() - self.started,
                    **facts,
                )
            )
