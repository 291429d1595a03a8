"""Reads a compiled router as a call would meet it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from portkey_local.caches.keys import cacheable
from portkey_local.compile import Compiled, Nowhere, lacks_model
from portkey_local.effects import Router
from portkey_local.explain.orders import REFUSED, nobody_asked, orders_of
from portkey_local.explain.words import Explanation, Step
from portkey_local.hooks import Hook
from portkey_local.model import Call, Target
from portkey_local.policies.breaker import Breaker
from portkey_local.policies.cached import Cached
from portkey_local.policies.cached_inputs import CachedInputs
from portkey_local.policies.guardrails import InputGuard, OutputGuard
from portkey_local.policies.looking import Look
from portkey_local.policies.retry import Retry
from portkey_local.policies.similar import Similar
from portkey_local.policies.timeout import Timeout
from portkey_local.providers.openai import no_model
from portkey_local.query import facts_of
from portkey_local.semantic.requests import Unfit
from portkey_local.strategies.conditional import NO_MATCH, Conditional
from portkey_local.strategies.fallback import Fallback
from portkey_local.strategies.loadbalance import LoadBalance
from portkey_local.strategies.single import Single
from portkey_local.texts import INPUT_ENDPOINTS, OUTPUT_ENDPOINTS


def explain(compiled: Compiled, call: Call) -> Explanation:
    """Return what `compiled` would do with `call`."""
    endpoint = call.request.path
    if isinstance(compiled.root, Nowhere):
        return Explanation(endpoint, None, refused=compiled.root.message)
    if compiled.model_needed and lacks_model(call):
        return Explanation(endpoint, None, refused=no_model(None).message)
    root = _step(compiled.root, call)
    orders = orders_of(root)
    return Explanation(endpoint, root, orders, None if orders else NO_MATCH)


def _step(router: Router, call: Call) -> Step:
    match router:
        case Fallback():
            return _fallback(router, call)
        case LoadBalance():
            return _loadbalance(router, call)
        case Conditional():
            return _conditional(router, call)
        case InputGuard() | CachedInputs() | Cached() if _of_group(router):
            step = _step(router.inner, call)
            reason = _reason(router, call)
            return step if reason is None else replace(step, why=(reason, *step.why))
        case _:
            return _target(router, call)


def _of_group(router: Router) -> bool:
    """Whether a policy stands around a whole group."""
    *_, inmost = _policies(router)
    return isinstance(inmost, Fallback | LoadBalance | Conditional)


def _fallback(router: Fallback, call: Call) -> Step:
    open_ones = [
        index
        for index, gate in enumerate(router.gates)
        if gate is not None and gate.blocked(call) and not call.bypass
    ]
    why = [_moves_on(router)]
    if open_ones and len(open_ones) == len(router.targets):
        why.append("every circuit is open, so circuits are ignored")
        call, open_ones = replace(call, bypass=True), []
    why += [f"{router.path}.targets[{index}] is passed over: circuit open" for index in open_ones]
    below = tuple(_until_it_stays(router, call, open_ones))
    codes = router.on_status_codes
    return Step(router.path, "fallback", why=tuple(why), below=below, on_status_codes=codes)


def _until_it_stays(router: Fallback, call: Call, left_out: Collection[int]) -> Iterator[Step]:
    """Describe a fallback's targets up to the one after which it surely moves on no more."""
    codes = router.on_status_codes
    for index, target in enumerate(router.targets):
        if index in left_out:
            continue
        step = _step(target, call)
        yield step
        if codes is not None and (not codes or (REFUSED not in codes and nobody_asked(step))):
            return


def _moves_on(router: Fallback) -> str:
    if router.on_status_codes is None:
        return "in order; any failure moves on"
    codes = ", ".join(map(str, sorted(router.on_status_codes)))
    return f"in order; moves on after {codes}" if codes else "in order; never moves on"


def _loadbalance(router: LoadBalance, call: Call) -> Step:
    weights: Sequence[float] = router.weights
    why = []
    if router.gates and not call.bypass:
        weights = router.open_weights(call)
        why = [
            f"{router.path}.targets[{index}] has no weight now: circuit open"
            for index, weight in enumerate(weights)
            if weight != router.weights[index]
        ]
        if not any(weights):
            weights, call = router.weights, replace(call, bypass=True)
            why = ["every circuit is open, so circuits are ignored"]
    held = _held(router, call, weights, why)
    total = sum(weights)
    below = []
    for index, weight in enumerate(weights):
        share = weight / total if held is None else float(index == held)
        if share:
            below.append(replace(_step(router.targets[index], call), probability=share))
    return Step(router.path, "loadbalance", why=tuple(why), below=tuple(below))


