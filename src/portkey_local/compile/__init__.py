"""From a config to a router, in stages; whatever is wrong at any of them is said in one go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portkey_local.caches.memory import MemoryCache
from portkey_local.compile.groups import (
    BEFORE_CACHES,
    beaten,
    below_caches,
    groups_made,
    has_cache,
)
from portkey_local.compile.guards import Guards, Own, guards_of
from portkey_local.compile.problems import Problems
from portkey_local.compile.targets import own_target, target_of
from portkey_local.compile.tree import Builder, Leaf
from portkey_local.config import (
    VENDOR_FIELDS,
    Config,
    examine,
    inherit,
    leaves,
    load,
    provider_problems,
    warn,
)
from portkey_local.credentials import Vault
from portkey_local.effects import Route, Router
from portkey_local.errors import ConfigError
from portkey_local.home import configs_dir
from portkey_local.model import EMPTY, Call, Failure, Fault, Outcome, Target
from portkey_local.policies.breaker import Breaker
from portkey_local.policies.shelf import Shelf
from portkey_local.providers.openai import MODEL_NEEDED, no_model
from portkey_local.providers.own import SELF
from portkey_local.providers.table import CLOSED, PROVIDERS, nearest, readers_of

__all__ = ["NO_TARGET", "WHO_SELF_IS", "Compiled", "Nowhere", "compile_config", "slug_of"]

NO_TARGET = "No target: give the client provider=, virtual_key= or config="
WHO_SELF_IS = (
    "'self' is the client given to portkey_local.wrap, or the SDK behind portkey_local.transport"
)
NOBODY = f"{WHO_SELF_IS}; here there is none, so name a provider"
SAID = frozenset({"x-portkey-trace-id", "x-portkey-metadata"})


@dataclass(frozen=True, slots=True)
class Nowhere:
    """The router of a client that was told no target yet."""

    message: str = NO_TARGET

    def route(self, call: Call) -> Route[Outcome]:  # noqa: ARG002 - every router takes the call
        """Fail without asking anybody."""
        return Failure(None, Fault.ROUTING, 400, self.message)
        yield  # a route is a generator, also when it asks for nothing


@dataclass(frozen=True, slots=True)
class Compiled:
    """A router, the config it came from, and the targets a call can reach by it."""

    root: Router
    config: Config | None
    targets: tuple[Target, ...]
    model_needed: bool
    breakers: tuple[Breaker, ...] = ()
    tells: bool = False  # whether a target forwards what a call says of itself
    caches: bool = False  # whether a node has a cache

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
    checks: Own = EMPTY,
    shelf: Shelf | None = None,
    own: bool = False,
) -> Compiled:
    """Compile a config (dict, JSON text, file, or id), or the `defaults` alone when there is none.

    `defaults` fill a config that names neither a provider nor targets; `overrides` beat every
    target's own fields; `checks` are the caller's own, by name; `shelf` is where its caches keep
    answers, else memory of its own; `own` lets a target be "self", the caller's own client, which
    is then the target where none is named. Raises ConfigError, with every problem that can be
    found.
    """
    examined = examine({} if source is None else source, configs_dir=configs_dir())
    problems = Problems(
        examined.problems, origin=examined.origin, written=examined.spelling.written_path
    )
    told = Config()
    with problems.gathering():
        told = _told({**defaults, **overrides})
    config = examined.rest
    if config is None:
        raise problems.error()
    if not _names_target(config):
        names = (defaults.keys() & told.model_fields_set) - config.model_fields_set
        config = config.model_copy(update={name: getattr(told, name) for name in names})
        if own and not _names_target(config):
            config = config.model_copy(update={"provider": SELF})
        if not _names_target(config):
            problems.refuse()
            return Compiled(Nowhere(), None, (), model_needed=False)
    elif defaults and not problems:
        names_told = ", ".join(sorted(defaults))
        warn(f"{names_told}: ignored, because the config names its own targets")
    beating = {name: getattr(told, name) for name in overrides if name in told.model_fields_set}
    stage = _Leaves(vault or Vault(), beating, checks, problems, own=own)
    config, made = stage.made(config)
    groups = groups_made(config, beating, checks, problems)
    problems.refuse()
    shelf = Shelf(MemoryCache()) if shelf is None else shelf
    built = Builder(made, groups, shelf, checks).build(config, "config")
    model_needed = any(not target.override.get("model") for target in built.targets)
    if any(target.provider == SELF for target in built.targets):
        model_needed = False  # whether there must be a model is between that client and its host
    tells = any(SAID.intersection(target.forward) for target in built.targets)
    caches = has_cache(config)
    return Compiled(
        built.router, config, built.targets, model_needed, built.breakers, tells, caches
    )


def _names_target(config: Config) -> bool:
    named = config.model_fields_set & {"provider", "virtual_key", "targets"}
    return bool(named) or slug_of(config.override_params.get("model")) is not None


def _told(arguments: Mapping[str, Any]) -> Config:
    """Return a client's arguments as the fields of a target; errors name the argument."""
    try:
        return load(arguments, quiet=True)
    except ConfigError as error:
        problems = [(path.removeprefix("config."), text) for path, text in error.problems]
    raise ConfigError(*problems[0], *problems[1:])


