"""Voyage's and Jina's embeddings: their words for what OpenAI's mean, and answers in either form."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import openai
import pytest
from hypothesis import given, strategies as st

from portkey_local import AsyncPortkey, Portkey
from portkey_local.model import Answer, Failure, Fault, Packet, Reply, Request, Target
from portkey_local.providers import jina, voyage
from portkey_local.providers.completion import embedding_list
from portkey_local.testing import Loopback, Step

CODECS = {"voyage": voyage.CODEC, "jina": jina.CODEC}
JSON = {"content-type": "application/json"}
VECTOR = [0.5, -1.0]
BASE64 = base64.b64encode(struct.pack("<2f", *VECTOR)).decode()

both = pytest.mark.parametrize("vendor", CODECS)


def target(vendor: str, **options: Any) -> Target:
    return Target("config", vendor, "https://h.example/v1", CODECS[vendor], **options)


def request(path: str = "/embeddings", **fields: Any) -> Request:
    return Request("POST", path, {"model": "m", "input": "a", **fields})


def packet(vendor: str, **fields: Any) -> Packet:
    made = CODECS[vendor].encode(target(vendor), request(**fields))
    assert isinstance(made, Packet), made
    return made


def sent(vendor: str, **fields: Any) -> dict[str, Any]:
    return json.loads(packet(vendor, **fields).content)


def decoded(vendor: str, data: Any, status: int = 200, **fields: Any) -> Reply | Failure:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return CODECS[vendor].decode(
        target(vendor), request(**fields), Answer(status, JSON, content), 0.0
    )


def answer(*vectors: Any, **usage: int) -> dict[str, Any]:
    data = [
        {"object": "embedding", "index": index, "embedding": each}
        for index, each in enumerate(vectors)
    ]
    return {"object": "list", "data": data, "model": "m-1", "usage": usage or {"total_tokens": 3}}


@pytest.mark.parametrize(
    ("vendor", "fields", "expected"),
    [
        ("voyage", {}, {}),
        ("voyage", {"encoding_format": "float"}, {}),  # to be told so, Voyage refuses
        ("voyage", {"encoding_format": "base64"}, {"encoding_format": "base64"}),
        ("voyage", {"dimensions": 256}, {"output_dimension": 256}),
        ("voyage", {"input_type": "query", "truncation": False}, {"input_type": "query", "truncation": False}),
        ("jina", {}, {"embedding_type": "float"}),
        ("jina", {"encoding_format": "base64"}, {"embedding_type": "base64"}),
        ("jina", {"dimensions": 64, "task": "text-matching"},
         {"embedding_type": "float", "dimensions": 64, "task": "text-matching"}),
        ("jina", {"embedding_type": "ubinary"}, {"embedding_type": "ubinary"}),
    ],
)  # fmt: skip
def test_a_request_in_the_vendors_words(vendor, fields, expected):
    assert sent(vendor, **fields) == {"model": "m", "input": ["a"], **expected}


def test_jina_takes_images():
    given = [{"image": "https://example.com/cat.png"}, {"text": "a cat"}]
    assert sent("jina", input=given)["input"] == given


@both
def test_what_has_no_words_is_named_or_refused(vendor):
    assert packet(vendor, user="u", made_up=None).dropped == ("user",)
    failure = CODECS[vendor].encode(target(vendor, strict_params=True), request(user="u"))
    assert (failure.status, failure.fault) == (400, Fault.ROUTING)


@both
@pytest.mark.parametrize("given", [[1, 2], [[1, 2]], None, {"a": 1}])
def test_only_texts_are_taken(vendor, given):
    failure = CODECS[vendor].encode(target(vendor), request(input=given))
    assert (failure.status, failure.fault) == (400, Fault.ROUTING)


@both
def test_there_is_no_chat(vendor):
    failure = CODECS[vendor].encode(target(vendor), request("/chat/completions", messages=[]))
    assert isinstance(failure, Failure)
    assert (failure.status, failure.fault) == (500, Fault.ROUTING)


@both
@pytest.mark.parametrize("came", [VECTOR, BASE64])
@pytest.mark.parametrize(
    ("asked", "expected"), [("base64", BASE64), ("float", VECTOR), (None, VECTOR)]
)
def test_the_caller_gets_the_form_that_it_asked_for(vendor, came, asked, expected):
    fields = {} if asked is None else {"encoding_format": asked}
    told = decoded(vendor, answer(came), **fields).data
    assert told["data"] == [{"object": "embedding", "index": 0, "embedding": expected}]
    assert (told["model"], told["usage"]) == ("m-1", {"prompt_tokens": 3, "total_tokens": 3})


@both
def test_vectors_come_in_their_order(vendor):
    told = answer([1.0], [2.0])
    told["data"].reverse()
    assert [each["embedding"] for each in decoded(vendor, told).data["data"]] == [[1.0], [2.0]]


@both
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"detail": "not supported"}, "not supported"),
        ({"detail": [{"msg": "field required", "loc": ["input"]}]}, "field required"),
        ({"detail": {"message": "slow down"}}, "slow down"),
        ([], "answered with HTTP 400"),
    ],
)
def test_an_error_says_what_the_vendor_says(vendor, body, message):
    told = json.loads(decoded(vendor, body, 400).answer.content)["error"]
    assert message in told["message"]
    assert told["provider_error"] == body


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["data", "embedding", "index", "usage", "total_tokens", "detail"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@both
@given(st.binary(max_size=40) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_a_reply_or_a_typed_failure(vendor, content):
    for status in (200, 400):
        for encoding in ("float", "base64"):
            assert isinstance(
                decoded(vendor, content, status, encoding_format=encoding), Reply | Failure
            )


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=8))
def test_both_forms_hold_the_same_numbers(vector):
    def told(given: Any, encoding: str) -> Any:
        return embedding_list([given], model="m", tokens=0, encoding=encoding)["data"][0][
            "embedding"
        ]

    assert told(told(vector, "base64"), "float") == vector
    assert told(told(vector, "base64"), "base64") == told(vector, "base64")


# --- recorded


def rows(shared: Any, status: int) -> list[dict[str, Any]]:
    lines = (shared / "recordings" / "voyage.jsonl").read_text(encoding="utf-8").splitlines()
    found = [row for row in map(json.loads, lines) if row["status"] == status]
    assert found
    return found


def options(server: Loopback) -> dict[str, Any]:
    return {
        "provider": "voyage",
        "api_key": "pa-key",
        "Authorization": "pa-key",
        "custom_host": f"{server.url}/v1",
    }


def asked(row: dict[str, Any]) -> dict[str, Any]:
    told = dict(row["request"])
    known = {name: told.pop(name) for name in ("model", "input", "encoding_format")}
    return {**known, "extra_body": told}


def test_recorded_embeddings_come_out_whole(shared, provider):
    with Portkey(**options(provider)) as client:
        for row in rows(shared, 200):
            provider.reset(lambda _, row=row: Step(json=row["body"]))
            told = client.embeddings.create(**asked(row))
            assert [each.embedding for each in told.data] == [
                each["embedding"] for each in row["body"]["data"]
            ]
            assert told.usage.prompt_tokens == row["body"]["usage"]["total_tokens"]
            sent = {name: value for name, value in row["request"].items() if value is not None}
            assert provider.received[0].json == sent


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_recorded_embeddings_come_out_whole_asynchronously(shared, provider):
    async with AsyncPortkey(**options(provider)) as client:
        for row in rows(shared, 200):
            provider.reset(lambda _, row=row: Step(json=row["body"]))
            told = await client.embeddings.create(**asked(row))
            assert len(told.data) == len(row["request"]["input"])


def test_recorded_errors_are_the_right_exceptions(shared, provider):
    with Portkey(**options(provider)) as client:
        for row in rows(shared, 400):
            provider.reset(lambda _, row=row: Step(status=400, json=row["body"]))
            with pytest.raises(openai.BadRequestError) as caught:
                client.embeddings.create(**asked(row))
            assert row["body"]["detail"] in caught.value.message
