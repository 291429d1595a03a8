"""A provider as a model: latency, limits, servers, and regimes that make it fail."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from portkey_local.bench.chance import mixed, uniform, unit
from portkey_local.bench.weather.fates import STATUSES, Ask, End, Fate
from portkey_local.bench.weather.limits import BucketState, ServersState
from portkey_local.bench.weather.models import Limits, ProviderModel, Regime
from portkey_local.bench.weather.regimes import RegimeState
from portkey_local.bench.weather.sampling import least, sampler

__all__ = ["Load", "ModelState"]

# The positions of an attempt's draws: fixed, so that one more draw here shifts no other.
TTFT, PER_TOKEN, FAILING, SPOILT, WHERE = range(5)
NAMED: Final = {"network": End.NETWORK, "silence": End.SILENCE}
ATTEMPTS: Final = 4096  # a call's attempts at one provider have keys of their own below this

Load = tuple[float, float]
"""A workload's mean requests and tokens a minute."""


class ModelState:
    """One account at one modelled provider; what it remembers is its buckets and its servers."""

    def __init__(self, model: ProviderModel, key: int, weather_key: int, load: Load) -> None:
        """Take the keys of its luck (an account's) and of its weather (a provider's)."""
        latency = model.latency
        self._key = key
        self._weather = RegimeState(model, weather_key)
        self._ttft = sampler(latency.ttft)
        self._per_token = sampler(latency.per_token)
        self._failing = sampler(latency.failing)
        self._latency = latency
        self._servers = ServersState(latency.concurrency)
        self._counts = latency.concurrency is not None or latency.slowdown is not None
        self._requests, self._tokens = _buckets(model.limits, load)
        self._limits = self._requests is not None or self._tokens is not None
        self._errors = {id(regime): _cumulated(regime.errors) for regime in self._weather.regimes}

    def fate(self, ask: Ask) -> Fate:
        """Return what becomes of an attempt that begins now."""
        regime = self._weather.at(ask.now)
        key = mixed(self._key, ask.call * ATTEMPTS + ask.attempt)
        if self._limits and (wait := self._limited(ask, regime)) > 0:
            first = self._failing(key, FAILING)
            return Fate(End.STATUS, first, status=429, retry_after=float(math.ceil(wait)))
        error = _picked(self._errors[id(regime)], unit(key)) if regime.errors else None
        if error is not None:
            return self._failed(error, key, regime)
        return self._answered(ask, key, regime)

    def _limited(self, ask: Ask, regime: Regime) -> float:
        """Return the seconds until the account may ask; take what is asked for where it may now."""
        requests, tokens = self._requests, self._tokens
        size = ask.prompt_tokens + ask.completion_tokens
        wait = 0.0
        if requests is not None:
            wait = requests.missing(1.0, ask.now, regime.limits)
        if tokens is not None:
            wait = max(wait, tokens.missing(size, ask.now, regime.limits))
        if wait <= 0:
            if requests is not None:
                requests.take(1.0)
            if tokens is not None:
                tokens.take(size)
        return wait

    def _failed(self, error: str, key: int, regime: Regime) -> Fate:
        if error == "silence":
            return Fate(End.SILENCE, math.inf)
        first = self._failing(key, FAILING) * regime.slower
        if error == "network":
            return Fate(End.NETWORK, first, status=0)
        return Fate(End.STATUS, first, status=int(error))

    def _answered(self, ask: Ask, key: int, regime: Regime) -> Fate:
        latency, slower = self._latency, regime.slower
        if latency.slowdown is not None:
            above = self._servers.in_flight(ask.now) - latency.slowdown.above
            slower *= 1 + latency.slowdown.per_call * max(0, above)
        first = self._ttft(key, TTFT) + latency.per_prompt_token * ask.prompt_tokens
        tokens = ask.completion_tokens
        rest = self._per_token(key, PER_TOKEN) * max(0, tokens - 1)
        fate = Fate(End.WHOLE, first * slower, rest * slower, tokens=tokens)
        if regime.truncated or regime.stalled:
            _spoil(fate, key, regime)
        if self._counts:
            service = fate.first + fate.rest + fate.stall
            fate.first += self._servers.enter(ask.now, service, ask.patience)
            if math.isinf(fate.first):
                return Fate(End.SILENCE, math.inf)
        return fate

    def quickest(self) -> float:
        """Return the seconds of the luckiest answer, in the regimes that come and let one be."""
        slower = [
            regime.slower
            for regime in self._weather.reachable()
            if sum(regime.errors.values()) < 1 and regime.truncated < 1
        ]
        return least(self._latency.ttft) * min(slower) if slower else math.inf

    def failures(self) -> frozenset[int]:
        """Return the statuses of the errors in the regimes that come, and of the limits."""
        told = {name for regime in self._weather.reachable() for name in regime.errors}
        ends = {STATUSES[NAMED[name]] if name in NAMED else int(name) for name in told}
        cut = any(regime.truncated for regime in self._weather.reachable())
        return frozenset(ends | ({429} if self._limits else set()) | ({500} if cut else set()))

    def spans(self, until: float) -> list[tuple[float, float, str]]:
        """Return begin, end and name of each regime up to a time."""
        names = self._weather.names
        return [(begin, end, names[place]) for begin, end, place in self._weather.spans(until)]


def _spoil(fate: Fate, key: int, regime: Regime) -> None:
    """Let an answer break off or pause, where its draw says so."""
    draw = uniform(key, SPOILT)
    if draw >= regime.truncated + regime.stalled:
        return
    part = uniform(key, WHERE)
    fate.end = End.TRUNCATED if draw < regime.truncated else End.STALLED
    if fate.end is End.TRUNCATED:
        fate.rest *= part
        fate.tokens = max(1, int(fate.tokens * part))
    else:
        fate.stall = regime.stall_seconds


def _buckets(limits: Limits | None, load: Load) -> tuple[BucketState | None, BucketState | None]:
    if limits is None:
        return None, None
    requests, tokens = limits.requests_per_minute, limits.tokens_per_minute
    if limits.share_of_load is not None:
        requests, tokens = limits.share_of_load * load[0], limits.share_of_load * load[1]
    return (
        BucketState(requests, limits.burst_seconds) if requests else None,
        BucketState(tokens, limits.burst_seconds) if tokens else None,
    )


def _cumulated(errors: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    total, rows = 0.0, []
    for name, share in errors.items():
        total += share
        rows.append((name, total))
    return tuple(rows)


def _picked(rows: tuple[tuple[str, float], ...], draw: float) -> str | None:
    """Return the error whose part of [0, 1) a draw falls into, or None."""
    if draw >= rows[-1][1]:  # as most do
        return None
    return next(name for name, below in rows if draw < below)
