"""Signing in to Azure with an Entra token, which `azure-identity` fetches.

Ground rules: a token is kept until five minutes before it expires, and fetched by one thread at a
time. Which way is taken is said by `azure_auth_mode`; nothing is tried that nobody asked for.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from portkey_local.model import Failure, Fault, Packet, Signer, Target
from portkey_local.signing import NoCredentials

__all__ = ["EntraSigner", "signer"]

SCOPE: Final = "https://cognitiveservices.azure.com/.default"
MARGIN: Final = 300.0  # seconds before its end at which a token is not used any more
MODES: Final = ("entra", "managed", "workload", "default")
INSTALL: Final = 'pip install "portkey-local[azure]"'


class Token(Protocol):
    """A token, and when it expires, in seconds since 1970."""

    @property
    def token(self) -> str:
        """The token itself."""

    @property
    def expires_on(self) -> int:
        """When it expires."""


class Credential(Protocol):
    """Whatever of `azure-identity` fetches tokens."""

    def get_token(self, *scopes: str) -> Token:
        """Return a token. May wait, and may raise anything."""


class EntraSigner:
    """Signs messages in with a bearer token; shared by threads."""

    def __init__(
        self,
        credential: Credential,
        scope: str = SCOPE,
        wall: Callable[[], float] = time.time,  # noqa: TID251 - tokens expire by the time of day
    ) -> None:
        """Take who fetches the tokens, for which scope, and the time of day."""
        self._credential = credential
        self._scope = scope
        self._wall = wall
        self._lock = threading.Lock()
        self._token: Token | None = None

    def ready(self) -> bool:
        """Whether a token is at hand that lasts for a while."""
        token = self._token
        return token is not None and token.expires_on - self._wall() > MARGIN

    def sign(self, target: Target, packet: Packet) -> Packet | Failure:
        """Return the message with a token, or why there is none."""
        try:
            token = self._fresh()
        except Exception as error:  # noqa: BLE001 - whatever a credential raises, there is no token
            message = f"no Entra token could be had ({type(error).__name__})"
            return Failure(target, Fault.SIGN_IN, 401, message, cause=error)
        packet.headers = {**packet.headers, "authorization": f"Bearer {token.token}"}
        return packet

    def _fresh(self) -> Token:
        token = self._token
        if token is None or not self.ready():
            with self._lock:  # the one who waited here finds the token of the one before
                token = self._token
                if token is None or not self.ready():
                    token = self._token = self._credential.get_token(self._scope)
        return token


def signer(
    provider: str, fields: Mapping[str, Any], environment: Mapping[str, str]
) -> Signer | None:
    """Return who signs in to Azure without a key, None where a ready token does.

    Raises NoCredentials.
    """
    mode = fields.get("azure_auth_mode")
    if fields.get("azure_ad_token") or environment.get("AZURE_OPENAI_AD_TOKEN", "").strip():
        return None
    if mode is None:
        if fields.get("custom_host") or fields.get("forward_headers"):
            return None  # whoever stands between signs in, or the caller does
        raise NoCredentials(
            "api_key",
            f"{provider!r} needs a key, a token (azure_ad_token), or a way to get one "
            f"(azure_auth_mode: {', '.join(MODES)})",
        )
    if mode not in MODES:
        raise NoCredentials("azure_auth_mode", f"is one of {', '.join(MODES)}")
    return EntraSigner(
        _credential(mode, fields, environment), fields.get("azure_entra_scope") or SCOPE
    )


def _credential(mode: str, fields: Mapping[str, Any], environment: Mapping[str, str]) -> Credential:
    """Return the credential of a mode. Raises NoCredentials."""
    try:
        from azure import identity
    except ImportError:
        message = f"needs azure-identity: {INSTALL}"
        raise NoCredentials("azure_auth_mode", message) from None
    match mode:
        case "entra":
            return _client_secret(identity, fields, environment)
        case "managed":
            client = fields.get("azure_managed_client_id")
            credential: Credential = identity.ManagedIdentityCredential(client_id=client)
        case "workload":
            client = fields.get("azure_workload_client_id")
            credential = _made(identity.WorkloadIdentityCredential, client_id=client)
        case _:
            credential = identity.DefaultAzureCredential()
    return credential


def _client_secret(
    identity: Any, fields: Mapping[str, Any], environment: Mapping[str, str]
) -> Credential:
    """Return the credential of a registered application, whose three parts must all be set."""
    parts = {}
    for part in ("tenant_id", "client_id", "client_secret"):
        field, variable = f"azure_entra_{part}", f"AZURE_{part.upper()}"
        value = fields.get(field) or environment.get(variable, "").strip()
        if not value:
            message = f"azure_auth_mode 'entra' needs it, or the environment variable {variable}"
            raise NoCredentials(field, message)
        parts[part] = value
    return _made(identity.ClientSecretCredential, **parts)


def _made(make: Callable[..., Credential], **parts: Any) -> Credential:
    """Return a credential; one that refuses its parts says so."""
    try:
        return make(**parts)
    except ValueError as error:
        message = f"azure-identity refuses it: {str(error).splitlines()[0]}"
        raise NoCredentials("azure_auth_mode", message) from None
