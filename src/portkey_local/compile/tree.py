"""From the nodes of a config to routers: one table of strategies, and the order law.

The order law, read outside-in, is
`InputGuard(Cached(Retry(OutputGuard(Timeout(Breaker(Single))))))` around each target, and a
strategy around its targets. What a group says of retries, timeouts, guardrails, circuits and
overrides has been handed down to its leaves (the config floor does that), so a policy acts on one
target's calls, never on a whole strategy. Caches alone are not handed down: one that is written on
a group is `InputGuard(Cached(strategy))`, with the group's own input hooks, which a hit must not
skip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from tenacity import stop_after_attempt

from portkey_local.compile.caching import cached
from portkey_local.compile.guards import Guards, Own
from portkey_local.config import CircuitBreaker, Config
from portkey_local.effects import Gate, Router
from portkey_local.hooks import Hook
from portkey_local.model import Call, Target, empty
from portkey_local.policies.breaker import Breaker
from portkey_local.policies.guardrails import InputGuard, OutputGuard
from portkey_local.policies.retry import DEFAULT_STATUS_CODES, Retry
from portkey_local.policies.shelf import Shelf
from portkey_local.policies.timeout import Timeout
from portkey_local.query import compile_query, look
from portkey_local.state import CircuitState, StickyState
from portkey_local.strategies.conditional import Conditional
from portkey_local.strategies.fallback import Fallback
from portkey_local.strategies.loadbalance import LoadBalance, Sticky
from portkey_local.strategies.single import Single


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a leaf was made into, before its policies."""

    target: Target
    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """A node as a router, with what its parent and its client want to know.

    `targets` are those a call can come to, `breakers` all circuits below, `gate` says whether
    every target's circuit is open (None where a target has none).
    """

    router: Router
    targets: tuple[Target, ...]
    breakers: tuple[Breaker, ...] = ()
    gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class AllBlocked:
    """The gate of a group: blocked when all its targets are."""

    gates: tuple[Gate, ...]

    def blocked(self, call: Call) -> bool:
        """Whether no target of the group would take the call."""
        return all(gate.blocked(call) for gate in self.gates)


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds the tree of a config from its leaves, which are made and checked."""

    leaves: Mapping[str, Leaf]
    groups: Mapping[str, Leaf]  # those that have a cache: what stands for each, and its hooks
    shelf: Shelf
    checks: Own = field(default_factory=empty)

    def build(
        self, node: Config, path: str, *, circuit: bool = True, others: bool = False
    ) -> Built:
        """Return the router of a node.

        `circuit`: whether the node may have a circuit; `others`: whether a strategy above it asks
        somebody else when its circuit is open.
        """
        if node.strategy is None or node.targets is None:
            return self._leaf(node, path, circuit=circuit, others=others)
        built = STRATEGIES[node.strategy.mode](self, node, path, others)
        if node.cache is None:
            return built
        router = self._cached(built.router, node, path)
        group = self.groups[path]
        if group.before:
            router = InputGuard(router, group.target, group.before)
        return replace(built, router=router)

    def _cached(self, router: Router, node: Config, path: str) -> Router:
        targets = {place: leaf.target for place, leaf in self.leaves.items()}
        inside = self._inside(node, path)
        return cached(router, node, targets, path, self.shelf, self.checks, inside)

    def _inside(self, node: Config, path: str) -> Guards:
        """Return the hooks inside a node's cache: a target's own before a call run outside of it,
        and so do a group's, which its targets do not inherit.
        """
        if node.targets is None:
            return (), self.leaves[path].after
        below = [
            leaf
            for place, leaf in chain(self.leaves.items(), self.groups.items())
            if place.startswith(f"{path}.")
        ]
        before = tuple(hook for leaf in below for hook in leaf.before)
        return before, tuple(hook for leaf in below for hook in leaf.after)

    def below(self, node: Config, path: str, *, circuit: bool, others: bool) -> list[Built]:
        """Return the targets of a group."""
        return [
            self.build(target, f"{path}.targets[{index}]", circuit=circuit, others=others)
            for index, target in enumerate(node.targets or ())
        ]

    def _leaf(self, node: Config, path: str, *, circuit: bool, others: bool) -> Built:
        """Wrap a target in its policies, by the order law."""
        leaf = self.leaves[path]
        router: Router = Single(leaf.target)
        breaker: Breaker | None = None
        if node.cb_config is not None and circuit:
            router = breaker = _breaker(node.cb_config, router, leaf.target, refuses=others)
        if node.request_timeout:
            router = Timeout(router, node.request_timeout / 1000)
        if leaf.after:
            router = OutputGuard(router, leaf.target, leaf.after)
        if node.retry is not None and node.retry.attempts > 0:
            codes = node.retry.on_status_codes
            router = Retry(
                router,
                stop=stop_after_attempt(node.retry.attempts + 1),
                on_status_codes=DEFAULT_STATUS_CODES if codes is None else frozenset(codes),
                use_retry_after=bool(node.retry.use_retry_after_header),
                gate=breaker,
            )
        if node.cache is not None:
            router = self._cached(router, node, path)
        if leaf.before:
            router = InputGuard(router, leaf.target, leaf.before)
        return Built(router, (leaf.target,), () if breaker is None else (breaker,), breaker)


def _breaker(settings: CircuitBreaker, inner: Router, target: Target, *, refuses: bool) -> Breaker:
    codes = settings.failure_status_codes
    state = CircuitState(
        failures=settings.failure_threshold,
        percentage=settings.failure_threshold_percentage,
        minimum=settings.minimum_requests or 1,
        cooldown=settings.cooldown_interval / 1000,
    )
    return Breaker(inner, target, state, None if codes is None else frozenset(codes), refuses)


def _single(builder: Builder, node: Config, path: str, others: bool) -> Built:  # noqa: FBT001
    return builder.below(node, path, circuit=True, others=others)[0]


def _fallback(builder: Builder, node: Config, path: str, others: bool) -> Built:  # noqa: FBT001
    below = builder.below(node, path, circuit=True, others=True)
    codes = node.strategy.on_status_codes if node.strategy else None
    router = Fallback(
        tuple(built.router for built in below),
        None if codes is None else frozenset(codes),
        path,
        _gates(below),
        others,
    )
    return _group(router, below, below)


def _loadbalance(builder: Builder, node: Config, path: str, others: bool) -> Built:  # noqa: FBT001
    below = builder.below(node, path, circuit=True, others=True)
    weights = tuple(target.weight for target in node.targets or ())
    session = node.strategy.sticky_session if node.strategy else None
    sticky = None
    if session is not None:
        fields = tuple(look(field) for field in session.hash_fields)
        sticky = Sticky(fields, StickyState(session.ttl))
    routers = tuple(built.router for built in below)
    router = LoadBalance(routers, weights, path, _gates(below), sticky, others)
    return _group(
        router, below, [built for built, weight in zip(below, weights, strict=True) if weight]
    )


def _conditional(builder: Builder, node: Config, path: str, others: bool) -> Built:  # noqa: FBT001, ARG001
    below = builder.below(node, path, circuit=False, others=False)
    names = {target.name: index for index, target in enumerate(node.targets or ())}
    strategy = node.strategy
    conditions = tuple(
        (compile_query(row.query), names[row.then])
        for row in (strategy.conditions if strategy else None) or ()
    )
    default = names[strategy.default] if strategy and strategy.default is not None else None
    chosen = {index for _, index in conditions} | ({default} - {None})
    router = Conditional(tuple(built.router for built in below), conditions, default, path)
    reached = [built for index, built in enumerate(below) if index in chosen]
    targets = tuple(target for built in reached for target in built.targets)
    return Built(router, targets, tuple(b for built in below for b in built.breakers))


def _gates(below: Sequence[Built]) -> tuple[Gate | None, ...]:
    """Return the gates of a group's targets; nothing where none has one."""
    gates = tuple(built.gate for built in below)
    return gates if any(gate is not None for gate in gates) else ()


def _group(router: Router, below: Sequence[Built], reached: Sequence[Built]) -> Built:
    gates = tuple(built.gate for built in reached if built.gate is not None)
    return Built(
        router,
        tuple(target for built in reached for target in built.targets),
        tuple(breaker for built in below for breaker in built.breakers),
        AllBlocked(gates) if gates and len(gates) == len(reached) else None,
    )


STRATEGIES: Mapping[str, Callable[[Builder, Config, str, bool], Built]] = {
    "single": _single,
    "fallback": _fallback,
    "loadbalance": _loadbalance,
    "conditional": _conditional,
}
