"""From a config to a router: one table of strategies, and the order law.

The order law, read outside-in, is `Retry(Timeout(Single(target)))` around each target, and a
strategy around its targets. `retry`, `request_timeout` and `override_params` set on a group are
inherited by its leaves (the config floor does that), so a policy acts on one target's calls, never
on a whole strategy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tenacity import stop_after_attempt

from portkey_local.config import Config, check, inherit, load, warn
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

CODEC = OpenAICodec()
ORGANISATION_HEADERS = {
    "openai_organization": "openai-organization",
    "openai_project": "openai-project",
    "openai_beta": "openai-beta",
}
SECRET_LENGTH = 8  # a shorter key ("none", "EMPTY") is no secret, and stands in many a text
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

    `defaults` fill a config that names neither a provider nor targets; `overrides` beat every
    target's own fields. Raises ConfigError.
    """
    config = Config() if source is None else load(source, configs_dir=configs_dir())
    told = _told({**defaults, **overrides})
    if not config.model_fields_set & {"provider", "virtual_key", "targets"}:
        missing = defaults.keys() - config.model_fields_set
        config = config.model_copy(update={name: getattr(told, name) for name in missing})
        if not config.model_fields_set & {"provider", "virtual_key"}:
            return Compiled(Nowhere(), None, (), model_needed=False)
    elif defaults:
        names = ", ".join(sorted(defaults))
        message = f"{names}: ignored, because the config names its own targets"
        warn(message)
    check(config, known=PROVIDERS, native=NATIVE, nearest=nearest)
    vault = vault or Vault()
    beating = {name: getattr(told, name) for name in overrides}
    config = inherit(_each_leaf(config, vault.described))
    check(config, known=PROVIDERS, native=NATIVE, nearest=nearest)
    config = _each_leaf(
        config, lambda leaf, path: vault.signed(leaf.model_copy(update=beating), path)
    )
    reachable: list[Target] = []
    root = _build(config, "config", reachable.append)
    model_needed = any(not target.override.get("model") for target in reachable)
    return Compiled(root, config, tuple(reachable), model_needed)


def _told(arguments: Mapping[str, Any]) -> Config:
    """Return a client's arguments as the fields of a target; errors name the argument."""
    try:
        return load(arguments, quiet=True)
    except ConfigError as error:
        problems = [(path.removeprefix("config."), text) for path, text in error.problems]
    raise ConfigError(*problems[0], *problems[1:])


def _each_leaf(config: Config, change: Callable[[Config, str], Config]) -> Config:
    """Return the tree with every leaf changed; raise all their ConfigErrors as one."""
    problems: list[tuple[str, str]] = []

    def visit(node: Config, path: str) -> Config:
        if node.targets is not None:
            targets = (visit(t, f"{path}.targets[{i}]") for i, t in enumerate(node.targets))
            return node.model_copy(update={"targets": tuple(targets)})
        try:
            return change(node, path)
        except ConfigError as error:
            problems.extend(error.problems)
            return node

    changed = visit(config, "config")
    if problems:
        raise ConfigError(*problems[0], *problems[1:])
    return changed


def _build(node: Config, path: str, reach: Callable[[Target], None]) -> Router:
    """Return the router of a node; `reach` is told the targets that a call can come to."""
    if node.strategy is None or node.targets is None:
        target = _target(node, path)
        reach(target)
        return _leaf(node, target)
    return STRATEGIES[node.strategy.mode](node, path, reach)


def _single(node: Config, path: str, reach: Callable[[Target], None]) -> Router:
    first, *_ = [
        _build(target, f"{path}.targets[{index}]", _unreached if index else reach)
        for index, target in enumerate(node.targets or ())
    ]
    return first


def _fallback(node: Config, path: str, reach: Callable[[Target], None]) -> Router:
    targets = tuple(
        _build(target, f"{path}.targets[{index}]", reach)
        for index, target in enumerate(node.targets or ())
    )
    codes = node.strategy.on_status_codes if node.strategy else None
    return Fallback(targets, None if codes is None else frozenset(codes), path)


def _loadbalance(node: Config, path: str, reach: Callable[[Target], None]) -> Router:
    weights = tuple(target.weight for target in node.targets or ())
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
        raise ConfigError(
            f"{path}.custom_host", f"{provider!r} has no host of its own; give its URL"
        )
    key = _checked_key(node.api_key, path)
    if "stream" in node.override_params:
        message = "whether an answer is streamed is the caller's choice; leave it out"
        raise ConfigError(f"{path}.override_params.stream", message)
    headers = {
        header: value
        for name, header in ORGANISATION_HEADERS.items()
        if (value := getattr(node, name))
    }
    if row.auth_header is not None and key:
        headers[row.auth_header] = row.auth_prefix + key
    return Target(
        path=path,
        provider=provider,
        url=url.rstrip("/"),
        codec=CODEC,
        headers=headers,
        secrets=(key,) if key and len(key) >= SECRET_LENGTH else (),
        override=node.override_params,
        idle_timeout=node.stream_idle_timeout / 1000 or float("inf"),
    )


def _checked_key(key: str | None, path: str) -> str | None:
    """Return a key as it can stand in a header: read from a file, it may end in a line break."""
    key = key.strip() if key else None
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigError(f"{path}.api_key", "has characters that no HTTP header can hold")
    return key or None
