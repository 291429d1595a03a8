"""The requests of a simulated run."""

from __future__ import annotations

from typing import Any, Final

from portkey_local.bench.workloads.reading import Workload
from portkey_local.compile import Compiled
from portkey_local.config import Config, hooks_of
from portkey_local.model import Request

__all__ = ["reads_text", "request_of"]

PATH: Final = "/chat/completions"
BY_TARGET: Final = ("single", "fallback", "loadbalance")


def request_of(workload: Workload, text: str) -> Request:
    """Return the request of a call that asks `text`."""
    body: dict[str, Any] = {
        "model": workload.model,
        "messages": [{"role": "user", "content": text}],
    }
    if workload.stream:
        body["stream"] = True
    return Request("POST", PATH, body, stream=workload.stream)


def reads_text(compiled: Compiled) -> bool:
    """Whether what a call asks can decide its way; if not, one request may stand for all."""
    return compiled.caches or compiled.config is None or _reads(compiled.config)


def _reads(node: Config) -> bool:
    """Whether a node, or one below it, looks into requests: hooks, conditions, sticky sessions."""
    hooks = hooks_of(node, "config")
    strategy = node.strategy
    if hooks.before or hooks.after:
        return True
    if strategy is not None and (strategy.mode not in BY_TARGET or strategy.sticky_session):
        return True
    return any(map(_reads, node.targets or ()))
