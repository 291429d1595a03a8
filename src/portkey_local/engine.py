"""The engine behind a client: what all copies of one client share.

It compiles configs (once for each that is met), makes calls out of requests, and holds the random
numbers, the listeners and the keys. It performs nothing: a driver does.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from portkey_local.events import EventLog, listener_of
from portkey_local.model import (
    ANY_CACHING,
    DISABLED,
    EMPTY,
    Caching,
    Call,
    Failure,
    Fault,
    Outcome,
    Request,
    Rng,
    Target,
    empty,
)

if TYPE_CHECKING:
    from portkey_local.compile import Compiled
    from portkey_local.credentials import Vault
    from portkey_local.effects import Cache
    from portkey_local.policies.shelf import Judges, Shelf
    from portkey_local.semantic.contract import Embedder

S = TypeVar("S", bound="float | None")
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
    caching: Caching = ANY_CACHING


@dataclass(frozen=True, slots=True)
class Plan:
    """Options made ready: the compiled router, and what each call carries."""

    router: Compiled
    trace_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=empty)
    caching: Caching = ANY_CACHING
    options: Options = field(default_factory=Options, repr=False)


class Engine:
    """Shared by the copies of one client; safe across threads."""

    def __init__(  # noqa: PLR0913 - what a client is given, once
        self,
        *,
        vault: Vault,
        on_event: Callable[[Any], object] | None = None,
        event_log: Any = None,
        bodies: bool = False,
        rng: Rng | None = None,
        checks: Mapping[str, Callable[..., Any]] = EMPTY,
        cache: Cache | None = None,
        cache_owned: bool = True,
        embedder: Embedder | None = None,
        judges: Judges | None = None,
        own: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Take what every call of the client uses; without a `cache` it has one in memory.

        A cache that is not owned is somebody else's to close. `embedder` and `judges` are for
        semantic caches. `own`: the caller's own client makes the requests, so a target may be
        "self".
        """
        self.vault = vault
        self.closed = False
        self.clock = clock
        self._wall = wall
        self._checks = checks
        self._log = EventLog(event_log) if event_log is not None else None
        self._emit = listener_of(on_event, self._log, bodies=bodies)
        self._rng = rng if rng is not None else random.Random()
        self._compiled: dict[bytes, Compiled] = {}
        self._cache = cache
        self._cache_owned = cache_owned
        self._semantic = (embedder, judges, bodies)
        self._own = own
        self._shelf: Shelf | None = None

    def plan(self, options: Options) -> Plan:
        """Return `options` made ready. Raises ConfigError."""
        router = self._router(options)
        return Plan(router, options.trace_id, options.metadata, options.caching, options)

    def _router(self, options: Options) -> Compiled:
        """Return the compiled router, remembered by the value of what decides it.

        So two clients of one engine with equal configs share their circuits and sessions.
        """
        options = _read(options)
        key = _key(options)
        if key is None:
            return self._compile(options)
        if (known := self._compiled.get(key)) is not None:
            return known
        made = self._compile(options)
        kept = list(self._compiled.items())[1 - COMPILED_KEPT :]
        # Two threads may compile the same; there is no lock, which a fork could leave held.
        self._compiled = {**dict(kept), key: made}
        return made

    def _compile(self, options: Options) -> Compiled:
        from portkey_local.compile import compile_config  # pydantic's models are slow to make

        return compile_config(
            options.config,
            vault=self.vault,
            defaults=options.defaults,
            overrides=options.overrides,
            checks=self._checks,
            shelf=self._shelved(),
            own=self._own,
        )

    def _shelved(self) -> Shelf:
        if self._shelf is None:
            from portkey_local.caches.memory import MemoryCache
            from portkey_local.caches.questions import MemoryQuestions
            from portkey_local.policies.shelf import Judges, Shelf
            from portkey_local.semantic.remembering import RecallsState

            embedder, judges, texts = self._semantic
            cache = MemoryCache() if self._cache is None else self._cache
            questions = getattr(cache, "questions", None)
            if questions is None:  # of a cache of the user's own
                questions = MemoryQuestions()
            recalls = RecallsState(questions, embedder)
            self._shelf = Shelf(cache, recalls=recalls, judges=judges or Judges(), texts=texts)
        return self._shelf

    @property
    def cache(self) -> Cache:
        """Where the client's answers are kept."""
        return self._shelved().cache

    def wall(self) -> float:
        """Return the time of day, in seconds since 1970."""
        return self._wall()

    def begin(self, request: Request, plan: Plan, timeout: float) -> tuple[Call, Compiled]:
        """Return a call that begins now and may take `timeout` seconds, and the router for it.

        `timeout` is infinity for no limit.
        """
        if self.closed:
            msg = "This client has been closed; make a new one, or close it later"
            raise RuntimeError(msg)
        router = plan.router
        if not router.targets and (body := request.body) is not None:
            router, request = self._named_by_model(plan, request, body)
        trace_id, metadata = plan.trace_id, plan.metadata
        if said := request.withheld:
            trace_id = said.get("x-portkey-trace-id") or trace_id
            if "x-portkey-metadata" in said:
                metadata = metadata_of(said["x-portkey-metadata"]) or EMPTY
        trace_id = trace_id or secrets.token_hex(16)
        if router.tells:
            told = told_headers(trace_id, metadata)
            request = replace(request, withheld={**told, **request.withheld})
        now = self.clock()
        call = Call(
            request=request,
            deadline=now + timeout,
            clock=self.clock,
            rng=self._rng,
            started=now,
            trace_id=trace_id,
            metadata=metadata,
            emit=self._emit,
            wall=self._wall,
            caching=caching_of(request, plan.caching) if router.caches else ANY_CACHING,
        )
        return call, router

    def _named_by_model(
        self, plan: Plan, request: Request, body: Mapping[str, Any]
    ) -> tuple[Compiled, Request]:
        """Return the router of a model like `@openai-prod/gpt-4o`, where nothing else names one."""
        from portkey_local.compile import Compiled, Nowhere, slug_of
        from portkey_local.errors import ConfigError

        named = slug_of(body.get("model"))
        if named is None:
            return plan.router, request
        slug, model = named
        options = plan.options
        defaults = {**options.defaults, "virtual_key": slug}
        try:
            router = self._router(replace(options, defaults=defaults))
        except ConfigError as error:
            return Compiled(Nowhere(str(error)), None, (), model_needed=False), request
        return router, replace(request, body={**body, "model": model}, encoded=None)

    def close(self) -> None:
        """Take no more calls, write what the cache has not written yet, and close the event log.

        Closing the cache may wait.
        """
        self.closed = True
        if self._cache is not None:
            (self._cache.close if self._cache_owned else self._cache.flush)()
        if self._log is not None:
            self._log.close()


