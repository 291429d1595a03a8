"""What can be said of a config before any call: what it does, what is wrong, and what is odd.

Ground rules: the engine's own loader and compiler are asked, so what they take and refuse is what a
client takes and refuses. Where a key comes from is told, never the key.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from portkey_local.compile import NO_TARGET, WHO_SELF_IS, compile_config
from portkey_local.config import Config, examine as read, inherit, leaves, load
from portkey_local.config.lint import lint
from portkey_local.config.unbuilt import NOT_BUILT_YET
from portkey_local.credentials import Vault
from portkey_local.errors import ConfigError, ConfigWarning
from portkey_local.home import configs_dir
from portkey_local.model import EMPTY
from portkey_local.providers.own import SELF
from portkey_local.providers.table import PROVIDERS
from portkey_local.report.outline import Facts, facts_of

__all__ = ["examine", "noted_warnings", "refuse_wrong"]

Remark = tuple[str, str]  # a path and what is said about it
FOR_WRAP: Final = f"{WHO_SELF_IS}; Portkey, serve and bench have none, and refuse this config"


def examine(
    source: str, *, with_keys: bool, checks: Sequence[str] = (), endpoint: str | None = None
) -> Facts:
    """Return what a config does, with all that is wrong, odd or surprising about it.

    `checks` names guardrail checks that the caller's own code registers, `endpoint` the path that
    will be called, where it is known.
    """
    errors: list[Remark] = []
    facts, advice = None, []
    with noted_warnings() as remarks:
        try:
            compiled = _compiled(source, checks)
            config = load(source, configs_dir=configs_dir(), quiet=True)
            advice = lint(config, endpoint=endpoint)
            keys = _keys(inherit(config), errors) if with_keys else {}
            facts = facts_of(compiled, "config", keys)
            advice += [(f"{path}.provider", FOR_WRAP) for path in _selves(config)]
        except ConfigError as error:
            errors.extend(error.problems)
            advice = _of_the_unbuilt(source, errors, endpoint)
    said = {path for path, _ in remarks}
    return {
        "ok": not errors,
        "errors": [_json(*error) for error in errors],
        "warnings": [
            _json(*remark)
            for remark in (*remarks, *(each for each in advice if each[0] not in said))
        ],
        "config": facts,
    }


def _of_the_unbuilt(source: str, errors: list[Remark], endpoint: str | None) -> list[Remark]:
    """Return what may surprise in a config of which parts are right, but not built yet."""
    if not all(message.startswith(NOT_BUILT_YET) for _, message in errors):
        return []
    config = read(source, configs_dir=configs_dir(), quiet=True).rest
    return [] if config is None else lint(config, endpoint=endpoint)


def _json(path: str, message: str) -> dict[str, str]:
    return {"path": path, "message": message}


@contextmanager
def noted_warnings() -> Iterator[list[Remark]]:
    """Note the warnings about configs, each once, in a list that is full when the block ends."""
    remarks: list[Remark] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConfigWarning)
        yield remarks
    first: dict[str, str] = {}
    for warning in caught:
        if issubclass(warning.category, ConfigWarning):
            path, _, message = str(warning.message).partition(": ")
            first.setdefault(path, message)  # a config that is read twice is warned about twice
    remarks.extend(first.items())


def refuse_wrong(source: Any, checks: Sequence[str] = ()) -> None:
    """Raise ConfigError with all that is wrong with a config, missing keys apart.

    One without a target is right, if it says anything: its client names the provider.
    """
    with noted_warnings():
        _compiled(source, checks, {"provider": "openai"} if source else {})


def _compiled(source: Any, checks: Sequence[str], defaults: Mapping[str, Any] = EMPTY) -> Config:
    """Return the config as the engine takes it, whether or not its providers' keys are here."""
    any_key = {name: "any" for row in PROVIDERS.values() for name in row.key_variables}
    own = dict.fromkeys(checks, bool)  # they are named, never called
    vault = Vault(environment=any_key)
    read_first = read(source, configs_dir=configs_dir(), quiet=True).rest
    compiled = compile_config(
        source, vault=vault, checks=own, defaults=defaults, own=bool(_selves(read_first))
    ).config
    if compiled is None:
        raise ConfigError("config", NO_TARGET)
    return compiled


def _selves(config: Config | None) -> list[str]:
    """Return where a config speaks of the client that it is for."""
    return [] if config is None else [at for at, leaf in leaves(config) if leaf.provider == SELF]


def _keys(config: Config, errors: list[Remark]) -> dict[str, str]:
    """Say where each target's key comes from; a key from nowhere is an error."""
    keys = {}
    for path, leaf in leaves(config):
        try:
            keys[path] = _key_of(leaf, path)
        except ConfigError as error:
            keys[path] = "none found"
            errors.extend(error.problems)
    return keys


def _key_of(leaf: Config, path: str) -> str:
    if leaf.provider == SELF:
        return "the client's own"
    if leaf.api_key:
        return "in the config"
    found = Vault().resolve(leaf, path)
    if not found.api_key or found.provider is None:
        return "none, and none needed"
    # With an address of its own a target may go without a key: so this finds one only in the file.
    hosted = leaf.model_copy(update={"custom_host": "any"})
    if Vault(environment={}).resolve(hosted, path).api_key:
        return "from keys.toml"
    variables = PROVIDERS[found.provider].key_variables
    return f"from {next(name for name in variables if os.environ.get(name))}"
