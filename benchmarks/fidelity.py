"""Is the simulation true? The same configs, providers and luck, live and in virtual time.

`python -m benchmarks.fidelity [--calls N] [--json FILE] [CONFIG …]`: five configs in three
weathers. Live means `AsyncPortkey` over real connections to a server in another process that really
sleeps; each call has the same draws on both sides. Goal: success rates within one point, p50 and
p95 of the calls that succeed within 10 %. A live run that other programs on the machine hold up,
so that its calls come late, is run again, whatever it found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import modelled

SEED = 7
RATE = 120.0  # calls a second: a third of what the client and the server can do on one core each
LATE, TRIES = 0.05, 3  # seconds; a live run whose calls come later than that is run again
POINT, PERCENT = 0.01, 0.10

FAST = {
    "ttft": {"lognormal": [{"median": 0.5, "sigma": 0.3}]},
    "per_token": {"lognormal": [{"median": 0.008, "sigma": 0.2}]},
    "failing": {"lognormal": [{"median": 0.1, "sigma": 0.3}]},
}
CALM = {"mean_seconds": 5.0, "errors": {"500": 0.01}}
WEATHERS: Mapping[str, Any] = {
    "brownout": {
        "calm": CALM,
        "brownout": {
            "mean_seconds": 3.0,
            "slower": 1.8,
            "errors": {"503": 0.15, "network": 0.05},
            "truncated": 0.03,
            "stalled": 0.02,
            "stall_seconds": 20.0,
        },
    },
    "blackout": {
        "calm": CALM,
        "blackout": {
            "mean_seconds": 2.0,
            "errors": {"503": 0.6, "network": 0.3, "silence": 0.1},
        },
    },
    "rate-limited": {"calm": CALM, "tight": {"mean_seconds": 3.0, "limits": 0.4}},
}
LIMITS = {"rate-limited": {"share_of_load": 0.9, "burst_seconds": 1.0}}


def weather(name: str) -> dict[str, Any]:
    """Return a weather at the pace of this benchmark: seconds, where real ones take minutes."""
    model: dict[str, Any] = {"latency": FAST, "regimes": WEATHERS[name]}
    if name in LIMITS:
        model["limits"] = LIMITS[name]
    return {"name": name, "providers": {"*": model}}


def workload(calls: int, *, stream: bool) -> dict[str, Any]:
    """Return independent calls, with answers of about 60 tokens."""
    sizes = {"completion_median": 60, "completion_sigma": 0.3, "prompt_median": 300}
    arrivals = {"poisson": {"rate": RATE}, "calls": calls}
    return {"name": "poisson", **arrivals, "sizes": sizes, "stream": stream}


def _targets(url: str, retries: int = 0, **fields: Any) -> list[dict[str, Any]]:
    providers = ("openai", "groq")
    each = {"api_key": "sk-0", **({"retry": {"attempts": retries}} if retries else {}), **fields}
    return [
        {"provider": provider, "custom_host": f"{url}/t/{place}", **each}
        for place, provider in enumerate(providers)
    ]


def configs(url: str) -> dict[str, tuple[dict[str, Any], bool]]:
    """Return the configs by name, and whether their calls are streamed."""
    limits = {"request_timeout": 3000, "stream_idle_timeout": 2000}
    fallback = {"strategy": {"mode": "fallback"}}
    breaker = {"mode": "fallback", "cb_config": {"failure_threshold": 5, "cooldown_interval": 2000}}
    return {
        "single": ({**_targets(url)[0], **limits}, True),
        "fallback": ({**fallback, "targets": _targets(url), **limits}, True),
        "loadbalance": (
            {"strategy": {"mode": "loadbalance"}, "targets": _targets(url), **limits},
            False,
        ),
        "retry, then fallback": ({**fallback, "targets": _targets(url, 1), **limits}, False),
        "fallback, breaker": ({"strategy": breaker, "targets": _targets(url), **limits}, True),
    }


@dataclass
class Side:
    """What one side of a comparison found; `late` is by how much calls came late (p99, seconds)."""

    success: float
    p50: float
    p95: float
    late: float = 0.0

    @classmethod
    def of(cls, succeeded: Any, seconds: Any, late: Any = (0.0,)) -> Side:
        """Sum up the calls."""
        p50, p95 = np.percentile(np.asarray(seconds)[np.asarray(succeeded)], [50, 95])
        behind = np.percentile(late, 99)
        return cls(float(np.mean(succeeded)), float(p50), float(p95), float(behind))


@dataclass
class Pair:
    """One config in one weather, live and simulated."""

    config: str
    weather: str
    calls: int
    live: Side
    simulated: Side

    @property
    def agrees(self) -> bool:
        """Whether the simulation is true, within the goal."""
        ours, real = self.simulated, self.live
        return (
            abs(ours.success - real.success) <= POINT
            and abs(ours.p50 / real.p50 - 1) <= PERCENT
            and abs(ours.p95 / real.p95 - 1) <= PERCENT
        )

    def __str__(self) -> str:
        """Show both sides in a line."""
        ours, real = self.simulated, self.live
        return (
            f"{self.config:22} {self.weather:13} success {real.success:7.2%} {ours.success:7.2%}   "
            f"p50 {real.p50:6.3f} {ours.p50:6.3f} s ({ours.p50 / real.p50 - 1:+.1%})   "
            f"p95 {real.p95:6.3f} {ours.p95:6.3f} s ({ours.p95 / real.p95 - 1:+.1%})   "
            f"{'agree' if self.agrees else 'DIFFER'}   (live late by {real.late * 1000:.0f} ms)"
        )


_draws: ContextVar[Any] = ContextVar("draws")


class CallsOwn:
    """The random numbers of whichever call is running: those that it has in the simulation."""

    def random(self) -> float:
        """Return the running call's next draw."""
        draw: float = _draws.get().random()
        return draw


