"""Hugging Face: OpenAI's language, nearly, from a router, an endpoint of one's own, or TGI.

Ground rules: the router knows which provider serves a model by the model's suffix (`:together`),
which goes out as it is. `huggingface_base_url` is a server, whose API is at `/v1`. Tool calls whose
arguments are objects, or that are no list, are put in OpenAI's form.
"""

from __future__ import annotations

from typing import Final

from portkey_local.providers.languages import Settings, Spoken, WrongSetting
from portkey_local.providers.mending import MendingCodec, Quirks

__all__ = ["speak"]

CODEC: Final = MendingCodec(
    Quirks(reasoning=("reasoning",), finishes={"eos_token": "stop", "stop_sequence": "stop"})
)


def speak(settings: Settings) -> Spoken:
    """Return how a target of Hugging Face's is spoken to. Raises WrongSetting."""
    own = None if settings.custom else settings.get("huggingface_base_url")
    if own is None:
        return Spoken(CODEC, settings.host())
    if not own.startswith(("http://", "https://")):
        raise WrongSetting("huggingface_base_url", "is a URL, such as https://….endpoints.hf.co")
    url = own.rstrip("/")
    return Spoken(CODEC, url if url.endswith("/v1") else f"{url}/v1")
