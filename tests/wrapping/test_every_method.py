"""Every method of an SDK, called on a bare client and on a wrapped one: the same goes out.

The methods are found by looking, and their arguments made from type hints, so a new release of an
SDK brings its own. Equal must be: the path, method, query, body and content type of every request a
method makes, the headers but for those of the connection, and what comes of the answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import anthropic
import openai
import pytest
from tests.wrapping.sdk import Method, methods

from portkey_local import wrap
from portkey_local.testing import Loopback, Received, Step

KEY = "sk-test-key-of-the-echo"
CONNECTION = {"accept-encoding", "connection", "host", "content-length"}
NEW_EACH_TIME = {"idempotency-key", "x-stainless-retry-count", "x-stainless-helper-thread-id"}
SILENT = ("connect", "unwrap", "verify_signature", "parse_unverified")  # no request by HTTP
FEW = 5
BOUNDARY = re.compile(rb"boundary=([0-9a-f]+)")


def answer(received: Received) -> Step:
    """Answer so that a method that waits for something sees it done at once."""
    if not received.headers.get("accept", "").startswith("application/json"):
        return Step(body=b"bytes", content_type="application/octet-stream")
    if received.wants_stream:
        return Step(events=['{"id": "a", "choices": [], "type": "message_stop"}', "[DONE]"])
    kept = "/files/" in received.path and "vector" not in received.path
    data: dict[str, Any] = {"id": "a", "status": "processed" if kept else "completed", "data": []}
    return Step(json=data, headers={"x-request-id": "req-1"})


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    """One loopback for all methods of all SDKs."""
    with Loopback(answer) as server:
        yield server


@dataclass(frozen=True)
class Done:
    """What a method sent, and what came of it."""

    sent: list[tuple[Any, ...]]
    result: str


def sent(received: Received) -> tuple[Any, ...]:
    """Return a request as it is compared; the boundary of a form is drawn by lot."""
    content_type, body = received.headers.get("content-type", ""), received.body
    if found := BOUNDARY.search(content_type.encode()):
        body = body.replace(found[1], b"boundary")
        content_type = content_type.replace(found[1].decode(), "boundary")
    headers = {
        name: value
        for name, value in received.headers.items()
        if name not in CONNECTION | NEW_EACH_TIME | {"content-type"}
    }
    return received.method, received.path, received.query, body, content_type, headers


def result(value: Any) -> str:
    """Return the kind of a result, and what it holds where that is plain.

    A dump would say the same, but has pydantic build the schema of every model there is.
    """
    held = repr(value) if hasattr(value, "model_dump") else ""
    return f"{type(value).__name__} {held}"


def called(method: Method, client: Any, server: Loopback) -> Done:
    """Call a method, and go through whatever it returns."""
    server.received.clear()
    try:
        value = method.on(client)(**method.arguments)
        if hasattr(value, "__enter__") and "Manager" in type(value).__name__:
            with value as stream:
                told = f"{[type(event).__name__ for event in islice(stream, FEW)]}"
        elif inspect.isgenerator(value) or "Stream" in type(value).__name__:
            told = f"{[type(event).__name__ for event in islice(value, FEW)]}"
        else:
            told = result(value)
    except Exception as error:  # noqa: BLE001 - the bare client's error is what counts
        told = f"{type(error).__name__}: {error}"[:200]
    return Done([sent(received) for received in server.received], told)


async def few(values: Any) -> list[str]:
    """Return the kinds of the first of asynchronous values; some never end."""
    kinds: list[str] = []
    async for value in values:
        kinds.append(type(value).__name__)
        if len(kinds) == FEW:
            break
    if hasattr(values, "aclose"):
        await values.aclose()
    return kinds


async def called_async(method: Method, client: Any, server: Loopback) -> Done:
    """Call an asynchronous method."""
    server.received.clear()
    try:
        value = method.on(client)(**method.arguments)
        if hasattr(value, "__aenter__") and "Manager" in type(value).__name__:
            async with value as stream:
                told = f"{await few(stream)}"
        elif inspect.isasyncgen(value):
            told = f"{await few(value)}"
        else:
            told = result(await value if inspect.isawaitable(value) else value)
    except Exception as error:  # noqa: BLE001 - as above
        told = f"{type(error).__name__}: {error}"[:200]
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)  # uploads that go on behind an error
    return Done([sent(received) for received in server.received], told)


def bare_client(kind: Any, server: Loopback) -> Any:
    """Return a bare client whose home is the server, with settings that must survive."""
    azure = {"azure_endpoint": server.url, "azure_deployment": "depl", "api_version": "2024-10-21"}
    home = azure if "Azure" in kind.__name__ else {"base_url": f"{server.url}/home"}
    known = inspect.signature(kind.__init__).parameters
    own = {"organization": "org-1", "project": "proj-1", "admin_api_key": "sk-admin-of-the-echo"}
    extra = {name: value for name, value in own.items() if name in known}
    return kind(
        api_key=KEY,
        max_retries=0,
        default_headers={"x-mine": "1", "helicone-auth": "Bearer mine"},
        default_query={"mine": "2"},
        **home,
        **extra,
    )


def compared(pairs: list[tuple[Method, Done, Done]]) -> None:
    """Demand that there is no difference, and that nearly all methods sent something."""
    wrong = {m.name: (bare, ours) for m, bare, ours in pairs if bare != ours}
    assert not wrong, f"{len(wrong)} of {len(pairs)} differ, the first: {next(iter(wrong.items()))}"
    silent = [m.name for m, bare, _ in pairs if not bare.sent]
    unasked = [name for name in silent if not name.endswith(SILENT)]
    assert len(unasked) <= max(6, len(pairs) // 20), f"no request of {unasked}"
    assert len(pairs) > 20


AT_DEPLOYMENTS = ("audio", "chat", "completions", "embeddings", "images", "models", "responses")
ASKING = {"messages", *AT_DEPLOYMENTS}
SYNC = [openai.OpenAI, openai.AzureOpenAI, anthropic.Anthropic]
ASYNC = [openai.AsyncOpenAI, anthropic.AsyncAnthropic]
ADMINISTRATION = {"admin", "organization"}  # the larger half, and all of one kind


def _every_third(found: Iterator[Method]) -> Iterator[Method]:
    """Yield all methods near a model call, and some of the others: one way leads to all."""
    for number, method in enumerate(found):
        if not ADMINISTRATION.isdisjoint(method.path):
            continue
        if number % 3 == 0 or not ASKING.isdisjoint(method.path):
            yield method


@pytest.mark.parametrize("kind", SYNC)
def test_a_wrapped_client_sends_what_the_bare_one_sends(kind: Any, server: Loopback) -> None:
    with warnings.catch_warnings(), bare_client(kind, server) as bare:
        warnings.simplefilter("ignore")  # what is deprecated must go out as well
        with wrap(bare) as wrapped:
            compared(
                [
                    (method, called(method, bare, server), called(method, wrapped, server))
                    for method in methods(bare)
                    if not method.name.endswith("connect")
                    and (kind is not openai.AzureOpenAI or method.path[0] in AT_DEPLOYMENTS)
                ]
            )


@pytest.mark.parametrize("kind", ASYNC)
def test_so_does_an_asynchronous_one(kind: Any, server: Loopback) -> None:
    async def pairs() -> list[tuple[Method, Done, Done]]:
        async with contextlib.AsyncExitStack() as stack:
            bare = await stack.enter_async_context(bare_client(kind, server))
            wrapped = await stack.enter_async_context(wrap(bare))
            return [
                (
                    method,
                    await called_async(method, bare, server),
                    await called_async(method, wrapped, server),
                )
                for method in _every_third(methods(bare))
                if not method.name.endswith("connect")
            ]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compared(asyncio.run(pairs()))
