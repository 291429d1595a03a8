"""The engine behind a client: what all copies of one client share.

It compiles configs (once for each that is met), makes calls out of requests, and holds the random
numbers, the listeners and the keys. It performs nothing: a driver does.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from portkey_local.events import EventLog, listener_of
from portkey_local.model import Call, Outcome, Request, Rng, Target, empty

if TYPE_CHECKING:
    from portkey_local.compile import Compiled
    from portkey_local.credentials import Vault

COMPILED_KEPT = 128  # configs; a client rarely meets more than a few


@dataclass(frozen=True, slots=True)
class Options:
    """What a client, or a copy of it by `with_options`, was told about its calls.

    `config`, `defaults` and `overrides` decide the route (see `compile_config`); the rest goes
    along with each call.
    """

    config: Any = field(default=None, repr=False)
    defaults: Mapping[str, Any] = field(default_factory=empty, repr=False)
    overrides: Mapping[str, Any] = field(default_factory=empty, repr=False)
    trace_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=empty)


@dataclass(frozen=True, slots=True)
class Plan:
    """Options made ready: the compiled router, and what each call carries."""

    router: Compiled
    trace_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=empty)


class Engine:
    """Shared by the copies of one client; safe across threads."""

    def __init__(
        self,
        *,
        vault: Vault,
        on_event: Callable[[Any], object] | None = None,
        event_log: Any = None,
        bodies: bool = False,
        rng: Rng | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what every call of the client uses."""
        self.vault = vault
        self.closed = False
        self.clock = clock
        self._log = EventLog(event_log) if event_log is not None else None
        self._emit = listener_of(on_event, self._log, bodies=bodies)
        self._rng = rng if rng is not None else random.Random()
        self._compiled: dict[bytes, Compiled] = {}

    def plan(self, options: Options) -> Plan:
        """Return `options` made ready. Raises ConfigError."""
        return Plan(self._router(options), options.trace_id, options.metadata)

    def _router(self, options: Options) -> Compiled:
        """Return the compiled router, remembered by the value of what decides it."""
        key = _key(options)
        if key is None:
            return self._compile(options)
        if (known := self._compiled.get(key)) is not None:
            return known
        made = self._compile(options)
        if len(self._compiled) >= COMPILED_KEPT:
            self._compiled.clear()
        self._compiled[key] = (
            made  # two threads may compile the same; no lock to be held over a fork
        )
        return made

    def _compile(self, options: Options) -> Compiled:
        from portkey_local.compile import compile_config  # pydantic's models are slow to make

        return compile_config(
            options.config,
            vault=self.vault,
            defaults=options.defaults,
            overrides=options.overrides,
        )

    def call(self, request: Request, plan: Plan, timeout: float) -> Call:
        """Return a call that begins now and may take `timeout` seconds, infinity for no limit."""
        if self.closed:
            msg = "This client has been closed; make a new one, or close it later"
            raise RuntimeError(msg)
        now = self.clock()
        return Call(
            request=request,
            deadline=now + timeout,
            clock=self.clock,
            rng=self._rng,
            started=now,
            trace_id=plan.trace_id or secrets.token_hex(16),
            metadata=plan.metadata,
            emit=self._emit,
        )

    def close(self) -> None:
        """Take no more calls, and close the event log."""
        self.closed = True
        if self._log is not None:
            self._log.close()


def facts(call: Call, outcome: Outcome) -> dict[str, str]:
    """Return the `x-portkey-*` headers of an outcome."""
    return headers_of(call.trace_id, outcome.target, outcome.retries)


def headers_of(trace_id: str, target: Target | None, retries: int) -> dict[str, str]:
    """Return the `x-portkey-*` headers; without a target there is the trace id alone."""
    headers = {"x-portkey-trace-id": trace_id}
    if target is not None:
        headers |= {
            "x-portkey-last-used-option-index": target.path,
            "x-portkey-provider": target.provider,
            "x-portkey-retry-attempt-count": str(retries),
            "x-portkey-cache-status": "DISABLED",
        }
    return headers


def _key(options: Options) -> bytes | None:
    """Return what is equal for equal options, without a key in clear; None for what may change.

    A file or an id may have changed since; an object that is not plain JSON is not looked into.
    """
    config = options.config
    if isinstance(config, str) and not config.lstrip().startswith("{"):
        return None
    try:
        text = json.dumps([config, dict(options.defaults), dict(options.overrides)], sort_keys=True)
    except (TypeError, ValueError, RecursionError):
        return None
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
