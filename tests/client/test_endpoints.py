"""Every endpoint of the SDK passes through: what the provider sees and what the caller gets.

The bare SDK is the measure. Each call is made by `openai.OpenAI` and by `Portkey` against the same
scripted provider, and neither the requests nor the results may differ; only who signs in does.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import cache, cached_property
from operator import attrgetter
from types import SimpleNamespace
from typing import Any

import httpx
import openai
import pydantic
import pytest
from openai import AsyncStream, BaseModel, Stream
from openai._legacy_response import HttpxBinaryResponseContent
from openai._response import BaseAPIResponse

from portkey_local import AsyncPortkey, HostedOnlyError, Portkey
from portkey_local.testing import Fault, Loopback, Received, Step, chat, chat_stream, error

CALLER_KEY = "pk-of-the-caller"
TARGET_KEY = "sk-of-the-target"
ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
WAV = ("talk.wav", b"RIFF\x00\xff\r\n--not-a-boundary\r\n\r\nWAVE", "audio/wav")
PNG = ("dot.png", b"\x89PNG\r\n\x1a\n\x00\xfe", "image/png")
CONVERSATION = ("x-request-id", "content-type")


# ------------------------------------------------------------------------ the scripted provider


MESSAGE = {
    "id": "msg-1", "type": "message", "role": "assistant", "status": "completed",
    "content": [{"type": "output_text", "text": '{"city": "Paris"}', "annotations": []}],
}  # fmt: skip
RESPONSE = {
    "id": "resp-1", "object": "response", "created_at": 1, "model": "m", "status": "completed",
    "output": [MESSAGE], "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
}  # fmt: skip
ANYTHING = {  # something for every shape of answer
    "id": "object-1", "object": "thing", "created_at": 1, "status": "completed", "model": "m",
    "text": "hello", "filename": "a.txt", "deleted": True, "name": "n", "url": "https://x.invalid",
    "data": [{"id": "item-1", "object": "item", "embedding": [0.25, -0.5], "b64_json": "AAAA"}],
    "first_id": "item-1", "last_id": "item-1", "has_more": False,
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}  # fmt: skip


def events(*data: dict[str, Any], name: str | None = None, done: bool = False) -> Step:
    """An event stream, whose events are named by their types as OpenAI names them."""
    lines = [
        f"event: {name or each.get('type')}\ndata: {json.dumps(each)}\n\n".encode() for each in data
    ]
    return Step(events=[*lines, *([b"event: done\ndata: [DONE]\n\n"] if done else [])])


RESPONSE_EVENTS = events(
    {"type": "response.created", "sequence_number": 0, "response": RESPONSE | {"output": []}},
    {
        "type": "response.output_item.added", "sequence_number": 1, "output_index": 0,
        "item": MESSAGE | {"content": []},
    },
    {
        "type": "response.content_part.added", "sequence_number": 2, "output_index": 0,
        "content_index": 0, "item_id": "msg-1",
        "part": {"type": "output_text", "text": "", "annotations": []},
    },
    {
        "type": "response.output_text.delta", "sequence_number": 3, "output_index": 0,
        "content_index": 0, "item_id": "msg-1", "delta": '{"city": "Paris"}', "logprobs": [],
    },
    {
        "type": "response.output_text.done", "sequence_number": 4, "output_index": 0,
        "content_index": 0, "item_id": "msg-1", "text": '{"city": "Paris"}', "logprobs": [],
    },
    {"type": "response.completed", "sequence_number": 5, "response": RESPONSE},
)  # fmt: skip
TRANSCRIPT_EVENTS = events(
    {"type": "transcript.text.delta", "delta": "hel"},
    {"type": "transcript.text.delta", "delta": "lo"},
    {"type": "transcript.text.done", "text": "hello"},
)
IMAGE_EVENTS = events(
    {"type": "image_generation.partial_image", "b64_json": "AA", "partial_image_index": 0},
    {"type": "image_generation.completed", "b64_json": "AAAA"},
)
THREAD_EVENTS = events(
    {"id": "run-1", "object": "thread.run", "status": "queued"}, name="thread.run.queued", done=True
)


def provide(received: Received) -> Step:
    """Answer as the endpoint's own provider would, or with something of every shape."""
    fields = form(received) or received.json or {}
    path = received.path
    if fields.get("stream") in (True, "true"):
        return streamed(path)
    if path.endswith(("/content", "/audio/speech")) and "/vector_stores/" not in path:
        return Step(body=b"\x00\x01binary\xff\xfe", content_type="application/octet-stream")
    if fields.get("response_format") in ("text", "srt", "vtt") and "/audio/" in path:
        return Step(body=b"hello\n", content_type="text/plain; charset=utf-8")
    if path.endswith("/chat/completions") and received.method == "POST":
        return chat('{"city": "Paris"}', headers={"x-request-id": "req-1"})
    if path.startswith("/v1/responses") and path.count("/") <= 3:
        return Step(json=RESPONSE, headers={"x-request-id": "req-2"})
    return Step(json={**ANYTHING, "told": [received.method, path, received.query]})


def streamed(path: str) -> Step:
    if path.endswith("/responses"):
        return RESPONSE_EVENTS
    if "/audio/" in path:
        return TRANSCRIPT_EVENTS
    if "/images/" in path:
        return IMAGE_EVENTS
    if "/threads" in path:
        return THREAD_EVENTS
    return chat_stream(['{"city": ', '"Paris"}'], usage=True)


