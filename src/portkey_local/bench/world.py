"""The providers of a simulated run, as its driver asks them: fates turned into outcomes.

Ground rules: whether a provider answers, and when, is the fate's business; what a call makes of it
is the router's. An attempt is billed for its prompt and for the tokens that came, also where
nobody waited for the rest; an error, and an answer that never began, costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from portkey_local.bench.caller import Caller, CallersDraws
from portkey_local.bench.events import LAST, MORE, first_event, reader_of
from portkey_local.bench.recorder import RecorderState
from portkey_local.bench.records import Ending
from portkey_local.bench.sites import Site
from portkey_local.bench.weather.fates import Ask, End, Fate
from portkey_local.drivers import notes
from portkey_local.drivers.virtual import Part, VirtualResponse, opened
from portkey_local.model import Answer, Call, Failure, Fault, Outcome, Reply, Rng, Target
from portkey_local.wire.contract import WireError

__all__ = ["BenchWorld", "following"]

WHOLE, BEGUN, SUCCEEDED = End.WHOLE, End.STALLED, Ending.SUCCEEDED  # looked up for every attempt
JSON: Final[Mapping[str, str]] = {"content-type": "application/json"}
EVENTS: Final[Mapping[str, str]] = {"content-type": "text/event-stream"}
BROKEN: Final = WireError("the connection was reset")
PIECES_PER_LIMIT: Final = 2  # of a long stream within one idle limit, so that it counts as alive


class BenchWorld:
    """Answers sends by the sites of a run; a call's random numbers say whose it is."""

    def __init__(self, sites: Mapping[str, Site], recorder: RecorderState) -> None:
        """Take what a run shares."""
        self._sites = sites
        self._recorder = recorder

    def answer(self, target: Target, call: Call, now: float, rng: Rng) -> tuple[float, Outcome]:
        """Return the seconds that a target takes, and its answer; write the attempt down."""
        caller, site = cast("CallersDraws", rng).caller, self._sites[target.path]
        left, stays = call.deadline - now, caller.patience_until - now
        patience = min(stays, left)
        fate = site.source.fate(
            Ask(
                caller.number,
                caller.next_attempt(site.identity),
                now,
                caller.prompt_tokens,
                caller.completion_tokens,
                patience,
            )
        )
        begun = fate.end <= BEGUN
        streamed = begun and call.request.stream
        seconds = fate.first if streamed else fate.first + fate.rest + fate.stall
        if seconds > patience:
            hung_up = (Ending.TIMEOUT, 408) if left <= stays else (Ending.ABANDONED, 0)
            cost = _partial(site, fate, caller, patience)
            self._note(caller, site, now, now + patience, *hung_up, cost)
            return seconds, notes.timed_out(target, left)
        cost = site.paid.cost(caller.prompt_tokens, fate.tokens) if begun else 0.0
        ending, status = (SUCCEEDED, fate.status) if streamed else _ending(fate)
        self._note(caller, site, now, now + seconds, ending, status, cost)
        if streamed:
            caller.streams(now + fate.first, fate.rest + fate.stall, fate.tokens)
            return seconds, _stream(call, target, fate, caller, now)
        return seconds, _outcome(call, target, fate, caller)

    def _note(
        self,
        caller: Caller,
        site: Site,
        started: float,
        ended: float,
        ending: Ending,
        status: int,
        cost: float,
    ) -> None:
        row = self._recorder.attempt(
            caller.number, site.number, started, ended, status, ending, cost
        )
        caller.billed(row, site, cost)


def _ending(fate: Fate) -> tuple[Ending, int]:
    """Return how an attempt that is not streamed ends as the router sees it, and its status."""
    if fate.end is WHOLE or fate.end is End.STALLED:
        return SUCCEEDED, fate.status
    return (Ending.STATUS, fate.status) if fate.end is End.STATUS else (Ending.NETWORK, 0)


def _partial(site: Site, fate: Fate, caller: Caller, patience: float) -> float:
    """Return what an attempt costs that somebody hung up on."""
    if fate.end > BEGUN:
        return 0.0
    told = max(0.0, patience - fate.first)
    share = min(1.0, told / fate.rest) if fate.rest > 0 else float(told > 0)
    return site.paid.cost(caller.prompt_tokens, fate.tokens * share)


def _outcome(call: Call, target: Target, fate: Fate, caller: Caller) -> Outcome:
    """Return a whole answer, or a failure."""
    if fate.end is WHOLE or fate.end is End.STALLED:
        data = _completion(call, fate, caller) if caller.answer else None
        return Reply(target, Answer(fate.status, JSON), data)
    if fate.end is not End.STATUS:
        return notes.unreachable(target, BROKEN)
    wait = fate.retry_after
    headers = {} if wait is None else {"retry-after": f"{wait:g}"}
    answer = Answer(fate.status, headers)
    message = f"HTTP {fate.status}"
    return Failure(target, Fault.STATUS, fate.status, message, answer, retry_after=wait)


def _completion(call: Call, fate: Fate, caller: Caller) -> dict[str, Any]:
    body = call.request.body or {}
    message = {"role": "assistant", "content": caller.answer}
    return {
        "id": "simulated",
        "object": "chat.completion",
        "created": 0,
        "model": body.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": caller.prompt_tokens,
            "completion_tokens": fate.tokens,
            "total_tokens": caller.prompt_tokens + fate.tokens,
        },
    }


def _stream(call: Call, target: Target, fate: Fate, caller: Caller, now: float) -> Reply:
    """Return an answer whose first token has come, and whose other tokens come in time."""
    reader = reader_of(caller.answer)
    events = reader.feed(first_event(caller.answer))
    parts = following(fate, target, now + fate.first)
    head = Answer(fate.status, EVENTS)
    return opened(call, target, reader, events, VirtualResponse(head, parts, call.clock))


def following(fate: Fate, target: Target, begin: float = 0.0) -> list[Part]:
    """Return what follows a stream's first event, which came at `begin`: bytes, then its end.

    Tokens come steadily: so many pieces as keep a slow stream alive, and no more.
    """
    end = begin + (fate.rest + fate.stall)
    parts = [Part(end, BROKEN)] if fate.end is End.TRUNCATED else [Part(end, LAST), Part(end, None)]
    pieces = int(fate.rest * PIECES_PER_LIMIT / target.idle_timeout) if fate.rest else 0
    pieces = min(pieces, fate.tokens - 2)  # those between the first and the last
    if pieces <= 0:
        return parts
    steps = (fate.rest * (number + 1) / (pieces + 1) for number in range(pieces))
    return [*(Part(begin + step, MORE) for step in steps), *parts]
