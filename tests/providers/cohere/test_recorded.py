"""Cohere's recorded answers, served from loopback, through both of our clients.

Every recorded exchange that a chat or an embeddings call could have made; none is left out.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import openai
import pytest
from hypothesis import given, settings, strategies as st
from openai.types.chat import ChatCompletion
from tests.providers.accumulating import accumulated
from tests.providers.cohere.speaking import as_stream, completion, read

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Loopback, Step

KEY = "co-test-key"
FINISHES = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
CHOICES = {"REQUIRED": "required", "NONE": "none"}


@cache
def rows_of(folder: Path) -> tuple[dict[str, Any], ...]:
    lines = (folder / "cohere.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


@pytest.fixture
def rows(shared: Path) -> Callable[[str, bool], list[dict[str, Any]]]:
    """The recorded exchanges of an endpoint, those that went well or the others."""
    return lambda path, well: [
        row
        for row in rows_of(shared / "recordings")
        if row["path"].endswith(path) and (row["status"] == 200) is well
    ]


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


def as_asked(request: dict[str, Any]) -> dict[str, Any]:
    """A recorded request in OpenAI's words."""
    told = {
        name: value for name, value in request.items() if name not in ("stream", "stop_sequences")
    }
    if stops := request.get("stop_sequences"):
        told["stop"] = stops
    if choice := request.get("tool_choice"):
        told["tool_choice"] = CHOICES[choice]
    return told


def step(row: dict[str, Any]) -> Step:
    return Step(status=row["status"], content_type=row["content_type"], json=row["body"])


def check(result: ChatCompletion, body: dict[str, Any]) -> None:
    """A completion holds what the vendor's body does."""
    ChatCompletion.model_validate(result.to_dict())
    (choice,) = result.choices
    message = body["message"]
    text = "".join(item["text"] for item in message.get("content") or () if item["type"] == "text")
    assert (choice.message.content or "") == text
    called = [
        (each.function.name, json.loads(each.function.arguments))
        for each in choice.message.tool_calls or ()
    ]
    assert called == [
        (each["function"]["name"], json.loads(each["function"]["arguments"]))
        for each in message.get("tool_calls") or ()
    ]
    assert choice.finish_reason == FINISHES[body["finish_reason"]]
    tokens = body["usage"]["tokens"]
    assert result.usage.prompt_tokens == tokens["input_tokens"]
    assert result.usage.completion_tokens == tokens["output_tokens"]


def options(server: Loopback) -> dict[str, Any]:
    return {
        "provider": "cohere",
        "api_key": KEY,
        "Authorization": KEY,
        "custom_host": f"{server.url}/v2",
    }


def test_recorded_chats_come_out_whole(rows, server):
    found = rows("/chat", True)
    assert found
    with Portkey(**options(server)) as client:
        for row in found:
            server.reset(lambda _, row=row: step(row))
            check(client.chat.completions.create(**as_asked(row["request"])), row["body"])
            (received,) = server.received
            assert (received.path, received.headers["authorization"]) == (
                "/chat",
                f"Bearer {KEY}",
            )
            sent = {name: value for name, value in row["request"].items() if name != "stream"}
            assert received.json == sent  # said in Cohere's words, it is what Cohere's SDK sent


def test_recorded_chats_come_out_whole_as_streams(rows, server):
    with Portkey(**options(server)) as client:
        for row in rows("/chat", True):
            body = as_stream(row["body"])
            server.reset(lambda _, body=body: Step(body=body, content_type="text/event-stream"))
            stream = client.chat.completions.create(
                **as_asked(row["request"]), stream=True, stream_options={"include_usage": True}
            )
            told = accumulated([chunk.to_dict() for chunk in stream])
            check(ChatCompletion.model_validate(told), row["body"])


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_recorded_chats_come_out_whole_asynchronously(rows, server):
    async with AsyncPortkey(**options(server)) as client:
        for row in rows("/chat", True):
            server.reset(lambda _, row=row: step(row))
            check(await client.chat.completions.create(**as_asked(row["request"])), row["body"])
            body = as_stream(row["body"])
            server.reset(lambda _, body=body: Step(body=body, content_type="text/event-stream"))
            stream = await client.chat.completions.create(
                **as_asked(row["request"]), stream=True, stream_options={"include_usage": True}
            )
            told = accumulated([chunk.to_dict() async for chunk in stream])
            check(ChatCompletion.model_validate(told), row["body"])


