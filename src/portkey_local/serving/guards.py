"""Who may call: programs on this machine, and no web page that happens to be open on it.

Ground rules: whoever reaches the server spends the keys it finds, for it asks for no password.
So it listens on loopback unless told otherwise; a name that was made to lead to loopback is
refused (DNS rebinding), and so is whatever a browser sends for a page: it names the page's origin
or, for an image or a script of a page, which names none, says that another site asks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Guard", "is_loopback"]

LOCALHOST: Final = "localhost"
OTHER_SITES: Final = ("cross-site", "same-site")  # the second is another port of this host


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's own, by its name or address alone.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "example.com")]
    [True, True, True, False, False]
    """
    if host.lower().rstrip(".") == LOCALHOST:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Guard:
    """What a request must not be. `origins` are those of web pages that may call."""

    remote: bool = False
    origins: tuple[str, ...] = ()

    def refusal(self, headers: Mapping[str, str]) -> str | None:
        """Return why a request with these headers is refused, or None."""
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            return f"Pages of the origin {origin!r} may not call; --allow-origin lets one"
        if origin is None and headers.get("sec-fetch-site") in OTHER_SITES:
            return "Pages may not fetch from here without naming their origin"
        host = headers.get("host")
        if self.remote or not host or is_loopback(_name_in(host)):
            return None
        return f"The host {host!r} is not this machine's own; call it as 127.0.0.1 or localhost"


def _name_in(host: str) -> str:
    """Return the name or address in a Host header; nothing for what is neither."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
