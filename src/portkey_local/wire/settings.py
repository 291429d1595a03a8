"""How connections are made: limits, proxies, certificates, and which HTTP library makes them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from portkey_local.errors import ConfigError
from portkey_local.wire.contract import CONNECT_TIMEOUT

PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Connections:
    """Limits and ways of the connections to providers.

    `verify` is True, a path to a CA bundle or directory, or an `ssl.SSLContext`; False checks no
    certificate. `proxy` is one proxy URL for everything; without it, and with `trust_env`, the
    environment's HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY decide. Limits and the seconds an
    idle connection is kept are the openai SDK's and httpx's defaults; aiohttp does not limit how
    many are kept.
    """

    max_connections: int = 1000
    max_keepalive_connections: int = 100
    keepalive_expiry: float = 5.0
    connect_timeout: float = CONNECT_TIMEOUT
    verify: bool | str | os.PathLike[str] | ssl.SSLContext = True
    proxy: str | None = None
    trust_env: bool = True

    def __post_init__(self) -> None:
        """Find what cannot work, before any call. Raises ConfigError."""
        if isinstance(self.verify, (str, os.PathLike)) and not Path(self.verify).exists():
            raise ConfigError("connections.verify", f"{str(self.verify)!r} does not exist")
        if self.proxy is not None:
            scheme = with_scheme(self.proxy).split("://")[0]
            if scheme not in PROXY_SCHEMES:
                schemes = ", ".join(PROXY_SCHEMES)
                raise ConfigError("connections.proxy", f"{scheme!r} is none of {schemes}")
            if scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
                raise ConfigError("connections.proxy", "a SOCKS proxy needs the package socksio")
        if self.max_connections < 1:
            raise ConfigError("connections.max_connections", "must be 1 or more")

    def ssl_context(self) -> ssl.SSLContext:
        """Return the TLS context, made by the HTTP library so that its CA rules hold."""
        if isinstance(self.verify, ssl.SSLContext):
            return self.verify
        if isinstance(self.verify, (str, os.PathLike)):
            return _custom_authority(Path(self.verify))
        context: ssl.SSLContext = http_library().create_ssl_context(
            verify=self.verify, trust_env=self.trust_env
        )
        return context

    def uses_socks(self) -> bool:
        """Whether a SOCKS proxy may be on the way, which aiohttp does not speak."""
        if self.proxy is not None:
            return self.proxy.startswith("socks")
        import urllib.request

        proxies = urllib.request.getproxies() if self.trust_env else {}
        return any(proxy.startswith("socks") for proxy in proxies.values())

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy that leads to `url`, or None."""
        if self.proxy is not None:
            return with_scheme(self.proxy)
        if not self.trust_env:
            return None
        import urllib.parse
        import urllib.request  # loaded by `prepare`; slow, and only clients that are used need it

        parts = urllib.parse.urlsplit(url)
        proxies = urllib.request.getproxies()
        if urllib.request.proxy_bypass(parts.hostname or ""):
            return None
        found = proxies.get(parts.scheme) or proxies.get("all")
        return with_scheme(found) if found else None


def with_scheme(proxy: str) -> str:
    """Return a proxy's URL; a bare host and port is one that speaks HTTP."""
    return proxy if "://" in proxy else f"http://{proxy}"


def prepare(settings: Connections) -> None:
    """Import what the first call needs, so that it does not pay for that out of its deadline.

    Raises ConfigError for a SOCKS proxy in the environment that nothing here can speak to.
    """
    importlib.import_module("urllib.request")
    core_library()
    if settings.uses_socks() and importlib.util.find_spec("socksio") is None:
        raise ConfigError("proxy", "the environment names a SOCKS proxy; install socksio for it")


@cache
def http_library() -> Any:
    """Return httpx2 where it is installed, else httpx."""
    return importlib.import_module("httpx2" if importlib.util.find_spec("httpx2") else "httpx")


@cache
def core_library() -> Any:
    """Return the connection pools under `http_library`: httpcore2 or httpcore."""
    name = "httpcore2" if http_library().__name__ == "httpx2" else "httpcore"
    module: ModuleType = importlib.import_module(name)
    return module


def _custom_authority(path: Path) -> ssl.SSLContext:
    if path.is_dir():
        return ssl.create_default_context(capath=path)
    return ssl.create_default_context(cafile=path)
