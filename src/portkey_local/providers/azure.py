"""Azure: OpenAI's language at Azure's addresses, with Azure's keys and tokens.

Ground rules:
- The body is OpenAI's, untouched, but for `deployment_id` at the v1 API, whose `model` names the
  deployment.
- Where: a `custom_host` with a path is taken as it is written; one without is a resource, as
  `resource_name` and AZURE_OPENAI_ENDPOINT are.
- What: the v1 API (`/openai/v1`), where no `api_version` is set, or "v1", "preview" or "latest"; a
  dated version, or a `deployment_id` without any, means addresses of deployments. Without a
  `deployment_id` the request's model is the deployment.
- A token goes before a key. Azure's hosts refuse message fields that are not OpenAI's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlsplit

from portkey_local.model import Failure, Fault, Packet, Request, Target, merge
from portkey_local.providers.languages import Settings, Spoken, WrongSetting
from portkey_local.providers.openai import OpenAICodec, no_model

__all__ = ["AzureCodec", "speak"]

VERSION: Final = "2024-10-21"  # the last dated version that is generally available
MODELS_VERSION: Final = "2024-05-01-preview"  # the one of the model inference API
V1: Final = ("v1", "preview", "latest")
RESOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
DEPLOYED: Final = ("/audio/", "/chat/completions", "/completions", "/embeddings", "/images/")
MODEL_FIELD: Final = re.compile(rb'name="model"\r\n\r\n([^\r\n]{1,200})\r\n')
OWN_HOSTS: Final = (".azure.com", ".azure.us", ".azure.cn")


@dataclass(frozen=True, slots=True)
class Address:
    """How a path is put on a host: `deployments` under a deployment's own address.

    `query` is the version's, `deployment` the one that the config names, `token` whether the
    target signs in with a token, which goes before a key.
    """

    query: str = ""
    deployments: bool = False
    deployment: str | None = None
    token: bool = False


class AzureCodec(OpenAICodec):
    """OpenAI's wire format at Azure's addresses."""

    def __init__(self, address: Address) -> None:
        """Take how addresses are made."""
        super().__init__(own_fields=False)
        self.address = address

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request`, at Azure's address for it."""
        address = self.address
        path = request.path
        if address.deployments and path.startswith(DEPLOYED):
            deployment = address.deployment or _model(request, target)
            if deployment is None:
                return _no_deployment(target)
            path = f"/deployments/{quote(deployment, safe='')}{path}"
        elif address.deployment and not address.deployments and request.body is not None:
            target = replace(target, override=_named(target, request, address.deployment))
        query = request.query
        if address.query and "api-version=" not in query:
            query = f"{address.query}&{query}" if query else address.query
        packet = super().encode(target, replace(request, path=path, query=query))
        if isinstance(packet, Packet) and address.token:
            headers = packet.headers
            packet.headers = {name: headers[name] for name in headers if name != "api-key"}
        return packet


def _model(request: Request, target: Target) -> str | None:
    """Return the model of a request, of a form too."""
    if request.body is not None:
        model = merge(request.body, target.override).get("model")
        return model if isinstance(model, str) and model else None
    if "model" in target.override:
        return str(target.override["model"])
    found = MODEL_FIELD.search(request.content or b"")
    return found[1].decode("utf-8", "replace") if found else None


def _named(target: Target, request: Request, deployment: str) -> dict[str, object]:
    """Return a target's overrides with the deployment as the model, where there is a model."""
    body = request.body or {}
    override = dict(target.override)
    if ("model" in body or "model" in override) and body.get("model") != deployment:
        override["model"] = deployment
    return override


def _no_deployment(target: Target) -> Failure:
    failure = no_model(target)
    message = f"{failure.message}; or set deployment_id, which names Azure's deployment"
    return Failure(target, Fault.ROUTING, 400, message)