# ---------------------------------------------------------------------------- what is compared


def parts(received: Received) -> list[tuple[dict[str, str], bytes]]:
    """The parts of a multipart body: the headers and the content of each."""
    found = re.search(r'boundary="?([^";]+)', received.headers.get("content-type", ""))
    if found is None:
        return []
    _, *between, end = received.body.split(b"--" + found[1].encode())
    assert end == b"--\r\n"
    made = []
    for part in between:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        lines = [line.partition(":") for line in head.decode().split("\r\n")]
        headers = {name.lower(): value.strip() for name, _, value in lines}
        made.append((headers, content.removesuffix(b"\r\n")))
    return made


def form(received: Received) -> dict[str, str]:
    """The text fields of a multipart body by name."""
    fields = {}
    for headers, content in parts(received):
        disposition = headers["content-disposition"]
        if "filename=" not in disposition:
            fields[re.search(r'name="([^"]*)"', disposition)[1]] = content.decode()
    return fields


NOT_COMPARED = frozenset(
    {"accept-encoding", "authorization", "connection", "content-length", "host", "user-agent"}
)


def headers_of(received: Received) -> dict[str, str]:
    """The headers that a call decides, without what belongs to a connection or a client."""
    kept = {
        name: value
        for name, value in received.headers.items()
        if name not in NOT_COMPARED and not name.startswith("x-stainless")
    }
    if "content-type" in kept:  # a form's boundary is drawn by lot
        kept["content-type"] = kept["content-type"].partition(";")[0]
    return kept


def request_of(received: Received) -> dict[str, Any]:
    body = parts(received) or received.json or received.body
    return {
        "line": (received.method, received.path, received.query),
        "headers": headers_of(received),
        "body": body,
    }


def signed_in(received: Received) -> None:
    """A request carries the target's key, and nothing of the SDK's or the gateway's bookkeeping."""
    assert received.headers["authorization"] == f"Bearer {TARGET_KEY}"
    assert CALLER_KEY not in str(received.headers)
    leaked = [name for name in received.headers if name.startswith(("x-stainless", "x-portkey"))]
    assert leaked == []


def plain(value: Any) -> Any:
    """A result as something that can be compared: its type and all it holds."""
    if isinstance(value, BaseModel):
        return type(value), value.to_dict(warnings=False), getattr(value, "_request_id", None)
    if isinstance(value, HttpxBinaryResponseContent):
        return type(value), value.content
    if isinstance(value, openai.APIStatusError):
        return type(value), value.status_code, value.body
    if isinstance(value, Exception):
        return type(value)
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, streams or raises."""
    try:
        result = call()
        return plain(list(result) if isinstance(result, Stream) else result)
    except (openai.OpenAIError, TypeError, ValueError, AttributeError) as raised:
        return plain(raised)


async def async_outcome(call: Callable[[], Any]) -> Any:
    try:
        result = call()
        result = await result if isinstance(result, Awaitable) else result
        if isinstance(result, AsyncStream):
            result = [chunk async for chunk in result]
        return plain(result)
    except (openai.OpenAIError, TypeError, ValueError, AttributeError) as raised:
        return plain(raised)


def alike(one: tuple[Any, list[Received]], other: tuple[Any, list[Received]]) -> None:
    """Fail unless both saw the same, and ours was signed in as it must be."""
    (bare_result, bare_requests), (our_result, our_requests) = one, other
    assert [request_of(each) for each in our_requests] == [
        request_of(each) for each in bare_requests
    ]
    assert our_result == bare_result
    for received in our_requests:
        signed_in(received)


class Both:
    """The bare SDK's client and ours, at the same scripted provider."""

    def __init__(self, server: Loopback) -> None:
        self.server = server
        host = server.target("t") + "/v1"
        self.bare = openai.OpenAI(api_key=CALLER_KEY, base_url=host, max_retries=0)
        target = {"provider": "openai", "api_key": TARGET_KEY, "custom_host": host}
        self.target = target
        self.ours = Portkey(api_key=CALLER_KEY, config=target)

    def same(self, call: Callable[[Any], Any], script: Any = provide) -> Any:
        """Make a call with both clients; nothing may differ. Gives what it came to."""
        seen = []
        for client in (self.bare, self.ours):
            self.server.reset(script)
            result = outcome(lambda: call(client))  # noqa: B023 - called at once
            seen.append((result, self.server.received))
        alike(*seen)
        return seen[1][0]

    def sent(self, call: Callable[[Any], Any], **options: Any) -> Received:
        """Make a call with a client of ours that has other options; give the request."""
        self.server.reset(provide)
        with Portkey(**{"api_key": CALLER_KEY, "config": self.target, **options}) as client:
            call(client)
        [received] = self.server.received
        return received

    def close(self) -> None:
        self.bare.close()
        self.ours.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    """One scripted provider for this file."""
    with Loopback() as server:
        yield server


@pytest.fixture(scope="module")
def both(server: Loopback) -> Iterator[Both]:
    """Both synchronous clients."""
    both = Both(server)
    yield both
    both.close()


