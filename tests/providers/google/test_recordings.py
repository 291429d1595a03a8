"""Recorded answers of Gemini and of Vertex AI come out as what the vendor's own body says.

All of generateContent and streamGenerateContent are read, without exception. Left out are countTokens,
which no chat asks for, and Google's own imitation of OpenAI's API, which is another language.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import openai
import pytest
from hypothesis import given, settings, strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion
from tests.providers.google.accepted import check
from tests.providers.google.recorded import Row, call_of, expected, rows_of

from portkey_local import AsyncPortkey, Portkey
from portkey_local.providers.google import Gemini
from portkey_local.providers.native import (
    NativeCodec,
)
from portkey_local.providers.translating import (
    Translated,
)
from portkey_local.providers.vendor import (
    Ask,
)
from portkey_local.testing import Loopback

KEY = "AIza-recorded"
FILES = ["google", "vertex"]
EMBEDDINGS = ("batchEmbedContents", "embedContent")


@pytest.fixture
def recordings(shared) -> Callable[[str], tuple[Row, ...]]:
    return lambda name: rows_of(shared / "recordings", name)


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


def settings_of(server: Loopback, row: Row) -> dict[str, Any]:
    fields = (
        {"vertex_project_id": "p", "vertex_region": "global"} if row.provider == "vertex-ai" else {}
    )
    target = {"provider": row.provider, "api_key": KEY, "custom_host": server.url, **fields}
    return {"config": {"strategy": {"mode": "single"}, "targets": [target]}}


def chats(rows: tuple[Row, ...]) -> list[Row]:
    return [row for row in rows if row.is_chat and row.status == 200]


def gathered(chunks: Any) -> ChatCompletion:
    """The completion that chunks accumulate to, by the openai package's own rules."""
    state = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(chunk)
    return state.current_completion_snapshot


def differences(row: Row, completion: ChatCompletion) -> Iterator[str]:
    """Say in which way a completion is not what the vendor's body says."""
    ChatCompletion.model_validate(completion.model_dump(warnings=False))
    told, wanted = completion.choices[0].message, expected(row)
    pairs = [
        ("text", told.content or "", wanted.text),
        ("thoughts", getattr(told, "reasoning_content", ""), wanted.thoughts),
        ("calls", [(c.function.name, json.loads(c.function.arguments)) for c in told.tool_calls or ()], wanted.calls),
        ("finish reason", completion.choices[0].finish_reason, wanted.finish),
        ("tokens", counts(completion), wanted.tokens),
    ]  # fmt: skip
    for name, ours, theirs in pairs:
        if ours != theirs:
            yield f"{row.place}: {name} {ours!r}, not {theirs!r}"


def counts(completion: ChatCompletion) -> tuple[int, int, int]:
    usage = completion.usage
    assert usage is not None
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


@pytest.mark.parametrize("name", FILES)
def test_every_recorded_chat_is_what_the_vendor_said(recordings, server, name):
    rows, found = chats(recordings(name)), []
    assert len(rows) > 50
    with Portkey(**settings_of(server, rows[0])) as client:
        for row in rows:
            server.reset(lambda _, row=row: row.step)
            result = client.chat.completions.create(**call_of(row))
            found += differences(row, gathered(result) if row.streams else result)
            check(server.received[0].json)
            assert server.received[0].path.endswith(row.path.partition("/models/")[2])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_every_recorded_chat_is_the_same_asynchronously(recordings, server, name):
    rows, found = chats(recordings(name)), []
    async with AsyncPortkey(**settings_of(server, rows[0])) as client:
        for row in rows:
            server.reset(lambda _, row=row: row.step)
            result = await client.chat.completions.create(**call_of(row))
            whole = gathered([chunk async for chunk in result]) if row.streams else result
            found += differences(row, whole)
    assert not found, "\n".join(found)


def ask(client: Portkey, row: Row) -> None:
    if row.is_chat:
        client.chat.completions.create(**call_of(row))
    else:
        client.embeddings.create(model=row.model, input="x")


@pytest.mark.parametrize("name", FILES)
def test_recorded_errors_raise_openais_classes_with_the_vendors_words(recordings, server, name):
    classes = {400: openai.BadRequestError, 404: openai.NotFoundError}
    rows = [row for row in recordings(name) if row.status != 200]
    assert rows
    for row in rows:
        server.reset(lambda _, row=row: row.step)
        with (
            Portkey(**settings_of(server, row)) as client,
            pytest.raises(classes[row.status]) as caught,
        ):
            ask(client, row)
        told = json.loads(row.body)["error"]
        assert caught.value.body["message"] == told["message"]
        assert caught.value.type == caught.value.code == told["status"]
        assert caught.value.body["provider_error"] == {"error": told}


@pytest.mark.parametrize("name", FILES)
def test_recorded_embeddings_keep_their_values(recordings, server, name):
    rows = [row for row in recordings(name) if row.method in EMBEDDINGS and row.status == 200]
    assert rows
    for row in rows:
        asked = row.request.get("requests", [row.request])[0]
        size = asked.get("outputDimensionality")
        given = {"dimensions": size} if size else {}
        server.reset(lambda _, row=row: row.step)
        with Portkey(**settings_of(server, row)) as client:
            result = client.embeddings.create(
                model=row.model, input=asked["content"]["parts"][0]["text"],
                extra_body={"task_type": asked["taskType"]} if "taskType" in asked else None, **given,
            )  # fmt: skip
        body = json.loads(row.body)
        values = (body.get("embeddings") or [body.get("embedding")])[0]["values"]
        assert result.data[0].embedding == pytest.approx(values, rel=1e-6)
        assert result.usage.prompt_tokens == body.get("usageMetadata", {}).get(
            "promptTokenCount", 0
        )
        assert server.received[0].json == row.request