def metadata_of(text: str) -> Mapping[str, Any] | None:
    """Read metadata from its JSON text; None where that is not an object's."""
    try:
        told = json.loads(text)
    except (RecursionError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def told_headers(trace_id: str, metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return what a call says of itself, as the headers that a target may forward by name."""
    headers = {"x-portkey-trace-id": trace_id} if trace_id.isascii() else {}
    if metadata:
        headers["x-portkey-metadata"] = json.dumps(dict(metadata), default=str)
    return headers


def facts(call: Call, outcome: Outcome) -> dict[str, str]:
    """Return the `x-portkey-*` headers of an outcome."""
    headers = headers_of(call.trace_id, outcome.target, outcome.retries, outcome.cache)
    match outcome:
        case Failure(fault=Fault.GUARDRAIL, error={"after_request_hooks": []}):
            del headers["x-portkey-cache-status"]  # denied before any cache was looked at
    return headers


def headers_of(
    trace_id: str, target: Target | None, retries: int, cache: str = DISABLED
) -> dict[str, str]:
    """Return the `x-portkey-*` headers; without a target there is the trace id alone."""
    headers = {"x-portkey-trace-id": trace_id}
    if target is not None:
        headers |= {
            "x-portkey-last-used-option-index": target.path,
            "x-portkey-provider": target.provider,
            "x-portkey-retry-attempt-count": str(retries),
            "x-portkey-cache-status": cache,
        }
        if not target.provider:  # a group, whose guardrails denied the call
            del headers["x-portkey-provider"]
    return headers


def caching_of(request: Request, plan: Caching) -> Caching:
    """Return what a call wishes of caches: the client's wishes, and those of the call's headers.

    These are Portkey's own two, and of `Cache-Control` what it says of caches in general:
    `no-store`, `no-cache`, `max-age` and `max-stale` (RFC 9111, 5.2.1), and `stale-if-error`
    (RFC 5861, 4).
    """
    told, control = request.withheld, request.headers.get("cache-control")
    namespace = told.get("x-portkey-cache-namespace")
    if namespace is not None:
        plan = replace(plan, namespace=namespace)
    refresh = told.get("x-portkey-cache-force-refresh")
    if refresh is not None:
        plan = replace(plan, reads=refresh.strip().lower() != "true")
    if control is None:
        return plan
    told_of = dict(_directives(control))
    stale = _seconds(told_of.get("max-stale"), plan.max_stale)
    if told_of.get("max-stale") == "":
        stale = math.inf  # however old: what is said without a number
    return replace(
        plan,
        reads=plan.reads and "no-cache" not in told_of,
        writes=plan.writes and "no-store" not in told_of,
        max_age=_seconds(told_of.get("max-age"), plan.max_age),
        max_stale=stale,
        stale_if_error=_seconds(told_of.get("stale-if-error"), plan.stale_if_error),
    )


def _directives(control: str) -> Iterator[tuple[str, str]]:
    """Split a `Cache-Control` into its words, each with what stands behind its `=`."""
    for word in control.split(","):
        name, _, value = word.partition("=")
        yield name.strip().lower(), value.strip().strip('"')


def _seconds(text: str | None, otherwise: S) -> float | S:
    """Return a directive's seconds; what is no whole number says nothing."""
    return float(text) if text is not None and text.isdecimal() else otherwise


def _read(options: Options) -> Options:
    """Return options whose config is no longer a file or an id, which may change, but its text."""
    config = options.config
    if not isinstance(config, (str, os.PathLike)):
        return options
    from portkey_local.config import load
    from portkey_local.errors import ConfigError
    from portkey_local.home import configs_dir

    try:
        read = load(config, configs_dir=configs_dir(), quiet=True)
    except ConfigError:
        return options  # compiling it says the same, with all that is wrong besides
    return replace(options, config=read.model_dump(exclude_unset=True))


def _key(options: Options) -> bytes | None:
    """Return what is equal for equal options, without a key in clear.

    None for an object that is not plain JSON, which is not looked into.
    """
    try:
        text = json.dumps(
            [options.config, dict(options.defaults), dict(options.overrides)], sort_keys=True
        )
    except (TypeError, ValueError, RecursionError):
        return None
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