def speak(settings: Settings) -> Spoken:
    """Return how a target of Azure's is spoken to. Raises WrongSetting."""
    if settings.provider == "azure-ai":
        return _foundry(settings)
    host, whole = _host(settings)
    deployment = settings.get("deployment_id")
    headers = _headers(settings)
    token = bool(headers or settings.get("azure_auth_mode"))
    if whole:
        address = _whole(host, settings.get("api_version"), deployment, token=token)
        return Spoken(AzureCodec(address), host, headers)
    version = settings.get("api_version", "OPENAI_API_VERSION")
    if version in V1 or (version is None and deployment is None):
        address = Address(_query(version), deployment=deployment, token=token)
        return Spoken(AzureCodec(address), f"{host}/openai/v1", headers)
    query = _query(version or VERSION)
    address = Address(query, deployments=True, deployment=deployment, token=token)
    return Spoken(AzureCodec(address), f"{host}/openai", headers)


def _whole(url: str, version: str | None, deployment: str | None, *, token: bool) -> Address:
    """Return how a path is put on the whole address of an API, which a custom host may be."""
    if not url.endswith("/v1"):
        return Address(_query(version), token=token)
    return Address(_query(version if version in V1 else None), deployment=deployment, token=token)


def _query(version: str | None) -> str:
    return "" if version in (None, V1[0]) else f"api-version={quote(version or '')}"


def _host(settings: Settings) -> tuple[str, bool]:
    """Return where the provider lives, and whether that is the whole address of the API."""
    if settings.custom:
        url = settings.host().rstrip("/")
        return url, not _is_resource(url, settings)
    if name := settings.get("resource_name"):
        if not RESOURCE.fullmatch(name):
            message = "is the name alone, such as 'contoso' of https://contoso.openai.azure.com"
            raise WrongSetting("resource_name", message)
        return f"https://{name}.openai.azure.com", False
    if url := settings.environment.get("AZURE_OPENAI_ENDPOINT", "").strip():
        if urlsplit(url).scheme not in ("http", "https"):
            raise WrongSetting("resource_name", "AZURE_OPENAI_ENDPOINT is not a URL")
        return url.rstrip("/"), bool(urlsplit(url).path.strip("/"))
    message = (
        "'azure-openai' has no host of its own: give resource_name, or a URL here, "
        "or set the environment variable AZURE_OPENAI_ENDPOINT"
    )
    raise WrongSetting("custom_host", message)


def _is_resource(url: str, settings: Settings) -> bool:
    """Whether a URL names a resource: it has no path, and is Azure's or has Azure's fields."""
    parts = urlsplit(url)
    if parts.path.strip("/"):
        return False
    own = (parts.hostname or "").endswith(OWN_HOSTS)
    return own or bool(settings.get("deployment_id") or settings.get("api_version"))


def _headers(settings: Settings) -> dict[str, str]:
    """Return the header of a ready token. Raises WrongSetting for one that no header can hold."""
    token = settings.get("azure_ad_token", "AZURE_OPENAI_AD_TOKEN")
    if token is None:
        return {}
    token = token.strip().removeprefix("Bearer ")
    if not (token.isascii() and token.isprintable()):
        raise WrongSetting("azure_ad_token", "has characters that no HTTP header can hold")
    return {"authorization": f"Bearer {token}"}


def _foundry(settings: Settings) -> Spoken:
    """Return how Azure AI Foundry, or a serverless deployment, is spoken to."""
    told = settings.url or settings.get("azure_foundry_url", "AZURE_INFERENCE_ENDPOINT")
    if told is None:
        message = "'azure-ai' has no host of its own: give the endpoint's URL"
        raise WrongSetting("azure_foundry_url", message)
    url = told.rstrip("/")
    if urlsplit(url).scheme not in ("http", "https"):
        raise WrongSetting("azure_foundry_url", "is a URL, such as https://….services.ai.azure.com")
    path = urlsplit(url).path
    version = settings.get("azure_api_version") or (
        MODELS_VERSION if path.endswith("/models") else None
    )
    headers = _headers(settings)
    token = bool(headers or settings.get("azure_auth_mode"))
    address = Address(_query(version), token=token)
    for name, header in (
        ("azure_deployment_name", "azureml-model-deployment"),
        ("azure_extra_parameters", "extra-parameters"),
    ):
        if value := settings.get(name):
            headers[header] = value
    return Spoken(AzureCodec(address), url, headers)
