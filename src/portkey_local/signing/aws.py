"""Signing messages in to AWS: Signature Version 4, with the credentials of AWS's own chain.

Ground rules: botocore finds the credentials and computes the signature. Keys in the config or the
environment are at hand; everything else (profiles, containers, instance metadata, an assumed role)
may ask somebody, and is looked for when the first message is signed. Signed are the method, the
URL, the body, and of the headers only host, type and date: the caller's others may change on the
way.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from portkey_local.model import Failure, Fault, Packet, Signer, Target
from portkey_local.signing import NoCredentials

__all__ = ["signer"]

INSTALL: Final = 'signing in to AWS needs botocore: pip install "portkey-local[bedrock]"'
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
KEY_VARIABLES: Final[Mapping[str, str]] = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "aws_session_token": "AWS_SESSION_TOKEN",
}
ASSUMED: Final = "assumedRole"
TYPES: Final = ("accessKey", ASSUMED, "serviceRole", "apiKey")  # as Portkey names them
SESSION_NAME: Final = "portkey-local"
STS_LIMITS: Final = {"connect_timeout": 5, "read_timeout": 10, "retries": {"total_max_attempts": 2}}
SIGNED: Final = ("content-type",)  # beside host and date, which botocore brings


def signer(provider: str, fields: Mapping[str, Any], environment: Mapping[str, str]) -> Signer:
    """Return who signs a provider's messages. Raises NoCredentials."""
    auth = _library("botocore.auth")
    region = fields.get("aws_region") or next(
        (told for name in REGIONS if (told := environment.get(name, "").strip())), None
    )
    if not region:
        message = f"{provider!r} needs it to sign, or set the environment variable {REGIONS[0]}"
        raise NoCredentials("aws_region", message)
    fixed = _fixed(fields) or _fixed(
        {name: environment.get(variable) for name, variable in KEY_VARIABLES.items()}
    )
    load = partial(_chain, fixed)
    if _checked_type(fields) == ASSUMED or fields.get("aws_role_arn"):
        if not fields.get("aws_role_arn"):
            raise NoCredentials("aws_role_arn", f"{provider!r} needs it to assume a role")
        load = partial(
            _assumed, fixed, region, fields["aws_role_arn"], fields.get("aws_external_id")
        )
    elif fixed is not None:
        return AwsSigner(auth, provider, region, CredentialState(load, fixed))
    return AwsSigner(auth, provider, region, CredentialState(load))


def _checked_type(fields: Mapping[str, Any]) -> str | None:
    told: str | None = fields.get("aws_auth_type")
    if told is not None and told not in TYPES:
        raise NoCredentials("aws_auth_type", f"must be one of {', '.join(TYPES)}, or left out")
    if told == "apiKey":
        raise NoCredentials("api_key", "is not set, and 'aws_auth_type' says that it signs in")
    return told


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise NoCredentials("api_key", f"is not set, and {INSTALL}") from None


def _fixed(fields: Mapping[str, Any]) -> Any:
    """Return credentials that are written down, None where none are."""
    key, secret = fields.get("aws_access_key_id"), fields.get("aws_secret_access_key")
    if not key and not secret:
        return None
    if not key or not secret:
        missing = "aws_secret_access_key" if key else "aws_access_key_id"
        raise NoCredentials(missing, "an access key and its secret go together")
    credentials = _library("botocore.credentials")
    return credentials.Credentials(key, secret, fields.get("aws_session_token") or None)


def _chain(fixed: Any) -> Any:
    """Return the credentials that AWS's chain finds. May wait."""
    return fixed or _library("botocore.session").Session().get_credentials()


def _assumed(fixed: Any, region: str, role: str, external_id: str | None) -> Any:
    """Return credentials of a role, which refresh themselves. May wait."""
    source = _chain(fixed)
    if source is None:
        return None
    config = _library("botocore.config").Config(**STS_LIMITS)
    session = _library("botocore.session").Session()
    credentials = _library("botocore.credentials")
    extra = {"RoleSessionName": SESSION_NAME}
    if external_id:
        extra["ExternalId"] = external_id
    fetcher = credentials.AssumeRoleCredentialFetcher(
        partial(session.create_client, region_name=region, config=config),
        source,
        role,
        extra_args=extra,
    )
    return credentials.DeferredRefreshableCredentials(
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )


class CredentialState:
    """Credentials, looked for once; those that expire renew themselves, for all threads at once."""

    def __init__(self, load: Callable[[], Any], credentials: Any = None) -> None:
        """Take who finds them, and them where they are known."""
        self._load = load
        self._credentials = credentials
        self._lock = threading.Lock()

    def ready(self) -> bool:
        """Whether they are at hand, and far from their end."""
        credentials = self._credentials
        if credentials is None:
            return False
        expiring = getattr(credentials, "refresh_needed", None)
        return expiring is None or not expiring()

    def get(self) -> Any:
        """Return them as they are now, None where there are none. May wait."""
        with self._lock:
            if self._credentials is None:
                self._credentials = self._load()
        return None if self._credentials is None else self._credentials.get_frozen_credentials()


class AwsSigner:
    """Signs messages for one service in one region."""

    def __init__(self, auth: Any, service: str, region: str, credentials: CredentialState) -> None:
        """Take botocore's signers, and whose credentials to sign with."""
        self._auth = auth
        self._request = _library("botocore.awsrequest").AWSRequest
        self._service = service
        self._region = region
        self._credentials = credentials

    def ready(self) -> bool:
        """Whether `sign` answers at once, without asking anybody."""
        return self._credentials.ready()

    def sign(self, target: Target, packet: Packet) -> Packet | Failure:
        """Return the message with its signature, or why there is none. May wait."""
        try:
            credentials = self._credentials.get()
            if credentials is None:
                return _failure(target, "no AWS credentials were found")
            signed = self._signed(packet, credentials)
        except Exception as error:  # noqa: BLE001 - whatever a chain of other people's code raises
            return _failure(target, f"no AWS credentials could be had: {_told(error)}", error)
        return Packet(
            packet.method,
            packet.url,
            {**packet.headers, **signed},
            packet.content,
            packet.idle,
            packet.dropped,
        )

    def _signed(self, packet: Packet, credentials: Any) -> dict[str, str]:
        """Return the headers that sign a message in."""
        request = self._request(
            method=packet.method,
            url=packet.url,
            headers={name: packet.headers[name] for name in SIGNED if name in packet.headers},
            data=packet.content or b"",
        )
        self._auth.SigV4Auth(credentials, self._service, self._region).add_auth(request)
        return {name.lower(): value for name, value in request.headers.items()}


def _told(error: Exception) -> str:
    """Return what went wrong, in words that hold no secret: AWS's own code, or the kind."""
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, Mapping) else None
    return code if isinstance(code, str) else type(error).__name__


def _failure(target: Target, message: str, cause: BaseException | None = None) -> Failure:
    return Failure(target, Fault.SIGN_IN, 401, message, cause=cause)
