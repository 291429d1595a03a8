"""Whatever Anthropic would take becomes what OpenAI publishes, and keeps its meaning on the way."""

from __future__ import annotations

import copy
import importlib
import json
from functools import cache
from typing import Any

from hypothesis import given, settings, strategies as st
from pydantic import TypeAdapter
from tests.providers.anthropic.published import adapter, walked
from tests.providers.messages.asking import requests

from portkey_local.providers.anthropic import message_request
from portkey_local.providers.messages.host import Host
from portkey_local.providers.messages.request import chat_request

CLAUDE = "claude-opus-4-8"
OPENAI = Host("openai", "gpt-5-mini", own=True)
HOSTS = [
    OPENAI,
    Host("groq", "llama-4"),
    Host("mistral-ai", "mistral-large-latest"),
    Host("google", "gemini-3-pro", vendor=True),
    Host("bedrock", "us.anthropic.claude-sonnet-4-6", vendor=True),
]


class Itself(Host):
    """Anthropic, as if its own language were another's."""

    shows_results = tells_failures = property(lambda _: True)  # type: ignore[assignment]


ITSELF = Itself("anthropic", CLAUDE, vendor=True)


@cache
def published(streaming: bool) -> TypeAdapter[Any]:
    """OpenAI's type of a chat request."""
    params = importlib.import_module("openai.types.chat.completion_create_params")
    name = "Streaming" if streaming else "NonStreaming"
    return TypeAdapter(getattr(params, f"CompletionCreateParams{name}"))


@settings(max_examples=40)
@given(data=st.data(), stream=st.booleans(), host=st.sampled_from(HOSTS))
def test_any_request_is_one_that_openai_publishes(data, stream, host):
    body = data.draw(requests(model=CLAUDE, stream=stream))
    walked(adapter(stream).validate_python(body))
    before = copy.deepcopy(body)
    chat, dropped = chat_request(body, host)
    assert body == before
    json.dumps(chat)
    if not host.shows_results:  # pictures in a tool's result are no part of OpenAI's types
        walked(published(stream).validate_python(chat))
    assert_results_follow(chat["messages"])
    places = ("messages", "output_config", "stop_sequences", "thinking", "tool", "metadata")
    assert all(name.startswith(places) for name in dropped)
    if not host.vendor and stream:
        assert ("stream_options" in chat) is (host.provider != "mistral-ai")


def assert_results_follow(messages: list[dict[str, Any]]) -> None:
    """As OpenAI wants it: the results of all calls, and only those, follow at once."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            continue
        assert waiting == []
        waiting = [call["id"] for call in message.get("tool_calls", ())]
    assert waiting == []


@settings(max_examples=40)
@given(body=requests(model=CLAUDE))
def test_the_way_to_chat_and_back_keeps_the_meaning(body):
    chat, _ = chat_request(body, ITSELF)
    again, _ = message_request(chat)
    assert said(again) == said(body)
    for name in ("model", "max_tokens", "metadata", "stop_sequences"):
        assert again.get(name) == body.get(name)
    wanted, got = (each.get("output_config", {}) for each in (body, again))
    assert ("format" in got) is ("format" in wanted)
    own = [tool for tool in body.get("tools", ()) if "input_schema" in tool]
    back = {tool["name"]: tool for tool in again.get("tools", ())}
    for tool in own:
        assert back[tool["name"]].get("description") == tool.get("description")
        schemas = (each["input_schema"]["properties"] for each in (back[tool["name"]], tool))
        assert len(set(map(frozenset, schemas))) == 1
    if "tool_choice" in body and "tools" in chat:
        assert again["tool_choice"] == body["tool_choice"]


def said(body: dict[str, Any]) -> list[Any]:
    """All that is said in a request, in its order: what blocks a text is cut into does not count."""
    told: list[Any] = []
    later = [turn["content"] for turn in body["messages"] if turn["role"] == "system"]
    told.append(("system", words([plain(each) for each in (body.get("system", ()), *later)])))
    for turn in (turn for turn in body["messages"] if turn["role"] != "system"):
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            add(told, turn["role"], block)
    return told


def plain(content: Any) -> str:
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def words(texts: list[str]) -> str:
    return "".join("".join(texts).split())


def add(told: list[Any], role: str, block: dict[str, Any]) -> None:
    match block["type"]:
        case "text" | "search_result" | "document" if (text := text_of(block)) is not None:
            if told[-1][0] == role:
                told[-1] = (role, told[-1][1] + words([text]))
            else:
                told.append((role, words([text])))
        case "tool_result":
            inner = block["content"]
            inner = [{"type": "text", "text": inner}] if isinstance(inner, str) else inner
            texts = words([each["text"] for each in inner if "text" in each])
            failed = block.get("is_error", False) or texts.startswith("Error:")
            told.append(("result", block["tool_use_id"], texts.removeprefix("Error:"), failed))
            told.extend(("shown", each["source"]) for each in inner if each["type"] == "image")
        case "tool_use":
            told.append(("call", block["id"], block["name"], block["input"]))
        case "image" | "document":
            told.append(("shown", block["source"]))
        case kind:
            told.append((kind, block.get("signature") or block.get("data")))


def text_of(block: dict[str, Any]) -> str | None:
    """The text of a block, a document's title included; None for what is shown."""
    if block["type"] == "text":
        return str(block["text"])
    if block["type"] == "search_result":
        return "".join([block["title"], block["source"], *(e["text"] for e in block["content"])])
    source = block["source"]
    if source["type"] not in ("text", "content"):
        return None
    return block.get("title", "") + source.get("data", source.get("content"))
