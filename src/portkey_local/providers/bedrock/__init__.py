"""AWS Bedrock: the Converse API for all its chat models, and embeddings of three families.

The host follows from `aws_region`; a `custom_host` replaces it. `aws_bedrock_model` is called in
place of the request's model, which then only tells the family: for ARNs that do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.model import (
    Answer,
    EventReader,
    Outcome,
    Reply,
    Request,
    Target,
)
from portkey_local.providers.bedrock.answer import completed
from portkey_local.providers.bedrock.embeddings import embed, embedded
from portkey_local.providers.bedrock.errors import error_of, kind_of
from portkey_local.providers.bedrock.events import EVENT_STREAM, BinaryEvents, NativeEvents
from portkey_local.providers.bedrock.models import Model, model_of
from portkey_local.providers.bedrock.request import chat
from portkey_local.providers.bedrock.stream import ConverseTranslator
from portkey_local.providers.bedrock.tools import answer_tool
from portkey_local.providers.languages import Settings, Spoken, WrongSetting
from portkey_local.providers.native import (
    EMBEDDINGS,
    NativeCodec,
)
from portkey_local.providers.vendor import (
    Ask,
    Asked,
    Translator,
    VendorError,
)

__all__ = ["Bedrock", "BedrockCodec", "speak"]

HOST: Final = "https://bedrock-runtime.{region}.{domain}"
DOMAINS: Final[Mapping[str, str]] = {  # beginnings of regions that are not amazonaws.com's
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
}
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
KIND: Final = "x-amzn-errortype"
INPUT_TOKENS: Final = "x-amzn-bedrock-input-token-count"


def speak(settings: Settings) -> Spoken:
    """Return how a target of Bedrock's is spoken to. Raises WrongSetting."""
    beta = settings.get("anthropic_beta") or ""
    vendor = Bedrock(
        settings.get("aws_bedrock_model"),
        tuple(each.strip() for each in beta.split(",") if each.strip()),
    )
    return Spoken(
        BedrockCodec(vendor), settings.url or _host(settings.need("aws_region", *REGIONS))
    )


def _host(region: str) -> str:
    if not region.replace("-", "").isalnum() or not region.isascii():
        raise WrongSetting("aws_region", f"{region!r} is no region of AWS, such as 'us-east-1'")
    domain = next((each for begin, each in DOMAINS.items() if region.startswith(begin)), None)
    return HOST.format(region=region, domain=domain or "amazonaws.com")


class Bedrock:
    """Translates between OpenAI's shapes and Bedrock's."""

    def __init__(self, model: str | None = None, beta: tuple[str, ...] = ()) -> None:
        """Take the model that is called whatever the request's is, and Claude's beta features."""
        self._model = model
        self._beta = beta

    def _known(self, told: str) -> tuple[str, Model]:
        if self._model is None:
            return told, model_of(told)
        return self._model, model_of(self._model, told)

    def chat(self, body: Mapping[str, Any]) -> Asked:
        """Return a chat request in Converse's words."""
        return chat(body, *self._known(body["model"]), self._beta)

    def completion(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return a chat completion for an answer of Converse's."""
        return completed(data, ask, self._answer_tool(ask))

    def translator(self, ask: Ask) -> Translator:
        """Return a fresh translator for one stream of a chat."""
        return ConverseTranslator(ask, self._answer_tool(ask))

    def _answer_tool(self, ask: Ask) -> str | None:
        if "response_format" not in ask.body:
            return None
        return answer_tool(ask.body, self._known(ask.model)[1])

    def frames(self) -> EventReader:
        """Return a fresh parser of AWS's binary event stream."""
        return BinaryEvents()

    def embed(self, body: Mapping[str, Any]) -> Asked:
        """Return an embeddings request in the model's words."""
        return embed(body, *self._known(body["model"]))

    def embeddings(self, data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
        """Return OpenAI's list of embeddings."""
        return embedded(data, ask)

    def error(self, status: int, data: Any) -> VendorError:
        """Return what an error body says."""
        return error_of(data)

    def limits(self, headers: Mapping[str, str], wall: float) -> Mapping[str, str]:
        """Return nothing: Bedrock tells its limits in no header."""
        return {}

    def native_reader(self, request: Request) -> EventReader:
        """Return a fresh parser for a stream of a native endpoint."""
        return NativeEvents()


class BedrockCodec(NativeCodec):
    """Speaks to Bedrock, and reads what it says in headers alone."""

    def streams(self, request: Request, answer: Answer) -> bool:
        """Whether a 2xx answer is read event by event: a native stream is known by its type."""
        content_type = answer.headers.get("content-type", "")
        return content_type.startswith(EVENT_STREAM) or super().streams(request, answer)

    def decode(self, target: Target, request: Request, answer: Answer, wall: float) -> Outcome:
        """Judge a whole answer; the tokens of an embedding's input stand in a header."""
        outcome = super().decode(target, request, answer, wall)
        if isinstance(outcome, Reply) and request.path == EMBEDDINGS:
            told = answer.headers.get(INPUT_TOKENS, "")
            usage = outcome.data["usage"]
            if told.isascii() and told.isdigit() and not usage["prompt_tokens"]:
                usage["prompt_tokens"] = usage["total_tokens"] = int(told)
        return outcome

    def error_of(self, answer: Answer, data: Any) -> VendorError:
        """Return what an error answer says; its kind is a header."""
        return error_of(data, kind_of(answer.headers.get(KIND)))
