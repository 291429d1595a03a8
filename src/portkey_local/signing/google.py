"""Signing in to Google Cloud: a service account, or whatever this machine is signed in with.

Ground rules: google-auth does the work, over httpx, so that it needs no HTTP library of its own. A
token is kept until google-auth finds it about to expire, and fetched by one thread at a time. The
machine's own credentials are looked for at the first call, because that may ask a server.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from portkey_local.model import Failure, Fault, Packet, Target
from portkey_local.signing import NoCredentials

__all__ = ["GoogleSigner", "signer"]

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
FIELD: Final = "vertex_service_account_json"
SECONDS: Final = 10.0  # for one answer of a token server
MISSING: Final = 'needs google-auth: pip install "portkey-local[vertex]", or set api_key to a token'


def signer(
    provider: str, fields: Mapping[str, Any], environment: Mapping[str, str]
) -> GoogleSigner:
    """Return who signs in to Google Cloud. Raises NoCredentials."""
    del environment  # google-auth looks for this machine's credentials itself
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2.service_account import Credentials
    except ImportError:
        raise NoCredentials("api_key", f"{provider!r} {MISSING}") from None
    told = fields.get(FIELD)
    if not told:
        return GoogleSigner()
    try:
        account = json.loads(told) if isinstance(told, str) else dict(told)
        make: Any = Credentials.from_service_account_info  # which says nothing of its types
        return GoogleSigner(make(account, scopes=SCOPES))
    except (GoogleAuthError, ValueError, KeyError, TypeError, AttributeError):
        # Whatever is wrong, its words may quote the private key.
        raise NoCredentials(FIELD, "is not the JSON of a service account's key") from None


class GoogleSigner:
    """Signs messages in with an access token of Google Cloud; safe across threads."""

    def __init__(self, credentials: Any = None) -> None:
        """Take credentials; without any, those of this machine are looked for."""
        self._credentials = credentials
        self._fetching = threading.Lock()

    def ready(self) -> bool:
        """Whether a token is at hand."""
        return self._credentials is not None and bool(self._credentials.valid)

    def sign(self, target: Target, packet: Packet) -> Packet | Failure:
        """Return the message with its token, or why there is none. May wait for a token server."""
        try:
            if not self.ready():
                self._fetch()
            headers = dict(packet.headers)
            self._credentials.apply(headers)
        except Exception as error:  # noqa: BLE001 - google-auth stumbles over odd answers in many ways
            # The words of the error are left out: they may quote the token server's.
            message = f"no access token of Google Cloud could be had ({type(error).__name__})"
            return Failure(target, Fault.SIGN_IN, 401, message, cause=error)
        return replace(packet, headers=headers)

    def _fetch(self) -> None:
        with self._fetching:
            if self.ready():  # another thread has been here meanwhile
                return
            ask = _ask_over_httpx
            if self._credentials is None:
                self._credentials = _of_this_machine(ask)
            self._credentials.refresh(ask)


def _of_this_machine(ask: Any) -> Any:
    """Return application default credentials: a key file's, gcloud's, or those of the server."""
    import google.auth

    library: Any = google.auth  # which says nothing of its types
    found, _ = library.default(scopes=SCOPES, request=ask)
    return found


def _ask_over_httpx(
    url: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    **_: Any,
) -> Any:
    """Send one request of google-auth's, which is what it calls a transport."""
    import httpx
    from google.auth import exceptions

    broken: Any = exceptions.TransportError
    limit = min(timeout or SECONDS, SECONDS)
    try:
        answer = httpx.request(method, url, content=body, headers=headers, timeout=limit)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise broken(type(error).__name__) from error
    return _Answer(answer.status_code, answer.headers, answer.content)


class _Answer:
    """An HTTP answer as google-auth reads it."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data
