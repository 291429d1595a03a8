"""Embeddings of each family on Bedrock, and what errors say."""

from __future__ import annotations

import base64
import json
import struct

import openai
import pytest
from openai.types import CreateEmbeddingResponse
from tests.providers.bedrock.helpers import ask, refusal, request, target

from portkey_local import Portkey
from portkey_local.model import Answer, Failure, Fault, Packet, Reply
from portkey_local.testing import Loopback, Step

TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "cohere.embed-english-v3"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"


def sent(body: dict) -> tuple[dict, tuple[str, ...]]:
    to = target()
    made = to.codec.encode(to, request(body, "/embeddings"))
    assert isinstance(made, Packet), made
    assert made.url.endswith("/invoke")
    return json.loads(made.content or b""), made.dropped


def told(body: dict, data: dict, headers: dict | None = None) -> dict:
    to = target()
    answer = Answer(200, headers or {}, json.dumps(data).encode())
    reply = to.codec.decode(to, request(body, "/embeddings"), answer, 0.0)
    assert isinstance(reply, Reply), reply
    if body.get("encoding_format") != "base64":
        CreateEmbeddingResponse.model_validate(reply.data)
    return reply.data


@pytest.mark.parametrize(
    ("body", "expected", "dropped"),
    [
        ({"model": TITAN, "input": "a", "dimensions": 256, "normalize": False}, {"inputText": "a", "dimensions": 256, "normalize": False}, ()),
        ({"model": "amazon.titan-embed-text-v1", "input": ["a"], "dimensions": 2}, {"inputText": "a"}, ("dimensions",)),
        ({"model": "amazon.titan-embed-image-v1", "input": "a", "dimensions": 256}, {"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 256}}, ()),
        ({"model": COHERE, "input": ["a", "b"], "user": "u"}, {"texts": ["a", "b"], "input_type": "search_document"}, ("user",)),
        ({"model": "cohere.embed-v4:0", "input": "a", "dimensions": 512, "input_type": "clustering", "truncate": "END"}, {"texts": ["a"], "input_type": "clustering", "truncate": "END", "output_dimension": 512}, ()),
        ({"model": NOVA, "input": "a", "dimensions": 256}, {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": {"embeddingPurpose": "GENERIC_INDEX", "text": {"value": "a", "truncationMode": "END"}, "embeddingDimension": 256}}, ()),
    ],
)  # fmt: skip
def test_each_family_is_asked_in_its_own_words(body, expected, dropped):
    assert sent(body) == (expected, dropped)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"model": TITAN, "input": ["a", "b"]}, "one text a call, not 2"),
        ({"model": TITAN, "input": [1, 2]}, "not of token ids"),
        ({"model": TITAN, "input": []}, "a text or a list"),
        ({"model": "a.b", "input": "a"}, "no embeddings are known"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_clear_words(body, words):
    failure = refusal(body, "/embeddings")
    assert (failure.fault, failure.status) == (Fault.ROUTING, 400)
    assert words in failure.message


@pytest.mark.parametrize(
    "data",
    [
        {"embedding": [0.5, -1], "inputTextTokenCount": 3},
        {"embeddings": [[0.5, -1]]},
        {"embeddings": {"float": [[0.5, -1]], "int8": [[1, 2]]}},
        {"embeddings": [{"embedding": [0.5, -1], "embeddingType": "TEXT"}]},
        {"embeddingsByType": {"float": [0.5, -1]}},
    ],
)
def test_each_family_is_read(data):
    """The vector comes out; its tokens are counted in the body, or in a header."""
    headers = {"x-amzn-bedrock-input-token-count": "3"}
    read = told({"model": TITAN, "input": "a"}, data, headers)
    assert read["data"] == [{"object": "embedding", "index": 0, "embedding": [0.5, -1]}]
    assert read["usage"] == {"prompt_tokens": 3, "total_tokens": 3}


def test_vectors_come_as_base64_where_that_is_asked_for():
    body = {"model": COHERE, "input": "a", "encoding_format": "base64"}
    read = told(body, {"embeddings": [[0.5, -1]]})["data"][0]["embedding"]
    assert struct.unpack("<2f", base64.b64decode(read)) == (0.5, -1)


@pytest.mark.parametrize(
    "data", [{}, {"embedding": ["x"]}, {"embeddings": {}}, {"embeddings": [1]}]
)
def test_answers_without_vectors_are_malformed(data):
    to = target()
    answer = Answer(200, {}, json.dumps(data).encode())
    body = {"model": TITAN, "input": "a"}
    failure = to.codec.decode(to, request(body, "/embeddings"), answer, 0.0)
    assert isinstance(failure, Failure)
    assert failure.fault is Fault.MALFORMED


# --- errors


@pytest.mark.parametrize(
    ("status", "kind", "body", "raised"),
    [
        (400, "ValidationException:http://internal.amazon.com/x", {"message": "no"}, openai.BadRequestError),
        (403, "AccessDeniedException", {"Message": "no"}, openai.PermissionDeniedError),
        (404, "ResourceNotFoundException", {"message": "no"}, openai.NotFoundError),
        (424, "ModelErrorException", {"message": "no"}, openai.APIStatusError),
        (429, "ThrottlingException", {"message": "no"}, openai.RateLimitError),
        (503, "ServiceUnavailableException", {"message": "no"}, openai.InternalServerError),
    ],
)  # fmt: skip
def test_errors_are_openais_exceptions_in_the_vendors_words(status, kind, body, raised):
    headers = {"x-amzn-errortype": kind, "retry-after": "3"}
    with Loopback() as server:
        server.reset(lambda _: Step(status=status, json=body, headers=headers))
        client = Portkey(provider="bedrock", Authorization="bedrock-test", custom_host=server.url)
        with client, pytest.raises(raised) as caught:
            client.chat.completions.create(**ask())
    error = caught.value
    assert (error.status_code, error.type, error.code) == (
        status,
        kind.partition(":")[0],
        kind.partition(":")[0],
    )
    assert (error.body["message"], error.body["provider_error"]) == ("no", body)
    assert error.response.headers["retry-after"] == "3"


def test_an_error_without_words_still_says_what_came():
    to = target()
    failure = to.codec.decode(to, request(ask()), Answer(500, {}, b"<html>"), 0.0)
    told = json.loads(failure.answer.content)["error"]
    assert (told["message"], told["provider_error"]) == ("bedrock answered with HTTP 500", "<html>")
