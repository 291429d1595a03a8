"""From a config to a router: one table of strategies, and the order law.

The order law, read outside-in, is `Retry(Timeout(Single(target)))` around each target, and a strategy
around its targets. `retry`, `request_timeout` and `override_params` set on a group are inherited by its
leaves (the config floor does that), so a policy acts on one target's calls, never on a whole strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tenacity import stop_after_attempt

from portkey_local.config import Config, check, inherit, load
from portkey_local.credentials import Vault
from portkey_local.effects import Route, Router
from portkey_local.errors import ConfigError
from portkey_local.home import configs_dir
from portkey_local.model import EMPTY, Call, Failure, Fault, Outcome, Target
from portkey_local.policies.retry import DEFAULT_STATUS_CODES, Retry
from portkey_local.policies.timeout import Timeout
from portkey_local.providers.openai import MODEL_NEEDED, OpenAICodec, no_model
from portkey_local.providers.table import NATIVE, PROVIDERS, nearest
from portkey_local.strategies.fallback import Fallback
from portkey_local.strategies.loadbalance import LoadBalance
from portkey_local.strategies.single import Single

IDLE_TIMEOUT = 60_000  # milliseconds between two events of a stream
CODEC = OpenAICodec()
ORGANISATION_HEADERS = {
    "openai_organization": "openai-organization",
    "openai_project": "openai-project",
    "openai_beta": "openai-beta",
}
NO_TARGET = "No target: give the client provider=, virtual_key= or config="


@dataclass(frozen=True, slots=True)
class Nowhere:
    """The router of a client that was told no target yet."""

    def route(self, call: Call) -> Route[Outcome]:  # noqa: ARG002 - every router takes the call
        """Fail without asking anybody."""
        return Failure(None, Fault.ROUTING, 400, NO_TARGET)
        yield  # a route is a generator, also when it asks for nothing


@dataclass(frozen=True, slots=True)
class Compiled:
    """A router, the config it came from, and the targets a call can reach by it."""

    root: Router
    config: Config | None
    targets: tuple[Target, ...]
    model_needed: bool

    def route(self, call: Call) -> Route[Outcome]:
        """Route a call; one without a model goes nowhere unless every target brings its own."""
        if self.model_needed and lacks_model(call):
            return Failure(None, Fault.ROUTING, 400, no_model(None).message)
        return (yield from self.root.route(call))


def lacks_model(call: Call) -> bool:
    """Whether a call needs a model and names none."""
    request = call.request
    body = request.body
    return body is not None and "model" not in body and request.path in MODEL_NEEDED


def compile_config(
    source: Any,
    *,
    vault: Vault | None = None,
    defaults: Mapping[str, Any] = EMPTY,
    overrides: Mapping[str, Any] = EMPTY,
) -> Compiled:
    """Compile a config (dict, JSON text, file, or id), or the `defaults` alone when there is none.

    `defaults` fill a config that names neither a provider nor targets; `overrides` beat every target's
    own fields. Raises ConfigError.
    """
    tree = {} if source is None else load(source, configs_dir=configs_dir()).model_dump(exclude_unset=True)
    if not tree.keys() & {"provider", "virtual_key", "targets", "strategy"}:
        tree = {**defaults, **tree}
        if not tree.keys() & {"provider", "virtual_key"}:
            if source is not None and not defaults and tree:
                raise ConfigError("config", NO_TARGET)
            return Compiled(Nowhere(), None, (), model_needed=False)
    config = inherit(load(_filled(tree, "config", vault or Vault(), overrides)))
    check(config, known=PROVIDERS, native=NATIVE, nearest=nearest)
    reachable: list[Target] = []
    root = _build(config, "config", reachable.append)
    model_needed = any(not target.override.get("model") for target in reachable)
    return Compiled(root, config, tuple(reachable), model_needed)


def _filled(tree: dict[str, Any], where: str, vault: Vault, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config tree with every leaf's provider and key filled in."""
    if "targets" in tree:
        targets = [
            _filled(dict(target), f"{where}.targets[{index}]", vault, overrides)
            for index, target in enumerate(tree["targets"])
        ]
        return {**tree, "targets": targets}
    return vault.resolve({**tree, **overrides}, where)


def _build(node: Config, path: str, reach: Callable[[Target], None]) -> Router:
    """Return the router of a node; `reach` is told the targets that a call can come to."""
    if node.strategy is None or node.targets is None:
        target = _target(node, path)
        reach(target)
        return _leaf(node, target)
    return STRATEGIES[node.strategy.mode](node, path, reach)


def _single(node: Config, path: str, reach: Callable[[Target], None]) -> Router:
    for index, target in reversed(list(enumerate(node.targets or ()))):
        router = _build(target, f"{path}.targets[{index}]", reach if index == 0 else _unreached)
    return router


def _fallback(node: Config, path: str, reach: Callable[[Target], None]) -> Router:
    targets = tuple(
        _build(target, f"{path}.targets[{index}]", reach) for index, target in enumerate(node.targets or ())
    )
    codes = node.strategy.on_status_codes if node.strategy else None
    return Fallback(targets, None if codes is None else frozenset(codes), path)


def _loadbalance(node: Config, path: str, reach: Callable[[Target], None]) -> Router:
    weights = tuple(1.0 if target.weight is None else float(target.weight) for target in node.targets or ())
    targets = tuple(
        _build(target, f"{path}.targets[{index}]", reach if weights[index] else _unreached)
        for index, target in enumerate(node.targets or ())
    )
    return LoadBalance(targets, weights)


def _unreached(target: Target) -> None:
    """Take no note of a target that no call can come to; it is compiled to be checked."""


STRATEGIES: Mapping[str, Callable[[Config, str, Callable[[Target], None]], Router]] = {
    "single": _single,
    "fallback": _fallback,
    "loadbalance": _loadbalance,
}


def _leaf(node: Config, target: Target) -> Router:
    """Wrap a target in its policies, by the order law."""
    router: Router = Single(target)
    if node.request_timeout:
        router = Timeout(router, node.request_timeout / 1000)
    if node.retry is not None and node.retry.attempts > 0:
        codes = node.retry.on_status_codes
        router = Retry(
            router,
            stop=stop_after_attempt(node.retry.attempts + 1),
            on_status_codes=DEFAULT_STATUS_CODES if codes is None else frozenset(codes),
            use_retry_after=bool(node.retry.use_retry_after_header),
        )
    return router


def _target(node: Config, path: str) -> Target:
    provider = node.provider or ""
    row = PROVIDERS[provider]
    url = node.custom_host or row.base_url
    if url is None:
        raise ConfigError(f"{path}.custom_host", f"{provider!r} has no host of its own; give its URL")
    headers = {header: value for name, header in ORGANISATION_HEADERS.items() if (value := getattr(node, name))}
    if row.auth_header is not None and node.api_key:
        headers[row.auth_header] = row.auth_prefix + node.api_key
    idle = IDLE_TIMEOUT if node.stream_idle_timeout is None else node.stream_idle_timeout
    return Target(
        path=path,
        provider=provider,
        url=url.rstrip("/"),
        codec=CODEC,
        headers=headers,
        secrets=(node.api_key,) if node.api_key else (),
        override=dict(node.override_params or {}),
        idle_timeout=idle / 1000 if idle else float("inf"),
    )
