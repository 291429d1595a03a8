"""Hypothesis strategies for Messages requests, with every feature that has words in a chat request."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from tests.providers.conversations import PDF, PNG, arguments, names, schemas, texts

inputs = arguments.map(json.loads)
cached = st.sampled_from([{}, {}, {"cache_control": {"type": "ephemeral"}}])
said = st.builds(lambda text, more: {"type": "text", "text": text, **more}, texts, cached)
pictures = st.sampled_from(
    [
        {"type": "base64", "media_type": "image/png", "data": PNG},
        {"type": "url", "url": "https://example.com/cat.png"},
    ]
).map(lambda source: {"type": "image", "source": source})
sources = st.one_of(
    st.just({"type": "base64", "media_type": "application/pdf", "data": PDF}),
    st.just({"type": "url", "url": "https://example.com/a.pdf"}),
    st.builds(lambda text: {"type": "text", "media_type": "text/plain", "data": text}, texts),
    st.builds(lambda text: {"type": "content", "content": text}, texts),
)
documents = st.builds(
    lambda source, title: {"type": "document", "source": source, **title},
    sources,
    st.sampled_from([{}, {"title": "Report"}]),
)
found = st.builds(
    lambda text: {
        "type": "search_result", "title": "T", "source": "https://example.com",
        "content": [{"type": "text", "text": text}],
    },
    texts,
)  # fmt: skip
shown = st.lists(st.one_of(said, said, pictures, documents, found), min_size=1, max_size=3)
thoughts = st.one_of(
    st.builds(
        lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign}, texts, names
    ),
    st.builds(lambda data: {"type": "redacted_thinking", "data": data}, names),
)
results = st.one_of(texts, st.lists(st.one_of(said, pictures), min_size=1, max_size=2))


@st.composite
def tools(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return the caller's own tools, and perhaps one of Anthropic's."""
    made: list[dict[str, Any]] = []
    for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        tool: dict[str, Any] = {"name": name, "input_schema": draw(schemas(0)), **draw(cached)}
        if draw(st.booleans()):
            tool["description"] = draw(texts)
        if draw(st.booleans()):
            tool |= {"type": "custom", "strict": draw(st.booleans())}
        made.append(tool)
    if draw(st.booleans()):
        made.append({"type": "web_search_20250305", "name": "web_search"})
    return made


@st.composite
def turns(draw: st.DrawFn, offered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a conversation that ends with the user."""
    told: list[dict[str, Any]] = [{"role": "user", "content": draw(st.one_of(texts, shown))}]
    for number in range(draw(st.integers(0, 3))):
        answer = draw(st.lists(thoughts, max_size=1)) + draw(st.lists(said, max_size=2))
        calls: list[dict[str, Any]] = []
        if offered and draw(st.booleans()):
            calls = [
                {"type": "tool_use", "id": f"toolu_{number}_{place}", "name": draw(
                    st.sampled_from(offered))["name"], "input": draw(inputs)}
                for place in range(draw(st.integers(1, 2)))
            ]  # fmt: skip
        answer += calls
        told.append({"role": "assistant", "content": answer or draw(texts)})
        heard = [
            {"type": "tool_result", "tool_use_id": call["id"], "content": draw(results),
             "is_error": draw(st.booleans())}
            for call in calls
        ]  # fmt: skip
        told.append({"role": "user", "content": [*heard, *draw(shown)]})
    return told


def _choices(offered: list[dict[str, Any]]) -> st.SearchStrategy[Any]:
    named = {"type": "tool", "name": offered[0]["name"]}
    one = {"type": "auto", "disable_parallel_tool_use": True}
    return st.sampled_from([{"type": "auto"}, {"type": "any"}, {"type": "none"}, named, one])


SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "metadata": st.just({"user_id": "user-7"}),
    "output_config": st.one_of(
        st.builds(lambda word: {"effort": word}, st.sampled_from(["low", "high", "max"])),
        st.builds(lambda schema: {"format": {"type": "json_schema", "schema": schema}}, schemas(0)),
    ),
    "service_tier": st.sampled_from(["auto", "standard_only"]),
    "stop_sequences": st.lists(texts, min_size=1, max_size=5, unique=True),
    "system": st.one_of(texts, st.lists(said, min_size=1, max_size=2)),
    "thinking": st.sampled_from(
        [
            {"type": "adaptive"},
            {"type": "disabled"},
            {"type": "enabled", "budget_tokens": 5000},
        ]
    ),
}


@st.composite
def requests(draw: st.DrawFn, *, model: str, stream: bool = False) -> dict[str, Any]:
    """Return a Messages request for a model."""
    offered = draw(tools()) if draw(st.booleans()) else []
    own = [tool for tool in offered if "input_schema" in tool]
    body: dict[str, Any] = {"model": model, "max_tokens": draw(st.integers(1, 9000))}
    body["messages"] = draw(turns(own))
    if offered:
        body["tools"] = offered
        if draw(st.booleans()):
            body["tool_choice"] = draw(_choices(own))
    for name in draw(st.lists(st.sampled_from(sorted(SETTINGS)), max_size=4, unique=True)):
        body[name] = draw(SETTINGS[name])
    return {**body, "stream": True} if stream else body