def _held(router: LoadBalance, call: Call, weights: Sequence[float], why: list[str]) -> int | None:
    """Return the index that the call's session is given, if it has one; say so in `why`."""
    if router.sticky is None:
        why.append("one weighted pick")
        return None
    key = router.sticky.key(call)
    if key is None:
        why.append("one weighted pick; the call has none of the session's fields")
        return None
    held = router.sticky.state.peek(key, call.clock())
    if held is None or not weights[held]:
        why.append("a new session: one weighted pick, kept for its later calls")
        return None
    why.append("the session keeps the target of its first call")
    return held


def _conditional(router: Conditional, call: Call) -> Step:
    facts = facts_of(call.metadata, call.request)
    why = []
    for number, (query, index) in enumerate(router.conditions):
        holds = query.matches(facts)
        verdict = f"holds: {router.path}.targets[{index}]" if holds else "does not hold"
        why.append(f"condition {number} {verdict} ({query.why(facts)})")
        if holds:
            return Step(
                router.path,
                "conditional",
                why=tuple(why),
                below=(_step(router.targets[index], call),),
            )
    if router.default is None:
        why.append("no condition holds, and there is no default")
        return Step(router.path, "conditional", why=tuple(why))
    why.append(f"no condition holds: the default, {router.path}.targets[{router.default}]")
    below = (_step(router.targets[router.default], call),)
    return Step(router.path, "conditional", why=tuple(why), below=below)


def _target(router: Router, call: Call) -> Step:
    target, why = None, []
    for policy in _policies(router):
        if isinstance(policy, Single):
            target = policy.target
        elif (reason := _reason(policy, call)) is not None:
            why.append(reason)
    if target is None:
        return Step("?", type(router).__name__, why=tuple(why))
    return Step(
        target.path, "target", why=tuple(why), provider=target.provider, model=_model(call, target)
    )


def _policies(router: Router | None) -> Iterator[Router]:
    while router is not None:
        yield router
        router = getattr(router, "inner", None)


def _reason(policy: Router, call: Call) -> str | None:
    match policy:
        case InputGuard():
            return _guard("input", policy.hooks, call.request.path in INPUT_ENDPOINTS, call)
        case OutputGuard():
            return _guard("output", policy.hooks, call.request.path in OUTPUT_ENDPOINTS, call)
        case Retry():
            codes = ", ".join(map(str, sorted(policy.on_status_codes)))
            return f"asked again after {codes or 'no status'} and network failures"
        case Cached():
            return _cache(policy, call)
        case Timeout():
            return f"each attempt takes at most {policy.seconds:g} s"
        case _:
            return _circuit(policy, call) if isinstance(policy, Breaker) else None


def _circuit(policy: Breaker, call: Call) -> str:
    facts = policy.state.facts(call.clock())
    return f"circuit {facts['state']}, {facts['failures']} of {facts['attempts']} failed"


def _cache(policy: Cached, call: Call) -> str:
    if not cacheable(call.request):
        return f"cache: nothing is kept of such a request on {call.request.path}"
    wish = call.caching
    if not wish.reads:
        return "cache: not looked at" + (", but filled" if wish.writes else "")
    fresh = min(policy.max_age, wish.max_age)
    said = f"cache: an answer up to {fresh:g} s old will do"
    stale = policy.stale.at_once(wish, policy.max_age)
    if stale > fresh:
        said += f", up to {stale:g} s while it is refreshed"
    last = policy.stale.on_error(wish, policy.max_age)
    if last > fresh:
        said += f", up to {last:g} s in an outage"
    return said if policy.similar is None else f"{said}; {_similar(policy.similar, policy, call)}"


def _similar(similar: Similar, policy: Cached, call: Call) -> str:
    """Say whether a call may be answered as the same question in other words."""
    asked = policy.scope.asked(call)
    words = None if asked is None else Look(similar, policy, call, asked, dry=True).words()
    if words is None or isinstance(words, Unfit):
        reason = "no JSON" if words is None else words.reason
        return f"not one to a similar question ({reason})"
    rules = similar.rules
    verb = "would do, but is only reported" if rules.shadow else "will do"
    alike = "" if rules.at_least is None else f", similarity {rules.at_least:g} or more"
    return f"one to a similar question {verb} ({rules.profile}{alike})"


def _guard(moment: str, hooks: Sequence[Hook], runs: bool, call: Call) -> str:  # noqa: FBT001
    names = ", ".join(hook.id for hook in hooks)
    if not runs:
        return f"{moment} hooks {names}: not run on {call.request.path}"
    passing = [hook.id for hook in hooks if moment == "output" and not hook.buffered]
    if call.request.stream and passing:
        return f"{moment} hooks {names}: {', '.join(passing)} not run on a stream"
    return f"{moment} hooks {names} run"


def _model(call: Call, target: Target) -> str | None:
    model = target.override.get("model") or (call.request.body or {}).get("model")
    return model if isinstance(model, str) else None