@pytest.fixture
async def async_both(server: Loopback, anyio_backend: str) -> AsyncIterator[Any]:
    """Both asynchronous clients, as a function that makes a call with each and compares."""
    host = server.target("t") + "/v1"
    config = {"provider": "openai", "api_key": TARGET_KEY, "custom_host": host}
    async with (
        openai.AsyncOpenAI(api_key=CALLER_KEY, base_url=host, max_retries=0) as bare,
        AsyncPortkey(api_key=CALLER_KEY, config=config) as ours,
    ):

        async def same(call: Callable[[Any], Any], script: Any = provide) -> Any:
            seen = []
            for client in (bare, ours):
                server.reset(script)
                result = await async_outcome(lambda: call(client))  # noqa: B023 - called at once
                seen.append((result, server.received))
            alike(*seen)
            return seen[1][0]

        yield SimpleNamespace(same=same, bare=bare, ours=ours, server=server)


# The bare SDK and httpcore leave generators of their own unfinished, and trio warns of that.
left_to_the_collector = pytest.mark.filterwarnings(
    "ignore:Async generator '(openai|httpx|httpcore):ResourceWarning"
)
deprecated_too = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# -------------------------------------------------------------------- every method of the SDK


NO_PLAIN_REQUEST = re.compile(  # polls wait, helpers make requests of other methods, sockets
    r"(.*_)?(poll|parse|connect|wait_for_processing|upload_file_chunked|unwrap|verify_signature)$"
    r"|(create_and_run_|create_and_|submit_tool_outputs_)stream$|stream$|upload$|prepare_directory$"
)
HOSTED = ("admin",)  # the hosted product has resources of these names
ONE_OF = {  # methods that want one of several arguments
    "audio.voices.create": {"audio_sample": WAV, "consent": "c"},
    "beta.agents.automations.create": {"expression": "* * * * *"},
    "beta.agents.environments.files.create": {"data": "AAAA"},
}


