"""Gemini's answers as OpenAI's: whole completions, and what each part of a candidate comes to.

Ground rules: pure. A stream and a whole answer are read by the same `Voice`, so that they agree.
What has to be said again in the next turn goes into `reasoning_details`: the signature of a call
under the call's id, that of a text without one, the parts of the vendor's own tools whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from portkey_local.providers.completion import (
    GOOGLE,
    completion as completion_of,
    message,
    tool_call,
    usage as usage_of,
)
from portkey_local.providers.google.citations import citations_of
from portkey_local.providers.google.tools import Form, form_of
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
)

__all__ = [
    "FILTERED",
    "Voice",
    "completion",
    "counted",
    "finish_of",
    "logprobs_of",
    "voice_id",
    "withheld",
]

FILTERED: Final = frozenset(
    {
        "BLOCKLIST", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_SAFETY", "JAILBREAK",
        "LANGUAGE", "MODEL_ARMOR", "PROHIBITED_CONTENT", "RECITATION", "SAFETY", "SPII",
    }
)  # fmt: skip
NEVER: Final = -9999.0  # OpenAI's number for what has no chance at all
OWN_PARTS: Final = ("toolCall", "toolResponse", "executableCode", "codeExecutionResult")


@dataclass(slots=True)
class Voice:
    """Reads what one candidate says, part by part, and remembers what it has said."""

    id: str  # of the answer: what calls are named by when the vendor gives them no id
    form: Form | None = None
    said: bool = False
    calls: int = 0
    _details: int = 0
    _thinking: bool = False  # whether the last detail is a thought that may go on
    _images: int = 0

    def read(self, parts: Any) -> dict[str, Any]:
        """Return the delta that parts come to."""
        delta = _Delta()
        for part in parts if isinstance(parts, list) else ():
            self._read(part, delta)
        return delta.told()

    def _read(self, part: Mapping[str, Any], delta: _Delta) -> None:
        signature = part.get("thoughtSignature")
        if "text" in part and part.get("thought") is True:
            self._think(part["text"], signature, delta)
            return
        call_id = None
        if "functionCall" in part:
            call_id = self._call(part["functionCall"], delta)
            if call_id is None:  # the answer's form, whose signature belongs to no call
                return
        elif "text" in part:
            delta.text += part["text"]
            self.said = self.said or bool(part["text"])
        elif "inlineData" in part:
            self._show(part["inlineData"], delta)
        elif any(name in part for name in OWN_PARTS):
            self._detail(delta, {"type": "reasoning.part", "part": part})
            return
        if isinstance(signature, str):
            named = {"id": call_id} if call_id else {}
            self._detail(delta, {"type": "reasoning.encrypted", "data": signature, **named})

    def _think(self, text: str, signature: Any, delta: _Delta) -> None:
        delta.thoughts += text
        if not text and not isinstance(signature, str):
            return
        if not self._thinking:
            self._detail(delta, {"type": "reasoning.text", "text": text})
        elif delta.details:
            delta.details[-1]["text"] += text
        else:
            again = {"type": "reasoning.text", "text": text, "index": self._details - 1}
            delta.details.append(again)
        self._thinking = not isinstance(signature, str)
        if not self._thinking:
            delta.details[-1]["signature"] = signature

    def _detail(self, delta: _Delta, detail: dict[str, Any]) -> None:
        delta.details.append({**detail, "format": GOOGLE, "index": self._details})
        self._details += 1
        self._thinking = detail["type"] == "reasoning.text"

    def _call(self, call: Mapping[str, Any], delta: _Delta) -> str | None:
        """Note a call and return its id, None for the one that gives the answer in its form."""
        name, args = call["name"], call.get("args") or {}
        self.said = True
        if self.form is not None and name == self.form.name:
            delta.text += self.form.text(args)
            return None
        call_id = str(call.get("id") or f"call_{self.id}_{self.calls}")
        delta.calls.append({"index": self.calls, **tool_call(call_id, str(name), args)})
        self.calls += 1
        return call_id

    def _show(self, data: Mapping[str, Any], delta: _Delta) -> None:
        """Show an image as OpenRouter does, for OpenAI's messages have no place for one."""
        url = f"data:{data.get('mimeType', '')};base64,{data['data']}"
        image = {"type": "image_url", "image_url": {"url": url}, "index": self._images}
        delta.images.append(image)
        self._images += 1
        self.said = True


@dataclass(slots=True)
class _Delta:
    """What several parts come to, together."""

    text: str = ""
    thoughts: str = ""
    details: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        everything = (
            ("content", self.text),
            ("reasoning_content", self.thoughts),
            ("reasoning_details", self.details),
            ("tool_calls", self.calls),
            ("images", self.images),
        )
        return {name: value for name, value in everything if value}


