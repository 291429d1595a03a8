"""From `virtual_key` and `provider` to a provider and a key, without a hosted vault.

The order: the client's own `virtual_keys=`, the keys file, the environment. The error for a name that
is nowhere lists where it was looked for; it never shows a key.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portkey_local.errors import ConfigError
from portkey_local.home import keys_file, read_keys
from portkey_local.providers.table import PROVIDERS


@dataclass(frozen=True, slots=True)
class Vault:
    """The places where keys are looked up. `virtual_keys` maps a name to target fields, or to a key."""

    virtual_keys: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict, repr=False)
    path: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)

    def resolve(self, fields: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return a leaf's fields with `provider` and `api_key` filled in; its own fields win.

        `fields` are a target's as its config has them, `where` its JSON path. Raises ConfigError.
        """
        own = dict(fields)
        provider = own.get("provider")
        name = own.pop("virtual_key", None)
        if isinstance(provider, str) and provider.startswith("@"):
            name = name or provider[1:]
            del own["provider"]
        if name is not None:
            own = {**self._entry(name, where), **own}
        if "api_key" not in own:
            own.update(self._key(str(own["provider"]), own, where))
        return own

    def _entry(self, name: str, where: str) -> dict[str, Any]:
        """Return the target fields behind a virtual key."""
        given = self.virtual_keys.get(name)
        if isinstance(given, str):
            if name not in PROVIDERS:
                msg = (
                    f"virtual_keys[{name!r}] is a bare key, so its name must be a "
                    f"provider's; give {{'provider': ..., 'api_key': ...}} instead"
                )
                raise ConfigError(f"{where}.virtual_key", msg)
            return {"provider": name, "api_key": given}
        if given is not None:
            return self._checked(dict(given), f"virtual_keys[{name!r}]", where)
        stored = self._stored()
        if name in stored:
            return self._checked(dict(stored[name]), f"[{name}] in {self._file()}", where)
        if name in PROVIDERS:
            return {"provider": name}
        raise ConfigError(f"{where}.virtual_key", self._unknown(name, stored))

    def _checked(self, entry: dict[str, Any], source: str, where: str) -> dict[str, Any]:
        if not isinstance(entry.get("provider"), str):
            msg = f"{source} has no 'provider'"
            raise ConfigError(f"{where}.virtual_key", msg)
        return entry

    def _key(self, provider: str, own: Mapping[str, Any], where: str) -> dict[str, Any]:
        """Return the key of a provider that was named without one, with what comes along with it."""
        row = PROVIDERS[provider]
        given = self.virtual_keys.get(provider)
        if isinstance(given, str):
            return {"api_key": given}
        for entry in (given, self._stored().get(provider)):
            if entry and entry.get("api_key") and entry.get("provider", provider) == provider:
                return {"api_key": entry["api_key"]}
        for variable in row.key_variables:
            if self.environment.get(variable):
                return {"api_key": self.environment[variable]}
        if own.get("custom_host") or row.key_optional:
            return {}
        variable = row.key_variables[0] if row.key_variables else "api_key"
        msg = (
            f"no key for {provider!r}: set the environment variable {variable}, add a "
            f"table [{provider}] with provider and api_key to {self._file()}, or give the target an api_key"
        )
        raise ConfigError(f"{where}.provider", msg)

    def _unknown(self, name: str, stored: Mapping[str, Any]) -> str:
        known = [*self.virtual_keys, *stored]
        near = difflib.get_close_matches(name, [*known, *PROVIDERS], n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        mapping = ", ".join(sorted(self.virtual_keys)) or "empty"
        tables = ", ".join(sorted(stored)) or ("no tables" if self._file().exists() else "no such file")
        return (
            f"{name!r} is unknown{hint} Looked in: virtual_keys= of the client "
            f"({mapping}); {self._file()} ({tables}); the environment (a name there is a provider's id, "
            f"such as 'openai' for OPENAI_API_KEY)"
        )

    def _file(self) -> Path:
        return self.path or keys_file()

    def _stored(self) -> dict[str, dict[str, Any]]:
        return dict(read_keys(self._file()))
