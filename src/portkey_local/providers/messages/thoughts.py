"""What a model thought, in the words of a completion and in those of a message.

Ground rules: Claude signs its thoughts, wherever it is served, and wants them back as they are:
they are blocks like Anthropic's own. What another model thought is shown where it was asked for,
with our mark for a signature, and goes back by a block of ours (`carried`) where tools are called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portkey_local.providers.completion import ANTHROPIC, BEDROCK
from portkey_local.providers.messages.carried import MARK
from portkey_local.providers.vendor import Unreadable

__all__ = ["Reasoned", "blocks_of", "detail_of", "is_claudes", "thought_of"]

CLAUDES: Final = frozenset({ANTHROPIC, BEDROCK})  # the forms of details that Claude may have signed
GROWING: Final = ("text", "summary", "data", "signature")  # which go on from chunk to chunk
FIELDS: Final = ("reasoning_content", "reasoning")
ENCRYPTED: Final = "reasoning.encrypted"


def is_claudes(detail: Mapping[str, Any]) -> bool:
    """Whether a detail, of an answer of Claude's, is a thought that it signs."""
    return detail.get("format") in CLAUDES


def thought_of(said: Mapping[str, Any]) -> str:
    """Return what a message, or a delta of one, tells of the model's thoughts in plain text."""
    content = said.get("content")
    if isinstance(content, list):  # Mistral's, where thoughts stand beside texts
        inner = (part.get("thinking") for part in content if part.get("type") == "thinking")
        return "".join(each["text"] for told in inner for each in told or () if "text" in each)
    text = next((said[name] for name in FIELDS if said.get(name)), "")
    if not isinstance(text, str):
        raise Unreadable("a thought that is no text")
    return text


@dataclass(slots=True)
class Reasoned:
    """The reasoning of one answer, as it comes: Claude's (`signed`), or another's."""

    claude: bool
    signed: set[Any] = field(default_factory=set)
    _text: str = ""
    _details: dict[Any, dict[str, Any]] = field(default_factory=dict)

    def add(self, said: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Take what a message, or a delta of one, tells; return those details that are Claude's."""
        ours: list[Mapping[str, Any]] = []
        for detail in said.get("reasoning_details") or ():
            if self.claude and is_claudes(detail):
                self.signed.add(detail.get("index"))
            if detail.get("index") in self.signed:
                ours += [detail] if any(detail.get(name) for name in GROWING) else []
            else:
                self._grow(detail)
        text = said.get("reasoning_content")
        if isinstance(text, str) and not self.signed:
            self._text += text
        return ours

    def _grow(self, detail: Mapping[str, Any]) -> None:
        index = detail.get("index")
        place: Any = (index, detail.get("type"))
        known = self._details.setdefault(len(self._details) if index is None else place, {})
        for name, value in detail.items():
            before = known.get(name)
            grows = name in GROWING and isinstance(before, str) and isinstance(value, str)
            known[name] = f"{before}{value}" if grows else value

    def told(self) -> dict[str, Any]:
        """Return what another model than Claude wants back, in the form of a message."""
        return {"reasoning_content": self._text, "reasoning_details": list(self._details.values())}


def blocks_of(
    said: Mapping[str, Any], ours: list[Mapping[str, Any]], *, shown: bool
) -> Iterator[dict[str, Any]]:
    """Walk the blocks of a whole message's thoughts; `ours` are those that Claude signed."""
    for detail in ours:
        if detail.get("type") == ENCRYPTED:
            yield {"type": "redacted_thinking", "data": detail["data"]}
        else:
            text, signature = detail.get("text") or "", detail.get("signature") or MARK
            yield {"type": "thinking", "thinking": text, "signature": signature}
    if shown and not ours and (text := thought_of(said)):
        yield {"type": "thinking", "thinking": text, "signature": MARK}


def detail_of(block: Mapping[str, Any], index: int, form: str) -> dict[str, Any]:
    """Return a thought that Claude signed as an entry of `reasoning_details`."""
    if block.get("type") == "redacted_thinking":
        told = {"type": ENCRYPTED, "data": block.get("data")}
    else:
        told = {"type": "reasoning.text", "text": block.get("thinking")}
        told["signature"] = block.get("signature")
    return {**told, "index": index, "format": form}