def resources(client: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Walk the resources of a client, all the way down."""
    for name in dir(type(client)):
        found = inspect.getattr_static(type(client), name)
        if name.startswith(("_", "with_")) or not isinstance(found, (cached_property, property)):
            continue
        value = getattr(client, name, None)
        if type(value).__module__.startswith("openai.resources"):
            yield f"{path}{name}", value
            yield from resources(value, f"{path}{name}.")


def methods_of(resource: Any) -> list[str]:
    """The methods of a resource that make one request each."""
    return [
        name
        for name in dir(type(resource))
        if not name.startswith(("_", "with_"))
        and inspect.isfunction(inspect.getattr_static(type(resource), name))
        and not NO_PLAIN_REQUEST.match(name)
    ]


@cache
def walked() -> dict[str, dict[str, dict[str, Any]]]:
    """The methods of the installed SDK by the path of their resource, each with its arguments."""
    with openai.OpenAI(api_key="none") as client:
        found = {
            path: {name: required(path, getattr(resource, name)) for name in methods_of(resource)}
            for path, resource in resources(client)
        }
    return {path: names for path, names in found.items() if names and not path.startswith(HOSTED)}


SAMPLES = {  # by the beginning of the annotation; how a value is typed does not matter on the wire
    "int": 3,
    "float": 0.5,
    "bool": True,
    "Literal[True]": True,
    "Iterable[": ["a", "b"],
    "List[": ["a", "b"],
    "Sequence": ["a", "b"],
    "Dict[": {"a": "b"},
    "object": {"a": "b"},
}


def sample(name: str, parameter: inspect.Parameter) -> Any:
    """A value for a required parameter."""
    kind = str(parameter.annotation)
    if "FileTypes" in kind or name == "video":
        return PNG
    if name == "messages":
        return ASK["messages"]
    if kind.endswith(("Param", "Params", ".Config")):
        return {"a": "b"}
    return next((value for start, value in SAMPLES.items() if kind.startswith(start)), f"{name}-1")


def required(path: str, method: Any) -> dict[str, Any]:
    """The arguments that a method cannot do without."""
    needed = {
        name: sample(name, parameter)
        for name, parameter in inspect.signature(method).parameters.items()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    }
    return needed | ONE_OF.get(f"{path}.{method.__name__}", {})


def call_of(path: str, name: str) -> Callable[[Any], Any]:
    return lambda client: attrgetter(f"{path}.{name}")(client)(**walked()[path][name])


@deprecated_too
@pytest.mark.parametrize("path", walked())
def test_every_method_of_the_sdk(both, path):
    """Whatever method of whatever resource is called, request and result are the bare SDK's."""
    for name in walked()[path]:
        both.same(call_of(path, name))


@left_to_the_collector
@deprecated_too
@pytest.mark.anyio
async def test_every_method_of_the_sdk_asynchronously(async_both):
    """The asynchronous client passes every method through as well."""
    quiet = []
    for path, names in walked().items():
        for name in names:
            await async_both.same(call_of(path, name))
            quiet += [] if async_both.server.received else [f"{path}.{name}"]
    assert len(quiet) <= 5, quiet  # those are helpers, or want arguments that nobody can guess


def test_the_walk_found_the_sdk():
    """The list of methods holds what everybody uses."""
    assert {"chat.completions", "responses", "embeddings", "files", "images"} <= walked().keys()
    assert "create" in walked()["chat.completions"]
    assert sum(map(len, walked().values())) > 100


# ---------------------------------------------------------- the endpoints, with rich arguments


class City(pydantic.BaseModel):
    """What a structured answer is parsed into."""

    city: str


CALLS: dict[str, Callable[[Any], Any]] = {
    "chat": lambda c: c.chat.completions.create(**ASK, temperature=0, tools=[], stop=None),
    "chat stream": lambda c: c.chat.completions.create(
        **ASK, stream=True, stream_options={"include_usage": True}
    ),
    "chat n=2": lambda c: c.chat.completions.create(**ASK, n=2, user="ü €"),
    "chat parse": lambda c: c.chat.completions.parse(**ASK, response_format=City),
    "completions": lambda c: c.completions.create(model="m", prompt=["a", "b"], echo=True),
    "completions stream": lambda c: c.completions.create(model="m", prompt="a", stream=True),
    "embeddings": lambda c: c.embeddings.create(model="m", input=["a", "b"], dimensions=2),
    "embeddings floats": lambda c: c.embeddings.create(
        model="m", input=[[1, 2], [3]], encoding_format="float"
    ),
    "responses": lambda c: c.responses.create(model="m", input="hi", store=False),
    "responses stream": lambda c: c.responses.create(model="m", input="hi", stream=True),
    "responses parse": lambda c: c.responses.parse(model="m", input="hi", text_format=City),
    "responses retrieve": lambda c: c.responses.retrieve("resp-1", include=["file_search_call.results"]),
    "responses delete": lambda c: c.responses.delete("resp-1"),
    "responses cancel": lambda c: c.responses.cancel("resp-1"),
    "responses input items": lambda c: c.responses.input_items.list("resp-1", limit=2, order="asc"),
    "images": lambda c: c.images.generate(prompt="a dot", n=2, size="256x256"),
    "images stream": lambda c: c.images.generate(prompt="a dot", stream=True, partial_images=1),
    "images edit": lambda c: c.images.edit(image=PNG, mask=PNG, prompt="red", n=1),
    "images edit two": lambda c: c.images.edit(image=[PNG, PNG], prompt="red"),
    "images variation": lambda c: c.images.create_variation(image=PNG, n=2, user="ü"),
    "transcriptions": lambda c: c.audio.transcriptions.create(file=WAV, model="w", language="en"),
    "transcriptions text": lambda c: c.audio.transcriptions.create(
        file=WAV, model="w", response_format="text"
    ),
    "transcriptions verbose": lambda c: c.audio.transcriptions.create(
        file=WAV, model="w", response_format="verbose_json", timestamp_granularities=["word", "segment"]
    ),
    "transcriptions stream": lambda c: c.audio.transcriptions.create(file=WAV, model="w", stream=True),
    "translations": lambda c: c.audio.translations.create(file=WAV, model="w", temperature=0.5),
    "translations srt": lambda c: c.audio.translations.create(
        file=WAV, model="w", response_format="srt"
    ),
    "speech": lambda c: c.audio.speech.create(input="hi", model="t", voice="alloy"),
    "moderations": lambda c: c.moderations.create(input=["a", "b"], model="mod"),
    "files create": lambda c: c.files.create(file=("a.jsonl", b'{"a": 1}\n'), purpose="batch"),
    "files list": lambda c: c.files.list(purpose="batch", limit=2),
    "files retrieve": lambda c: c.files.retrieve("file-1"),
    "files content": lambda c: c.files.content("file-1"),
    "files delete": lambda c: c.files.delete("file-1"),
    "batches create": lambda c: c.batches.create(
        completion_window="24h", endpoint="/v1/chat/completions", input_file_id="file-1",
        metadata={"a": "b"},
    ),
    "batches retrieve": lambda c: c.batches.retrieve("batch-1"),
    "batches list": lambda c: c.batches.list(after="batch-0", limit=1),
    "batches cancel": lambda c: c.batches.cancel("batch-1"),
    "models list": lambda c: c.models.list(),
    "models retrieve": lambda c: c.models.retrieve("ft:gpt-4o:org/name::id"),
    "models delete": lambda c: c.models.delete("ft-1"),
    "uploads create": lambda c: c.uploads.create(
        bytes=3, filename="a", mime_type="text/plain", purpose="assistants"
    ),
    "uploads part": lambda c: c.uploads.parts.create("upload-1", data=b"abc"),
    "uploads complete": lambda c: c.uploads.complete("upload-1", part_ids=["p1", "p2"], md5="x"),
    "uploads cancel": lambda c: c.uploads.cancel("upload-1"),
    "vector stores create": lambda c: c.vector_stores.create(name="s", file_ids=["f1"]),
    "vector stores search": lambda c: c.vector_stores.search("vs-1", query="q", max_num_results=2),
    "vector stores list": lambda c: c.vector_stores.list(limit=1, order="desc"),
    "vector stores delete": lambda c: c.vector_stores.delete("vs-1"),
    "vector store files": lambda c: c.vector_stores.files.create("vs-1", file_id="f1"),
    "vector store batch": lambda c: c.vector_stores.file_batches.create("vs-1", file_ids=["f1"]),
    "fine-tuning create": lambda c: c.fine_tuning.jobs.create(
        model="m", training_file="f1", hyperparameters={"n_epochs": 2}
    ),
    "fine-tuning retrieve": lambda c: c.fine_tuning.jobs.retrieve("ft-1"),
    "fine-tuning list": lambda c: c.fine_tuning.jobs.list(limit=1, metadata={"a": "b"}),
    "fine-tuning cancel": lambda c: c.fine_tuning.jobs.cancel("ft-1"),
    "fine-tuning events": lambda c: c.fine_tuning.jobs.list_events("ft-1", limit=1),
    "fine-tuning checkpoints": lambda c: c.fine_tuning.jobs.checkpoints.list("ft-1"),
    "post": lambda c: c.post("/rerank", cast_to=object, body={"model": "m", "query": "q"}),
    "post a list": lambda c: c.post("/rerank", cast_to=object, body=[1, 2]),
    "post bytes": lambda c: c.post(
        "/raw", cast_to=object, content=b"raw",
        options={"headers": {"content-type": "application/octet-stream"}},
    ),
    "get": lambda c: c.get("/anything?a=b", cast_to=object, options={"params": {"c": "d"}}),
    "delete": lambda c: c.delete("/anything", cast_to=object),
    "put": lambda c: c.put("/anything", cast_to=object, body={"a": None}),
    "patch": lambda c: c.patch("/anything", cast_to=object, body={"a": [1.5, "ü"]}),
    "extra headers": lambda c: c.chat.completions.create(**ASK, extra_headers={"X-Other": "1"}),
    "extra query": lambda c: c.chat.completions.create(**ASK, extra_query={"a": "b c", "d": ["e", "f"]}),
    "extra body": lambda c: c.chat.completions.create(**ASK, extra_body={"top_k": 5, "model": "o"}),
    "all extras": lambda c: c.responses.create(
        model="m", input="hi", extra_headers={"x-mine": "1"}, extra_query={"a": "b"},
        extra_body={"top_k": 5, "store": False}, timeout=20,
    ),
    "extras of a form": lambda c: c.audio.transcriptions.create(
        file=WAV, model="w", extra_headers={"x-mine": "1"}, extra_query={"a": "b"},
        extra_body={"hotwords": "x"},
    ),
    "extras of a get": lambda c: c.models.list(extra_headers={"x-mine": "1"}, extra_query={"a": "b"}),
}  # fmt: skip
if not hasattr(openai.resources.Uploads, "cancel"):
    del CALLS["uploads cancel"]

calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
uploading = pytest.mark.parametrize(
    "name",
    ["images edit", "transcriptions", "transcriptions verbose", "files create", "uploads part"],
)


@deprecated_too
@calls
def test_calls_pass_through(both, call):
    """Method, path, query, headers and body are the bare SDK's, and so is what the caller gets."""
    both.same(call)
    assert len(both.server.received) == 1


@left_to_the_collector
@deprecated_too
@calls
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_calls_pass_through_asynchronously(async_both, call):
    """The asynchronous client passes the same calls through."""
    await async_both.same(call)
    assert len(async_both.server.received) == 1


@left_to_the_collector
@deprecated_too
@pytest.mark.parametrize("anyio_backend", ["trio"])
@pytest.mark.anyio
async def test_calls_pass_through_on_trio(async_both):
    """And so it does on trio."""
    for call in CALLS.values():
        await async_both.same(call)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 418, 422, 429, 500, 503])
