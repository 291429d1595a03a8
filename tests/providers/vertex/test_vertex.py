"""Vertex AI: who publishes a model, where it is spoken to, and in which language."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from tests.providers.anthropic.replies import streamed
from tests.providers.messages.doors import door

from portkey_local import ConfigError, Portkey
from portkey_local.providers.languages import Settings, WrongSetting
from portkey_local.providers.vertex import publisher_of, speak
from portkey_local.testing import Step, chat, chat_stream

TOKEN = "ya29.ready-token"
SSE = "text/event-stream"
MESSAGES = [{"role": "user", "content": "hi"}]
BASE = "/projects/p/locations/europe-west4"
GEMINI = {"candidates": [{"content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}]}
CLAUDE = {"id": "m1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn",
          "content": [{"type": "text", "text": "hello"}], "usage": {"input_tokens": 2, "output_tokens": 3}}  # fmt: skip


def url(environment: dict[str, str] | None = None, at: str | None = None, **fields: Any) -> str:
    return speak(Settings("vertex-ai", at, at is not None, fields, environment or {})).url


def client(server: Any, **more: Any) -> Portkey:
    fields = {"vertex_project_id": "p", "vertex_region": "europe-west4", **more}
    return Portkey(
        config={"provider": "vertex-ai", "api_key": TOKEN, "custom_host": server.url, **fields}
    )


def created(server: Any, model: str, **more: Any) -> Any:
    with client(server) as portkey:
        return portkey.chat.completions.create(model=model, messages=MESSAGES, **more)


def test_the_host_is_the_regions():
    at = "https://aiplatform.googleapis.com/v1/projects/p/locations/global"
    assert url(vertex_project_id="p") == at
    assert url(vertex_project_id="p", vertex_region="us-east5") == (
        "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5")  # fmt: skip
    assert (
        url(at="http://h/x/", vertex_project_id="p") == "http://h/x/v1/projects/p/locations/global"
    )


def test_project_and_region_may_come_from_the_environment_or_the_account():
    at = "https://us-east5-aiplatform.googleapis.com/v1/projects/e/locations/us-east5"
    assert url({"GOOGLE_CLOUD_PROJECT": "e", "GOOGLE_CLOUD_LOCATION": "us-east5"}) == at
    assert url({"GOOGLE_CLOUD_PROJECT": "e", "GOOGLE_CLOUD_REGION": "us-east5"}) == at
    for account in ({"project_id": "a"}, '{"project_id": "a"}'):
        assert "/projects/a/" in url(vertex_service_account_json=account)


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "vertex_project_id"),
        ({"vertex_service_account_json": "no json"}, "vertex_project_id"),
        ({"vertex_project_id": "p/../q"}, "vertex_project_id"),
        ({"vertex_project_id": "p", "vertex_region": "evil.test/"}, "vertex_region"),
    ],
)
def test_a_project_or_region_that_is_wrong_is_named(fields, wrong):
    with pytest.raises(WrongSetting) as caught:
        url(**fields)
    assert caught.value.field == wrong


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ("gemini-2.5-flash", ("google", "gemini-2.5-flash")),
        ("google.gemini-3-pro", ("google", "gemini-3-pro")),
        ("claude-sonnet-4", ("google", "claude-sonnet-4")),
        ("anthropic.claude-opus-4-1@20250805", ("anthropic", "claude-opus-4-1@20250805")),
        ("meta.llama-4-maverick", ("meta", "llama-4-maverick")),
        ("endpoints.1234", ("endpoints", "1234")),
    ],
)
def test_a_prefix_names_the_publisher(model, wanted):
    assert publisher_of(model) == wanted


def test_google_publishes_a_model_without_a_prefix(provider):
    provider.reset(lambda _: Step(json=GEMINI))
    assert created(provider, "gemini-2.5-flash").choices[0].message.content == "hello"
    (seen,) = provider.received
    assert (seen.target, seen.path) == (
        "v1",
        f"{BASE}/publishers/google/models/gemini-2.5-flash:generateContent",
    )
    assert seen.headers["authorization"] == f"Bearer {TOKEN}"


def test_anthropics_models_get_their_own_language(provider):
    provider.reset(lambda _: Step(json=CLAUDE))
    told = created(provider, "anthropic.claude-opus-4-1@20250805")
    assert (told.choices[0].message.content, told.usage.total_tokens) == ("hello", 5)
    (seen,) = provider.received
    assert seen.path == f"{BASE}/publishers/anthropic/models/claude-opus-4-1@20250805:rawPredict"
    assert seen.json["anthropic_version"] == "vertex-2023-10-16"
    assert "model" not in seen.json
    assert seen.json["messages"][0]["role"] == "user"


def test_beta_features_of_claudes_are_a_header_of_its_calls_alone(provider):
    provider.reset(lambda _: Step(json=CLAUDE))
    created(provider, "anthropic.claude", extra_body={"anthropic_beta": ["a", "b"]})
    with client(provider, anthropic_beta="c") as portkey:
        for more in ({}, {"extra_body": {"anthropic_beta": "a"}}):
            portkey.chat.completions.create(model="anthropic.claude", messages=MESSAGES, **more)
        path = "/publishers/anthropic/models/claude-3:rawPredict"
        portkey.post(path, cast_to=object, body={"messages": []})
        seen = list(provider.received)
        provider.reset(lambda _: Step(json=GEMINI))
        portkey.chat.completions.create(model="gemini-2.5-flash", messages=MESSAGES)
    told = [each.headers.get("anthropic-beta") for each in [*seen, *provider.received]]
    assert told == ["a,b", "c", "c,a", "c", None]
    assert not any("anthropic_beta" in each.json for each in seen)


def test_anthropics_streams_are_read_too(provider):
    events = [
        {"type": "message_start", "message": {**CLAUDE, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "text_delta", "text": "hello"},
        },
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"output_tokens": 3},
        },
        {"type": "message_stop"},
    ]
    framed = [f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in events]
    provider.reset(lambda _: Step(events=framed))
    with client(provider) as portkey:
        chunks = list(
            portkey.chat.completions.create(
                model="anthropic.claude-3", messages=MESSAGES, stream=True
            )
        )
    assert (
        "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        == "hello"
    )
    assert provider.received[0].path.endswith("/claude-3:streamRawPredict")
    assert provider.received[0].json["stream"] is True


@pytest.mark.parametrize(
    ("model", "path", "name"),
    [
        ("meta.llama-4", "/endpoints/openapi/chat/completions", "meta/llama-4"),
        ("mistralai.codestral", "/publishers/mistralai/models/codestral:rawPredict", "codestral"),
        ("endpoints.77", "/endpoints/77/chat/completions", ""),
    ],
)
def test_others_are_spoken_to_as_openai(provider, model, path, name):
    provider.reset(lambda _: chat("hello"))
    assert created(provider, model, temperature=1).choices[0].message.content == "hello"
    (seen,) = provider.received
    assert (seen.path, seen.json["model"], seen.json["temperature"]) == (BASE + path, name, 1)


def test_their_streams_are_openais(provider):
    provider.reset(lambda _: chat_stream(["a", "b"]))
    with client(provider, override_params={"model": "mistralai.codestral", "top_p": 1}) as portkey:
        chunks = list(portkey.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "ab"
    assert provider.received[0].path.endswith("/codestral:streamRawPredict")
    assert provider.received[0].json["top_p"] == 1


@pytest.mark.parametrize("model", ["meta.llama-4", "anthropic.claude-3"])
def test_publishers_without_embeddings_say_so(provider, model):
    with client(provider) as portkey, pytest.raises(openai.APIError, match="not supported"):
        portkey.embeddings.create(model=model, input="a")
    assert not provider.received


def test_the_older_embedding_models_predict(provider):
    answer = {
        "predictions": [{"embeddings": {"values": [1.0], "statistics": {"token_count": 2}}}] * 2
    }
    provider.reset(lambda _: Step(json=answer))
    with client(provider) as portkey:
        told = portkey.embeddings.create(
            model="text-embedding-005", input=["a", "b"], dimensions=1, extra_body={"task_type": "CLUSTERING"})  # fmt: skip
    assert (len(told.data), told.usage.prompt_tokens) == (2, 4)
    (seen,) = provider.received
    assert seen.path == f"{BASE}/publishers/google/models/text-embedding-005:predict"
    assert seen.json == {
        "instances": [{"content": text, "task_type": "CLUSTERING"} for text in ("a", "b")],
        "parameters": {"outputDimensionality": 1},
    }


def test_geminis_embedding_models_take_contents(provider):
    vectors = {"embedding": {"values": [1.0]}}
    provider.reset(
        lambda seen: Step(
            json={"embeddings": [vectors["embedding"]] * 2} if "batch" in seen.path else vectors
        )
    )
    with client(provider) as portkey:
        portkey.embeddings.create(model="gemini-embedding-2", input="a", dimensions=1)
        assert (
            len(portkey.embeddings.create(model="gemini-embedding-2", input=["a", "b"]).data) == 2
        )
    one, many = provider.received
    assert one.json == {
        "content": {"parts": [{"text": "a"}]},
        "embedContentConfig": {"outputDimensionality": 1},
    }
    assert many.json == {
        "requests": [{"content": {"parts": [{"text": text}]}} for text in ("a", "b")]
    }
    assert [seen.path.rpartition(":")[2] for seen in (one, many)] == [
        "embedContent",
        "batchEmbedContents",
    ]


def test_native_paths_begin_at_the_publisher(provider):
    provider.reset(lambda _: Step(json={"totalTokens": 5}))
    path = "/publishers/google/models/gemini-2.5-flash:countTokens"
    with client(provider) as portkey:
        assert portkey.post(path, cast_to=object, body={"contents": []}) == {"totalTokens": 5}
    assert provider.received[0].path == BASE + path


def test_a_native_stream_of_anthropics_ends_with_its_own_event(provider):
    whole = [{"type": "message_start", "message": CLAUDE}, {"type": "message_stop"}]
    path = "/publishers/anthropic/models/claude-3:streamRawPredict"

    def read(events: list[Any]) -> list[Any]:
        provider.reset(lambda _: Step(events=[json.dumps(event) for event in events]))
        with client(provider) as portkey:
            return list(portkey.post(path, cast_to=object, body={"messages": []}, stream=True,
                                     stream_cls=openai.Stream[object]))  # fmt: skip

    assert read(whole) == whole
    with pytest.raises(openai.APIError, match="terminal event"):
        read(whole[:1])


def test_errors_are_told_alike_by_every_publisher(provider):
    error = {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED"}}
    provider.reset(lambda _: Step(status=429, json=error))
    for model in ("gemini-2.5-flash", "anthropic.claude-3", "mistralai.codestral"):
        with pytest.raises(openai.RateLimitError, match="quota"):
            created(provider, model)


def test_a_target_without_a_project_is_refused(provider, monkeypatch):
    for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "VERTEX_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="vertex_project_id"):
        Portkey(config={"provider": "vertex-ai", "api_key": TOKEN})


# ------------------------------------------------------------------------- the Messages API itself


def test_a_messages_request_for_a_claude_is_said_as_it_is_at_its_method(provider):
    stream = Step(body=streamed(CLAUDE), content_type=SSE)
    steps = iter([Step(json=CLAUDE), stream, Step(json={"input_tokens": 7})])
    provider.reset(lambda _: next(steps))
    ask: dict[str, Any] = {"max_tokens": 9, "messages": MESSAGES}
    fields = {"vertex_project_id": "p", "vertex_region": "europe-west4"}
    config = {"provider": "vertex-ai", "api_key": TOKEN, "custom_host": provider.url, **fields}
    with door(config) as anthropic:
        message = anthropic.messages.create(model="anthropic.claude-sonnet-4@20250514", **ask)
        with anthropic.messages.stream(model="claude-sonnet-4@20250514", **ask) as stream:
            assert stream.get_final_text() == message.content[0].text
        told = anthropic.messages.count_tokens(model="claude-sonnet-4", messages=MESSAGES)
    assert told.input_tokens == 7
    models = f"{BASE}/publishers/anthropic/models"
    assert [request.path for request in provider.received] == [
        f"{models}/claude-sonnet-4@20250514:rawPredict",
        f"{models}/claude-sonnet-4@20250514:streamRawPredict",
        f"{models}/count-tokens:rawPredict",
    ]
    plain, _, counted = (request.json for request in provider.received)
    assert plain == {"anthropic_version": "vertex-2023-10-16", **ask}
    assert counted["model"] == "claude-sonnet-4"


def test_a_messages_request_for_another_s_model_is_translated(provider):
    steps = iter([Step(json=GEMINI), chat("hello")])
    provider.reset(lambda _: next(steps))
    fields = {"vertex_project_id": "p", "vertex_region": "europe-west4"}
    config = {"provider": "vertex-ai", "api_key": TOKEN, "custom_host": provider.url, **fields}
    with door(config) as anthropic:
        for model in ("gemini-2.5-flash", "meta.llama-4"):
            message = anthropic.messages.create(model=model, max_tokens=9, messages=MESSAGES)
            assert [block.to_dict() for block in message.content] == [
                {"type": "text", "text": "hello"}
            ]
    google, meta = provider.received
    assert google.path.endswith("/publishers/google/models/gemini-2.5-flash:generateContent")
    assert meta.json == {"model": "meta/llama-4", "max_tokens": 9, "messages": MESSAGES}
