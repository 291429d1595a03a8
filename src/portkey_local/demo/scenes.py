"""The scenes of the demonstration, as data: who is asked, who misbehaves, what must come of it.

Ground rules: configs are what a user would write; where the providers listen is the stage's
business. What a scene expects is a promise that is checked against what happened, and is never
shown as what happened. Chance has a seed, so what it must lead to can be foretold.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from portkey_local.demo.recordings import Recording, recorded
from portkey_local.report.story import Next
from portkey_local.testing import Fault, Step, error

__all__ = ["Expected", "Scene", "scenes"]

MANY: Final = 10
CALLS_IN_A_ROW: Final = 5
FIRST_SHARE: Final = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What must come of a scene.

    `tries` are (provider, status) pairs, in order if there is one call. `waits` are (least, most)
    seconds between tries, `error` is the class that must be raised.
    """

    tries: tuple[tuple[str, int], ...]
    ending: Next = Next.ANSWER
    waits: tuple[tuple[float, float], ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One call, or several: at once where asynchronous, else in a row.

    `recording` has the question and the answer that must come.
    """

    title: str
    recording: Recording
    config: Mapping[str, Any]
    script: Mapping[str, Sequence[Step]] = field(repr=False)  # provider -> its answers, in turn
    expected: Expected
    asynchronous: bool = False
    calls: int = 1

    @property
    def manner(self) -> str:
        """How the call is made, in words."""
        parts = ["async" if self.asynchronous else "sync"]
        if self.recording.streamed:
            parts.append("streamed")
        if self.calls > 1:
            parts.append(f"{self.calls} calls {'at once' if self.asynchronous else 'in a row'}")
        return ", ".join(parts)


def scenes(seed: int) -> tuple[Scene, ...]:
    """Return the scenes in the order they are played."""
    return (
        rate_limit(),
        production(),
        load_balance(seed),
        circuit(),
        timeout(),
        reset(),
        cut_stream(),
        all_fail(),
    )


def target(recording: Recording, **fields: Any) -> dict[str, Any]:
    """Return a config's target for the provider and the model of a recording."""
    return {
        "provider": recording.provider,
        "override_params": {"model": recording.model},
        **fields,
    }


def rate_limit() -> Scene:
    """A 429 says how long to wait."""
    openai = recorded("openai", "What is the capital of France?")
    retry = {"attempts": 2, "on_status_codes": [429, 500], "use_retry_after_header": True}
    limited = error(429, "Rate limit reached, on purpose", headers={"retry-after": "1"})
    return Scene(
        title="A rate limit that passes",
        recording=openai,
        config=target(openai, retry=retry),
        script={"openai": [limited, openai.step()]},
        expected=Expected(tries=(("openai", 429), ("openai", 200)), waits=((1.0, 1.0),)),
    )


def production() -> Scene:
    """The production set-up of the user's guide meets an outage."""
    claude = recorded("openrouter", "Who are you. Think about it.")
    retry = {"attempts": 2, "on_status_codes": [429, 500], "use_retry_after_header": True}
    main = {"provider": "openai", "override_params": {"model": "gpt-4o"}, "retry": retry}
    outage = error(500, "The server had an error, on purpose")
    limited = error(429, "Rate limit reached, on purpose", headers={"retry-after-ms": "200"})
    return Scene(
        title="Production set-up, main provider down",
        recording=claude,
        config={"strategy": {"mode": "fallback"}, "targets": [main, target(claude)]},
        script={"openai": [outage, limited, outage], "openrouter": [claude.step()]},
        expected=Expected(
            tries=(("openai", 500), ("openai", 429), ("openai", 500), ("openrouter", 200)),
            waits=((0.5, 1.0), (0.2, 0.2)),
        ),
    )


def load_balance(seed: int) -> Scene:
    """Many calls at once are shared out by weight."""
    question = "What is 2+2? Reply with just the number."
    groq, mistral = recorded("groq", question), recorded("mistral-ai", question)
    dice = random.Random(seed)
    draws = (dice.random() for _ in range(MANY))
    picks = (groq.provider if draw < FIRST_SHARE else mistral.provider for draw in draws)
    shares = (target(groq, weight=FIRST_SHARE), target(mistral, weight=1 - FIRST_SHARE))
    return Scene(
        title="Load balancing by weight",
        recording=groq,
        config={"strategy": {"mode": "loadbalance"}, "targets": list(shares)},
        script={"groq": [groq.step()], "mistral-ai": [mistral.step()]},
        expected=Expected(tries=tuple((provider, 200) for provider in picks)),
        asynchronous=True,
        calls=MANY,
    )


def circuit() -> Scene:
    """A target that has just failed is left alone by the calls that follow."""
    groq = recorded("groq", "What is 2+2? Reply with just the number.")
    down = {"provider": "mistral-ai", "override_params": {"model": "mistral-small-latest"}}
    breaker = {"failure_threshold": 2, "cooldown_interval": 30_000}
    return Scene(
        title="A circuit that opens",
        recording=groq,
        config={
            "strategy": {"mode": "fallback", "cb_config": breaker},
            "targets": [down, target(groq)],
        },
        script={"mistral-ai": [error(503, "Down, on purpose")], "groq": [groq.step()]},
        expected=Expected(tries=(("mistral-ai", 503),) * 2 + (("groq", 200),) * CALLS_IN_A_ROW),
        calls=CALLS_IN_A_ROW,
    )


def timeout() -> Scene:
    """A provider takes the request and never answers."""
    zai = recorded("z-ai", "What is 17 * 19? Think it through.")
    stuck = {
        "provider": "mistral-ai",
        "override_params": {"model": "mistral-large-latest"},
        "request_timeout": 300,
    }
    return Scene(
        title="A provider that hangs",
        recording=zai,
        config={"strategy": {"mode": "fallback"}, "targets": [stuck, target(zai)]},
        script={"mistral-ai": [Step(fault=Fault.SILENCE)], "z-ai": [zai.step()]},
        expected=Expected(tries=(("mistral-ai", 408), ("z-ai", 200))),
        asynchronous=True,
    )


def reset() -> Scene:
    """A connection is reset before a stream's first word."""
    openai = recorded("openai", "What is the capital of France?", streamed=True)
    dead = {"provider": "groq", "override_params": {"model": "llama-3.3-70b-versatile"}}
    return Scene(
        title="A connection that is reset",
        recording=openai,
        config={"strategy": {"mode": "fallback"}, "targets": [dead, target(openai)]},
        script={"groq": [Step(fault=Fault.RESET)], "openai": [openai.step()]},
        expected=Expected(tries=(("groq", 500), ("openai", 200))),
        asynchronous=True,
    )


def cut_stream() -> Scene:
    """A stream is cut after its first words, when no other target can take over unseen."""
    openai = recorded("openai", "What is the capital of Mexico?", streamed=True)
    spare = {"provider": "groq", "override_params": {"model": "llama-3.3-70b-versatile"}}
    return Scene(
        title="A stream that is cut",
        recording=openai,
        config={"strategy": {"mode": "fallback"}, "targets": [target(openai), spare]},
        script={"openai": [openai.step(Fault.CUT_CHUNKED)], "groq": [error(500)]},
        expected=Expected(tries=(("openai", 200),), ending=Next.BREAK, error="StreamInterrupted"),
    )


def all_fail() -> Scene:
    """Nobody answers, each for a reason of its own."""
    openai = recorded("openai", "Hello")
    mistral = {"provider": "mistral-ai", "override_params": {"model": "mistral-small-latest"}}
    groq = {"provider": "groq", "override_params": {"model": "llama-3.3-70b-versatile"}}
    return Scene(
        title="Everything fails",
        recording=openai,
        config={"strategy": {"mode": "fallback"}, "targets": [target(openai), mistral, groq]},
        script={
            "openai": [openai.step()],
            "mistral-ai": [Step(fault=Fault.NO_RESPONSE)],
            "groq": [error(429, "Rate limit reached, on purpose")],
        },
        expected=Expected(
            tries=(("openai", 400), ("mistral-ai", 500), ("groq", 429)),
            ending=Next.ERROR,
            error="RateLimitError",
        ),
    )
