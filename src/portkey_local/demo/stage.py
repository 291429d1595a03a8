"""Where a scene is played: scripted providers on 127.0.0.1, our clients, a listener that notes all.

Ground rules: the clients are used as any program would use them. No key and no proxy of the user's
is ever taken: the targets bring a made-up key, and the environment is not trusted.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import portkey_local.wire.aio  # noqa: F401 - loaded now, so that no scene's time has it in it
from portkey_local import AsyncPortkey, Connections, Portkey
from portkey_local.demo.scenes import Scene
from portkey_local.model import Event
from portkey_local.report.story import Try, tries_of
from portkey_local.testing import Loopback

__all__ = ["Got", "Report", "play"]


@dataclass(frozen=True, slots=True)
class Got:
    """What the caller of one call got: a text, or as much of it as came before an error."""

    text: str = ""
    error: Exception | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What happened in a scene, as the caller, the events and the providers tell it."""

    scene: Scene
    got: tuple[Got, ...]
    events: tuple[Event, ...] = field(repr=False)
    received: tuple[tuple[str, str], ...]  # (provider, model) of each request, in order of arrival
    seconds: float

    @property
    def calls(self) -> tuple[tuple[Try, ...], ...]:
        """The tries of each call; of one without any if nothing was reported."""
        traces = dict.fromkeys(event.trace_id for event in self.events)
        every = (
            tries_of(event for event in self.events if event.trace_id == trace) for trace in traces
        )
        return tuple(every) or ((),)


def play(scene: Scene, seed: int) -> Report:
    """Play a scene and report what happened."""
    events: list[Event] = []
    with Loopback(scene.script) as server:
        given: dict[str, Any] = {
            "config": _placed(scene.config, server),
            "on_event": events.append,
            "rng": random.Random(seed),
            "connections": Connections(trust_env=False),
        }
        got, seconds = (
            asyncio.run(_async(scene, given)) if scene.asynchronous else _sync(scene, given)
        )
        received = tuple((each.target, each.json["model"]) for each in server.received)
    return Report(scene, got, tuple(events), received, seconds)


def _placed(config: Mapping[str, Any], server: Loopback) -> dict[str, Any]:
    """Return the config with the address of each provider filled in."""
    if "targets" in config:
        return {**config, "targets": [_placed(each, server) for each in config["targets"]]}
    return {**config, "custom_host": server.target(config["provider"]), "api_key": "no-key-needed"}


def _sync(scene: Scene, given: Mapping[str, Any]) -> tuple[tuple[Got, ...], float]:
    with Portkey(**given) as client:
        began = time.perf_counter()
        got = tuple(_ask(scene, client) for _ in range(scene.calls))
        return got, time.perf_counter() - began


def _ask(scene: Scene, client: Portkey) -> Got:
    complete: Any = (
        client.chat.completions.create
    )  # a config that brings its models needs no model=
    text = ""
    try:
        if not scene.recording.streamed:
            return Got(_text_of(complete(messages=scene.recording.messages)))
        for chunk in complete(messages=scene.recording.messages, stream=True):
            text += _delta_of(chunk)
    except Exception as error:  # noqa: BLE001 - whatever is raised is what the caller got
        return Got(text, error)
    return Got(text)


async def _async(scene: Scene, given: Mapping[str, Any]) -> tuple[tuple[Got, ...], float]:
    async with AsyncPortkey(**given) as client:
        began = time.perf_counter()
        got = await asyncio.gather(*(_ask_async(scene, client) for _ in range(scene.calls)))
        return tuple(got), time.perf_counter() - began


async def _ask_async(scene: Scene, client: AsyncPortkey) -> Got:
    complete: Any = client.chat.completions.create
    text = ""
    try:
        if not scene.recording.streamed:
            return Got(_text_of(await complete(messages=scene.recording.messages)))
        async for chunk in await complete(messages=scene.recording.messages, stream=True):
            text += _delta_of(chunk)
    except Exception as error:  # noqa: BLE001 - whatever is raised is what the caller got
        return Got(text, error)
    return Got(text)


def _text_of(completion: Any) -> str:
    return completion.choices[0].message.content or ""


def _delta_of(chunk: Any) -> str:
    return chunk.choices[0].delta.content or "" if chunk.choices else ""
