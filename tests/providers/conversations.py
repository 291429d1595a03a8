"""Hypothesis strategies for chat requests of OpenAI's shape, with every feature that codecs translate.

A conversation is one that OpenAI would take: tool results follow the calls that they answer, and
every call is answered before the user speaks again. `features` of `requests` leaves out what a
vendor cannot be asked for at all.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import strategies as st

PNG = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c63"
        "000100000500010d0a2db40000000049454e44ae426082"
    )
).decode()
PDF = base64.b64encode(b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF").decode()
WAV = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt ").decode()

texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30
).filter(str.strip)
names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
numbers = st.one_of(st.integers(-1000, 1000), st.floats(-1e6, 1e6, allow_nan=False))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(names, inner, max_size=2)),
    max_leaves=4,
)
arguments = st.dictionaries(names, values, max_size=3).map(json.dumps)


def schemas(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Return schemas of objects, of the kinds that people write."""
    leaf = st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "enum": ["a", "b"]},
            {"type": "string", "description": "where", "minLength": 1},
            {"type": "integer", "minimum": 0, "maximum": 9},
            {"type": "number"},
            {"type": "boolean"},
            {"type": ["string", "null"]},
            {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            {"type": "array", "items": {"type": "string"}},
        ]
    )
    inner = leaf if depth == 0 else st.one_of(leaf, schemas(depth - 1))

    def whole(properties: dict[str, Any], closed: bool) -> dict[str, Any]:
        schema = {"type": "object", "properties": properties, "required": sorted(properties)}
        return {**schema, "additionalProperties": False} if closed else schema

    return st.builds(whole, st.dictionaries(names, inner, min_size=1, max_size=3), st.booleans())


@st.composite
def tools(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return tools with names of their own; a parameterless one, and one without words, too."""
    made = []
    for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        function: dict[str, Any] = {"name": name}
        if draw(st.booleans()):
            function["description"] = draw(texts)
        if draw(st.booleans()):
            function["parameters"] = draw(schemas())
        if draw(st.booleans()):
            function["strict"] = draw(st.booleans())
        made.append({"type": "function", "function": function})
    return made


@st.composite
def parts(draw: st.DrawFn, media: frozenset[str]) -> list[dict[str, Any]]:
    """Return a user's content as parts."""
    kinds: dict[str, dict[str, Any]] = {
        "text": {"type": "text", "text": draw(texts)},
        "image": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        "image_url": {
            "type": "image_url",
            "image_url": {"url": "https://example.com/cat.png", "detail": "low"},
        },
        "pdf": {
            "type": "file",
            "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
        },
        "audio": {"type": "input_audio", "input_audio": {"data": WAV, "format": "wav"}},
    }
    known = ["text", *sorted(media)]
    return [kinds[kind] for kind in draw(st.lists(st.sampled_from(known), min_size=1, max_size=3))]


@st.composite
def calls_and_results(
    draw: st.DrawFn, offered: list[dict[str, Any]], first: int
) -> list[dict[str, Any]]:
    """Return a question, an answer that calls tools, and what each call came to."""
    calls = []
    for number in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(offered))["function"]["name"]
        function = {"name": name, "arguments": draw(arguments)}
        calls.append({"id": f"call_{first}_{number}", "type": "function", "function": function})
    results = st.one_of(texts, st.just('{"celsius": 7}'), st.just([{"type": "text", "text": "x"}]))
    return [
        {"role": "user", "content": draw(texts)},
        {"role": "assistant", "content": draw(st.none() | texts), "tool_calls": calls},
        *({"role": "tool", "tool_call_id": call["id"], "content": draw(results)} for call in calls),
    ]


@st.composite
def messages(
    draw: st.DrawFn, offered: list[dict[str, Any]], media: frozenset[str]
) -> list[dict[str, Any]]:
    """Return a conversation that ends with the user or with the results of tools."""
    said: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["user", "parts", "answer", "system", "calls"]))
        if kind == "system":
            role = draw(st.sampled_from(["system", "developer"]))
            said.append({"role": role, "content": draw(texts)})
        elif kind == "parts":
            said.append({"role": "user", "content": draw(parts(media))})
        elif kind == "calls" and offered:
            said += draw(calls_and_results(offered, turn))
        else:
            said.append({"role": "user", "content": draw(texts)})
        if kind == "answer":
            said.append({"role": "assistant", "content": draw(texts)})
    if said[-1]["role"] not in ("user", "tool"):
        said.append({"role": "user", "content": draw(texts)})
    return said


def _choices(offered: list[dict[str, Any]]) -> st.SearchStrategy[Any]:
    named = {"type": "function", "function": {"name": offered[0]["function"]["name"]}}
    allowed = {"mode": "required", "tools": offered[:1]}
    return st.sampled_from(
        ["auto", "none", "required", named, {"type": "allowed_tools", "allowed_tools": allowed}]
    )


FORMATS = st.one_of(
    st.just({"type": "text"}),
    st.just({"type": "json_object"}),
    st.builds(
        lambda schema, strict: {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": schema, "strict": strict},
        },
        schemas(),
        st.booleans(),
    ),
)
SETTINGS: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.floats(0, 2),
    "top_p": st.floats(0, 1),
    "max_tokens": st.integers(1, 4096),
    "max_completion_tokens": st.integers(1, 4096),
    "stop": st.one_of(texts, st.lists(texts, min_size=1, max_size=4, unique=True)),
    "seed": st.integers(0, 2**31 - 1),
    "n": st.just(1),
    "presence_penalty": st.floats(-2, 2),
    "frequency_penalty": st.floats(-2, 2),
    "logprobs": st.booleans(),
    "user": st.just("user-7"),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high"]),
    "parallel_tool_calls": st.booleans(),
    "response_format": FORMATS,
    "logit_bias": st.just({"50256": -100}),
    "metadata": st.just({"team": "blue"}),
    "store": st.booleans(),
}
MEDIA = frozenset({"image", "image_url", "pdf", "audio"})


@st.composite
def requests(
    draw: st.DrawFn, *, model: str, media: frozenset[str] = MEDIA, stream: bool = False
) -> dict[str, Any]:
    """Return a chat request for a model."""
    offered = draw(tools()) if draw(st.booleans()) else []
    body: dict[str, Any] = {"model": model, "messages": draw(messages(offered, media))}
    if offered:
        body["tools"] = offered
        if draw(st.booleans()):
            body["tool_choice"] = draw(_choices(offered))
    for name in draw(st.lists(st.sampled_from(sorted(SETTINGS)), max_size=6, unique=True)):
        if name != "parallel_tool_calls" or offered:
            body[name] = draw(SETTINGS[name])
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body