# --- a stream made of a recorded answer, in every chunking


def events_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """An answer as the events of a stream: each of its parts in one of its own."""
    events = []
    for candidate in answer["candidates"]:
        rest = {
            key: value for key, value in candidate.items() if key not in ("content", "finishReason")
        }
        for part in candidate.get("content", {}).get("parts", ()):
            halves = [part]
            if "text" in part and len(part["text"]) > 1:
                halves = [{"text": part["text"][:1]}, {**part, "text": part["text"][1:]}]
                halves[0] |= {"thought": True} if part.get("thought") else {}
            events += [
                {"candidates": [{"content": {"parts": [half], "role": "model"}}]} for half in halves
            ]
        events.append({"candidates": [{**rest, "finishReason": candidate["finishReason"]}]})
    events[-1]["usageMetadata"] = answer["usageMetadata"]
    known = {key: answer[key] for key in ("responseId", "modelVersion") if key in answer}
    return [{**event, **known} for event in events]


def streamed(body: bytes, ask: Ask, cuts: list[int]) -> ChatCompletion:
    reader = Translated(Gemini().frames(), Gemini().translator(ask))
    bounds = [0, *sorted(cuts), len(body)]
    events = []
    for begin, end in pairwise(bounds):
        events += reader.feed(body[begin:end])
    events += reader.finish()
    assert reader.complete, reader.malformed
    assert events[-1].data == "[DONE]"
    return gathered(
        openai.types.chat.ChatCompletionChunk.model_validate(e.data) for e in events[:-1]
    )


def said(completion: dict[str, Any]) -> dict[str, Any]:
    """A completion without what says nothing, and without where in a list things stand."""
    told = {key: completion[key] for key in ("id", "model", "choices", "usage")}
    return json.loads(json.dumps(told), object_hook=lambda each: {
        key: value for key, value in each.items()
        if value not in (None, "") and not (key == "index" and "function" in each) and key != "parsed"
    })  # fmt: skip


def agrees(row: Row, cuts: list[int]) -> None:
    answer = json.loads(row.body)
    ask = Ask({"model": row.model, "stream_options": {"include_usage": True}}, 7.0)
    body = b"".join(
        b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in events_of(answer)
    )
    whole = streamed(body, ask, [cut % len(body) for cut in cuts]).model_dump(warnings=False)
    assert said(whole) == said(Gemini().completion(answer, ask)), row.place


def plain(rows: tuple[Row, ...]) -> list[Row]:
    return [row for row in chats(rows) if not row.streams]


@pytest.mark.parametrize("name", FILES)
def test_streamed_and_plain_decoding_agree_on_every_recorded_answer(recordings, name):
    for row in plain(recordings(name)):
        agrees(row, [])


@settings(max_examples=60)
@given(data=st.data(), cuts=st.lists(st.integers(0, 10**6), max_size=8))
def test_streamed_and_plain_decoding_agree_in_any_chunking(shared_rows, data, cuts):
    rows = [row for name in FILES for row in plain(shared_rows(name))]
    agrees(data.draw(st.sampled_from(rows)), cuts)


@pytest.fixture(scope="module")
def shared_rows() -> Callable[[str], tuple[Row, ...]]:
    from tests.conftest import SHARED

    if not SHARED.is_dir():
        pytest.skip("the folder with the measured material is not beside this checkout")
    return lambda name: rows_of(SHARED / "recordings", name)


@pytest.mark.parametrize("name", FILES)
def test_every_recorded_answer_is_accepted_as_the_next_turn(recordings, name):
    """Fed back with results for its calls, and every signature in it comes back where it was."""
    for row in chats(recordings(name)):
        asked = call_of(row)
        codec = NativeCodec(Gemini())
        ask = Ask(asked, 7.0)
        if row.streams:
            message = (
                streamed(row.body, ask, [])
                .choices[0]
                .message.model_dump(exclude_none=True, warnings=False)
            )
            message.pop("parsed", None)
        else:
            message = codec.vendor.completion(json.loads(row.body), ask)["choices"][0]["message"]
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": "fine"}
            for call in message.get("tool_calls", ())
        ]
        body = {
            **asked,
            "messages": [*asked["messages"], message, *results, {"role": "user", "content": "on"}],
        }
        told = codec.vendor.chat(body).body
        check(told)
        again = [part for content in told["contents"] for part in content["parts"]]
        assert signatures(again) >= signatures(parts_of(row)), row.place


def parts_of(row: Row) -> list[dict[str, Any]]:
    candidates = [c for piece in row.pieces for c in piece.get("candidates", ())]
    return [part for c in candidates for part in c.get("content", {}).get("parts", ())]


def signatures(parts: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Each signature, with the name of the function whose call it belongs to."""
    return {
        (part["thoughtSignature"], part.get("functionCall", {}).get("name", ""))
        for part in parts
        if "thoughtSignature" in part
    }
