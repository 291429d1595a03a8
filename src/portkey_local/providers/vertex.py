"""Vertex AI: models of several publishers behind one address of Google Cloud.

Ground rules: a model's prefix names its publisher (`anthropic.`, `meta.`, `mistralai.`,
`endpoints.` for a deployment of one's own); a model without one is Google's. The publisher decides
the language: Gemini's, Anthropic's or OpenAI's. Project and region stand in the target's URL, so
that a native path begins at the publisher (`/publishers/google/models/...:countTokens`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import quote

from portkey_local.model import (
    EMPTY,
    Answer,
    Codec,
    EventReader,
    Failure,
    Outcome,
    Packet,
    Request,
    ServerEvent,
    Target,
    merge,
)
from portkey_local.providers.google import Gemini
from portkey_local.providers.google.embeddings import options_of, texts_of
from portkey_local.providers.languages import Settings, Spoken, WrongSetting
from portkey_local.providers.messages.front import MESSAGES, is_messages
from portkey_local.providers.native import (
    CHAT,
    EMBEDDINGS,
    NativeCodec,
    unsupported,
)
from portkey_local.providers.openai import OpenAICodec, judge_error_event, no_model
from portkey_local.providers.sse import SseReader
from portkey_local.providers.vendor import (
    Asked,
)

__all__ = ["VertexCodec", "speak"]

PUBLISHERS: Final = ("anthropic", "endpoints", "google", "meta", "mistralai")
PROJECT: Final = ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "VERTEX_PROJECT_ID")
REGION: Final = ("GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION", "VERTEX_REGION")
ANTHROPIC_VERSION: Final = "vertex-2023-10-16"
BETA: Final = "anthropic-beta"
CLAUDE: Final = "claude"
MODELS: Final = "/publishers/anthropic/models"
COUNT_TOKENS: Final = "/messages/count_tokens"
OPEN_API: Final = "/endpoints/openapi"  # where Llama is spoken to in OpenAI's language


def speak(settings: Settings) -> Spoken:
    """Return how a project of Vertex AI is spoken to in its region."""
    region = settings.get("vertex_region", *REGION) or "global"
    project = settings.get("vertex_project_id", *PROJECT) or _owner(settings)
    if project is None:
        settings.need("vertex_project_id", *PROJECT)
    for field, value in (("vertex_region", region), ("vertex_project_id", project)):
        if value is not None and quote(value, safe=":") != value:
            raise WrongSetting(field, "has characters that no URL can hold")
    host = "aiplatform.googleapis.com"
    base = settings.url or f"https://{host if region == 'global' else f'{region}-{host}'}"
    beta = settings.get("anthropic_beta")
    codec = VertexCodec(beta) if beta else CODEC
    return Spoken(codec, f"{base.rstrip('/')}/v1/projects/{project}/locations/{region}")


def _owner(settings: Settings) -> str | None:
    """Return the project that a service account belongs to."""
    told = settings.fields.get("vertex_service_account_json")
    if isinstance(told, str):
        try:
            told = json.loads(told)
        except ValueError:
            return None
    project = told.get("project_id") if isinstance(told, Mapping) else None
    return project if isinstance(project, str) and project else None


def publisher_of(model: str) -> tuple[str, str]:
    """Return a model's publisher, and its name there.

    >>> publisher_of("anthropic.claude-sonnet-4"), publisher_of("gemini-2.5-flash")
    (('anthropic', 'claude-sonnet-4'), ('google', 'gemini-2.5-flash'))
    """
    prefix, dot, name = model.partition(".")
    return (prefix, name) if dot and prefix in PUBLISHERS else ("google", model)


# --- Google's own models


class GeminiOnVertex(Gemini):
    """Gemini's language, at Vertex AI's paths."""

    def chat(self, body: Mapping[str, Any]) -> Asked:
        """Return a chat request in Gemini's words."""
        asked = super().chat({**body, "model": publisher_of(str(body["model"]))[1]})
        return replace(asked, path=f"/publishers/google{asked.path}")

    def embed(self, body: Mapping[str, Any]) -> Asked:
        """Return an embeddings request: Gemini's models take contents, the older ones instances."""
        model = publisher_of(str(body["model"]))[1]
        options, dropped = options_of(body)
        path = f"/publishers/google/models/{quote(model, safe='@')}"
        texts = texts_of(body)
        if "gemini" not in model:
            return Asked(f"{path}:predict", _instances(texts, options), dropped)
        held = {"embedContentConfig": options} if options else {}
        contents = [{"content": {"parts": [{"text": text}]}, **held} for text in texts]
        if len(contents) == 1:
            return Asked(f"{path}:embedContent", contents[0], dropped)
        return Asked(f"{path}:batchEmbedContents", {"requests": contents}, dropped)


def _instances(texts: list[str], options: Mapping[str, Any]) -> dict[str, Any]:
    named = {"taskType": "task_type", "title": "title"}
    of_each = {named[name]: value for name, value in options.items() if name in named}
    told: dict[str, Any] = {"instances": [{"content": text, **of_each} for text in texts]}
    if "outputDimensionality" in options:
        told["parameters"] = {"outputDimensionality": options["outputDimensionality"]}
    return told


# --- Anthropic's


