"""The texts guardrails look at, and how mutators change them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from portkey_local.checks import prepare
from portkey_local.hooks import CheckContext
from portkey_local.texts import (
    mapped_request,
    mapped_response,
    request_text,
    response_text,
    stream_text,
    with_request_text,
    with_response_text,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
parts = st.one_of(
    st.text(max_size=8),
    st.builds(lambda text: {"type": "text", "text": text}, st.text(max_size=8)),
    st.just({"type": "image_url", "image_url": {"url": "http://x"}}),
)
contents = st.text(max_size=20) | st.lists(parts, max_size=4) | st.none() | json_values
bodies = st.one_of(
    st.builds(
        lambda c: {"messages": [{"role": "system", "content": "s"}, {"content": c}]}, contents
    ),
    st.builds(lambda c: {"prompt": c}, contents),
    st.builds(lambda c: {"input": c}, contents),
    st.builds(lambda c: {"messages": c}, json_values),
)


@given(bodies)
def test_nothing_is_too_odd_to_be_read(body):
    """Any JSON has a text, perhaps none; mapping with the identity changes nothing."""
    assert isinstance(request_text(body), str)
    assert mapped_request(body, lambda text: text) == body


@given(bodies, st.text(min_size=1, max_size=10))
def test_a_new_text_is_read_back(body, text):
    """A request with another text has that text; several texts cannot be one."""
    if not ({"prompt", "input"} & body.keys() or isinstance(body["messages"], list)):
        return
    try:
        changed = with_request_text(body, text)
    except ValueError:
        content = body.get("prompt", body.get("input")) or body["messages"][-1]["content"]
        assert len(content) > 1
        return
    if changed != body:
        assert request_text(changed) == text


@given(json_values, contents)
def test_answers_are_read_and_changed(junk, content):
    """Chat, completions and Anthropic's messages; junk is left as it is, or has no text."""
    assert isinstance(response_text({"choices": junk}), str)
    for data in (
        {"choices": [{"message": {"role": "assistant", "content": content}}, {"message": {}}]},
        {"choices": [{"text": content}]},
        {"content": content},
    ):
        assert mapped_response(data, lambda text: text) == data
        assert isinstance(response_text(data), str)


def test_a_text_of_several_parts():
    """Parts are joined by line breaks; a changed text takes the place of the first, images stay."""
    image = {"type": "image_url", "image_url": {"url": "http://x"}}
    content = [{"type": "text", "text": "a"}, image, {"type": "text", "text": "b"}]
    body = {"messages": [{"role": "user", "content": content}]}
    assert request_text(body) == "a\nb"
    changed = with_request_text(body, "c")
    assert changed["messages"][0]["content"] == [{"type": "text", "text": "c"}, image]
    assert body["messages"][0]["content"] is content
    answer = {"choices": [{"message": {"content": "x"}}, {"message": {"content": "y"}}]}
    assert response_text(with_response_text(answer, "z")) == "z"
    assert with_response_text(answer, "z")["choices"][1]["message"]["content"] == "y"


def test_the_text_of_a_stream():
    """The deltas of the first choice, of chat, completions and Anthropic's messages."""
    chat = [
        {
            "choices": [
                {"index": 0, "delta": {"content": "he"}},
                {"index": 1, "delta": {"content": "X"}},
            ]
        },
        {"choices": [{"index": 0, "delta": {"content": "y"}}]},
        {"choices": [], "usage": {}},
        "[DONE]",
    ]
    assert stream_text(chat) == "hey"
    assert stream_text([{"choices": [{"text": "a"}]}, {"choices": [{"text": "b"}]}]) == "ab"
    assert stream_text([{"type": "content_block_delta", "delta": {"text": "q"}}]) == "q"
    assert stream_text([None, 5, {"choices": 5}, {"choices": [None]}]) == ""


def mutated(id: str, parameters: dict[str, Any], body: dict[str, Any], **context: Any) -> Any:
    given = {"moment": "input", "text": request_text(body), "request": body}
    route = prepare(id, parameters, {}).run(CheckContext(**{**given, **context}))
    with pytest.raises(StopIteration) as stop:
        next(route)
    return stop.value.value


