"""A provider as it was recorded: the attempts of the library's own event log, played again.

An attempt meets what the one that was recorded nearest to it in time met: outages stay where they
were, the same config meets its own past again, and one that asks more often meets it more often.
What the recording cannot know is what it never saw: how the provider would have borne more load.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from portkey_local.bench.naming import BenchError
from portkey_local.bench.weather.fates import STATUSES, Ask, End, Fate

__all__ = [
    "MOST_TOKENS",
    "RecordedAttempt",
    "RecordedState",
    "attempts_of",
    "log_lines",
    "seconds_in",
    "tokens_in",
]

ENDED: Final = ("attempt.succeeded", "attempt.failed")
LONGEST: Final = 1e9  # seconds of one attempt, about thirty years
HIGHEST: Final = 999  # status
MOST_TOKENS: Final = 1_000_000_000  # of one call: many times any model's, and few enough to add up
CUT_OFF: Final = ("stream.interrupted",)
SUCCEEDED, TIMEOUT, NETWORK = "attempt.succeeded", "no answer within", "network"


@dataclass(slots=True)
class RecordedAttempt:
    """One attempt of an event log; `at` is when it began, in seconds since the log's first call."""

    at: float
    first: float
    rest: float
    status: int
    end: End
    tokens: int


class RecordedState:
    """Plays the attempts that were recorded of one provider and model."""

    def __init__(self, attempts: list[RecordedAttempt]) -> None:
        """Take attempts, at least one."""
        self._attempts = sorted(attempts, key=lambda attempt: attempt.at)
        self._times = [attempt.at for attempt in self._attempts]

    def fate(self, ask: Ask) -> Fate:
        """Return what the attempt that began nearest to this moment met."""
        seen = self._attempts[self._nearest(ask.now)]
        first = math.inf if seen.end is End.SILENCE else seen.first
        tokens = seen.tokens or ask.completion_tokens
        return Fate(seen.end, first, seen.rest, seen.status, tokens)

    def _nearest(self, now: float) -> int:
        place = bisect_left(self._times, now)
        if place == len(self._times):
            return place - 1
        earlier = place > 0 and now - self._times[place - 1] <= self._times[place] - now
        return place - 1 if earlier else place

    def quickest(self) -> float:
        """Return the seconds of the answer that began soonest."""
        answers = (attempt for attempt in self._attempts if attempt.end is End.WHOLE)
        return min((attempt.first for attempt in answers), default=math.inf)

    def failures(self) -> frozenset[int]:
        """Return the statuses that were recorded of failures."""
        return frozenset(STATUSES.get(attempt.end, attempt.status) for attempt in self._attempts)

    def spans(self, until: float) -> list[tuple[float, float, str]]:
        """Return one regime: nobody wrote down the weather."""
        return [(0.0, until, "recorded")]


def log_lines(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Walk the events of a log, each with its line. Raises BenchError for what is none."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BenchError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            event = _event(line)
            if event is None:
                raise BenchError(f"{path}, line {number}: is no event of an event log")
            yield number, event


def _event(line: bytes) -> Mapping[str, Any] | None:
    try:
        event = json.loads(line.decode("utf-8-sig"))
        sound = isinstance(event["event"], str) and math.isfinite(event["time"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return dict(event) if sound else None


def attempts_of(path: Path) -> dict[tuple[str, str], list[RecordedAttempt]]:
    """Return the attempts of an event log by provider and model. Raises BenchError."""
    found: dict[tuple[str, str], list[RecordedAttempt]] = {}
    latest: dict[str, RecordedAttempt] = {}
    begin = math.inf  # processes that share a log need not write in order
    for _, event in log_lines(path):
        time, trace = float(event["time"]), str(event.get("trace_id"))
        begin = min(begin, time - seconds_in(event, "elapsed"))
        if event["event"] in ENDED:
            attempt = latest[trace] = _attempt(event, time - seconds_in(event, "duration"))
            named = str(event.get("provider")), str(event.get("model") or "")
            found.setdefault(named, []).append(attempt)
        elif str(event["event"]).startswith("stream.") and trace in latest:
            _streamed(latest.pop(trace), event, time)
    if not found:
        raise BenchError(f"{path}: holds no attempt; give the event log of a client (event_log=)")
    for attempts in found.values():
        for attempt in attempts:
            attempt.at -= begin
    return found


def _number(event: Mapping[str, Any], name: str, most: float) -> float:
    """Return a number of an event, within its bounds; 0 where there is none."""
    value = event.get(name)
    if not isinstance(value, int | float) or math.isnan(value):
        return 0.0
    return float(min(max(value, 0), most))


def seconds_in(event: Mapping[str, Any], name: str) -> float:
    """Return a duration that an event tells, 0 where it tells none."""
    return _number(event, name, LONGEST)


def tokens_in(event: Mapping[str, Any], name: str) -> int:
    """Return a count of tokens that an event tells, 0 where it tells none."""
    return int(_number(event, name, MOST_TOKENS))


def _attempt(event: Mapping[str, Any], at: float) -> RecordedAttempt:
    seconds, status = seconds_in(event, "duration"), int(_number(event, "status", HIGHEST))
    reason = str(event.get("reason") or "")
    end = End.WHOLE
    if event["event"] != SUCCEEDED:
        end = End.STATUS
        if reason.startswith(NETWORK):
            end = End.NETWORK
        elif TIMEOUT in reason:
            end = End.SILENCE  # longer than somebody waited; how long, nobody knows
    tokens = tokens_in(event, "output_tokens")
    return RecordedAttempt(at, seconds, 0.0, status, end, tokens)


def _streamed(attempt: RecordedAttempt, event: Mapping[str, Any], at: float) -> None:
    """Add to an attempt what its stream's end tells."""
    if attempt.end is not End.WHOLE:
        return
    attempt.rest = max(0.0, at - attempt.at - attempt.first)
    attempt.tokens = tokens_in(event, "output_tokens") or attempt.tokens
    if event["event"] in CUT_OFF:
        attempt.end = End.TRUNCATED