def _anthropic() -> Codec:
    """Return the codec of Anthropic's models here: their language, at Vertex AI's paths."""
    from portkey_local.providers.anthropic import Messages

    class MessagesOnVertex(Messages):
        """Anthropic's Messages, with the model in the path and the version in the body."""

        def chat(self, body: Mapping[str, Any]) -> Asked:
            model = publisher_of(str(body["model"]))[1]
            beta = _features(body.get("anthropic_beta"))
            rest = {key: value for key, value in body.items() if key != "anthropic_beta"}
            asked = super().chat({**rest, "model": model})
            told = {key: value for key, value in asked.body.items() if key != "model"}
            method = "streamRawPredict" if body.get("stream") is True else "rawPredict"
            return replace(
                asked,
                path=f"{MODELS}/{quote(model, safe='@')}:{method}",
                body={"anthropic_version": ANTHROPIC_VERSION, **told},
                headers={**asked.headers, BETA: beta} if beta else asked.headers,
            )

        def native_reader(self, request: Request) -> EventReader:
            told = request.path.endswith("Predict") or request.path == MESSAGES
            return SseReader(terminal_needed=told)

    return ClaudeOnVertex(MessagesOnVertex())


class ClaudeOnVertex(NativeCodec):
    """Claude at Vertex AI, in OpenAI's shape or in Anthropic's own."""

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request`; one of the Messages API goes to its method."""
        if not is_messages(request.path):
            return super().encode(target, request)
        body = merge(request.body or {}, target.override)
        model = body.get("model")
        if not isinstance(model, str):
            return no_model(target)
        name = publisher_of(model)[1]
        told = {"anthropic_version": ANTHROPIC_VERSION, **body, "model": name}
        if request.path == MESSAGES:
            del told["model"]  # it stands in the path
            method = "streamRawPredict" if request.stream else "rawPredict"
            path = f"{MODELS}/{quote(name, safe='@')}:{method}"
        elif request.path == COUNT_TOKENS:
            path = f"{MODELS}/count-tokens:rawPredict"
        else:
            return unsupported(target, request.path)
        moved = replace(request, path=path, query="", body=told, encoded=None)
        return super().encode(replace(target, override=EMPTY), moved)


def _features(told: Any) -> str:
    """Return beta features, a list or a text with commas, as a header has them."""
    if isinstance(told, list | tuple):
        return ",".join(each for each in told if isinstance(each, str))
    return told if isinstance(told, str) else ""


# --- those that speak OpenAI's


class OpenAIOnVertex(OpenAICodec):
    """OpenAI's language, at Vertex AI's paths."""

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request`, at the place of the model's publisher."""
        if request.path != CHAT:
            return unsupported(target, request.path)
        body = merge(request.body or {}, target.override)
        publisher, model = publisher_of(str(body["model"]))
        name, path = _place(publisher, model, streams=request.stream)
        told = {**body, "model": name}
        moved = replace(request, path=path, body=told, encoded=None)
        return super().encode(replace(target, override=EMPTY), moved)


def _place(publisher: str, model: str, *, streams: bool) -> tuple[str, str]:
    """Return a model's name in the body, and the path of its chat."""
    if publisher == "mistralai":
        method = "streamRawPredict" if streams else "rawPredict"
        return model, f"/publishers/mistralai/models/{quote(model, safe='@')}:{method}"
    if publisher == "endpoints":
        return "", f"/endpoints/{quote(model, safe='')}{CHAT}"
    return f"{publisher}/{model}", f"{OPEN_API}{CHAT}"


# --- all of them


class VertexCodec:
    """Speaks to each publisher's models in their own language."""

    def __init__(self, beta: str | None = None) -> None:
        """Begin with Google's; another publisher's language is loaded with its first call.

        `beta` are features of Claude's that the target turns on.
        """
        self._beta = beta
        self._codecs: dict[str, Codec] = {"google": NativeCodec(GeminiOnVertex())}

    def speaks_messages(self, target: Target, request: Request) -> bool:
        """Whether the model that is asked for is Anthropic's."""
        model = target.override.get("model") or (request.body or EMPTY).get("model")
        return isinstance(model, str) and model.removeprefix("anthropic.").startswith(CLAUDE)

    def codec_of(self, target: Target, request: Request) -> Codec:
        """Return the codec of the publisher that a request is meant for."""
        publisher = "google"
        if is_messages(request.path):
            publisher = "anthropic"
        elif request.body is not None and request.path in (CHAT, EMBEDDINGS):
            model = target.override.get("model") or request.body.get("model")
            publisher = publisher_of(str(model))[0]
        elif "/publishers/anthropic/" in request.path:
            publisher = "anthropic"
        if publisher not in self._codecs:
            self._codecs[publisher] = _anthropic() if publisher == "anthropic" else OpenAIOnVertex()
        return self._codecs[publisher]

    def encode(self, target: Target, request: Request) -> Packet | Failure:
        """Return the HTTP message for `request`."""
        codec = self.codec_of(target, request)
        if isinstance(codec, OpenAIOnVertex):
            model = merge(request.body or {}, target.override).get("model")
            if not isinstance(model, str):
                return no_model(target)
        packet = codec.encode(target, request)
        if self._beta and isinstance(packet, Packet) and codec is self._codecs.get("anthropic"):
            asked = packet.headers.get(BETA)
            beta = f"{self._beta},{asked}" if asked else self._beta
            return replace(packet, headers={**packet.headers, BETA: beta})
        return packet

    def decode(self, target: Target, request: Request, answer: Answer, wall: float) -> Outcome:
        """Judge a whole answer."""
        return self.codec_of(target, request).decode(target, request, answer, wall)

    def streams(self, request: Request, answer: Answer) -> bool:
        """Whether a 2xx answer is read event by event: all publishers tell it alike."""
        return self._codecs["google"].streams(request, answer)

    def reader(self, target: Target, request: Request, wall: float) -> EventReader:
        """Return a fresh parser for one stream."""
        return self.codec_of(target, request).reader(target, request, wall)

    def judge_first(self, target: Target, answer: Answer, event: ServerEvent) -> Failure | None:
        """Return a failure when a stream's first event is an error, or says nothing at all."""
        return judge_error_event(target, answer, event)


CODEC: Final = VertexCodec()
