"""From `virtual_key` and `provider` to a provider and a key, without a hosted vault.

The order: the client's own `virtual_keys=`, the keys file, the environment. The error for a name
that is nowhere lists where it was looked for; it never shows a key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portkey_local.config import Config, load
from portkey_local.config.problems import shown
from portkey_local.errors import ConfigError, looks_secret
from portkey_local.home import keys_file, read_keys
from portkey_local.keyrings import lookup
from portkey_local.providers.table import PROVIDERS
from portkey_local.query import nearest


@dataclass(frozen=True, slots=True)
class Vault:
    """The places where keys are looked up. `virtual_keys` maps a name to target fields, or to a
    key.
    """

    virtual_keys: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict, repr=False)
    path: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def resolve(self, leaf: Config, where: str) -> Config:
        """Return a leaf with `provider` and `api_key` filled in. Raises ConfigError."""
        return self.signed(self.described(leaf, where), where)

    def described(self, leaf: Config, where: str) -> Config:
        """Return a leaf with the fields of its virtual key beneath its own.

        `where` is its JSON path. Raises ConfigError for a name that is nowhere.
        """
        name = leaf.virtual_key
        if name is None and leaf.provider is not None and leaf.provider.startswith("@"):
            name = leaf.provider[1:]
        if name is None:
            return leaf
        return _beneath(leaf, self._entry(name, where))

    def signed(self, leaf: Config, where: str) -> Config:
        """Return a leaf with the key of its provider; raise ConfigError where there is none."""
        if leaf.api_key is not None or leaf.provider is None or leaf.provider not in PROVIDERS:
            return leaf
        return leaf.model_copy(update={"api_key": self._key(leaf.provider, leaf, where)})

    def _entry(self, name: str, where: str) -> Config:
        """Return the target fields behind a virtual key."""
        place = f"{where}.virtual_key"
        given = self.virtual_keys.get(name)
        if isinstance(given, str):
            if name not in PROVIDERS:
                msg = (
                    f"virtual_keys[{shown(name)}] is a bare key, so its name must be a provider's; "
                    f"give {{'provider': ..., 'api_key': ...}} instead"
                )
                raise ConfigError(place, msg)
            return Config(provider=name, api_key=given)
        if given is not None:
            return _loaded(given, f"virtual_keys[{shown(name)}]", place)
        stored = self._stored()
        if name in stored:
            return _loaded(_opened(name, stored[name]), f"[{name}] in {self._file()}", place)
        if name in PROVIDERS:
            return Config(provider=name)
        raise ConfigError(place, self._unknown(name, stored))

    def _key(self, provider: str, leaf: Config, where: str) -> str | None:
        """Return the key of a provider that was named without one, or None where none is needed."""
        row = PROVIDERS[provider]
        given = self.virtual_keys.get(provider)
        if isinstance(given, str):
            return given
        for entry in (given, self._stored().get(provider)):
            if entry and entry.get("provider", provider) == provider:
                key = _opened(provider, entry).get("api_key")
                if isinstance(key, str) and key.strip():
                    return key
        for variable in row.key_variables:
            if key := self.environment.get(variable, "").strip():
                return key
        if leaf.custom_host or row.key_optional:
            return None
        variable = row.key_variables[0] if row.key_variables else "api_key"
        msg = (
            f"no key for {provider!r}: set the environment variable {variable}, add a table "
            f"[{provider}] with provider and api_key to {self._file()}, or set the target's api_key"
        )
        raise ConfigError(f"{where}.provider", msg)

    def _unknown(self, name: str, stored: Mapping[str, Any]) -> str:
        near = nearest(name, {*self.virtual_keys, *stored, *PROVIDERS})
        hint = "." if near is None else f"; did you mean {shown(near)}?"
        mapping = _names(self.virtual_keys) or "empty"
        exists = self._file().exists()
        tables = _names(stored) or ("no tables" if exists else "no such file")
        return (
            f"{shown(name)} is unknown{hint} Looked in: virtual_keys= of the client ({mapping}); "
            f"{self._file()} ({tables}); the environment (there a name is a provider's id, "
            f"such as 'openai' for OPENAI_API_KEY)"
        )

    def _file(self) -> Path:
        return self.path or keys_file()

    def _stored(self) -> dict[str, dict[str, Any]]:
        return dict(read_keys(self._file()))


def _opened(name: str, entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a stored entry with its key, which the keyring may have. Raises ConfigError."""
    if entry.get("keyring") is not True:
        return entry
    fields = {field: value for field, value in entry.items() if field != "keyring"}
    secret = lookup(name)
    if secret is None:
        again = f"portkey-local keys add {name} --provider {entry.get('provider')} --replace"
        raise ConfigError(name, f"the keyring has no key of this name; store it: {again}")
    return {**fields, "api_key": secret}


def _names(entries: Mapping[str, Any]) -> str:
    """Return names for an error; one that looks like a key was written in the wrong place."""
    return ", ".join(sorted(name for name in entries if not looks_secret(name)))


def _beneath(leaf: Config, entry: Config) -> Config:
    """Return a leaf with an entry's fields under its own, and the overrides merged."""
    names = entry.model_fields_set - leaf.model_fields_set
    if leaf.provider is not None and leaf.provider.startswith("@"):
        names = names | {"provider"}
    update = {name: getattr(entry, name) for name in names}
    if "override_params" in entry.model_fields_set:
        update["override_params"] = {**entry.override_params, **leaf.override_params}
    return leaf.model_copy(update=update)


def _loaded(entry: Mapping[str, Any], source: str, place: str) -> Config:
    """Return a virtual key's fields, checked like a target's."""
    try:
        config = load(entry, quiet=True)
    except ConfigError as error:
        problems = "; ".join(
            f"{path.removeprefix('config.')}: {text}" for path, text in error.problems
        )
        raise ConfigError(place, f"{source}: {problems}") from None
    if config.provider is None or config.provider.startswith("@"):
        raise ConfigError(place, f"{source} has no 'provider' of its own")
    if wrong := config.model_fields_set & {"strategy", "targets", "virtual_key"}:
        raise ConfigError(place, f"{source} is one target, without {', '.join(sorted(wrong))}")
    return config