@pytest.mark.parametrize("name", ["chat", "responses", "files list", "transcriptions", "speech"])
def test_errors_are_the_bare_sdks(both, name, status):
    """An error of the provider raises the bare SDK's class, with the same status and body."""
    kind, code, _ = both.same(CALLS[name], lambda _: error(status, "no"))
    assert issubclass(kind, openai.APIStatusError)
    assert code == status


# ------------------------------------------------------------------------- pages and chunks


def two_pages(received: Received) -> Step:
    """Two items, then one."""
    first = "after=" not in received.query
    items = [{"id": "a", "object": "file"}, {"id": "b", "object": "file"}]
    data = items if first else [{"id": "c", "object": "file"}]
    return Step(json={"object": "list", "data": data, "has_more": first})


def test_pages_are_turned(both):
    """Iterating a list asks for the next page with the same arguments, as often as there is one."""
    found = both.same(
        lambda c: [each.id for each in c.files.list(limit=2, purpose="batch")], two_pages
    )
    assert found == ["a", "b", "c"]
    assert [received.query for received in both.server.received] == [
        "limit=2&purpose=batch",
        "limit=2&purpose=batch&after=b",
    ]


def test_pages_keep_their_routing(both):
    """The second page is asked for by the copy of the client that asked for the first."""
    host = both.server.target("other") + "/v1"
    both.server.reset(two_pages)
    copy = both.ours.with_options(custom_host=host, provider="openai", Authorization="sk-other")
    assert len(list(copy.files.list(limit=2))) == 3
    assert [received.target for received in both.server.received] == ["other", "other"]


@pytest.mark.anyio
async def test_pages_are_turned_asynchronously(async_both):
    """`async for` over a list asks for all its pages."""

    async def ids(client: Any) -> list[str]:
        return [each.id async for each in client.files.list(limit=2)]

    assert await async_both.same(ids, two_pages) == ["a", "b", "c"]
    assert len(async_both.server.received) == 2


