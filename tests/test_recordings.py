"""Recorded answers of real providers give what the bare SDK gives, whichever door a call takes.

Every recorded exchange is served from loopback, and the same call is made twice: by `openai.OpenAI`
pointed at the server and by `Portkey` with the server as `custom_host`. Nothing may differ: the
result, the chunks of a stream, the exception, and the request the server saw.
"""

from __future__ import annotations

import gc
import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncStream, BaseModel, Stream
from openai.resources.chat.completions import Completions
from openai.resources.embeddings import Embeddings
from openai.resources.responses import Responses
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Loopback, Received, Step

KEY = "sk-test"
FILES = [
    "azure-openai", "cerebras", "crusoe", "deepseek", "groq", "huggingface", "mistral", "ollama",
    "openai", "openrouter", "snowflake", "voyage", "zai",
]  # fmt: skip
# Our provider id -> the recordings of that provider. Ollama's and Voyage's answers are not OpenAI's
# in every point, and are mended: tests/providers/test_mending.py, tests/providers/test_embedding.py.
PROVIDERS = {
    "azure-openai": "azure-openai",
    "cerebras": "cerebras",
    "cortex": "snowflake",
    "deepseek": "deepseek",
    "groq": "groq",
    "huggingface": "huggingface",
    "mistral-ai": "mistral",
    "openrouter": "openrouter",
    "z-ai": "zai",
}
ENDPOINTS = ("/chat/completions", "/responses", "/embeddings")
FEW = 2  # rows of each kind, where a sample will do
FEW_BYTES = 23  # so that events, lines and characters are cut everywhere


@dataclass(frozen=True)
class Row:
    """One recorded exchange: where it was sent, the request, and the answer as bytes."""

    prefix: str
    endpoint: str
    query: dict[str, str]
    request: dict[str, Any]
    status: int
    content_type: str
    body: bytes
    place: str

    @property
    def streams(self) -> bool:
        return self.request.get("stream") is True

    @property
    def kind(self) -> tuple[str, int, str]:
        return self.endpoint, self.status, self.content_type

    @property
    def step(self) -> Step:
        headers = {"x-request-id": f"req-{self.status}"}
        return Step(
            status=self.status, content_type=self.content_type, body=self.body, headers=headers
        )

    @property
    def crumbs(self) -> Step:
        """The same answer, in many small pieces."""
        starts = range(0, len(self.body), FEW_BYTES)
        pieces = [self.body[start : start + FEW_BYTES] for start in starts]
        return replace(self.step, body=None, events=pieces)


def row_of(line: str, place: str) -> Row:
    recorded = json.loads(line)
    assert recorded["method"].upper() == "POST"
    path = recorded["path"].partition("#")[0]
    endpoint = next(end for end in ENDPOINTS if path.endswith(end))
    body = recorded["body"]
    query = recorded["query"].lstrip("?") if recorded["query"] else ""
    return Row(
        prefix=path.removesuffix(endpoint),
        endpoint=endpoint,
        query=dict(pair.split("=", 1) for pair in query.split("&") if pair),
        request=recorded["request"],
        status=recorded["status"],
        content_type=recorded["content_type"],
        body=json.dumps(body).encode() if recorded["body_encoding"] == "json" else body.encode(),
        place=place,
    )


@cache
def rows_of(folder: Path, name: str) -> tuple[Row, ...]:
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(row_of(line, f"{name} {number}") for number, line in enumerate(lines, 1))


def few(rows: tuple[Row, ...]) -> list[Row]:
    """A few rows of each kind, and all of what is rare."""
    kept: dict[object, list[Row]] = {}
    for row in rows:
        kept.setdefault(row.kind, []).append(row)
    return [row for same in kept.values() for row in same[:FEW]]


@pytest.fixture
def recordings(shared: Path) -> Callable[[str], tuple[Row, ...]]:
    """The rows of a provider's recordings."""
    return lambda name: rows_of(shared / "recordings", name)


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    """One loopback for all the recordings."""
    with Loopback() as server:
        yield server


# ------------------------------------------------------------------------- what is compared


@dataclass
class Seen:
    """What a caller saw of one call: a result, or chunks, and perhaps an exception."""

    results: list[Any]
    error: Exception | None
    received: list[Received]


def described(value: Any) -> Any:
    return value.to_dict(warnings=False) if isinstance(value, BaseModel) else value


def error_facts(error: Exception | None) -> dict[str, Any]:
    names = ("status_code", "code", "param", "type", "body", "request_id")
    return {name: getattr(error, name, None) for name in names}


def differences(bare: Seen, ours: Seen) -> Iterator[str]:
    """Say in which way two calls differ."""
    if type(bare.error) is not type(ours.error):
        yield f"raised {bare.error!r} and {ours.error!r}"
    elif error_facts(bare.error) != error_facts(ours.error):
        yield f"errors differ: {error_facts(bare.error)} and {error_facts(ours.error)}"
    if len(bare.results) != len(ours.results):
        yield f"{len(bare.results)} and {len(ours.results)} results"
    for number, (one, other) in enumerate(zip(bare.results, ours.results, strict=False)):
        if found := result_difference(one, other):
            yield f"result {number} {found}"
    yield from request_differences(bare.received, ours.received)


