"""The three drivers agree on semantic caches: the same calls have the same statuses and reasons."""

from __future__ import annotations

import random
from typing import Any

import anyio
import pytest
from tests.semantic.worlds import AGAIN, OTHER, RESET, Everything, user

from portkey_local import AsyncPortkey, MemoryCache, Portkey
from portkey_local.compile import compile_config
from portkey_local.drivers.simulated import Simulation
from portkey_local.model import Answer, Reply, Request
from portkey_local.policies.shelf import Judges, Shelf
from portkey_local.semantic.remembering import RecallsState
from portkey_local.testing import HashingEmbedder, Loopback
from portkey_local.testing.steps import chat

SCRIPT: list[dict[str, Any]] = [
    {"messages": user(text), **more}
    for text, more in [
        *((RESET, {}), (AGAIN, {}), (AGAIN, {"temperature": 1}), (RESET, {"temperature": 1})),
        *((OTHER, {}), (RESET, {"n": 2}), (AGAIN, {"n": 2}), ("What is new today?", {})),
        *((AGAIN, {}), (RESET, {}), ("", {}), (OTHER, {"seed": 1}), ("How?", {}), (AGAIN, {})),
    ]
]
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "strict": {"profile": "strict"},
    "shadow": {"shadow": True},
    "sampled": {"sample": 0.5},
    "unproven": {"max_error": 0.01},
}


class Answers:
    """A world in which every call is answered at once."""

    def answer(self, target: Any, call: Any, now: float, rng: Any) -> Any:
        choice = {"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}
        return 0.0, Reply(target, Answer(200, {}), {"choices": [choice]})


def config(url: str, fields: dict[str, Any]) -> dict[str, Any]:
    cache = {"mode": "semantic", "min_similarity": 0.5, **fields}
    return {"provider": "openai", "api_key": "sk-x", "custom_host": url, "cache": cache}


def simulated(fields: dict[str, Any], model: Any, verifier: Any) -> list[Any]:
    cache = MemoryCache()
    recalls = RecallsState(cache.questions, model)
    shelf = Shelf(cache, recalls=recalls, judges=Judges(verifier))
    router = compile_config(config("http://x", fields), shelf=shelf).root
    simulation, found = Simulation(Answers(), seed=7), []

    def done(outcome: Any) -> None:
        decision = outcome.decision
        found.append((outcome.cache, decision.reason if decision else None))

    for at, body in enumerate(SCRIPT):
        request = Request("POST", "/chat/completions", {"model": "m", **body})
        simulation.start(router, request, done, at=at)
    simulation.run()
    return found


def told(answer: Any) -> tuple[str, str | None]:
    return answer.get_headers()["cache-status"], answer.get_cache_decision().reason


def verified(question: str, earlier: str, answer: str) -> bool:
    return len(question) % 2 == 0 or question == earlier


@pytest.mark.parametrize("judge", [None, verified])
@pytest.mark.parametrize("model", [Everything, HashingEmbedder])
@pytest.mark.parametrize("name", SETTINGS)
def test_three_drivers_one_behaviour(name, model, judge):
    with Loopback(lambda _: chat("yes")) as server:
        given = {"config": config(server.target("a"), SETTINGS[name])}
        given |= {"cache_verifier": judge} if judge else {}

        def fresh() -> dict[str, Any]:
            return {**given, "cache_embedder": model(), "rng": random.Random(7)}

        with Portkey(**fresh()) as client:
            live = [told(client.chat.completions.create(model="m", **body)) for body in SCRIPT]

        async def run() -> list[Any]:
            async with AsyncPortkey(**fresh()) as client:
                create = client.chat.completions.create
                return [told(await create(model="m", **body)) for body in SCRIPT]

        assert anyio.run(run) == live
        assert anyio.run(run, backend="trio") == live
    assert simulated(SETTINGS[name], model(), judge) == live
    if name != "sampled":
        assert ("SEMANTIC HIT" in dict(live)) == (name in ("plain", "strict"))
