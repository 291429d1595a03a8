"""Recorded exchanges: other vendors' answers as messages, and Anthropic's requests there and back."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter
from tests.providers.anthropic import recorded
from tests.providers.messages.test_answers import in_order
from tests.providers.messages.test_generated import ITSELF, published, said

from portkey_local.compile.targets import target_of
from portkey_local.config import Config
from portkey_local.model import DONE, Answer, Failure, Reply, Request, Target
from portkey_local.providers.anthropic import message_request
from portkey_local.providers.messages.host import Host
from portkey_local.providers.messages.request import chat_request

# The recordings' file -> our provider, and the ends of the paths of its chats.
VENDORS = {
    "bedrock": ("bedrock", ("/converse", "/converse-stream")),
    "cerebras": ("cerebras", ("/completions",)),
    "cohere": ("cohere", ("/chat",)),
    "deepseek": ("deepseek", ("/completions",)),
    "google": ("google", (":generateContent", ":streamGenerateContent")),
    "groq": ("groq", ("/completions",)),
    "huggingface": ("huggingface", ("/completions",)),
    "mistral": ("mistral-ai", ("/completions",)),
    "ollama": ("ollama", ("/completions",)),
    "openai": ("openai", ("/completions",)),
    "openrouter": ("openrouter", ("/completions",)),
    "snowflake": ("cortex", ("/completions",)),
    "zai": ("z-ai", ("/completions",)),
}
STOPS = {
    "stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use",
    "content_filter": "refusal",
}  # fmt: skip
SPOKEN = ("text", "thinking", "redacted_thinking", "tool_use")  # by the model, in words or calls
WALL = 1_700_000_000.0
EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hi"}],
}


@cache
def rows_of(shared: Path, name: str) -> list[dict[str, Any]]:
    """The recorded chats of a vendor; what a recording holds of a compressed body is left out."""
    lines = (shared / "recordings" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ends = VENDORS[name][1]
    rows = [json.loads(line) for line in lines]
    return [
        row
        for row in rows
        if row["path"].partition("#")[0].partition("?")[0].endswith(ends)
        and row["body"]
        and (row["body_encoding"] != "text" or "json" not in row["content_type"])
    ]


def target(name: str) -> Target:
    provider = VENDORS[name][0]
    config = {
        "provider": provider,
        "api_key": "key-of-a-test",
        "custom_host": "http://127.0.0.1/v1",
    }
    return target_of(Config.model_validate(config), "config")


def content_of(row: dict[str, Any]) -> bytes:
    match row["body_encoding"]:
        case "json":
            return json.dumps(row["body"]).encode()
        case "base64":
            return base64.b64decode(row["body"])
    return str(row["body"]).encode()


def asked(path: str, *, stream: bool) -> Request:
    options = {"stream_options": {"include_usage": True}} if path != "/messages" else {}
    more = {"stream": True, **options} if stream else {}
    return Request("POST", path, {**ASK, **more}, stream=stream)


def plain(to: Target, row: dict[str, Any], path: str) -> Any:
    answer = Answer(row["status"], {"content-type": row["content_type"]}, content_of(row))
    return to.codec.decode(to, asked(path, stream=False), answer, WALL)


def events(to: Target, row: dict[str, Any], path: str) -> list[Any]:
    reader = to.codec.reader(to, asked(path, stream=True), WALL)
    found = [*reader.feed(content_of(row)), *reader.finish()]
    assert reader.malformed is None
    assert reader.complete or reader.failed
    return [event.data for event in found if event.data is not DONE]


def text_of(content: Any) -> str:
    """A text, also where thoughts stand beside it."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def wanted(message: dict[str, Any], finish: str, usage: dict[str, Any]) -> dict[str, Any]:
    """What a message must say, by what a chat of the same answer says."""
    calls = [
        (
            call["id"],
            call["function"]["name"],
            json.loads(call["function"].get("arguments") or "{}"),
        )
        for call in message.get("tool_calls") or ()
    ]
    stop = STOPS.get(finish, "end_turn")
    stop = "tool_use" if calls and stop == "end_turn" else stop
    return {
        "text": text_of(message.get("content")) + (message.get("refusal") or ""),
        "calls": calls,
        "stop": "refusal" if message.get("refusal") else stop,
        "tokens": (usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)),
    }


def seen(message: Message) -> dict[str, Any]:
    usage = message.usage
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "calls": [
            (block.id, block.name, block.input)
            for block in message.content
            if block.type == "tool_use"
        ],
        "stop": message.stop_reason,
        "tokens": (usage.input_tokens + (read or 0) + (written or 0), usage.output_tokens),
    }