@given(st.data())
@settings(max_examples=40)
def test_a_recorded_answer_cut_anywhere_comes_to_the_same(data):
    folder = Path(__file__).resolve().parents[4] / "shared" / "recordings"
    if not folder.is_dir():
        pytest.skip("the folder with the measured material is not beside this checkout")
    chats = [
        row for row in rows_of(folder) if row["path"].endswith("/chat") and row["status"] == 200
    ]
    row = data.draw(st.sampled_from(chats))
    stream = as_stream(row["body"], data.draw(st.integers(1, 9)))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6))
    body = {**as_asked(row["request"]), "stream_options": {"include_usage": True}}
    chunks, reader = read(stream, body, *cuts)
    assert reader.complete
    (streamed,) = accumulated(chunks)["choices"]
    (whole,) = completion(row["body"], body)["choices"]
    assert streamed["finish_reason"] == whole["finish_reason"]
    for name in ("reasoning_content", "reasoning_details"):
        assert streamed["message"].get(name) == whole["message"].get(name)
    assert (streamed["message"].get("content") or "") == (whole["message"]["content"] or "")


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_recorded_embeddings_come_out_in_the_form_that_was_asked_for(rows, server, encoding):
    found = rows("/embed", True)
    assert found
    with Portkey(**options(server)) as client:
        for row in found:
            server.reset(lambda _, row=row: step(row))
            asked = row["request"]
            result = client.embeddings.create(
                model=asked["model"],
                input=asked["texts"],
                encoding_format=encoding,
                extra_body={"input_type": asked["input_type"], "truncate": asked["truncate"]},
            )
            vectors = row["body"]["embeddings"]["float"]
            for told, vector in zip(result.data, vectors, strict=True):
                whole = told.embedding
                if encoding == "base64":
                    data = base64.b64decode(whole)
                    whole = list(struct.unpack(f"<{len(vector)}f", data))
                assert whole == pytest.approx(vector, rel=1e-6)
            assert result.usage.prompt_tokens == row["body"]["meta"]["billed_units"]["input_tokens"]


def test_recorded_errors_are_the_right_exceptions(rows, server):
    found = rows("/embed", False)
    assert found
    with Portkey(**options(server)) as client:
        for row in found:
            server.reset(lambda _, row=row: step(row))
            with pytest.raises(openai.NotFoundError) as caught:
                client.embeddings.create(
                    model=row["request"]["model"], input=row["request"]["texts"]
                )
            assert row["body"]["message"] in caught.value.message
            assert caught.value.body["provider_error"] == row["body"]


def test_native_chats_and_streams_pass_through(server):
    body = {"model": "command-a-03-2025", "messages": [{"role": "user", "content": "hi"}]}
    answer = {"id": "a", "finish_reason": "COMPLETE", "message": {"role": "assistant"}}
    with Portkey(**options(server)) as client:
        server.reset(lambda _: Step(json=answer))
        assert client.post("/chat", cast_to=object, body=body) == answer
        assert server.received[0].json == body
        end = json.dumps({"type": "message-end", "delta": {"finish_reason": "COMPLETE"}})
        server.reset(lambda _: Step(events=[end]))
        stream = client.post(
            "/chat", cast_to=object, body={**body, "stream": True},
            stream=True, stream_cls=openai.Stream[object],
        )  # fmt: skip
        assert list(stream) == [json.loads(end)]
