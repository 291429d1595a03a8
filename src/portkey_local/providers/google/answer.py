"""Gemini's answers as OpenAI's: whole completions, and what each part of a candidate comes to.

Ground rules: pure. A stream and a whole answer are read by the same `Voice`, so that they agree.
What has to be said again in the next turn goes into `reasoning_details`: the signature of a call
under the call's id, that of a text without one, the parts of the vendor's own tools whole. A field
that is null is one that is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final

from portkey_local.model import empty
from portkey_local.providers.completion import (
    GOOGLE,
    NATIVE_FINISH,
    completion as completion_of,
    message,
    tool_call,
    usage as usage_of,
)
from portkey_local.providers.google.arguments import Partial
from portkey_local.providers.google.citations import citations_of
from portkey_local.providers.google.tools import Form, form_of, renamed
from portkey_local.providers.vendor import (
    Ask,
    Unreadable,
)

__all__ = [
    "FILTERED",
    "Voice",
    "broken_off",
    "completion",
    "counted",
    "finish_of",
    "logprobs_of",
    "refused",
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
UNSPECIFIED: Final = "FINISH_REASON_UNSPECIFIED"  # Google's word for a reason that it does not tell
OF_ANSWERS: Final = ("modelVersion", "promptFeedback", "responseId", "usageMetadata")
OWN_PARTS: Final = ("toolCall", "toolResponse", "executableCode", "codeExecutionResult")


@dataclass(slots=True)
class Voice:
    """Reads what one candidate says, part by part, and remembers what it has said."""

    id: str  # of the answer: what calls are named by when the vendor gives them no id
    form: Form | None = None
    names: Mapping[str, str] = field(
        default_factory=empty
    )  # of functions that were called otherwise
    said: bool = False
    calls: int = 0
    _details: int = 0
    _thinking: bool = False  # whether the last detail is a thought that may go on
    _images: int = 0
    _partial: Partial | None = None  # a call that goes on in the next piece

    def read(self, parts: Any) -> dict[str, Any]:
        """Return the delta that parts come to."""
        delta = _Delta()
        for part in parts if isinstance(parts, list) else ():
            self._read(part, delta)
        return delta.told()

    def _read(self, part: Mapping[str, Any], delta: _Delta) -> None:
        signature, text, call_id = part.get("thoughtSignature"), part.get("text"), None
        if text is not None and part.get("thought") is True:
            self._think(text, signature, delta)
            return
        if (call := part.get("functionCall")) is not None:
            whole = self._whole(call, signature)
            call_id = None if whole is None else self._call(whole, delta)
            if whole is None or call_id is None:  # it goes on, or is the answer's form
                return
            signature = whole.signature
        elif text is not None:
            delta.text += text
            self.said = self.said or bool(text)
        elif (data := part.get("inlineData")) is not None:
            self._show(data, delta)
        elif any(part.get(name) is not None for name in OWN_PARTS):
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

    def _whole(self, call: Mapping[str, Any], signature: Any) -> Partial | None:
        """Return a call with all of its arguments, None while more of them are to come."""
        told = self._partial or Partial(signature=signature)
        told.take(call)
        self._partial = told if call.get("willContinue") is True else None
        return None if self._partial else told

    def _call(self, call: Partial, delta: _Delta) -> str | None:
        """Note a call and return its id, None for the one that gives the answer in its form."""
        if not isinstance(call.name, str):
            raise Unreadable("a call without a name")
        self.said = True
        if self.form is not None and call.name == self.form.name:
            delta.text += self.form.text(call.args)
            return None
        call_id = str(call.id or f"call_{self.id}_{self.calls}")
        name = self.names.get(call.name, call.name)
        delta.calls.append({"index": self.calls, **tool_call(call_id, name, call.args)})
        self.calls += 1
        return call_id

    def _show(self, data: Mapping[str, Any], delta: _Delta) -> None:
        """Show an image as OpenRouter does, for OpenAI's messages have no place for one."""
        url = f"data:{data.get('mimeType') or ''};base64,{data.get('data') or ''}"
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
    form, names = form_of(ask.body), renamed(ask.body)
    choices: list[tuple[Mapping[str, Any], str]] = []
    more: list[dict[str, Any]] = []
    for candidate in data.get("candidates") or ():
        voice = Voice(voice_id(answer_id, len(choices)), form, names)
        said = voice.read((candidate.get("content") or {}).get("parts"))
        reason = candidate.get("finishReason")
        finish = finish_of(reason, voice, strict=ask.strict)
        cited = citations_of(candidate, said.get("content", ""))
        choices.append((_message(said, finish, cited), finish))
        more.append({"logprobs": logprobs_of(candidate), **broken_off(reason, voice)})
    if not choices:
        choices, more = [withheld(data)], [unspoken(data)]
    told = completion_of(
        id=answer_id,
        created=int(ask.wall),
        model=str(data.get("modelVersion") or ask.model),
        choices=choices,
        usage=counted(data.get("usageMetadata")),
    )
    for choice, each in zip(told["choices"], more, strict=True):
        choice.update(each)
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
    """Return the choice of an answer that has none: mostly because its prompt was refused."""
    if refused(data):
        return message(None), "content_filter"
    if not any(data.get(name) for name in OF_ANSWERS):
        raise Unreadable("no candidate in it")
    return message(""), "stop"


def unspoken(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a choice tells beside its message where an answer has none."""
    return {} if refused(data) else {NATIVE_FINISH: UNSPECIFIED}


def refused(data: Mapping[str, Any]) -> bool:
    """Whether Google says why it refused the prompt."""
    feedback = data.get("promptFeedback")
    return isinstance(feedback, Mapping) and isinstance(feedback.get("blockReason"), str)


def finish_of(reason: Any, voice: Voice, *, strict: bool) -> str:
    """Return why a candidate ended.

    Of one that a filter withheld whole OpenAI's word is told always: a fallback goes by it.
    """
    if reason is not None and not isinstance(reason, str):
        raise Unreadable("a finish reason that is no word")
    if not strict and reason and (voice.said or reason not in FILTERED):
        return reason
    if reason == "MAX_TOKENS":
        return "length"
    if voice.calls:
        return "tool_calls"
    return "content_filter" if reason in FILTERED else "stop"


def broken_off(reason: str | None, voice: Voice) -> dict[str, Any]:
    """Return Google's word for why a candidate ended badly before it said anything, if it did.

    OpenAI has no word for a call that the model has spoilt, or a drawing that came to nothing.
    """
    if voice.said or reason in FILTERED or reason in ("STOP", "MAX_TOKENS"):
        return {}
    return {NATIVE_FINISH: reason or UNSPECIFIED}


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
    for each in details if isinstance(details, list) else ():
        if isinstance(each, Mapping) and each.get("modality") == "AUDIO":
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
    text = token.get("token") or ""  # Google leaves out what is empty, and what is 0
    spelt = list(text.encode("utf-8", "replace"))
    likely = float(token.get("logProbability") or 0.0)
    return {"token": text, "logprob": likely if isfinite(likely) else NEVER, "bytes": spelt}