def result_difference(one: Any, other: Any) -> str | None:
    if type(one) is not type(other):
        return f"is {type(one).__name__} and {type(other).__name__}"
    if described(one) != described(other):
        return f"is {described(one)} and {described(other)}"
    if one != other:
        return "is not equal, although its fields are"
    if getattr(one, "_request_id", None) != getattr(other, "_request_id", None):
        return "has another _request_id"
    return None


def request_differences(bare: list[Received], ours: list[Received]) -> Iterator[str]:
    if (len(bare), len(ours)) != (1, 1):
        yield f"{len(bare)} and {len(ours)} requests"
        return
    for name in ("method", "target", "path", "query", "json"):
        one, other = getattr(bare[0], name), getattr(ours[0], name)
        if one != other:
            yield f"request {name}: {one!r} and {other!r}"
    if list(bare[0].json) != list(ours[0].json):
        return  # the order of the fields is nobody's business
    if len(bare[0].body) != len(ours[0].body):
        yield f"request of {len(bare[0].body)} and {len(ours[0].body)} bytes"


# --------------------------------------------------------------------------- how it is called


@cache
def parameters(create: Any) -> frozenset[str]:
    return frozenset(inspect.signature(create).parameters)


SIGNATURES = {
    "/chat/completions": Completions.create,
    "/responses": Responses.create,
    "/embeddings": Embeddings.create,
}


def arguments(row: Row) -> dict[str, Any]:
    """A recorded request as arguments; what the SDK does not know goes into `extra_body`."""
    known = parameters(SIGNATURES[row.endpoint])
    given = {name: value for name, value in row.request.items() if name in known}
    extra = {name: value for name, value in row.request.items() if name not in known}
    given |= {"extra_body": extra} if extra else {}
    return given | ({"extra_query": row.query} if row.query else {})


def resource(client: Any, row: Row) -> Any:
    match row.endpoint:
        case "/chat/completions":
            return client.chat.completions
        case "/responses":
            return client.responses
        case _:
            return client.embeddings


def by_create(client: Any, row: Row) -> Any:
    return resource(client, row).create(**arguments(row))


def by_raw_response(client: Any, row: Row) -> Any:
    return resource(client, row).with_raw_response.create(**arguments(row))


def by_post(client: Any, row: Row) -> Any:
    asynchronous = isinstance(client, openai.AsyncOpenAI)
    kinds = {"/chat/completions": ChatCompletion, "/embeddings": CreateEmbeddingResponse}
    given: dict[str, Any] = {"cast_to": kinds.get(row.endpoint, object), "body": row.request}
    if row.query:
        given["options"] = {"params": row.query}
    if row.streams:
        kind = AsyncStream if asynchronous else Stream
        given |= {"stream": True, "stream_cls": kind[ChatCompletionChunk]}
    return client.post(row.endpoint, **given)


def parsed(result: Any, row: Row) -> Any:
    """Open a raw response, whose status and headers must be those that were served."""
    if not hasattr(result, "http_response"):
        return result
    served = (row.status, row.content_type, row.step.headers["x-request-id"])
    headers = result.headers
    assert (result.status_code, headers["content-type"], headers["x-request-id"]) == served
    return result.parse()


def call(server: Loopback, client: Any, row: Row, door: Any, step: Step) -> Seen:
    server.reset(lambda _: step)
    seen = Seen([], None, [])
    try:
        result = parsed(door(client, row), row)
        if isinstance(result, Stream):
            with result:
                seen.results.extend(iter(result))
        else:
            seen.results.append(result)
    except openai.OpenAIError as error:
        seen.error = error
    seen.received = server.received
    return seen


async def async_call(server: Loopback, client: Any, row: Row, door: Any) -> Seen:
    server.reset(lambda _: row.step)
    seen = Seen([], None, [])
    try:
        result = parsed(await door(client, row), row)
        if isinstance(result, AsyncStream):
            async with result, aclosing(aiter(result)) as chunks:
                async for chunk in chunks:
                    seen.results.append(chunk)
        else:
            seen.results.append(result)
    except openai.OpenAIError as error:
        seen.error = error
    seen.received = server.received
    return seen


class Bare:
    """What callers of the bare SDK see, asked once for each row."""

    def __init__(self, server: Loopback) -> None:
        self._server = server
        self._client = openai.OpenAI(api_key=KEY, base_url=server.url, max_retries=0)
        self._seen: dict[str, Seen] = {}

    def seen(self, row: Row) -> Seen:
        if row.place not in self._seen:
            client = self._client.with_options(base_url=self._server.url + row.prefix)
            self._seen[row.place] = call(self._server, client, row, by_create, row.step)
        return self._seen[row.place]

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module")
def bare(server: Loopback) -> Iterator[Bare]:
    """The bare SDK on the same server."""
    with closing(Bare(server)) as bare:
        yield bare


