"""What the library's own events tell of a call: which targets were tried, and why each moved on.

Ground rules: everything here is read off events, never off a config or a script, so that a table
made of it shows what happened and not what was meant to happen. Pure: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from http import HTTPStatus
from itertools import groupby
from typing import Final

from portkey_local.model import Event

__all__ = ["Next", "Try", "came_back", "tries_of", "what_next", "why"]

PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}


class Next(StrEnum):
    """What came after a try."""

    ANSWER = "answer"  # its answer is the call's
    RETRY = "retry"  # the same target is asked again
    FALLBACK = "fallback"  # the next target is asked
    BREAK = "interrupted"  # its stream breaks after it began
    ERROR = "error"  # its failure is the call's


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt at one target."""

    target: str
    provider: str
    model: str
    status: int
    seconds: float
    reason: str | None = None
    next: Next = Next.ERROR
    wait: float | None = None  # seconds until the next try


def tries_of(events: Iterable[Event]) -> tuple[Try, ...]:
    """Return the tries of one call, in their order."""
    tries: list[Try] = []
    for event in events:
        match event.name:
            case "attempt.failed":
                tries.append(_try(event, Next.ERROR))
            case "attempt.succeeded":
                tries.append(_try(event, Next.ANSWER))
            case "retry.scheduled":
                tries[-1] = replace(tries[-1], next=Next.RETRY, wait=event.wait)
            case "fallback.moved":
                tries[-1] = replace(tries[-1], next=Next.FALLBACK)
            case "stream.interrupted":
                tries[-1] = replace(tries[-1], next=Next.BREAK, reason=event.reason)
    return tuple(tries)


def _try(event: Event, following: Next) -> Try:
    return Try(
        target=event.target or "",
        provider=event.provider or "",
        model=event.model or "",
        status=event.status or 0,
        seconds=event.duration or 0.0,
        reason=event.reason,
        next=following,
    )


def came_back(tried: Try) -> str:
    """Say what a try brought, in a few words."""
    if tried.next in {Next.ANSWER, Next.BREAK} or tried.reason == f"HTTP {tried.status}":
        return f"{tried.status} {PHRASES.get(tried.status, '')}".strip()
    kind = (tried.reason or "failure").split(":")[0]
    return f"{kind} (as {tried.status})"


def what_next(tried: Try) -> str:
    """Say what came after a try, in a few words."""
    match tried.next:
        case Next.ANSWER:
            return "answers"
        case Next.RETRY:
            return f"retry in {tried.wait or 0:.2f} s"
        case Next.FALLBACK:
            return "next target"
        case Next.BREAK:
            return "breaks off"
        case Next.ERROR:
            return "gives up"


def why(tries: Sequence[Try]) -> str:
    """Tell the whole way of a call in one sentence."""
    if not tries:
        return "nobody was asked."
    groups = [list(group) for _, group in groupby(tries, key=lambda tried: tried.target)]
    failed = [_failures(group) for group in groups if group[-1].next in {Next.ERROR, Next.FALLBACK}]
    last = groups[-1]
    if last[-1].next is Next.ERROR:
        return f"{', '.join(failed)}: the caller gets one error that names every try."
    before = f"{', '.join(failed)}, so " if failed else ""
    if last[-1].next is Next.BREAK:
        ending = "broke off: the caller is told, half an answer never passes for a whole one"
    else:
        ending = "answered"
    if len(last) == 1:
        return f"{before}{last[0].provider} {f'was asked and {ending}' if failed else ending}."
    waits = " and ".join(f"{tried.wait or 0:.2f} s" for tried in last[:-1])
    return f"{before}{_failures(last[:-1])}, was asked again after {waits} and {ending}."


def _failures(group: Sequence[Try]) -> str:
    said = ", ".join((each.reason or "").removeprefix("HTTP ").rstrip(".") for each in group)
    times = {1: "once", 2: "twice"}.get(len(group), f"{len(group)} times")
    return f"{group[0].provider} failed {times} ({said})"