def completion(data: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Return a chat completion for an answer of generateContent."""
    answer_id = str(data.get("responseId") or ask.made_id)
    form = form_of(ask.body)
    choices: list[tuple[Mapping[str, Any], str]] = []
    logprobs = []
    for candidate in data.get("candidates") or ():
        voice = Voice(voice_id(answer_id, len(choices)), form)
        said = voice.read((candidate.get("content") or {}).get("parts"))
        finish = finish_of(candidate.get("finishReason"), voice, strict=ask.strict)
        cited = citations_of(candidate, said.get("content", ""))
        choices.append((_message(said, finish, cited), finish))
        logprobs.append(logprobs_of(candidate))
    if not choices:
        choices, logprobs = [withheld(data)], [None]
    told = completion_of(
        id=answer_id,
        created=int(ask.wall),
        model=str(data.get("modelVersion") or ask.model),
        choices=choices,
        usage=counted(data.get("usageMetadata")),
    )
    for choice, each in zip(told["choices"], logprobs, strict=True):
        choice["logprobs"] = each
    return told


def voice_id(answer_id: str, candidate: int) -> str:
    """Return what a candidate's calls are named by: several candidates must not share ids."""
    return f"{answer_id}_{candidate}" if candidate else answer_id


def _message(said: Mapping[str, Any], finish: str, cited: Sequence[Any]) -> dict[str, Any]:
    calls = said.get("tool_calls", ())
    silent = None if calls or finish not in ("stop", "length") else ""
    told = message(
        said.get("content", silent),
        [{key: value for key, value in call.items() if key != "index"} for call in calls],
        reasoning=said.get("reasoning_content", ""),
        details=said.get("reasoning_details", ()),
    )
    if "images" in said:
        told["images"] = said["images"]
    if cited:
        told["annotations"] = cited
    return told


def withheld(data: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the choice of an answer that has none, because its prompt was refused."""
    feedback = data.get("promptFeedback")
    reason = feedback.get("blockReason") if isinstance(feedback, Mapping) else None
    if not isinstance(reason, str):
        raise Unreadable("no candidate in it")
    return message(None), "content_filter"


def finish_of(reason: Any, voice: Voice, *, strict: bool) -> str:
    """Return why a candidate ended; one that ended badly before it said anything is no answer.

    Of one that a filter withheld whole OpenAI's word is told always: a fallback goes by it.
    """
    if reason is not None and not isinstance(reason, str):
        raise Unreadable("a finish reason that is no word")
    if not voice.said and reason not in FILTERED and reason not in ("STOP", "MAX_TOKENS"):
        raise Unreadable("a candidate that says nothing and was not stopped by a filter")
    if not strict and reason and (voice.said or reason not in FILTERED):
        return reason
    if reason == "MAX_TOKENS":
        return "length"
    if voice.calls:
        return "tool_calls"
    return "content_filter" if reason in FILTERED else "stop"


# --- token counts, and how likely the tokens were


def counted(usage: Any) -> dict[str, Any] | None:
    """Return token counts under OpenAI's names; what tools read counts as the prompt's."""
    if not isinstance(usage, Mapping):
        return None
    thoughts = _count(usage, "thoughtsTokenCount")
    return usage_of(
        _count(usage, "promptTokenCount") + _count(usage, "toolUsePromptTokenCount"),
        _count(usage, "candidatesTokenCount") + thoughts,
        cached=_known(usage, "cachedContentTokenCount"),
        reasoning=_known(usage, "thoughtsTokenCount"),
        audio_in=_heard(usage.get("promptTokensDetails")),
        audio_out=_heard(usage.get("candidatesTokensDetails")),
    )


def _known(usage: Mapping[str, Any], name: str) -> int | None:
    count = usage.get(name)
    return count if isinstance(count, int) else None


def _count(usage: Mapping[str, Any], name: str) -> int:
    return _known(usage, name) or 0


def _heard(details: Any) -> int | None:
    for each in details or ():
        if each.get("modality") == "AUDIO":
            return _count(each, "tokenCount")
    return None


def logprobs_of(candidate: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the logarithmic probabilities of a candidate's tokens."""
    result = candidate.get("logprobsResult")
    if not result:
        return None
    tops = [each.get("candidates") or () for each in result.get("topCandidates") or ()]
    content = []
    for place, chosen in enumerate(result.get("chosenCandidates") or ()):
        top = tops[place] if place < len(tops) else ()
        content.append({**_likely(chosen), "top_logprobs": [_likely(each) for each in top]})
    return {"content": content, "refusal": None}


def _likely(token: Mapping[str, Any]) -> dict[str, Any]:
    text = token["token"]
    spelt = list(text.encode("utf-8", "replace"))
    likely = float(token.get("logProbability", 0.0))
    return {"token": text, "logprob": likely if isfinite(likely) else NEVER, "bytes": spelt}
