"""One library under measurement, in a process and an environment of its own.

`python -m benchmarks.peer KIND PROVIDER GATEWAY CORE` reads commands from its standard input and
answers each with one line of JSON: `{"sync": n}` with the seconds of n plain calls, `{"async":
n}` with the calls per second of n calls, 256 of them in flight. Every library gets the same call
and the same fallback of two targets with two retries, as it spells them. It imports the standard
library, what is measured, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from benchmarks.measure import each_call, in_flight
from benchmarks.workload import CALL, MESSAGES, MODEL, config


class Calls(NamedTuple):
    """How a library makes the call: at once, and in a coroutine."""

    plain: Callable[[], object]
    awaited: Callable[[], Awaitable[object]]


def ours(provider: str, _gateway: str) -> Calls:
    """portkey-local."""
    import portkey_local

    sync = portkey_local.Portkey(config=config(provider))
    aio = portkey_local.AsyncPortkey(config=config(provider))
    return Calls(
        lambda: sync.chat.completions.create(**CALL), lambda: aio.chat.completions.create(**CALL)
    )


def bare_openai(provider: str, _gateway: str) -> Calls:
    """Use the SDK alone: no fallback, no retries."""
    import openai

    sync = openai.OpenAI(base_url=provider, api_key="sk-0", max_retries=0)
    aio = openai.AsyncOpenAI(base_url=provider, api_key="sk-0", max_retries=0)
    return Calls(
        lambda: sync.chat.completions.create(**CALL), lambda: aio.chat.completions.create(**CALL)
    )


def litellm(provider: str, _gateway: str) -> Calls:
    """LiteLLM's router, with the second deployment as the fallback of the first."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it is fetched from the network
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    parameters = {"model": f"openai/{MODEL}", "api_base": provider, "api_key": "sk-0"}
    router = litellm.Router(
        model_list=[
            {"model_name": name, "litellm_params": dict(parameters)} for name in ("first", "second")
        ],
        fallbacks=[{"first": ["second"]}],
        num_retries=2,
    )
    arguments = {"model": "first", "messages": MESSAGES, "temperature": CALL["temperature"]}
    return Calls(lambda: router.completion(**arguments), lambda: router.acompletion(**arguments))


def portkey_ai(provider: str, gateway: str) -> Calls:
    """portkey_ai, through the gateway that it needs."""
    import portkey_ai

    where = {"base_url": f"{gateway}/v1", "api_key": "not-needed", "config": config(provider)}
    sync = portkey_ai.Portkey(**where)
    aio = portkey_ai.AsyncPortkey(**where)
    return Calls(
        lambda: sync.chat.completions.create(**CALL), lambda: aio.chat.completions.create(**CALL)
    )


KINDS: Mapping[str, Callable[[str, str], Calls]] = {
    "portkey_local": ours,
    "openai": bare_openai,
    "litellm": litellm,
    "portkey_ai": portkey_ai,
}


def main(kind: str, provider: str, gateway: str, core: str) -> None:
    """Answer commands until there are no more."""
    if core and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core)})
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr), asyncio.Runner() as runner:
        calls = KINDS[kind](provider, gateway)
        content = _content(calls.plain())
        assert "Paris" in content, content
        for line in sys.stdin:
            print(json.dumps(_measured(json.loads(line), calls, runner)), file=answers, flush=True)
        os._exit(0)  # some libraries leave tasks behind that would be waited for


def _measured(command: Mapping[str, int], calls: Calls, runner: asyncio.Runner) -> list[float]:
    if "sync" in command:
        return each_call(calls.plain, command["sync"])[0]
    return [runner.run(in_flight(calls.awaited, command["async"]))[0]]


def _content(completion: Any) -> str:
    return str(completion.choices[0].message.content)


if __name__ == "__main__":
    main(*sys.argv[1:])
