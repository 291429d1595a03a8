"""From the guardrails a config writes to hooks that are ready to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portkey_local.checks import WrongCheck, prepare
from portkey_local.compile.problems import Problems
from portkey_local.config import Config
from portkey_local.config.hooks import CheckSpec, HookSpec, hooks_of
from portkey_local.config.problems import Location, path_of
from portkey_local.errors import ConfigError
from portkey_local.hooks import Hook, NamedCheck

Own = Mapping[str, Callable[..., Any]]
Guards = tuple[tuple[Hook, ...], tuple[Hook, ...]]  # before and after a call


def guards_of(node: Config, path: str, own: Own) -> Guards:
    """Return the hooks before and after a leaf's calls; raise ConfigError with all problems."""
    problems = Problems()
    written = hooks_of(node, path)
    before = _hooks(written.before, own, problems)
    after = _hooks(written.after, own, problems)
    problems.refuse()
    return before, after


def _hooks(specs: Sequence[HookSpec], own: Own, problems: Problems) -> tuple[Hook, ...]:
    return tuple(_hook(spec, own, problems) for spec in specs)


def _hook(spec: HookSpec, own: Own, problems: Problems) -> Hook:
    checks = []
    for check in spec.checks:
        with problems.gathering():
            checks.append(_check(check, own))
    return Hook(
        id=spec.id,
        checks=tuple(checks),
        mutator=spec.kind == "mutator",
        deny=spec.deny,
        beside=spec.beside,
        sequential=spec.sequential,
        buffered=spec.on_stream == "buffer",
        on_success=spec.on_success,
        on_fail=spec.on_fail,
    )


def _check(spec: CheckSpec, own: Own) -> NamedCheck:
    name, parameters = spec.id, dict(spec.parameters)
    if name not in own and isinstance(parameters.get("id"), str):
        name = parameters.pop("id")  # the way to have one check twice in a hook's short form
    full = name if name in own or "." in name else f"default.{name}"
    try:
        check = prepare(name, parameters, own)
        return NamedCheck(full, check, parameters.get("failOnError") is True)
    except WrongCheck as wrong:
        found = [(_place(spec, location), message) for location, message in wrong.problems]
    raise ConfigError(*found[0], *found[1:])


def _place(spec: CheckSpec, location: Location) -> str:
    """Return the path of what is wrong with a check; the empty location is its id's."""
    if not location:
        return spec.id_place
    return spec.parameters_place + path_of(location).removeprefix("config")
