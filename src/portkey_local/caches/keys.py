"""What makes two requests the same: the canonical key of a request.

Ground rules: pure. A key is a digest of everything that may shape the answer; whatever is left out
is left out by name. Two spellings of one JSON value (the order of names, 1 and 1.0) are one. Only
calls that do nothing but answer are cached: where the provider is to keep something by itself
(`store`, a conversation, a background run), a second call is no repetition of the first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from portkey_local.model import Request, Sent

__all__ = [
    "CHUNKED",
    "CONVERTED",
    "EMBEDDINGS",
    "MESSAGES",
    "cacheable",
    "canonical",
    "digest",
    "key_of",
    "told_apart",
]

VERSION: Final = 1  # of keys and entries; another one finds nothing of what was kept before
EMBEDDINGS: Final = "/embeddings"
MESSAGES: Final = "/messages"
CHUNKED: Final = frozenset({"/chat/completions", "/completions"})  # whose streams are of chunks
CONVERTED: Final = CHUNKED | {MESSAGES}  # a stream is a whole, too
ENDPOINTS: Final = CONVERTED | {EMBEDDINGS, "/moderations", "/responses"}
SIZE: Final = 32  # bytes of a key

NOT_ASKED: Final = frozenset({"stream", "stream_options"})  # how an answer comes, not which
NOT_HEARD: Final = frozenset(  # headers that no provider's answer depends on
    {
        "accept",
        "accept-language",
        "baggage",
        "cache-control",
        "content-type",
        "idempotency-key",
        "pragma",
        "sentry-trace",
        "traceparent",
        "tracestate",
        "user-agent",
        "x-request-id",
    }
)
SDK_PREFIX: Final = "x-stainless-"  # headers that tell how often, and by which SDK, it was asked
NEVER_ALIKE: Final = frozenset({"x-portkey-trace-id"})  # forwarded, but new for every call
ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def cacheable(request: Request) -> bool:
    """Whether an answer to a request may be given again to the same request."""
    body = request.body
    if body is None or request.path not in ENDPOINTS or request.method != "POST":
        return False
    if not request.json_expected or body.get("background") or body.get("conversation"):
        return False
    kept_there = body.get("store", request.path == "/responses")
    return not kept_there


def digest(value: Any) -> bytes:
    """Return a digest of JSON; raise TypeError or ValueError for what is none.

    >>> digest({"n": 1, "m": [2.0]}) == digest({"m": [2], "n": 1.0})
    True
    """
    text = ENCODER.encode(canonical(value))
    return hashlib.blake2b(text.encode(), digest_size=SIZE).digest()


def canonical(value: Any) -> Any:
    """Return JSON with whole numbers as such; the order of names is the encoder's business."""
    kind = type(value)
    if kind is str:
        return value
    if kind is dict:
        return {name: canonical(entry) for name, entry in value.items()}
    if kind is list or kind is tuple:
        return [canonical(entry) for entry in value]
    if kind is float and value.is_integer():
        return int(value)
    return dict(value) if isinstance(value, Mapping) else value


def key_of(scope: bytes, request: Request, body: Mapping[str, Any], told: Sequence[Any]) -> bytes:
    """Return the key of a request as its target sees it: `body` is that with its overrides.

    `scope` is the digest of where it goes, `told` what else tells two calls apart.
    """
    asked = {name: value for name, value in body.items() if name not in NOT_ASKED}
    form = None if request.path in CONVERTED else request.stream
    heard = [VERSION, scope.hex(), request.path, request.query, form, told]
    return digest([*heard, asked])


def told_apart(
    request: Request, namespace: str, forward: Sequence[str], facts: Sequence[Any]
) -> list[Any]:
    """Return what tells two calls apart besides their bodies: the headers a provider hears."""
    headers = [entry for entry in request.headers.items() if entry[0] not in NOT_HEARD]
    forwarded = [
        (name, request.withheld[name])
        for name in forward
        if name in request.withheld and name not in NEVER_ALIKE
    ]
    own = [] if request.own is None else [_told_by(request.own)]
    return [namespace, sorted(headers), forwarded, facts, *own]


def _told_by(own: Sent) -> list[Any]:
    """Return what tells two requests of a caller's own client apart: where to, and as whom."""
    headers = own.headers.items()
    heard = [
        entry for entry in headers if entry[0] not in NOT_HEARD and entry[0][:12] != SDK_PREFIX
    ]
    return [own.url, sorted(heard)]