@pytest.mark.parametrize(
    ("parameters", "roles", "expected"),
    [
        ({}, "su", [("s", "s"), ("u", "P:u")]),
        ({"applyToRole": "system"}, "su", [("s", "P:s"), ("u", "u")]),
        ({"applyToRole": "system"}, "u", [("s", "P:"), ("u", "u")]),
        ({"applyToRole": "assistant"}, "u", [("u", "u"), ("a", "P:")]),
        ({"addToExisting": False}, "su", [("s", "s"), ("u", "P:"), ("u", "u")]),
        ({"onlyIfEmpty": True}, "su", [("s", "s"), ("u", "u")]),
        ({"onlyIfEmpty": True}, "s", [("s", "s"), ("u", "P:")]),
    ],
    ids=str,
)
def test_a_prefix(parameters, roles, expected):
    """It goes before the first message of its role, which is made where there is none."""
    names = {"s": "system", "u": "user", "a": "assistant"}
    body = {"messages": [{"role": names[role], "content": role} for role in roles]}
    result = mutated("addPrefix", {"prefix": "P:", **parameters}, body)
    found = [(message["role"][0], message["content"]) for message in result.body["messages"]]
    assert found == expected
    assert result.verdict


IMAGE = {"type": "image_url", "image_url": {"url": "http://x"}}
PART = {"type": "text", "text": "u"}
PREFIX = {"type": "text", "text": "P:"}
PREFIXED = {"type": "text", "text": "P:u"}


@pytest.mark.parametrize(
    ("content", "parameters", "expected"),
    [
        ([PART, IMAGE], {}, [PREFIXED, IMAGE]),
        ([IMAGE, PART], {}, [PREFIX, IMAGE, PART]),
        ([], {}, [PREFIX]),
        (None, {}, "P:"),
        (" ", {"onlyIfEmpty": True}, "P: "),
        ([], {"onlyIfEmpty": True}, [PREFIX]),
        ([IMAGE], {"onlyIfEmpty": True}, [IMAGE]),
    ],
    ids=str,
)
def test_a_prefix_of_parts_and_of_empty_messages(content, parameters, expected):
    """A first part of text gets it, else there is one before the others."""
    body = {"messages": [{"role": "user", "content": content}]}
    result = mutated("addPrefix", {"prefix": "P:", **parameters}, body)
    assert [message["content"] for message in result.body["messages"]] == [expected]


def test_a_prefix_of_a_messages_request_is_a_part():
    """A message that is made has parts, as Anthropic's have."""
    body = {"messages": [{"role": "assistant", "content": "a"}]}
    result = mutated("addPrefix", {"prefix": "P:"}, body, endpoint="/messages")
    assert result.body["messages"][1] == {"role": "user", "content": [PREFIX]}


def test_a_prefix_of_a_prompt_and_of_nothing():
    """A prompt gets it, of several the first; embeddings and answers are left alone."""
    prompts = {"prompt": ["x", "y"]}
    assert mutated("addPrefix", {"prefix": "P:"}, prompts).body == {"prompt": ["P:x", "y"]}
    assert mutated("addPrefix", {"prefix": "P:"}, {"prompt": [1, 2]}).body is None
    assert mutated("addPrefix", {"prefix": "P:"}, {"prompt": "x"}).body == {"prompt": "P:x"}
    inputs = {"input": "x"}
    assert mutated("addPrefix", {"prefix": "P:"}, inputs, endpoint="/embeddings").body is None
    assert mutated("addPrefix", {"prefix": "P:"}, inputs, moment="output", response={}).body is None


@pytest.mark.parametrize(
    ("rule", "redacted", "expected"),
    [
        (r"(\d+)-(\d+)", "$1-***", "12-*** 56-***"),
        (r"(?<a>\d+)-\d+", "$<a>$<b>!", "12! 56!"),
        (r"\d+-\d+", "[$&] $$1 $1", "[12-34] $1 $1 [56-78] $1 $1"),
        (r"(\d)\d", "$12", "12-32 52-72"),
        ("/D|(-)/gi", "<$1>", "12<->34 56<->78"),
    ],
)
def test_a_replacement_may_refer_to_its_match(rule, redacted, expected):
    """To groups by number and by name, and to the whole; what names no group stays."""
    body = {"prompt": "12-34 56-78"}
    result = mutated("regexReplace", {"rule": rule, "redactText": redacted}, body)
    assert result.body == {"prompt": expected}


def test_a_replacement():
    """Every match in every part; no escape is special; failOnDetection fails where there was one."""
    body = {"messages": [{"role": "user", "content": ["a1", {"type": "text", "text": "b22"}]}]}
    rule = {"rule": r"\d+", "redactText": r"\0$1"}
    result = mutated("regexReplace", rule, body)
    assert result.body["messages"][0]["content"] == [r"a\0$1", {"type": "text", "text": r"b\0$1"}]
    assert result.verdict
    assert not mutated("regexReplace", {**rule, "failOnDetection": True}, body).verdict
    assert mutated("regexReplace", {"rule": "zzz"}, body).body is None
