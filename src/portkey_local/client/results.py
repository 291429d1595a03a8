"""Results in openai's own types, built as the SDK builds them, with the facts of the route.

`get_headers()` is put on each result as an attribute of the instance, as the SDK itself does with
the request id: the class stays openai's, so results compare equal to the bare SDK's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from openai import BaseModel, NotGiven

from portkey_local.client.construct import construct
from portkey_local.engine import headers_of
from portkey_local.model import DISABLED, Call, Reply, Source, Target
from portkey_local.semantic.explained import CacheDecision
from portkey_local.transports import EXTENSION

PREFIX = "x-portkey-"


@dataclass(slots=True)
class Headers:
    """The `x-portkey-*` headers of a result without their prefix, when called.

    It keeps neither the request nor the answer: results may be kept by the thousand.
    """

    trace_id: str
    target: Target | None
    retries: int
    cache: str
    source: Source | None = None
    decision: CacheDecision | None = None

    def __call__(self) -> dict[str, str]:
        """Return for example `{"provider": "openai", "retry-attempt-count": "0", ...}`."""
        return short(headers_of(self.trace_id, self.target, self.retries, self.cache))

    def decided(self) -> CacheDecision:
        """Return why the answer came from a cache, or did not."""
        return self.decision or CacheDecision(status=self.cache, tier=_tier(self.cache))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the plain headers: a target holds a key."""
        return Known, (self(), self.source, self.decided())


@dataclass(frozen=True, slots=True)
class Known:
    """Headers that were pickled or copied."""

    headers: Mapping[str, str]
    source: Source | None = None
    decision: CacheDecision = field(default_factory=lambda: CacheDecision(status=DISABLED))

    def __call__(self) -> dict[str, str]:
        """Return the headers."""
        return dict(self.headers)

    def decided(self) -> CacheDecision:
        """Return why the answer came from a cache, or did not."""
        return self.decision


def _tier(cache: str) -> Literal["exact"] | None:
    return "exact" if cache in ("HIT", "STALE") else None


def short(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that are ours, without their prefix."""
    return {
        name.removeprefix(PREFIX): value
        for name, value in headers.items()
        if name.startswith(PREFIX)
    }


def build(cast_to: Any, call: Call, reply: Reply, options: Any = None) -> Any:
    """Return the reply's JSON as `cast_to`, with the request id and `get_headers` on it.

    A helper of the SDK's may have left a parser in the call's `options`; it has the last word.
    """
    result = construct(cast_to, reply.data)
    if options is not None and not isinstance(options.post_parser, NotGiven):
        result = options.post_parser(result)
    if isinstance(result, BaseModel):
        result.__dict__["_request_id"] = reply.answer.headers.get("x-request-id")
        _tell(result, call, reply)
    return result


def _tell(result: BaseModel, call: Call, reply: Reply) -> None:
    headers = headers_told(call, reply)
    result.__dict__["get_headers"] = headers
    result.__dict__["get_cache_decision"] = headers.decided


def headers_told(call: Call, reply: Reply) -> Headers:
    """Return what is told of a reply's route."""
    told = call.trace_id, reply.target, reply.retries, reply.cache
    return Headers(*told, reply.source, reply.decision)


def with_headers(result: Any, response: Any) -> Any:
    """Return a result of the transport's way with `get_headers` on it, where it can have that."""
    if isinstance(result, BaseModel) and EXTENSION in response.extensions:
        call, reply = response.extensions[EXTENSION]
        _tell(result, call, reply)
    return result