def test_a_file_is_uploaded_in_parts(both):
    """The helper that uploads a large file in parts makes the same requests, all of them."""
    both.same(
        lambda c: c.uploads.upload_file_chunked(
            file=b"0123456789", filename="a.txt", bytes=10, mime_type="text/plain",
            purpose="assistants", part_size=4,
        )
    )  # fmt: skip
    assert len(both.server.received) == 5


# --------------------------------------------------------------------- the helpers of the SDK


def test_chat_parse_gives_the_model(both):
    """`chat.completions.parse` returns the parsed model."""
    both.server.reset(provide)
    parsed = both.ours.chat.completions.parse(**ASK, response_format=City)
    assert parsed.choices[0].message.parsed == City(city="Paris")


def test_responses_parse_gives_the_model(both):
    """`responses.parse` returns the parsed model."""
    both.server.reset(provide)
    parsed = both.ours.responses.parse(model="m", input="hi", text_format=City)
    assert parsed.output_parsed == City(city="Paris")


def helped(manager: Any, final: str) -> list[Any]:
    """All the events of a streaming helper, and what it came to."""
    with manager as stream:
        return [*(event.model_dump(warnings=False) for event in stream), getattr(stream, final)()]


async def async_helped(manager: Any, final: str) -> list[Any]:
    async with manager as stream:
        told = [event.model_dump(warnings=False) async for event in stream]
        return [*told, await getattr(stream, final)()]


HELPERS = {
    "chat": (lambda c: c.chat.completions.stream(**ASK), "get_final_completion"),
    "chat parsed": (
        lambda c: c.chat.completions.stream(**ASK, response_format=City), "get_final_completion"
    ),
    "responses": (lambda c: c.responses.stream(model="m", input="hi"), "get_final_response"),
    "responses parsed": (
        lambda c: c.responses.stream(model="m", input="hi", text_format=City), "get_final_response"
    ),
}  # fmt: skip
helpers = pytest.mark.parametrize("helper", HELPERS.values(), ids=HELPERS)


@helpers
def test_streaming_helpers(both, helper):
    """`stream()` tells the same events, and its final answer is the same."""
    open_helper, final = helper
    told = both.same(lambda c: helped(open_helper(c), final))
    assert len(told) > 3


@left_to_the_collector
@helpers
@pytest.mark.anyio
async def test_streaming_helpers_asynchronously(async_both, helper):
    """The asynchronous helpers do so, too."""
    open_helper, final = helper
    told = await async_both.same(lambda c: async_helped(open_helper(c), final))
    assert len(told) > 3


# ---------------------------------------------------------------------- raw and streamed answers

RAW = [
    "chat",
    "chat stream",
    "responses",
    "embeddings",
    "models list",
    "transcriptions text",
    "speech",
]


def raw_of(call: Callable[[Any], Any], how: str) -> Callable[[Any], Any]:
    """The same call by `with_raw_response` or `with_streaming_response`."""

    class Through:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> Any:
            found = getattr(self._inner, name)
            if inspect.ismethod(found):
                return getattr(getattr(self._inner, how), name)
            return Through(found)

    return lambda client: call(Through(client))


def raw_facts(response: Any) -> list[Any]:
    return [response.status_code, *(response.headers.get(name) for name in CONVERSATION)]


@pytest.mark.parametrize("name", RAW)
def test_raw_responses(both, name):
    """`with_raw_response` shows status, headers and body, and parses to the same result."""
    call = raw_of(CALLS[name], "with_raw_response")

    def seen(client: Any) -> list[Any]:
        response = call(client)
        parsed = response.parse()
        if isinstance(parsed, Stream):
            return [raw_facts(response), list(parsed)]
        return [raw_facts(response), response.content, parsed]

    found = both.same(seen)
    assert found[0][0] == 200


@pytest.mark.parametrize("name", RAW)
def test_streaming_responses(both, name):
    """`with_streaming_response` gives the provider's bytes as they are, and parses to the same."""
    call = raw_of(CALLS[name], "with_streaming_response")

    def read(client: Any) -> list[Any]:
        with call(client) as response:
            return [raw_facts(response), b"".join(response.iter_bytes())]

    def parsed(client: Any) -> list[Any]:
        with call(client) as response:
            assert isinstance(response, BaseAPIResponse)
            found = response.parse()
            return list(found) if isinstance(found, Stream) else [found]

    assert both.same(read)[1]
    assert both.same(parsed)


@pytest.mark.parametrize("how", ["iter_lines", "iter_text"])
def test_streaming_responses_by_lines_and_text(both, how):
    """A streamed body can be read by lines and as text."""

    def read(client: Any) -> list[str]:
        with client.chat.completions.with_streaming_response.create(**ASK, stream=True) as response:
            return list(getattr(response, how)())

    lines = both.same(lambda c: "".join(read(c)))
    assert "[DONE]" in lines


