"""A loaded config as a tree: what its leaves inherit, and whether their providers exist.

Ground rules: nothing here reads files or knows a provider by name; known ids come in as arguments,
because providers live next door. Inheritance follows what was written, not what the defaults are.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any, Final

from portkey_local.config.hooks import DEFAULT_HOOKS, OWN_HOOKS
from portkey_local.config.models import CircuitBreaker, Config
from portkey_local.config.problems import Location, path_of, shown
from portkey_local.errors import ConfigError

__all__ = ["breaker_of", "check", "inherit", "leaves", "provider_problems"]

# A child's own value replaces its parent's whole. `weight`, `name`, keys and provider fields are
# never inherited, and a cache wraps the node it is written on. Breakers and hooks have rules of
# their own, below: those before a call run ahead of a group's cache, and so at the group itself.
INHERITED: Final = (
    "retry",
    "request_timeout",
    "stream_idle_timeout",
    "custom_host",
    "forward_headers",
    "strict_open_ai_compliance",
    "strict_params",
)


def inherit(config: Config, path: str = "config") -> Config:
    """Hand down what groups say to their targets, so that every leaf is complete.

    >>> group = Config(
    ...     request_timeout=500, targets=(Config(provider="openai"), Config(request_timeout=0))
    ... )
    >>> [leaf.request_timeout for _, leaf in leaves(inherit(group))]
    [500.0, 0.0]
    """
    if config.targets is None:
        return config
    targets = []
    for index, target in enumerate(config.targets):
        below = f"{path}.targets[{index}]"
        targets.append(inherit(_child_of(config, target, path, below), below))
    return config.model_copy(update={"targets": tuple(targets)})


def _child_of(parent: Config, child: Config, path: str, below: str) -> Config:
    handed = parent.model_fields_set - child.model_fields_set
    update: dict[str, Any] = {
        field: getattr(parent, field) for field in INHERITED if field in handed
    }
    if "override_params" in parent.model_fields_set:
        update["override_params"] = {**parent.override_params, **child.override_params}
    breaker = breaker_of(parent)
    if breaker is not None and breaker_of(child) is None:
        update["cb_config"] = breaker
    places = _hooks_handed(parent, child, path, update)
    places |= _defaults_handed(parent, child, (path, below), update)
    return child.handed(update, places) if update else child


def _hooks_handed(
    parent: Config, child: Config, path: str, update: dict[str, Any]
) -> dict[str, tuple[str, ...]]:
    """Hand down the hooks of each side, before and after, where a child has none of that side."""
    sides = OWN_HOOKS if parent.cache is None else OWN_HOOKS[1:]
    fields = [
        field
        for side in sides
        if not child.model_fields_set & side
        for field in sorted(parent.model_fields_set & side)
    ]
    update.update({field: getattr(parent, field) for field in fields})
    return {field: parent.places(field, path) for field in fields}


def _defaults_handed(
    parent: Config, child: Config, paths: tuple[str, str], update: dict[str, Any]
) -> dict[str, tuple[str, ...]]:
    places = {}
    for field in DEFAULT_HOOKS if parent.cache is None else DEFAULT_HOOKS[1:]:
        inherited, own = getattr(parent, field) or (), getattr(child, field) or ()
        # What begins with its parent's was handed down before.
        if inherited and own[: len(inherited)] != inherited:
            update[field] = inherited + own
            places[field] = parent.places(field, paths[0]) + child.places(field, paths[1])
    return places


def breaker_of(config: Config) -> CircuitBreaker | None:
    """Return a node's own circuit breaker, under either spelling."""
    own = config.strategy.cb_config if config.strategy is not None else None
    return config.cb_config if config.cb_config is not None else own


def leaves(config: Config) -> Iterator[tuple[str, Config]]:
    """Walk the targets that are called, each with its JSON path, in the order they are written."""
    for location, leaf in _leaves(config, ()):
        yield path_of(location), leaf


def _leaves(config: Config, location: Location) -> Iterator[tuple[Location, Config]]:
    if config.targets is None:
        yield location, config
        return
    for index, target in enumerate(config.targets):
        yield from _leaves(target, (*location, "targets", index))


def provider_problems(
    config: Config,
    *,
    known: Container[str],
    closed: Mapping[str, str],
    nearest: Callable[[str], str | None],
) -> list[tuple[str, str]]:
    """Find providers that nobody knows, and those that are gone; `closed` says why.

    A provider of the form `@slug`, and a virtual key, are left to whoever resolves them.
    """
    problems: list[tuple[str, str]] = []
    for path, leaf in leaves(config):
        provider = leaf.provider
        if provider is None or provider.startswith("@"):
            continue
        if provider in closed:
            problems.append((f"{path}.provider", f"{provider}: {closed[provider]}"))
        elif provider not in known:
            problems.append((f"{path}.provider", _unknown(provider, nearest(provider))))
    return problems


def check(
    config: Config,
    *,
    known: Container[str],
    closed: Mapping[str, str],
    nearest: Callable[[str], str | None],
) -> None:
    """Refuse a config with the problems that `provider_problems` finds."""
    problems = provider_problems(config, known=known, closed=closed, nearest=nearest)
    if problems:
        raise ConfigError(*problems[0], *problems[1:])


def _unknown(provider: str, meant: str | None) -> str:
    guess = f"; did you mean '{meant}'?" if meant is not None else ""
    return f"{shown(provider)} is not a known provider{guess}"
