"""Where Azure is reached, how it is signed in to, and what goes out."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import TypeAdapter

from portkey_local import Portkey
from portkey_local.errors import ConfigError
from portkey_local.model import Failure, Fault, Packet, Request
from portkey_local.providers.azure import VERSION
from portkey_local.providers.languages import Settings, WrongSetting, speak
from portkey_local.testing import Loopback, Step, chat

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
HOST = "https://contoso.openai.azure.com"


def spoken(provider: str = "azure-openai", environment: Any = None, **fields: Any) -> Any:
    url = fields.pop("custom_host", None)
    settings = Settings(provider, url, url is not None, fields, environment or {})
    return speak("azure", settings)


def address(
    path: str = "/chat/completions", body: Any = CHAT, query: str = "", **fields: Any
) -> str:
    """The URL that a request goes to."""
    return packet(path, body, query, **fields).url


def packet(
    path: str = "/chat/completions", body: Any = CHAT, query: str = "", **fields: Any
) -> Packet:
    content = fields.pop("content", None)
    made = encoded(Request("POST", path, body, query=query, content=content), **fields)
    assert isinstance(made, Packet), made
    return made


def encoded(request: Request, **fields: Any) -> Packet | Failure:
    from portkey_local.model import Target

    override = fields.pop("override", {})
    key = {"api-key": "k"}
    said = spoken(**fields)
    there = Target(
        "config", "azure-openai", said.url, said.codec, {**key, **said.headers}, override=override
    )
    return said.codec.encode(there, request)


# --- addresses


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"resource_name": "contoso"}, f"{HOST}/openai/v1/chat/completions"),
        ({"resource_name": "contoso", "api_version": "v1"}, f"{HOST}/openai/v1/chat/completions"),
        ({"resource_name": "contoso", "api_version": "preview"},
         f"{HOST}/openai/v1/chat/completions?api-version=preview"),
        ({"resource_name": "contoso", "deployment_id": "my gpt"},
         f"{HOST}/openai/deployments/my%20gpt/chat/completions?api-version={VERSION}"),
        ({"resource_name": "contoso", "api_version": "2024-06-01"},
         f"{HOST}/openai/deployments/gpt-4o/chat/completions?api-version=2024-06-01"),
        ({"environment": {"AZURE_OPENAI_ENDPOINT": f"{HOST}/"}}, f"{HOST}/openai/v1/chat/completions"),
        ({"environment": {"AZURE_OPENAI_ENDPOINT": HOST, "OPENAI_API_VERSION": "2024-06-01"}},
         f"{HOST}/openai/deployments/gpt-4o/chat/completions?api-version=2024-06-01"),
        ({"environment": {"AZURE_OPENAI_ENDPOINT": f"{HOST}/openai/v1"}}, f"{HOST}/openai/v1/chat/completions"),
        ({"custom_host": HOST}, f"{HOST}/openai/v1/chat/completions"),
        ({"custom_host": "http://127.0.0.1:1", "deployment_id": "d"},
         f"http://127.0.0.1:1/openai/deployments/d/chat/completions?api-version={VERSION}"),
        ({"custom_host": "http://127.0.0.1:1"}, "http://127.0.0.1:1/chat/completions"),
        ({"custom_host": f"{HOST}/openai/deployments/d"}, f"{HOST}/openai/deployments/d/chat/completions"),
        ({"custom_host": "https://apim.example/x", "deployment_id": "d", "api_version": "2024-06-01"},
         "https://apim.example/x/chat/completions?api-version=2024-06-01"),
        ({"custom_host": f"{HOST}/openai/v1/", "environment": {"OPENAI_API_VERSION": "2024-06-01"}},
         f"{HOST}/openai/v1/chat/completions"),
    ],
)  # fmt: skip
def test_where_a_chat_goes(fields, expected):
    assert address(**fields) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/embeddings", "/openai/deployments/d/embeddings"),
        ("/images/generations", "/openai/deployments/d/images/generations"),
        ("/responses", "/openai/responses"),
        ("/files", "/openai/files"),
        ("/models", "/openai/models"),
    ],
)
def test_only_what_a_model_does_goes_to_its_deployment(path, expected):
    there = address(path, deployment_id="d", resource_name="contoso")
    assert there == f"{HOST}{expected}?api-version={VERSION}"


def test_the_model_of_a_form_names_its_deployment():
    form = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper\r\n--x--\r\n'
    there = address(
        "/audio/transcriptions",
        None,
        content=form,
        resource_name="contoso",
        api_version="2024-06-01",
    )
    assert there.startswith(f"{HOST}/openai/deployments/whisper/audio/transcriptions?")


def test_an_override_of_the_model_is_the_deployment():
    fields = {"resource_name": "contoso", "api_version": "2024-06-01"}
    assert "/deployments/mine/" in address(override={"model": "mine"}, **fields)


def test_without_any_deployment_the_call_fails_and_says_what_to_set():
    request = Request("POST", "/images/generations", {"prompt": "x"})
    failure = encoded(request, resource_name="contoso", api_version="2024-06-01")
    assert isinstance(failure, Failure)
    assert (failure.fault, failure.status) == (Fault.ROUTING, 400)
    assert "deployment_id" in failure.message


def test_a_version_of_the_callers_own_goes_first():
    there = address(
        query="api-version=2025-01-01", resource_name="contoso", api_version="2024-06-01"
    )
    assert there.endswith("/chat/completions?api-version=2025-01-01")
    there = address(query="a=1", resource_name="contoso", api_version="2024-06-01")
    assert there.endswith("?api-version=2024-06-01&a=1")


def test_at_the_v1_api_the_deployment_is_the_model():
    made = packet(resource_name="contoso", deployment_id="mine", api_version="v1")
    assert json.loads(made.content) == {**CHAT, "model": "mine"}
    made = packet(resource_name="contoso")
    assert json.loads(made.content) == CHAT


@pytest.mark.parametrize("name", ["evil.com/x#", "a.b", "", "https://contoso.openai.azure.com"])
def test_a_resource_name_is_a_name(name):
    with pytest.raises(WrongSetting) as caught:
        spoken(resource_name=name)
    assert caught.value.field == ("resource_name" if name else "custom_host")


def test_the_body_is_openais_and_has_no_other_fields():
    """Azure's hosts refuse what other vendors' answers hold; all else stays as it is."""
    reasoned = {
        "role": "assistant",
        "content": "x",
        "reasoning_content": "y",
        "reasoning_details": [],
    }
    made = packet(body={**CHAT, "messages": [reasoned, *CHAT["messages"]]}, resource_name="contoso")
    told = json.loads(made.content)
    assert told["messages"] == [{"role": "assistant", "content": "x"}, *CHAT["messages"]]
    TypeAdapter(
        openai.types.chat.completion_create_params.CompletionCreateParamsNonStreaming
    ).validate_python(told)


# --- keys and tokens


def test_a_token_goes_before_a_key():
    made = packet(resource_name="contoso", azure_ad_token="ey.token")
    assert made.headers == {"authorization": "Bearer ey.token"}
    assert packet(resource_name="contoso").headers == {"api-key": "k"}


def test_a_token_that_no_header_can_hold_is_refused():
    with pytest.raises(WrongSetting) as caught:
        spoken(resource_name="contoso", azure_ad_token="a\nb")
    assert caught.value.field == "azure_ad_token"


def test_without_key_token_or_mode_the_config_is_refused(monkeypatch):
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY", "AZURE_OPENAI_AD_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError) as caught:
        Portkey(config={"provider": "azure-openai", "resource_name": "contoso"})
    message = str(caught.value)
    assert "azure_ad_token" in message
    assert "azure_auth_mode" in message


# --- Azure AI Foundry


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"azure_foundry_url": "https://x.services.ai.azure.com/models"},
         "https://x.services.ai.azure.com/models/chat/completions?api-version=2024-05-01-preview"),
        ({"azure_foundry_url": "https://x.services.ai.azure.com/openai/v1/"},
         "https://x.services.ai.azure.com/openai/v1/chat/completions"),
        ({"azure_foundry_url": "https://x.inference.ai.azure.com", "azure_api_version": "2024-04-01"},
         "https://x.inference.ai.azure.com/chat/completions?api-version=2024-04-01"),
        ({"custom_host": "http://127.0.0.1:1/m"}, "http://127.0.0.1:1/m/chat/completions"),
    ],
)  # fmt: skip
def test_where_foundry_is(fields, expected):
    assert address(provider="azure-ai", **fields) == expected


def test_foundrys_deployment_and_extras_are_headers():
    made = packet(
        provider="azure-ai", azure_foundry_url="https://x.example/models",
        azure_deployment_name="d", azure_extra_parameters="drop",
    )  # fmt: skip
    assert made.headers == {
        "api-key": "k",
        "azureml-model-deployment": "d",
        "extra-parameters": "drop",
    }


def test_foundry_without_a_url_names_the_field():
    with pytest.raises(WrongSetting) as caught:
        spoken("azure-ai")
    assert caught.value.field == "azure_foundry_url"


# --- over loopback


def options(server: Loopback, **fields: Any) -> dict[str, Any]:
    return {
        "config": {
            "provider": "azure-openai",
            "api_key": "azure-key",
            "custom_host": server.url,
            **fields,
        }
    }


def test_a_chat_of_a_deployment_over_loopback(provider):
    provider.reset(lambda _: chat("hello"))
    with Portkey(**options(provider, deployment_id="d", api_version="2024-10-21")) as client:
        told = client.chat.completions.create(**CHAT)
    (received,) = provider.received
    assert told.choices[0].message.content == "hello"
    assert received.headers["api-key"] == "azure-key"
    assert "authorization" not in received.headers
    assert received.query == "api-version=2024-10-21"
    assert received.json == CHAT


def test_a_content_filters_refusal_keeps_its_class_and_its_words(provider):
    body = {"error": {"message": "The response was filtered", "type": None, "param": "prompt",
                      "code": "content_filter", "status": 400}}  # fmt: skip
    provider.reset(lambda _: Step(status=400, json=body))
    with (
        Portkey(**options(provider, deployment_id="d")) as client,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        client.chat.completions.create(**CHAT)
    assert caught.value.code == "content_filter"
    assert caught.value.body == body["error"]


def test_recorded_answers_of_deployments_and_of_the_v1_api(shared, provider):
    lines = (shared / "recordings" / "azure-openai.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    for row in rows:
        provider.reset(lambda _, row=row: Step(json=row["body"]))
        version = row["query"].partition("api-version=")[2] or "v1"
        with Portkey(**options(provider, api_version=version)) as client:
            asked = {name: value for name, value in row["request"].items() if name != "stream"}
            create = (
                client.responses.create
                if row["path"].endswith("/responses")
                else client.chat.completions.create
            )
            told = create(**asked)
        assert told.to_dict()["id"] == row["body"]["id"]
        (received,) = provider.received
        assert f"/{received.target}{received.path}" == row["path"]


def test_a_token_of_the_environment_is_a_secret():
    """It is never quoted, as a key is not."""
    from portkey_local.compile.targets import target_of
    from portkey_local.config import load

    node = load({"provider": "azure-openai", "custom_host": HOST})
    made = target_of(node, "config", {"AZURE_OPENAI_AD_TOKEN": "ey.0123456789"})
    assert "ey.0123456789" in made.secrets
