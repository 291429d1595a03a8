"""Which requests of an SDK's are model calls, and what they are to the router.

Ground rules: pure. A model call is a POST of JSON or a form to one of `ENDPOINTS`, below any API
root; it may be answered by another provider. Everything else (files, batches, threads, lists) lives
at the provider where it was made, so it is not routed. The message as the SDK made it goes along
for the target "self"; other targets get neither credentials nor what looks like one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from portkey_local.model import Request, Sent
from portkey_local.providers.sse import decode_json
from portkey_local.providers.table import PROVIDERS
from portkey_local.transports import DROPPED, parted, reads_piecemeal

__all__ = ["ENDPOINTS", "Parted", "endpoint_of", "lives_at", "part", "request_of"]

ENDPOINTS: Final = (
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/images/edits",
    "/images/generations",
    "/images/variations",
    "/messages",
    "/moderations",
    "/responses",
)
KEPT_THERE: Final = re.compile(  # whose parts have names of endpoints: /threads/{id}/messages
    r"/(assistants|batches|containers|conversations|evals|files|fine_tuning|organization|sessions"
    r"|threads|vector_stores)/(?!v\d)[^/]+$"
)
SECRETIVE: Final = re.compile(r"auth|cookie|credential|key|passw|secret|session|signature|token")
OURS: Final = "x-portkey-"
LENGTH: Final = (b"Content-Length", b"content-length")  # the only one that is new for every call
AZURES_QUERY: Final = "api-version"


@lru_cache(maxsize=1024)
def endpoint_of(method: str, address: bytes) -> str | None:
    """Return the endpoint that a request is a model call to, or None where it is none.

    `address` is the URL's path and query.

    >>> endpoint_of("POST", b"/openai/deployments/gpt-4o/chat/completions?api-version=1")
    '/chat/completions'
    >>> endpoint_of("POST", b"/v1/threads/thread_1/messages")
    >>> endpoint_of("POST", b"/organization/acme/v1/messages")  # an API root may be anything
    '/messages'
    """
    if method != "POST":
        return None
    path = address.partition(b"?")[0].decode("ascii")
    found = next((endpoint for endpoint in ENDPOINTS if path.endswith(endpoint)), None)
    if found is None:
        return None
    return None if KEPT_THERE.search(path.removesuffix(found)) else found


def lives_at(url: Any, endpoint: str) -> bool:
    """Whether a URL is an endpoint of a provider's in our table, at the provider's own address."""
    return _address(url).partition("?")[0].removesuffix(endpoint) in _addresses()


@lru_cache(maxsize=1)
def _addresses() -> frozenset[str]:
    return frozenset(row.base_url for row in PROVIDERS.values() if row.base_url is not None)


@dataclass(frozen=True, slots=True)
class Parted:
    """A caller's headers: for any target, withheld, and as its own client sends them."""

    passed: Mapping[str, str]
    withheld: Mapping[str, str]
    own: Mapping[str, str]


def part(raw: tuple[tuple[bytes, bytes], ...]) -> Parted:
    """Part the headers of a message as an SDK made it. Raises ValueError for impossible ones."""
    headers: dict[str, str] = {}
    for key, text in raw:
        name, value = key.decode("latin-1").lower(), text.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    passed, withheld = parted(headers)
    for name in [name for name in passed if SECRETIVE.search(name)]:
        withheld[name] = passed.pop(name)
    own = {
        name: value
        for name, value in headers.items()
        if (name == "host" or name not in DROPPED) and not name.startswith(OURS)
    }
    return Parted(passed, withheld, own)


def request_of(
    message: Any, content: bytes, endpoint: str, part: Callable[..., Parted] = part
) -> Request:
    """Read a model call of an SDK's into a `Request`. Raises ValueError for an impossible header.

    `message` is a request of httpx's or httpx2's, `content` its body; `part` parts its headers, and
    may remember those that it has parted.
    """
    raw = message.headers.raw
    sent = part(tuple([entry for entry in raw if entry[0] not in LENGTH]))
    headers = sent.own
    body = _body(content, headers)
    accept = headers.get("accept", "application/json")
    return Request(
        method=message.method,
        path=endpoint,
        body=body,
        encoded=content if body is not None else None,
        content=None if body is not None or not content else content,
        headers=sent.passed,
        withheld=sent.withheld,
        query=_query(message.url.query.decode("ascii")),
        stream=bool(body and body.get("stream") is True),
        json_expected=accept.startswith(("application/json", "*/*")),
        piecemeal=reads_piecemeal(sent.withheld),
        own=Sent(_address(message.url), sent.own),
    )


def _address(url: Any) -> str:
    """Return a URL as it is asked for: a name and password in it have become a header."""
    return f"{url.scheme}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}"


def _body(content: bytes, headers: Mapping[str, str]) -> Mapping[str, Any] | None:
    if not content or "json" not in headers.get("content-type", ""):
        return None
    try:
        decoded = decode_json(content)
    except ValueError:
        return None
    return decoded if isinstance(decoded, dict) else None


def _query(query: str) -> str:
    """Return a query for other targets, who get no credentials.

    The version of Azure's API means nothing to them.
    """
    if not query:
        return query
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [
        pair for pair in pairs if pair[0] != AZURES_QUERY and not SECRETIVE.search(pair[0].lower())
    ]
    return query if len(kept) == len(pairs) else urlencode(kept)
