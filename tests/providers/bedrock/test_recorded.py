"""Recorded answers of Bedrock come out of our clients with what their bodies hold."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import openai
import pytest
from botocore.eventstream import EventStreamBuffer
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion
from tests.providers.bedrock.helpers import (
    EVENT_STREAM,
    ask,
    chunked,
    function,
    packet,
    problems,
    stream_of,
    user,
)

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Loopback, Step

FINISHES = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}


@dataclass(frozen=True)
class Row:
    model: str
    operation: str
    asked: dict[str, Any]
    status: int
    content_type: str
    body: bytes

    @property
    def step(self) -> Step:
        return Step(status=self.status, content_type=self.content_type, body=self.body)

    @property
    def answer(self) -> dict[str, Any]:
        """The answer as the vendor says it; a stream's is put together by botocore."""
        if self.operation == "converse":
            return json.loads(self.body)
        return assembled(self.body)

    @property
    def call(self) -> dict[str, Any]:
        """A chat call that could have asked for it."""
        specs = self.asked.get("toolConfig", {}).get("tools", ())
        tools = [
            function(each["toolSpec"]["name"], parameters=each["toolSpec"]["inputSchema"]["json"])
            for each in specs
            if "toolSpec" in each
        ]
        body = ask(*said(self.asked), model=self.model, **({"tools": tools} if tools else {}))
        if "outputConfig" in self.asked:
            told = self.asked["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
            schema = {"name": told["name"], "schema": json.loads(told["schema"])}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body


def said(asked: dict[str, Any]) -> list[dict[str, Any]]:
    system = [{"role": "system", "content": each["text"]} for each in asked.get("system", ()) if "text" in each]  # fmt: skip
    texts = [each["text"] for each in asked["messages"][-1]["content"] if "text" in each]
    return [*system, user("\n".join(texts) or "go on")]


def assembled(data: bytes) -> dict[str, Any]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    told: dict[str, Any] = {"content": {}}
    for message in buffer:
        event = json.loads(message.payload)
        match message.headers[":event-type"]:
            case "contentBlockStart":
                told["content"][event["contentBlockIndex"]] = dict(event["start"], input="")
            case "contentBlockDelta":
                block = told["content"].setdefault(event["contentBlockIndex"], {})
                merge(block, event["delta"])
            case "messageStop":
                told["stopReason"] = event["stopReason"]
            case "metadata":
                told["usage"] = event["usage"]
    content = [whole(block) for block in told["content"].values()]
    message = {"role": "assistant", "content": content}
    return {
        "output": {"message": message},
        "stopReason": told["stopReason"],
        "usage": told["usage"],
    }


def merge(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta:
        case {"text": text}:
            block["text"] = block.get("text", "") + text
        case {"toolUse": {"input": text}}:
            block["input"] += text
        case {"reasoningContent": {"redactedContent": data}}:
            block["reasoningContent"] = {"redactedContent": data}


def whole(block: dict[str, Any]) -> dict[str, Any]:
    if "toolUse" not in block:
        return block
    return {"toolUse": {**block["toolUse"], "input": json.loads(block["input"] or "{}")}}


@cache
def rows_of(folder: Path) -> tuple[Row, ...]:
    rows = []
    for line in (folder / "recordings" / "bedrock.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        _, _, model, operation = told["path"].split("/")
        body = told["body"]
        kinds = {
            "json": lambda body=body: json.dumps(body).encode(),
            "text": lambda body=body: body.encode(),
            "base64": lambda body=body: base64.b64decode(body),
        }
        content = kinds[told["body_encoding"]]()
        facts = (told["request"], told["status"], told["content_type"], content)
        rows.append(Row(unquote(model), operation, *facts))
    return tuple(rows)


@pytest.fixture
def rows(shared: Path) -> tuple[Row, ...]:
    return rows_of(shared)


def chats(rows: tuple[Row, ...]) -> list[Row]:
    """All exchanges with an answer to a chat: there is no exception."""
    found = [row for row in rows if row.status == 200 and row.operation.startswith("converse")]
    assert found
    return found


def held(answer: dict[str, Any]) -> dict[str, Any]:
    """The facts of a body, read here without the library."""
    content = answer["output"]["message"]["content"]
    uses = [block["toolUse"] for block in content if "toolUse" in block]
    uses = [use for use in uses if use.get("type") != "server_tool_use"]
    usage = answer["usage"]
    cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
    return {
        "text": "".join(block["text"] for block in content if "text" in block),
        "calls": [(use["toolUseId"], use["name"], use["input"]) for use in uses],
        "finish": FINISHES[answer["stopReason"]],
        "usage": (usage["inputTokens"] + cached, usage["outputTokens"], usage["totalTokens"]),
    }


def shown(completion: ChatCompletion) -> dict[str, Any]:
    ChatCompletion.model_validate(completion.to_dict(), strict=True)
    [choice] = completion.choices
    usage = completion.usage
    assert usage is not None
    return {
        "text": choice.message.content or "",
        "calls": [
            (call.id, call.function.name, json.loads(call.function.arguments))
            for call in choice.message.tool_calls or ()
        ],
        "finish": choice.finish_reason,
        "usage": (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
    }


def options(row: Row) -> dict[str, Any]:
    if row.operation == "converse":
        return row.call
    return {**row.call, "stream": True, "stream_options": {"include_usage": True}}


def client_of(server: Loopback, kind: Any = Portkey) -> Any:
    return kind(provider="bedrock", Authorization="bedrock-test", custom_host=server.url)


def accumulated(chunks: Any) -> ChatCompletion:
    state = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(chunk)
    return state.get_final_completion()


def test_answers_come_out_whole(rows):
    """Text, calls, arguments, finish reason and token counts are those of the body."""
    with Loopback() as server, client_of(server) as client:
        for row in chats(rows):
            server.reset(lambda _, row=row: row.step)
            told = client.chat.completions.create(**options(row))
            completion = told if row.operation == "converse" else accumulated(told)
            assert shown(completion) == held(row.answer)


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_asynchronous_clients_give_the_same(rows):
    with Loopback() as server:
        async with client_of(server, AsyncPortkey) as client:
            for row in chats(rows):
                server.reset(lambda _, row=row: row.step)
                told = await client.chat.completions.create(**options(row))
                if row.operation != "converse":
                    told = accumulated([chunk async for chunk in told])
                assert shown(told) == held(row.answer)


def test_streams_of_the_same_answers_agree(rows):
    """Each plain answer, made a stream and cut anyhow, accumulates to the same completion."""
    with Loopback() as server, client_of(server) as client:
        for number, row in enumerate(chats(rows)):
            data = b"".join(stream_of(row.answer, 40))
            pieces = list(chunked(data, [1 + number % 90, 700]))
            step = Step(events=pieces, content_type=EVENT_STREAM)
            server.reset(lambda _, step=step: step)
            usage = {"include_usage": True}
            chunks = client.chat.completions.create(**row.call, stream=True, stream_options=usage)
            completion = accumulated(chunks)
            assert shown(completion) == held(row.answer)
            server.reset(lambda _, row=row: Step(json=row.answer))
            plain = client.chat.completions.create(**row.call).choices[0].message
            streamed = completion.choices[0].message
            for name in ("reasoning_content", "reasoning_details"):
                assert getattr(plain, name, None) == getattr(streamed, name, None)


def test_answers_fed_back_are_taken(rows):
    """The reply is a message of the next turn, with its reasoning, as AWS's model wants it."""
    with Loopback() as server, client_of(server) as client:
        for row in chats(rows):
            server.reset(lambda _, row=row: Step(json=row.answer))
            reply = client.chat.completions.create(**row.call).choices[0].message
            message = reply.to_dict()
            results = [
                {"role": "tool", "tool_call_id": call.id, "content": "7"}
                for call in reply.tool_calls or ()
            ]
            body = row.call
            body["messages"] += [message, *results, user("and?")]
            made = packet(body)
            assert problems(made) == []
            signatures = json.dumps(row.answer).count('"signature"')
            assert (made.content or b"").count(b'"signature":') == signatures


def test_requests_that_were_recorded_ask_what_they_asked(rows):
    """The system's words and the tools of a recorded request are those that we would send."""
    for row in chats(rows):
        made = packet(options(row))
        assert problems(made) == []
        told = json.loads(made.content or b"")
        system = [each for each in row.asked.get("system", ()) if "text" in each]
        assert told.get("system", []) == system
        specs = [each for each in row.asked.get("toolConfig", {}).get("tools", ()) if "toolSpec" in each]  # fmt: skip
        names = [each["toolSpec"]["name"] for each in told.get("toolConfig", {}).get("tools", ())]
        assert names == [each["toolSpec"]["name"] for each in specs]


def test_embeddings_come_out(rows):
    found = [row for row in rows if row.status == 200 and row.operation == "invoke"]
    assert found
    with Loopback() as server, client_of(server) as client:
        for row in found:
            server.reset(lambda _, row=row: row.step)
            text = json.loads(row.body)
            told = client.embeddings.create(model=row.model, input="x", encoding_format="float")
            vectors = [each.embedding for each in told.data]
            assert all(vectors)
            assert json.dumps(vectors[0])[1:-1] in json.dumps(text)


def test_errors_keep_the_vendors_words(rows):
    found = [row for row in rows if row.status >= 400]
    assert found
    with Loopback() as server, client_of(server) as client:
        for row in found:
            server.reset(lambda _, row=row: row.step)
            with pytest.raises(openai.BadRequestError) as caught:
                client.chat.completions.create(**options(row))
            assert row.status == 400
            assert json.loads(row.body)["message"] == caught.value.body["message"]
