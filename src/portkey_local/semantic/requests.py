"""Which requests the semantic tier takes: one question in plain words, for one plain answer.

Ground rules: pure. A request is left alone for what it asks for, never for how long or how short
its question is; texts are judged in `eligibility`. Everything but the words of the question is a
request's `rest`, and only requests with the same rest are ever compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from portkey_local.model import DONE

__all__ = ["CHAT", "Unfit", "Worded", "answer_text", "plain_answer", "unfit_fields", "worded"]

CHAT: Final = "/chat/completions"
TOOLS: Final = ("tools", "functions", "web_search_options")
FINISHED: Final = frozenset(  # as OpenAI says it, and vendors in words of their own
    {"complete", "end_turn", "eos", "eos_token", "stop", "stop_sequence"}
)
PLAIN_PART: Final = frozenset({"type", "text"})


@dataclass(frozen=True, slots=True)
class Worded:
    """A question, and the request around it."""

    text: str = field(repr=False)
    rest: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a request is not for the semantic tier, in a word or two."""

    reason: str


def worded(body: Mapping[str, Any]) -> Worded | Unfit:
    """Return the question that the body of a chat completion asks, and what stands around it.

    >>> worded({"messages": [{"role": "user", "content": "Why?"}]}).text
    'Why?'
    >>> worded({"messages": [{"role": "user", "content": "Why?"}], "tools": [{}]})
    Unfit(reason='tools')
    """
    reason = unfit_fields(body)
    if reason is not None:
        return Unfit(reason)
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], Mapping):
        return Unfit("no messages")
    last = messages[-1]
    if last.get("role") != "user":
        return Unfit("last message is not the user's")
    text = _plain_text(last.get("content"))
    if text is None:
        return Unfit("last message is not only text")
    around = [*messages[:-1], {**last, "content": None}]
    return Worded(text, {**body, "messages": around})


def unfit_fields(body: Mapping[str, Any]) -> str | None:
    """Return which of a request's fields ask for more than one plain answer, in a word or two."""
    if any(body.get(name) for name in TOOLS):
        return "tools"
    if body.get("n") not in (None, 1):
        return "several answers"
    if body.get("logprobs") or body.get("top_logprobs"):
        return "logprobs"
    if body.get("audio") or body.get("modalities") not in (None, ["text"]):
        return "other than text is asked for"
    return None


def _plain_text(content: Any) -> str | None:
    if isinstance(content, str):
        return content
    part = content[0] if isinstance(content, list) and len(content) == 1 else None
    if not isinstance(part, Mapping) or part.keys() != PLAIN_PART or part["type"] != "text":
        return None
    text = part["text"]
    return text if isinstance(text, str) else None


def plain_answer(datas: Sequence[Any]) -> bool:
    """Whether an answer is words to their end: no tool calls, no limit that cut it short.

    `datas` are its JSON, or that of the events of its stream.
    """
    choices = [choice for data in datas if data is not DONE for choice in _choices(data)]
    reasons = {str(choice.get("finish_reason") or "").lower() for choice in choices} - {""}
    said = [choice.get("message") or choice.get("delta") or {} for choice in choices]
    calls = any(each.get("tool_calls") or each.get("function_call") for each in said)
    return bool(reasons) and reasons <= FINISHED and not calls


def _choices(data: Any) -> list[Mapping[str, Any]]:
    choices = data.get("choices") if isinstance(data, Mapping) else None
    return [each for each in choices or () if isinstance(each, Mapping)]


def answer_text(datas: Sequence[Any]) -> str:
    """Return what an answer says: the text of its message, or of the pieces of its stream."""
    pieces = []
    for data in datas:
        for choice in () if data is DONE else _choices(data):
            said = choice.get("message") or choice.get("delta") or {}
            content = said.get("content")
            pieces.append(content if isinstance(content, str) else "")
    return "".join(pieces)