async def live(config: dict[str, Any], calls: Any, address: str, seed: int) -> Side:
    """Make the calls over real connections, each at its time."""
    import httpx
    import openai

    from portkey_local import AsyncPortkey
    from portkey_local.bench.chance import Draws, key_of

    key = key_of(seed, "router")
    succeeded, seconds = [False] * len(calls), [0.0] * len(calls)
    late = [0.0] * len(calls)
    async with AsyncPortkey(config=config, rng=CallsOwn()) as client:

        async def call(number: int) -> None:
            _draws.set(Draws(key, number))
            begin = time.monotonic()
            question = [{"role": "user", "content": f"question {number}"}]
            asked = {"model": calls.model, "messages": question, "user": str(number)}
            try:
                answer = await client.chat.completions.create(**asked, stream=calls.stream)
                if calls.stream:
                    async for _ in answer:
                        pass
                succeeded[number] = True
            except openai.OpenAIError:
                pass
            seconds[number] = time.monotonic() - begin

        async with httpx.AsyncClient() as other:
            await other.get(f"{address}/begin")
        begin, tasks = time.monotonic(), []
        for number, moment in enumerate(calls.arrival.tolist()):
            await asyncio.sleep(max(0.0, begin + moment - time.monotonic()))
            late[number] = time.monotonic() - begin - moment
            tasks.append(asyncio.create_task(call(number)))
        await asyncio.gather(*tasks)
    return Side.of(succeeded, seconds, late)


def compare(name: str, sky: str, calls: int, seed: int = SEED) -> Pair:
    """Run one config in one weather on both sides."""
    from portkey_local.bench import run, workload_of

    _, stream = configs("http://nowhere")[name]
    told = {
        "config": configs("http://nowhere")[name][0],
        "workload": workload(calls, stream=stream),
        "weather": weather(sky),
        "seed": seed,
    }
    made = workload_of(told["workload"], seed=seed)
    result = run(told["config"], made, told["weather"], seed=seed).calls
    for _ in range(TRIES):
        with modelled.running(told) as address:
            real = asyncio.run(live(configs(address)[name][0], made, address, seed))
        if real.late <= LATE:  # else other programs held the machine: that was no measurement
            break
    return Pair(name, sky, calls, real, Side.of(result.succeeded, result.total_s))


def main() -> int:
    """Compare what was asked for; return 1 where the two sides differ."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__)
    names = list(configs(""))
    parser.add_argument("configs", nargs="*", choices=[*names, []], help="else all five")
    parser.add_argument("--weather", choices=list(WEATHERS), action="append", help="else all three")
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    asked = parser.parse_args()
    pairs = []
    for name in asked.configs or names:
        for sky in asked.weather or WEATHERS:
            pairs.append(compare(name, sky, asked.calls))
            print(pairs[-1], flush=True)
    if asked.json is not None:
        rows = [{**asdict(pair), "agrees": pair.agrees} for pair in pairs]
        asked.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0 if all(pair.agrees for pair in pairs) else 1


if __name__ == "__main__":
    sys.path.insert(0, str(modelled.ROOT / "src"))
    raise SystemExit(main())