def our_arguments(server: Loopback, provider: str) -> dict[str, Any]:
    return {"provider": provider, "Authorization": KEY, "api_key": KEY, "custom_host": server.url}


def no_difference(found: list[str]) -> None:
    assert not found, f"{len(found)} rows differ:\n" + "\n".join(found[:10])


def compared(server: Loopback, bare: Bare, rows: Any, door: Any, **how: Any) -> None:
    """Make each call by our client, one for all rows, and tell what differs first in each."""
    assert rows
    found = []
    with Portkey(**our_arguments(server, how.get("provider", "openai"))) as ours:
        for row in rows:
            expected = bare.seen(row)
            client = ours.with_options(custom_host=server.url + row.prefix)
            seen = call(server, client, row, door, row.crumbs if how.get("crumbs") else row.step)
            found += [f"{row.place}: {text}" for text in differences(expected, seen)][:1]
    no_difference(found)


async def async_compared(server: Loopback, bare: Bare, rows: Any, **how: Any) -> None:
    """Do the same with our asynchronous client."""
    assert rows
    found = []
    async with AsyncPortkey(**our_arguments(server, how.get("provider", "openai"))) as ours:
        for row in rows:
            expected = bare.seen(row)
            client = ours.with_options(custom_host=server.url + row.prefix)
            seen = await async_call(server, client, row, by_create)
            found += [f"{row.place}: {text}" for text in differences(expected, seen)][:1]
    no_difference(found)


async def both_asynchronous(server: Loopback, rows: Any, door: Any) -> None:
    """Compare our asynchronous client with the bare SDK's."""
    assert rows
    found = []
    async with (
        openai.AsyncOpenAI(api_key=KEY, base_url=server.url, max_retries=0) as bare,
        AsyncPortkey(**our_arguments(server, "openai")) as ours,
    ):
        for row in rows:
            host = server.url + row.prefix
            pair = [
                await async_call(server, client, row, door)
                for client in (
                    bare.with_options(base_url=host),
                    ours.with_options(custom_host=host),
                )
            ]
            found += [f"{row.place}: {text}" for text in differences(*pair)][:1]
    no_difference(found)


# ---------------------------------------------------------------------------------- the tests

files = pytest.mark.parametrize("name", FILES)
on_asyncio = pytest.mark.parametrize("anyio_backend", ["asyncio"])
# The bare SDK and httpcore leave generators of their own unfinished, and trio warns of that.
left_to_the_collector = pytest.mark.filterwarnings(
    "ignore:Async generator '(openai|httpx|httpcore):ResourceWarning"
)


@files
def test_create_gives_what_the_bare_sdk_gives(recordings, server, bare, name):
    """`create` returns, streams and raises exactly what the bare SDK does for the same answer."""
    compared(server, bare, recordings(name), by_create)


@files
def test_raw_responses_parse_to_the_same(recordings, server, bare, name):
    """`with_raw_response` shows the provider's status and headers, and parses to the same result."""
    compared(server, bare, recordings(name), by_raw_response)


@files
def test_post_gives_the_same(recordings, server, bare, name):
    """`client.post` with `cast_to` gives the same results, and the same chunks of a stream."""
    rows = [row for row in recordings(name) if row.endpoint == "/chat/completions"]
    if not rows:
        pytest.skip("no recorded chat")
    compared(server, bare, rows, by_post)


@files
def test_small_pieces_change_nothing(recordings, server, bare, name):
    """Answers that arrive in pieces of a few bytes give the same results, chunks and errors."""
    compared(server, bare, few(recordings(name)), by_create, crumbs=True)


@files
@on_asyncio
@left_to_the_collector
@pytest.mark.anyio
async def test_async_calls_give_the_same(recordings, server, bare, name):
    """`AsyncPortkey` gives what the bare SDK gives, for every recorded answer."""
    await async_compared(server, bare, recordings(name))


@left_to_the_collector
@pytest.mark.parametrize("door", [by_create, by_raw_response], ids=["create", "raw"])
@pytest.mark.anyio
async def test_both_event_loops_give_the_same(recordings, server, door):
    """`AsyncPortkey` agrees with `AsyncOpenAI` on asyncio and on trio, by a sample of each kind."""
    rows = [row for name in FILES for row in few(recordings(name))]
    gc.disable()  # in a thread of the provider it would end generators that belong to this loop
    try:
        await both_asynchronous(server, rows, door)
        gc.collect()  # so that what warns of unfinished generators does it here
    finally:
        gc.enable()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_id_takes_a_host_of_ones_own(recordings, server, bare, provider):
    """Under its own provider id, too, a provider's answers are those of the bare SDK."""
    rows = few(recordings(PROVIDERS[provider]))
    compared(server, bare, rows, by_create, provider=provider)


@left_to_the_collector
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.anyio
async def test_every_provider_id_works_asynchronously(recordings, server, bare, provider):
    """Under its own provider id, too, the asynchronous client agrees with the bare SDK."""
    await async_compared(server, bare, few(recordings(PROVIDERS[provider])), provider=provider)
