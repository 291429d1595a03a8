"""Small weathers and workloads that the tests of the bench share."""

from __future__ import annotations

from typing import Any

NO_TIME = {"constant": 0.0}


def weather(script: Any = None, **model: Any) -> dict[str, Any]:
    """Return a weather of one model for all providers, or of one script."""
    return {"name": "test", "providers": {"*": {"script": script} if script else model}}


def quick(**regime: Any) -> dict[str, Any]:
    """Return a model that answers after a second, ten tokens a second, in one regime."""
    latency = {"ttft": {"constant": 1.0}, "per_token": {"constant": 0.1}, "failing": NO_TIME}
    return weather(latency=latency, regimes={"only": regime})


def workload(
    calls: int = 200, *, rate: float = 10.0, tokens: int = 11, **more: Any
) -> dict[str, Any]:
    """Return independent calls, each with the same sizes."""
    sizes = {
        "prompt_median": 100,
        "prompt_sigma": 0,
        "completion_median": tokens,
        "completion_sigma": 0,
    }
    return {"poisson": {"rate": rate}, "calls": calls, "sizes": sizes, **more}


def fallback(*providers: str, **fields: Any) -> dict[str, Any]:
    """Return a fallback of providers."""
    targets = [{"provider": provider} for provider in providers]
    return {"strategy": {"mode": "fallback"}, "targets": targets, **fields}
