"""What else a chat request asks for, in Converse's words.

Ground rules: pure functions. No value is bent: one out of Converse's range, or that the model
refuses beside another, is left out and named. `inferenceConfig` has what all models know; what one
family knows goes into `additionalModelRequestFields`. Converse's own fields pass by either
spelling (`guardrailConfig`, `guardrail_config`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from portkey_local.providers.bedrock.models import Model
from portkey_local.providers.chat import limit_of, stops_of

__all__ = ["Parameters", "parameters"]

READ: Final = frozenset({  # here and elsewhere
    "function_call", "functions", "max_completion_tokens", "max_tokens", "messages", "metadata",
    "model", "reasoning_effort", "response_format", "service_tier", "stop", "stream",
    "stream_options", "temperature", "tool_choice", "tools", "top_p",
})  # fmt: skip
SILENT: Final[Mapping[str, Any]] = {  # values that ask for what happens anyway
    "frequency_penalty": 0, "logprobs": False, "modalities": ["text"], "n": 1,
    "parallel_tool_calls": True, "presence_penalty": 0, "store": False, "top_logprobs": 0,
}  # fmt: skip
NATIVE: Final = (  # fields of Converse's own
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "outputConfig",
    "performanceConfig",
    "promptVariables",
    "requestMetadata",
    "serviceTier",
)
CAPITAL: Final = re.compile(r"(?=[A-Z])")
SPELLINGS: Final[Mapping[str, str]] = {
    **{name: name for name in NATIVE},
    **{CAPITAL.sub("_", name).lower(): name for name in NATIVE},
}
ADDITIONAL: Final = ("additionalModelRequestFields", "additional_model_request_fields")
OF_MODELS: Final = frozenset({  # parameters of one family or another
    "anthropic_beta", "output_config", "reasoningConfig", "reasoning_config", "thinking", "top_k",
})  # fmt: skip
TIERS: Final = frozenset({"flex", "priority", "reserved"})
BUDGETS: Final[Mapping[str, int]] = {
    "minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32768,
}  # fmt: skip
LEAST_BUDGET: Final = 1024
LIMIT: Final = "max_completion_tokens"
EFFORTS: Final[Mapping[str, str]] = {
    "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high",
}  # fmt: skip
TAGGABLE: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{0,256}")
MOST_TAGS: Final = 16


class Parameters:
    """The fields of a request beside its messages and tools."""

    def __init__(self, body: Mapping[str, Any], model: Model) -> None:
        """Begin with nothing."""
        self.fields: dict[str, Any] = {}
        self.inference: dict[str, Any] = {}
        self.additional: dict[str, Any] = {}
        self.dropped: list[str] = []
        self.body = body
        self.model = model

    @property
    def thinking(self) -> bool:
        """Whether a Claude is to think before it answers."""
        told = self.additional.get("thinking")
        return isinstance(told, Mapping) and told.get("type") in ("enabled", "adaptive")

    @property
    def unbounded(self) -> bool:
        """Whether a Nova is to think as much as it can, which takes no limit and no settings."""
        told = self.additional.get("reasoningConfig")
        return isinstance(told, Mapping) and told.get("maxReasoningEffort") == "high"

    def drop(self, name: str) -> None:
        """Name a parameter that has no words here."""
        self.dropped.append(name)


def parameters(
    body: Mapping[str, Any], model: Model, messages: list[dict[str, Any]], beta: tuple[str, ...]
) -> Parameters:
    """Return what a request asks for; `beta` are features of Claude's that the target turns on."""
    made = Parameters(body, model)
    _pass_on(made)
    if beta and model.family in ("claude", ""):
        made.additional.setdefault("anthropic_beta", list(beta))
    _think(made, messages)
    _infer(made)
    _tag(made)
    return made


def _pass_on(made: Parameters) -> None:
    """Take the vendor's own parameters as they are; name what nobody knows."""
    for name in ADDITIONAL:
        if isinstance(told := made.body.get(name), Mapping):
            made.additional |= told
    for name, value in made.body.items():
        if name in READ or value is None:
            continue
        if name in SPELLINGS:
            made.fields[SPELLINGS[name]] = value
        elif name in OF_MODELS:
            _for_model(made, name, value)
        elif name not in ADDITIONAL and not _silent(name, value):
            made.drop(name)
    _tier(made)


