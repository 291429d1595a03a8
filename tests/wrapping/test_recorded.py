"""Every recorded exchange of openai and anthropic, by a bare client and by a wrapped one: no
difference, in results, chunks, exceptions, or in what is sent.

The exchanges are served from loopback, streams in pieces that cut lines and characters too.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from portkey_local import wrap
from portkey_local.testing import Loopback, Step

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of old models

KEY = "sk-test-key-of-the-recordings"
PIECE = 997  # bytes: lines, events and characters are cut anywhere
SDKS = {"openai": openai, "anthropic": anthropic, "azure-openai": openai}
ENDPOINTS = {
    "/chat/completions": "chat.completions",
    "/responses": "responses",
    "/embeddings": "embeddings",
    "/v1/messages": "messages",
}


@dataclass(frozen=True)
class Row:
    """One recorded exchange: the method it was made by, its arguments, and the answer."""

    prefix: str
    resource: str
    request: dict[str, Any]
    query: dict[str, str]
    step: Step

    def create(self, client: Any) -> Any:
        """Make the call; what the SDK does not know goes into `extra_body`."""
        resource = client
        for name in self.resource.split("."):
            resource = getattr(resource, name)
        known = _parameters(type(resource))
        given = {name: value for name, value in self.request.items() if name in known}
        extra = {name: value for name, value in self.request.items() if name not in known}
        return resource.create(**given, extra_body=extra or None, extra_query=self.query)


@cache
def _parameters(kind: type) -> frozenset[str]:
    return frozenset(inspect.signature(kind.create).parameters)


def row_of(line: str) -> Row:
    recorded = json.loads(line)
    path = recorded["path"].partition("#")[0]
    endpoint = next(end for end in ENDPOINTS if path.endswith(end))
    body = recorded["body"]
    content = json.dumps(body).encode() if recorded["body_encoding"] == "json" else body.encode()
    streams = recorded["request"].get("stream") is True
    pieces = [content[at : at + PIECE] for at in range(0, len(content), PIECE)]
    pairs = (recorded["query"] or "").lstrip("?").split("&")
    return Row(
        path.removesuffix(endpoint),
        ENDPOINTS[endpoint],
        recorded["request"],
        dict(pair.split("=", 1) for pair in pairs if pair),
        Step(
            status=recorded["status"],
            headers={"x-request-id": "req-1", "request-id": "req-1"},
            content_type=recorded["content_type"],
            **({"events": pieces} if streams else {"body": content}),
        ),
    )


@cache
def rows_of(file: Path) -> tuple[Row, ...]:
    return tuple(map(row_of, file.read_text(encoding="utf-8").splitlines()))


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    """One loopback for all the recordings."""
    with Loopback() as server:
        yield server


def described(value: Any) -> Any:
    request_id = getattr(value, "_request_id", None)
    return value, request_id  # models are equal if their classes and all their fields are


def told(error: Exception) -> tuple[Any, ...]:
    names = ("status_code", "message", "body", "code", "param", "type", "request_id")
    return (type(error).__name__, *(repr(getattr(error, name, None)) for name in names))


def seen(row: Row, client: Any) -> list[Any]:
    """Return what a caller sees of one call: a result, or chunks, and perhaps an exception."""
    found: list[Any] = []
    try:
        result = row.create(client)
        found.extend(map(described, result if row.request.get("stream") else (result,)))
    except (openai.OpenAIError, anthropic.AnthropicError) as error:
        found.append(told(error))
    return found


async def seen_async(row: Row, client: Any) -> list[Any]:
    found: list[Any] = []
    try:
        result = await row.create(client)
        if row.request.get("stream"):
            found += [described(value) async for value in result]
        else:
            found.append(described(result))
    except (openai.OpenAIError, anthropic.AnthropicError) as error:
        found.append(told(error))
    return found


def asked(server: Loopback, look: Callable[[], list[Any]], row: Row) -> list[Any]:
    """Return what was seen, and what was sent."""
    server.reset(lambda _: row.step)
    found = look()
    sent = [(r.method, r.target, r.path, r.query, r.body) for r in server.received]
    return [*found, sent]


def clients(name: str, server: Loopback, prefix: str, *, asynchronous: bool = False) -> Any:
    sdk = SDKS[name]
    kinds = {openai: ("OpenAI", "AsyncOpenAI"), anthropic: ("Anthropic", "AsyncAnthropic")}
    kind = getattr(sdk, kinds[sdk][asynchronous])
    return kind(api_key=KEY, base_url=server.url + prefix, max_retries=0)


@pytest.mark.parametrize("name", SDKS)
def test_a_wrapped_client_sees_what_the_bare_one_sees(
    name: str, server: Loopback, shared: Path
) -> None:
    rows = rows_of(shared / "recordings" / f"{name}.jsonl")
    wrong = []
    for prefix in {row.prefix for row in rows}:
        with clients(name, server, prefix) as bare, wrap(bare) as wrapped:
            for number, row in enumerate(rows, 1):
                if row.prefix != prefix:
                    continue
                one = asked(server, partial(seen, row, bare), row)
                if one != asked(server, partial(seen, row, wrapped), row):
                    wrong.append(number)
    assert not wrong, f"{len(wrong)} of {len(rows)} rows differ: {wrong[:20]}"


@pytest.mark.parametrize("name", ["openai", "anthropic"])
def test_so_does_an_asynchronous_one(name: str, server: Loopback, shared: Path) -> None:
    rows = rows_of(shared / "recordings" / f"{name}.jsonl")
    prefix = rows[0].prefix
    with asyncio.Runner() as runner:
        bare = clients(name, server, prefix, asynchronous=True)
        wrapped = wrap(bare)
        for row in _a_few_of_each_kind(rows):
            one = asked(server, lambda row=row: runner.run(seen_async(row, bare)), row)
            assert one == asked(server, lambda row=row: runner.run(seen_async(row, wrapped)), row)
        runner.run(wrapped.close())
        runner.run(bare.close())


def _a_few_of_each_kind(rows: tuple[Row, ...]) -> list[Row]:
    kinds: dict[Any, list[Row]] = {}
    for row in rows:
        kinds.setdefault((row.resource, row.step.status, row.step.content_type), []).append(row)
    return [row for same in kinds.values() for row in same[:3]]
