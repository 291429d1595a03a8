"""The operating system's keyring, where it is installed and works.

Ground rules: the `keyring` package is an extra, and a machine may have it without a keyring behind
it: then there is none. What goes wrong there is told in our words, without the secret.
"""

from __future__ import annotations

from typing import Any, Final

from portkey_local.errors import ConfigError

__all__ = ["available", "forget", "lookup", "remember"]

SERVICE: Final = "portkey-local"


def _backend() -> Any:
    """Return the keyring that answers, or None."""
    try:
        import keyring
    except ImportError:
        return None
    try:
        backend = keyring.get_keyring()
        return backend if backend.priority > 0 else None
    except Exception:  # noqa: BLE001 - a backend that cannot even say how good it is, is none
        return None


def available() -> bool:
    """Whether secrets can be kept in a keyring here."""
    return _backend() is not None


def lookup(name: str) -> str | None:
    """Return the secret of a name, or None where the keyring has none. Raises ConfigError."""
    backend = _needed(name)
    try:
        secret = backend.get_password(SERVICE, name)
    except Exception as error:  # noqa: BLE001 - backends raise what they like
        raise _refusal(name, "did not give the key", error) from None
    return secret if isinstance(secret, str) else None


def remember(name: str, secret: str) -> None:
    """Keep a secret. Raises ConfigError."""
    backend = _needed(name)
    try:
        backend.set_password(SERVICE, name, secret)
    except Exception as error:  # noqa: BLE001 - as above
        raise _refusal(name, "did not take the key", error) from None


def forget(name: str) -> None:
    """Delete a secret, if there is one. Raises ConfigError."""
    backend = _needed(name)
    try:
        if backend.get_password(SERVICE, name) is not None:
            backend.delete_password(SERVICE, name)
    except Exception as error:  # noqa: BLE001 - as above
        raise _refusal(name, "did not delete the key", error) from None


def _needed(name: str) -> Any:
    backend = _backend()
    if backend is None:
        raise ConfigError(
            name, "is kept in a keyring, and none is here; install portkey-local[keyring]"
        )
    return backend


def _refusal(name: str, what: str, error: Exception) -> ConfigError:
    return ConfigError(name, f"the keyring {what} ({type(error).__name__})")
