"""A chat request of OpenAI's shape in Gemini's words.

Ground rules: pure. One table says how a parameter is called here, one which of Gemini's own
parameters pass through; whatever is in neither, and says something, is named as dropped. No value
is changed on the way: one that is out of range is the vendor's to refuse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from portkey_local.providers.chat import limit_of, stops_of
from portkey_local.providers.google.contents import conversation_of
from portkey_local.providers.google.tools import UNION, generation, tools_of
from portkey_local.providers.vendor import (
    Asked,
)

__all__ = ["chat", "model_path"]

RENAMED: Final = {  # parameters that have another name here, and the same values
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "temperature": "temperature",
    "top_p": "topP",
}
READ: Final = frozenset(  # those that are read elsewhere, and have their meaning there
    {
        "function_call", "functions", "max_completion_tokens", "max_tokens", "messages", "model",
        "parallel_tool_calls", "response_format", "stop", "stream", "stream_options", "tool_choice",
        "tools",
    }
)  # fmt: skip
# Gemini's own parameters, which a caller may give in either spelling.
OWN_SETTINGS: Final = (
    "audioTimestamp", "candidateCount", "enableEnhancedCivicAnswers", "imageConfig",
    "maxOutputTokens", "mediaResolution", "modelSelectionConfig", "responseJsonSchema",
    "responseLogprobs", "responseMimeType", "responseModalities", "responseSchema",
    "routingConfig", "speechConfig", "stopSequences", "thinkingConfig", "topK", "topP",
)  # fmt: skip
OWN_FIELDS: Final = (
    "cachedContent", "labels", "modelArmorConfig", "safetySettings", "serviceTier", "toolConfig",
)  # fmt: skip
UNSAYING: Final[Mapping[str, tuple[Any, ...]]] = {  # values that ask for what happens anyway
    "modalities": (["text"],),
    "n": (1,),
    "reasoning_effort": (),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "verbosity": ("medium",),
}
BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576}  # Google's own
LEVELS: Final = {"minimal": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
FIRST_PRO: Final = {"minimal": "LOW", "low": "LOW", "medium": "HIGH", "high": "HIGH"}
THINKS: Final = 2.5  # the first generation that thinks


def _snake(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)


SETTINGS: Final = {name: own for own in OWN_SETTINGS for name in (own, _snake(own))}
FIELDS: Final = {name: own for own in OWN_FIELDS for name in (own, _snake(own))}


def chat(body: Mapping[str, Any]) -> Asked:
    """Return a chat request as generateContent takes it, or streamGenerateContent."""
    model = str(body.get("model"))
    told = conversation_of(body, signed=generation(model) >= UNION)
    tools = tools_of(body)
    settings = {**tools.form, **_limits(body)}
    asked: dict[str, Any] = {"contents": told.contents}
    if told.system:
        asked["systemInstruction"] = {"parts": told.system}
    if tools.tools:
        asked["tools"] = tools.tools
    if tools.calling:
        asked["toolConfig"] = {"functionCallingConfig": tools.calling}
    dropped = [*told.dropped, *tools.dropped]
    for name, value in body.items():
        if name not in READ and not _says_nothing(name, value):
            dropped += _say(name, value, body, settings, asked)
    if settings:
        asked["generationConfig"] = settings
    streams = body.get("stream") is True
    method = "streamGenerateContent?alt=sse" if streams else "generateContent"
    return Asked(f"{model_path(model)}:{method}", asked, tuple(dropped))


def model_path(model: str) -> str:
    """Return where a model is found.

    >>> model_path("gemini-3-pro"), model_path("tunedModels/mine")
    ('/models/gemini-3-pro', '/tunedModels/mine')
    """
    whole = model if model.startswith(("models/", "tunedModels/")) else f"models/{model}"
    return "/" + quote(whole, safe="/@")


def _limits(body: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if (limit := limit_of(body)) is not None:
        told["maxOutputTokens"] = limit
    if stops := stops_of(body):
        told["stopSequences"] = stops
    return told


def _says_nothing(name: str, value: Any) -> bool:
    """Whether a value asks for nothing but what happens without it."""
    return value is None or value is False or value in ([], {}, "", *UNSAYING.get(name, ()))


def _say(
    name: str,
    value: Any,
    body: Mapping[str, Any],
    settings: dict[str, Any],
    asked: dict[str, Any],
) -> tuple[str, ...]:
    """Put a parameter where it belongs; return its name where it belongs nowhere."""
    if name in RENAMED:
        settings[RENAMED[name]] = value
    elif name in SETTINGS:
        settings[SETTINGS[name]] = value
    elif name in ("generation_config", "generationConfig") and isinstance(value, Mapping):
        settings |= value
    elif name in FIELDS:
        own = FIELDS[name]
        merge = own in asked and isinstance(value, Mapping)
        asked[own] = {**asked[own], **value} if merge else value
    elif name not in SPOKEN or not SPOKEN[name](value, body, settings):
        return (name,)
    return ()


# --- parameters that are said otherwise; each tells whether it could be said


def _candidates(value: Any, body: Mapping[str, Any], settings: dict[str, Any]) -> bool:
    del body
    settings["candidateCount"] = value
    return True


def _logprobs(value: Any, body: Mapping[str, Any], settings: dict[str, Any]) -> bool:
    del body
    settings["responseLogprobs"] = value
    return True


def _top_logprobs(value: Any, body: Mapping[str, Any], settings: dict[str, Any]) -> bool:
    if body.get("logprobs"):
        settings["logprobs"] = value
    return bool(body.get("logprobs"))


def _modalities(value: Any, body: Mapping[str, Any], settings: dict[str, Any]) -> bool:
    del body
    if not isinstance(value, list):
        return False
    settings["responseModalities"] = [str(each).upper() for each in value]
    return True


def _effort(value: Any, body: Mapping[str, Any], settings: dict[str, Any]) -> bool:
    """Say how much to think: as a level since the third generation, as a budget before it."""
    model = str(body.get("model"))
    version = generation(model)
    if version < THINKS:
        return bool(value == "none")
    if value == "none":
        if version >= UNION or "-pro" in model:  # these never stop thinking
            return False
        settings["thinkingConfig"] = {"thinkingBudget": 0}
        return True
    pro = "-pro" in model
    levels = FIRST_PRO if pro and version == UNION else LEVELS | ({"minimal": "LOW"} if pro else {})
    known: Mapping[str, Any] = levels if version >= UNION else BUDGETS
    if not isinstance(value, str) or value not in known:
        return False
    name = "thinkingLevel" if version >= UNION else "thinkingBudget"
    settings["thinkingConfig"] = {"includeThoughts": True, name: known[value]}
    return True


def _thinking(value: Any, body: Mapping[str, Any], settings: dict[str, Any]) -> bool:
    """Say what Anthropic's parameter says, for a config may hand it to every target."""
    del body
    match value:
        case {"type": "enabled", "budget_tokens": int(budget)}:
            settings["thinkingConfig"] = {"includeThoughts": True, "thinkingBudget": budget}
        case {"type": "disabled"}:
            settings["thinkingConfig"] = {"thinkingBudget": 0}
        case _:
            return False
    return True


SPOKEN: Final[Mapping[str, Callable[[Any, Mapping[str, Any], dict[str, Any]], bool]]] = {
    "logprobs": _logprobs,
    "modalities": _modalities,
    "n": _candidates,
    "reasoning_effort": _effort,
    "thinking": _thinking,
    "top_logprobs": _top_logprobs,
}
