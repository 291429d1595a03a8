"""Weathers that come with the library, and what they are calibrated on.

Times to the first token: the percentiles (p50, p95, p99) that modelstats.ai published in "LLM API
Latency Spikes" from 24 hours of its own probes in 2026: GPT-4o mini 0.536, 0.844 and 4.461 s,
Claude Haiku 4.5 0.541, 1.591 and 4.117 s, Gemini 2.5 Flash 0.477, 0.776 and 1.309 s. Each is a
mix of a body and a tail of lognormals that has these three percentiles.

Time for each further token: LLMPerf leaderboard (ray-project/llmperf-leaderboard, December 2023,
Llama 2 70B at Together AI, 150 requests): p50 15.3, p90 17.7, p95 19.3, p99 23.0 ms.

Assumed, because nobody publishes it: how often and for how long a provider fails, and in which way.
The regimes here are stress, not forecast: each of them comes every few minutes, at each provider by
itself, so that a workload of minutes meets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from portkey_local.bench.weather.models import (
    Distribution,
    Latency,
    Limits,
    Lognormal,
    ProviderModel,
    Regime,
)

__all__ = ["DEFAULT", "PRESETS", "Preset"]

DEFAULT: Final = "stormy"


def _mix(*parts: tuple[float, float, float]) -> Distribution:
    """Return a mix of lognormals: weight, median and sigma of each."""
    return Distribution(
        lognormal=tuple(Lognormal(weight=w, median=m, sigma=s) for w, m, s in parts)
    )


PER_TOKEN: Final = _mix((0.87, 0.0152, 0.07), (0.13, 0.0187, 0.12))
TTFT: Final[Mapping[str, Distribution]] = {
    "openai": _mix((0.97, 0.529, 0.231), (0.03, 3.5, 0.56)),
    "anthropic": _mix((0.90, 0.516, 0.30), (0.10, 1.62, 0.73)),
    "google": _mix((0.97, 0.473, 0.240), (0.03, 1.2, 0.20)),
}


def _calm(seconds: float) -> Regime:
    return Regime(mean_seconds=seconds, errors={"500": 0.001, "network": 0.0005})


BROWNOUT: Final = Regime(
    mean_seconds=60, slower=3.0, errors={"503": 0.15, "500": 0.05, "network": 0.02}, stalled=0.01
)
BLACKOUT: Final = Regime(mean_seconds=45, errors={"503": 0.7, "network": 0.2, "silence": 0.1})
SHAKY: Final = Regime(mean_seconds=60, truncated=0.05, stalled=0.05, stall_seconds=90)
TIGHT: Final = Regime(mean_seconds=45, errors={"500": 0.001}, limits=0.4)


def _passing(regime: Regime) -> Regime:
    """Return a regime that calm follows."""
    return regime.model_copy(update={"next": {"calm": 1.0}})


@dataclass(frozen=True, slots=True)
class Preset:
    """A weather by name: what it is like, its regimes, and the limits of every account."""

    summary: str
    regimes: Mapping[str, Regime] = field(default_factory=dict)
    limits: Limits | None = None

    def providers(self) -> dict[str, ProviderModel]:
        """Return the model of each provider, and of any other."""
        models = {
            name: ProviderModel(
                latency=Latency(ttft=ttft, per_token=PER_TOKEN),
                regimes=self.regimes,
                limits=self.limits,
            )
            for name, ttft in TTFT.items()
        }
        return {**models, "*": models["openai"]}


PRESETS: Final[Mapping[str, Preset]] = {
    "calm": Preset("one attempt in 700 fails", {"calm": _calm(600)}),
    "brownout": Preset(
        "three times slower, and one attempt in five fails, for a minute of every four",
        {"calm": _calm(180), "brownout": BROWNOUT},
    ),
    "blackout": Preset(
        "nothing answers, for 45 s of every four minutes",
        {"calm": _calm(195), "blackout": BLACKOUT},
    ),
    "rate-limited": Preset(
        "429 with Retry-After beyond 120 % of the workload's mean load, and beyond 48 % at times",
        {"calm": _calm(120), "tight": TIGHT},
        Limits(share_of_load=1.2),
    ),
    "shaky-streams": Preset(
        "one answer in ten breaks off or pauses, for a minute of every three",
        {"calm": _calm(120), "shaky": SHAKY},
    ),
    "stormy": Preset(
        "one of these every three minutes, at each provider by itself",
        {
            "calm": _calm(120),
            "brownout": _passing(BROWNOUT),
            "blackout": _passing(BLACKOUT),
            "shaky": _passing(SHAKY),
            "tight": _passing(TIGHT),
        },
        Limits(share_of_load=1.5),
    ),
}