@left_to_the_collector
@pytest.mark.anyio
async def test_raw_and_streaming_responses_asynchronously(async_both):
    """The asynchronous client shows raw and streamed answers as the bare SDK does."""

    async def raw(client: Any) -> list[Any]:
        response = await client.chat.completions.with_raw_response.create(**ASK)
        return [raw_facts(response), response.content, response.parse()]

    async def speech(client: Any) -> list[Any]:
        speak = client.audio.speech.with_streaming_response.create
        async with speak(input="hi", model="t", voice="alloy") as response:
            return [raw_facts(response), b"".join([part async for part in response.iter_bytes()])]

    async def chunks(client: Any) -> list[Any]:
        ask = client.chat.completions.with_streaming_response.create
        async with ask(**ASK, stream=True) as response:
            return [chunk async for chunk in await response.parse()]

    assert (await async_both.same(raw))[0][0] == 200
    assert (await async_both.same(speech))[1] == b"\x00\x01binary\xff\xfe"
    assert len(await async_both.same(chunks)) == 4


def test_speech_is_written_to_a_file(both, tmp_path):
    """A binary answer can be streamed into a file."""
    both.server.reset(provide)
    speak = both.ours.audio.speech.with_streaming_response.create
    with speak(input="hi", model="t", voice="alloy") as response:
        response.stream_to_file(tmp_path / "speech.mp3")
    assert (tmp_path / "speech.mp3").read_bytes() == b"\x00\x01binary\xff\xfe"


# ------------------------------------------------------------------------------ time limits


@pytest.mark.parametrize("name", ["chat", "chat stream", "responses", "transcriptions", "speech"])
def test_the_timeout_of_a_call(both, name):
    """`timeout=` of one call ends it, by every way a call can take, with the bare SDK's exception."""
    silent = Step(fault=Fault.SILENCE)

    class Hasty:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, each: str) -> Any:
            found = getattr(self._inner, each)
            if inspect.ismethod(found):
                return lambda **given: found(**given, timeout=0.05)
            return Hasty(found)

    kind = both.same(lambda c: CALLS[name](Hasty(c)), lambda _: silent)
    assert kind is openai.APITimeoutError


@pytest.mark.parametrize("timeout", [None, 5, httpx.Timeout(5)], ids=["none", "number", "object"])
def test_every_kind_of_timeout_is_taken(both, timeout):
    """`timeout` may be a number, no limit at all, or the HTTP library's object."""
    if isinstance(timeout, httpx.Timeout):
        timeout = openai.Timeout(5)
    for name in ("chat", "models list", "transcriptions"):
        client = both.ours.with_options(timeout=timeout)
        both.server.reset(provide)
        assert outcome(lambda: CALLS[name](client))[0] is not TypeError  # noqa: B023
        assert len(both.server.received) == 1


# -------------------------------------------------------------------------- override_params


def overridden(both: Both, override: dict[str, Any], call: Callable[[Any], Any]) -> Received:
    return both.sent(call, config={**both.target, "override_params": override})


def test_overrides_of_a_json_body(both):
    """`override_params` replace, add and, with null, remove fields of a JSON body."""
    override = {"model": "mine", "temperature": None, "top_p": 0.5, "absent": None}
    for call in (
        lambda c: c.chat.completions.create(**ASK, temperature=1),
        lambda c: c.chat.completions.create(**ASK, temperature=1, extra_headers={"x-mine": "1"}),
        lambda c: c.chat.completions.with_raw_response.create(**ASK, temperature=1),
        lambda c: c.post("/chat/completions", cast_to=object, body={**ASK, "temperature": 1}),
    ):
        received = overridden(both, override, call)
        assert received.json == {**ASK, "model": "mine", "top_p": 0.5}


def test_overrides_of_other_endpoints(both):
    """They hold for every JSON body: embeddings, responses, images, moderations."""
    override = {"model": "mine", "user": None}
    for call in (
        lambda c: c.embeddings.create(model="m", input="a", user="u"),
        lambda c: c.responses.create(model="m", input="a", user="u"),
        lambda c: c.images.generate(model="m", prompt="a", user="u"),
        lambda c: c.audio.speech.create(model="m", input="a", voice="v", extra_body={"user": "u"}),
    ):
        received = overridden(both, override, call)
        assert received.json["model"] == "mine"
        assert "user" not in received.json


def test_overrides_of_a_form(both):
    """In a form, too, fields are replaced, added and removed; the file stays byte for byte."""
    override = {
        "model": "mine", "language": None, "temperature": 0.5, "prompt": "grüß",
        "timestamp_granularities": ["word"],
    }  # fmt: skip
    received = overridden(
        both,
        override,
        lambda c: c.audio.transcriptions.create(
            file=WAV, model="m", language="en", timestamp_granularities=["segment", "word"]
        ),
    )
    assert form(received) == {
        "model": "mine", "temperature": "0.5", "prompt": "grüß", "timestamp_granularities[]": "word",
    }  # fmt: skip
    files = [part for part in parts(received) if "filename" in part[0]["content-disposition"]]
    assert [content for _, content in files] == [WAV[1]]
    assert int(received.headers["content-length"]) == len(received.body)


@uploading
def test_overridden_forms_are_what_the_sdk_would_send(both, name):
    """A form with a field overridden is the form that the bare SDK sends for that value."""
    received = overridden(both, {"model": "mine"}, CALLS[name])
    both.server.reset(provide)

    class Told:
        def __init__(self, inner: Any) -> None:
            self._inner = inner

        def __getattr__(self, each: str) -> Any:
            found = getattr(self._inner, each)
            if inspect.ismethod(found):
                takes = inspect.signature(found).parameters
                model = {"model": "mine"} if "model" in takes else {"extra_body": {"model": "mine"}}
                return lambda *given, **named: found(*given, **{**named, **model})
            return Told(found)

    CALLS[name](Told(both.bare))
    [expected] = both.server.received

    def by_name(each: Received) -> list[str]:
        return sorted(map(repr, parts(each)))

    assert by_name(received) == by_name(expected)