def gathered(chunks: list[dict[str, Any]]) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """What chunks say in their first choice: the message, why it ended, and the token counts."""
    message: dict[str, Any] = {"content": "", "tool_calls": {}}
    finish, usage = "stop", {}
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for choice in chunk.get("choices") or ():
            finish = choice.get("finish_reason") or finish
            delta = choice.get("delta") or {}
            message["content"] += text_of(delta.get("content"))
            for call in delta.get("tool_calls") or ():
                known = message["tool_calls"].setdefault(call["index"], {"arguments": ""})
                known["id"] = call.get("id") or known.get("id")
                known["name"] = call["function"].get("name") or known.get("name")
                known["arguments"] += call["function"].get("arguments") or ""
    calls = [{"id": c["id"], "function": c} for c in message["tool_calls"].values()]
    return {**message, "tool_calls": calls}, finish, usage


def accumulated(told: list[dict[str, Any]]) -> Message:
    in_order(told)
    message: Any = None
    buffers: dict[int, bytes] = {}
    for each in told:
        event = EVENT.validate_python(each)
        message = accumulate_event(event=event, current_snapshot=message, json_bufs=buffers)
    return Message.model_validate(message.to_dict())


@pytest.mark.parametrize("name", sorted(VENDORS))
def test_every_recorded_answer_is_a_message_that_says_the_same(shared, name):
    to = target(name)
    compared: Counter[str] = Counter()
    for row in rows_of(shared, name):
        if row["status"] != 200:
            failure = plain(to, row, "/messages")
            assert isinstance(failure, Failure)
            assert json.loads(failure.answer.content)["type"] == "error"
            compared["error"] += 1
        elif "event" in row["content_type"]:
            chunks, told = (events(to, row, path) for path in ("/chat/completions", "/messages"))
            if chunks[-1].get("error"):
                assert told[-1]["type"] == "error"
                compared["error"] += 1
            else:
                assert seen(accumulated(told)) == wanted(*gathered(chunks))
                compared["stream"] += 1
        else:
            compared["whole"] += compare_whole(to, row)
    assert compared["whole"] or compared["stream"]


def compare_whole(to: Target, row: dict[str, Any]) -> bool:
    """Compare a whole answer; return whether it was one."""
    chat, reply = plain(to, row, "/chat/completions"), plain(to, row, "/messages")
    if isinstance(chat, Failure) or not chat.data.get("choices"):
        assert isinstance(reply, Failure)
        return False
    assert isinstance(reply, Reply), reply
    message = Message.model_validate(reply.data, strict=True)
    choice = chat.data["choices"][0]
    said_in_chat = wanted(choice["message"], choice["finish_reason"], chat.data.get("usage") or {})
    assert seen(message) == said_in_chat
    assert reply.blocked is chat.blocked
    return True


# ---------------------------------------------------------------- what Anthropic's callers asked


def requests_of(shared: Path) -> Iterator[dict[str, Any]]:
    for row in recorded.rows_of(shared):
        if row.status == 200:
            yield row.request


def test_recorded_requests_are_chats_that_openai_publishes(shared):
    for body in requests_of(shared):
        chat, _ = chat_request(body, Host("openai", "gpt-5-mini", own=True))
        published(body.get("stream") is True).validate_python(chat)


def test_recorded_requests_keep_their_meaning_on_the_way_to_chat_and_back(shared):
    compared = 0
    for body in requests_of(shared):
        chat, dropped = chat_request(body, ITSELF)
        begun = body["messages"][0]["role"] == "user"  # or else a turn is put before the first
        if not begun or any(name.startswith("messages[") for name in dropped):
            continue  # what a tool of Anthropic's own said, for which chat has no words
        again, _ = message_request(chat)
        assert said(again) == said({**body, "system": body.get("system") or ""})
        own = [tool["name"] for tool in body.get("tools", ()) if "input_schema" in tool]
        assert [tool["name"] for tool in again.get("tools", ())][: len(own)] == own
        compared += 1
    assert compared > 50


def test_recorded_answers_of_anthropic_are_messages_again(shared):
    """Message to completion to message: text, calls, thoughts, reason and counts are the same."""
    from portkey_local.providers.anthropic import completion
    from portkey_local.providers.messages.answer import Voice, message
    from portkey_local.providers.vendor import Ask

    for row in recorded.rows_of(shared):
        if row.status != 200:
            continue
        told = row.message
        ask = Ask({"model": told["model"]}, WALL)
        voice = Voice("anthropic", told["model"], claude=True, thoughts=True)
        again = message(completion(told, ask), voice)
        kept = [block for block in told["content"] if block["type"] in SPOKEN]
        usage = {name: n for name, n in told["usage"].items() if name != "server_tool_use"}
        more = {"content": kept, "stop_sequence": None, "usage": usage}
        before = Message.model_validate({**told, **more})
        after = Message.model_validate(again)
        kinds = ("thinking", "redacted_thinking")
        thoughts = [
            [block.to_dict() for block in each.content if block.type in kinds]
            for each in (before, after)
        ]
        assert thoughts[0] == thoughts[1]
        same = {"pause_turn": "end_turn", "stop_sequence": "end_turn"}
        reason = same.get(str(before.stop_reason), before.stop_reason)
        assert {**seen(before), "stop": reason} == seen(after)