@dataclass(frozen=True, slots=True)
class _Leaves:
    """The stage that makes targets of leaves; `own` is whether one may be "self"."""

    vault: Vault
    beating: Mapping[str, Any]
    checks: Own
    problems: Problems
    own: bool

    def made(self, config: Config) -> tuple[Config, dict[str, Leaf]]:
        """Return the config with complete leaves, and what each was made into; note all
        problems.
        """
        self._check_providers(config)
        wrong: set[str] = set()
        models = {path: leaf.override_params.get("model") for path, leaf in leaves(inherit(config))}

        def described(leaf: Config, path: str) -> Config:
            if leaf.provider == SELF and not self.own:
                raise ConfigError(f"{path}.provider", NOBODY)
            return self.vault.described(_by_slug(leaf, models[path]), path)

        config = inherit(_each_leaf(config, described, wrong, self.problems))
        sheltered = frozenset(below_caches(config))
        self._check_providers(config)
        made: dict[str, Leaf] = {}

        def finished(leaf: Config, path: str) -> Config:
            without = BEFORE_CACHES if path in sheltered else frozenset()
            leaf = beaten(leaf, path, self.beating, without)
            guards: Guards = ((), ())
            with self.problems.gathering():
                guards = guards_of(leaf, path, self.checks)
            leaf = self.vault.signed(leaf, path)
            if leaf.provider == SELF:
                made[path] = Leaf(own_target(leaf, path), *guards)
            elif leaf.provider in PROVIDERS:
                _remark_on_fields(leaf, path)
                made[path] = Leaf(target_of(leaf, path, self.vault.environment), *guards)
            return leaf

        return _each_leaf(config, finished, wrong, self.problems), made

    def _check_providers(self, config: Config) -> None:
        known = {*PROVIDERS, SELF}
        found = provider_problems(config, known=known, closed=CLOSED, nearest=nearest)
        self.problems.add(found)


def _remark_on_fields(leaf: Config, path: str) -> None:
    """Warn of provider fields that are another provider's."""
    for name in sorted(leaf.model_fields_set & VENDOR_FIELDS):
        readers = readers_of(name)
        if readers is not None and leaf.provider not in readers:
            reader = " or ".join(sorted(readers))
            warn(f"{path}.{name}: no effect on {leaf.provider}; it is for {reader}")


def slug_of(model: Any) -> tuple[str, str] | None:
    """Return the virtual key and the model of a name like `@openai-prod/gpt-4o`, else None."""
    if not isinstance(model, str) or not model.startswith("@"):
        return None
    slug, _, name = model[1:].partition("/")
    return (slug, name) if slug and name else None


def _by_slug(leaf: Config, model: Any) -> Config:
    """Return a leaf that names no provider with the virtual key its model names."""
    named = slug_of(model)
    if named is None or leaf.provider is not None or leaf.virtual_key is not None:
        return leaf
    slug, name = named
    override = {**leaf.override_params, "model": name}
    return leaf.model_copy(update={"virtual_key": slug, "override_params": override})


def _each_leaf(
    config: Config,
    change: Callable[[Config, str], Config],
    wrong: set[str],
    problems: Problems,
) -> Config:
    """Return the tree with its leaves changed, less those that were found wrong before."""

    def visit(node: Config, path: str) -> Config:
        if node.targets is not None:
            targets = (visit(t, f"{path}.targets[{i}]") for i, t in enumerate(node.targets))
            return node.model_copy(update={"targets": tuple(targets)})
        if path in wrong:
            return node
        try:
            return change(node, path)
        except ConfigError as error:
            problems.add(error.problems)
            wrong.add(path)
            return node

    return visit(config, "config")