def test_overrides_leave_bodiless_requests_alone(both):
    """A request without a body gets none from `override_params`."""
    for name in ("models list", "files retrieve", "files delete", "files content"):
        received = overridden(both, {"model": "mine"}, CALLS[name])
        assert received.body == b""
        assert "mine" not in received.query


# ------------------------------------------------------------------------ keys and headers

DOORS = [
    "chat", "chat stream", "extra headers", "responses", "embeddings", "models list", "transcriptions",
    "speech", "files create", "post",
]  # fmt: skip
STOLEN = {
    "Authorization": "Bearer sk-stolen",
    "api-key": "sk-stolen",
    "x-portkey-api-key": "pk-stolen",
    "X-Portkey-Config": "{}",
    "x-stainless-lang": "c",
    "OpenAI-Organization": "org-stolen",
    "x-mine": "kept",
}


class Carrying:
    """A client whose every call carries extra headers."""

    def __init__(self, inner: Any, headers: dict[str, str]) -> None:
        self._inner = inner
        self._headers = headers

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not inspect.ismethod(found):
            return Carrying(found, self._headers)
        if name == "post":
            return lambda path, **given: found(path, options={"headers": self._headers}, **given)

        def call(*given: Any, **named: Any) -> Any:
            named["extra_headers"] = {**self._headers, **named.get("extra_headers", {})}
            return found(*given, **named)

        return call


def nothing_stolen(received: Received) -> None:
    signed_in(received)
    assert "stolen" not in str(received.headers)


@pytest.mark.parametrize("name", DOORS)
def test_headers_of_a_call_never_sign_in(both, name):
    """`extra_headers` reach the provider, but for keys and bookkeeping: the target signs in."""
    call = CALLS[name]
    both.server.reset(provide)
    outcome(lambda: call(Carrying(both.ours, STOLEN)))
    [received] = both.server.received
    nothing_stolen(received)
    assert received.headers["x-mine"] == "kept"


@pytest.mark.parametrize("name", DOORS)
def test_headers_of_a_client_never_sign_in(both, name):
    """`default_headers` reach the provider, but for keys and bookkeeping."""
    received = both.sent(lambda c: outcome(lambda: CALLS[name](c)), default_headers=STOLEN)
    nothing_stolen(received)
    assert received.headers["x-mine"] == "kept"


@pytest.mark.parametrize("name", DOORS)
def test_keys_of_the_environment_stay_there(both, name, monkeypatch):
    """The target's own key is sent, whatever keys the environment holds."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("PORTKEY_API_KEY", "pk-of-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    received = both.sent(lambda c: outcome(lambda: CALLS[name](c)), api_key=None)
    signed_in(received)
    assert "environment" not in str(received.headers)


@pytest.mark.parametrize("name", DOORS)
def test_a_target_with_a_header_of_its_own(both, name):
    """Azure's key goes into `api-key`, and there is no Authorization at all."""
    config = {**both.target, "provider": "azure-openai"}
    received = both.sent(lambda c: outcome(lambda: CALLS[name](c)), config=config)
    assert received.headers["api-key"] == TARGET_KEY
    assert "authorization" not in received.headers


@pytest.mark.parametrize("name", DOORS)
def test_organisation_and_project_of_a_target(both, name):
    """A target's organisation and project go along with its calls."""
    config = {**both.target, "openai_organization": "org-1", "openai_project": "proj-1"}
    received = both.sent(lambda c: outcome(lambda: CALLS[name](c)), config=config)
    assert received.headers["openai-organization"] == "org-1"
    assert received.headers["openai-project"] == "proj-1"


@pytest.mark.parametrize("name", DOORS)
def test_default_query_goes_along(both, name):
    """`default_query` of the client is in every URL, merged with the call's own."""
    received = both.sent(
        lambda c: outcome(lambda: CALLS[name](c)), default_query={"api-version": "1"}
    )
    assert received.query == "api-version=1"


def test_a_target_without_a_key_sends_none(both):
    """Where no key is known for a host of one's own, no Authorization is sent."""
    config = {"provider": "openai", "custom_host": both.target["custom_host"]}
    for name in DOORS:
        received = both.sent(lambda c: outcome(lambda: CALLS[name](c)), config=config)  # noqa: B023
        assert "authorization" not in received.headers


def test_the_signature_of_chat_is_the_sdks(both):
    """Libraries that look at the signature of `create` find the SDK's parameters."""
    expected = inspect.signature(both.bare.chat.completions.create).parameters
    assert inspect.signature(both.ours.chat.completions.create).parameters.keys() >= expected.keys()


def test_administration_is_on_the_hosted_product_only(both):
    """`client.admin` says that it is not here, in place of calling anybody."""
    both.server.reset(provide)
    with pytest.raises(HostedOnlyError):
        both.ours.admin.organization.users.list()
    assert both.server.received == []