def _for_model(made: Parameters, name: str, value: Any) -> None:
    if name == "top_k" and made.model.family == "nova":
        made.additional["inferenceConfig"] = {
            **_object(made.additional.get("inferenceConfig")),
            "topK": value,
        }
    elif name == "anthropic_beta" and isinstance(value, str):
        made.additional[name] = [each.strip() for each in value.split(",") if each.strip()]
    else:
        made.additional[name] = value


def _silent(name: str, value: Any) -> bool:
    return value in ([], {}, "") or (name in SILENT and SILENT[name] == value)


def _tier(made: Parameters) -> None:
    tier = made.body.get("service_tier")
    if isinstance(tier, str) and tier in TIERS:
        made.fields.setdefault("serviceTier", {"type": tier})
    elif tier not in (None, "auto", "default"):
        made.drop("service_tier")


# --- thinking


def _think(made: Parameters, messages: list[dict[str, Any]]) -> None:
    effort = made.body.get("reasoning_effort")
    if effort in (None, "none"):
        return
    known = isinstance(effort, str) and effort in EFFORTS
    chosen = _effort(made, effort, messages) if known else None
    if chosen is None:
        made.drop("reasoning_effort")
    else:
        made.additional |= chosen


def _effort(made: Parameters, effort: str, messages: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return how an effort is asked of the model, None where it cannot be."""
    model, level = made.model, EFFORTS[effort]
    if model.family == "claude":
        return None if "thinking" in made.additional else _claude(made, effort, messages)
    if model.family == "gpt-oss":
        return {"reasoning_effort": level}
    if model.family == "qwen":
        return {"reasoning_config": level}
    if model.family == "nova" and "nova-2" in model.id:
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}}
    return None


def _claude(made: Parameters, effort: str, messages: list[dict[str, Any]]) -> dict[str, Any] | None:
    if made.model.adaptive:
        told = _object(made.additional.get("output_config"))
        return {
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": EFFORTS[effort], **told},
        }
    limit = limit_of(made.body)
    budget = BUDGETS[effort] if limit is None else min(BUDGETS[effort], limit * 3 // 4)
    if made.model.version < (3, 7) or budget < LEAST_BUDGET or _unthought(messages):
        return None
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _unthought(messages: list[dict[str, Any]]) -> bool:
    """Whether an answer to calls is due that were made without thinking: it must not begin then."""
    if len(messages) < 2 or not any("toolResult" in each for each in messages[-1]["content"]):
        return False
    return "reasoningContent" not in messages[-2]["content"][0]


# --- what every model knows


def _infer(made: Parameters) -> None:
    limit = limit_of(made.body)
    if limit is not None and limit > 0 and not made.unbounded:
        made.inference["maxTokens"] = limit
    elif limit is not None:
        made.drop("max_tokens" if made.body.get(LIMIT) is None else LIMIT)
    for name, field in (("temperature", "temperature"), ("top_p", "topP")):
        value = made.body.get(name)
        if value is None:
            continue
        if _in_range(value) and not _clashes(made, name, value):
            made.inference[field] = value
        else:
            made.drop(name)
    stops = stops_of(made.body)
    kept = [stop for stop in stops if (stop.strip() if made.model.family == "claude" else stop)]
    if kept:
        made.inference["stopSequences"] = kept
    if len(kept) < len(stops):
        made.drop("stop")


def _in_range(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _clashes(made: Parameters, name: str, value: float) -> bool:
    """Whether the model refuses a setting beside the others."""
    if made.unbounded:
        return True
    if name == "temperature":
        return made.thinking and value != 1
    if made.thinking and value < 0.95:
        return True
    both = "temperature" in made.inference
    return made.model.family == "claude" and made.model.version >= (4, 1) and both


def _tag(made: Parameters) -> None:
    """Take the metadata that Bedrock's log can hold."""
    tags: dict[str, str] = {}
    for key, value in _pairs(made.body.get("metadata")):
        fits = isinstance(value, str) and key and TAGGABLE.fullmatch(key)
        if fits and TAGGABLE.fullmatch(value) and len(tags) < MOST_TAGS:
            tags[key] = value
        else:
            made.drop(f"metadata.{key}")
    if tags:
        made.fields["requestMetadata"] = {**tags, **_object(made.fields.get("requestMetadata"))}


def _object(told: Any) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}


def _pairs(metadata: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(metadata, Mapping):
        yield from ((key, value) for key, value in metadata.items() if isinstance(key, str))
