"""The recorded exchanges that the demonstration's providers answer with.

Ground rules: a row is a real exchange, and what it says is never changed; NOTICE says where the
rows come from. A recording is named by who answered what, so that a scene reads like a sentence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

from portkey_local.testing import Fault, Step

__all__ = ["Recording", "recorded"]

EVENT_GAP: Final = (
    0.02  # seconds between two events of a stream, so that it flows as a real one does
)
IDS: Final = {
    "mistral": "mistral-ai",
    "zai": "z-ai",
}  # where the rows spell a provider their own way


@dataclass(frozen=True, slots=True)
class Recording:
    """One exchange: what was asked, and what the provider sent back."""

    provider: str
    request: dict[str, Any] = field(repr=False)
    status: int
    content_type: str
    body: Any = field(repr=False)

    @property
    def model(self) -> str:
        """The model that was asked."""
        return str(self.request["model"])

    @property
    def messages(self) -> list[Any]:
        """The messages that were sent."""
        return list(self.request["messages"])

    @property
    def question(self) -> str:
        """What the user said last."""
        return str(self.messages[-1]["content"])

    @property
    def streamed(self) -> bool:
        """Whether the answer is an event stream."""
        return isinstance(self.body, str)

    @property
    def answer(self) -> str:
        """The text of the whole answer; nothing if it is an error."""
        if not self.streamed:
            return "".join(choice["message"]["content"] for choice in self.body.get("choices", ()))
        deltas = (choice["delta"] for chunk in self._chunks() for choice in chunk["choices"])
        return "".join(delta.get("content") or "" for delta in deltas)

    def step(self, fault: Fault | None = None) -> Step:
        """Answer a request with this recording, or with as much of it as the fault lets through."""
        if not self.streamed:
            return Step(
                status=self.status, json=self.body, content_type=self.content_type, fault=fault
            )
        return Step(
            events=[f"{event}\n\n".encode() for event in self._events()],
            content_type=self.content_type,
            event_gap=EVENT_GAP,
            fault=fault,
        )

    def _events(self) -> Iterator[str]:
        return (event for event in self.body.split("\n\n") if event.strip())

    def _chunks(self) -> Iterator[Any]:
        data = (event.removeprefix("data: ") for event in self._events())
        return (json.loads(chunk) for chunk in data if chunk != "[DONE]")


def recorded(provider: str, question: str, *, streamed: bool = False) -> Recording:
    """Return the recording of what `provider` answered to `question`.

    >>> recorded("openai", "What is the capital of France?").answer
    'The capital of France is Paris.'
    """
    return next(
        row
        for row in _rows()
        if (row.provider, row.question, row.streamed) == (provider, question, streamed)
    )


@cache
def _rows() -> tuple[Recording, ...]:
    text = files(__package__).joinpath("recordings.jsonl").read_text(encoding="utf-8")
    return tuple(_row(json.loads(line)) for line in text.splitlines())


def _row(row: dict[str, Any]) -> Recording:
    return Recording(
        provider=IDS.get(row["provider"], row["provider"]),
        request=row["request"],
        status=row["status"],
        content_type=row["content_type"],
        body=row["body"],
    )
