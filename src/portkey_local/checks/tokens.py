"""`jwt`: the caller's own token, in a header of the call, is valid by its issuer's keys."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from portkey_local.checks.parameters import seconds
from portkey_local.checks.remote import TIMEOUT, NoAnswer
from portkey_local.effects import Fetch, Route
from portkey_local.hooks import Check, CheckContext, CheckResult
from portkey_local.model import Answer, Packet

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
)
AGE: Final = re.compile(
    r"(?P<number>\d+(?:\.\d+)?) ?(?:"
    r"(?P<s>s|secs?|seconds?)|(?P<m>m|mins?|minutes?)|(?P<h>h|hrs?|hours?)"
    r"|(?P<d>d|days?)|(?P<w>w|weeks?)|(?P<y>y|yrs?|years?))",
    re.IGNORECASE,
)
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365.25 * 86400}


def jwt(given: Mapping[str, Any]) -> Check:
    """Return the check; keys are fetched from `jwksUri` and kept for `cacheMaxAge` seconds."""
    return Jwt(
        uri=given["jwksUri"],
        header=given["headerKey"].lower(),
        tolerance=given["clockTolerance"],
        oldest=given["maxTokenAge"],
        keys=KeysState(given["cacheMaxAge"]),
    )


def age(value: Any) -> float:
    """Read an age such as `12h` or `2 weeks`, or a number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return seconds(value)
    found = AGE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        msg = "must be an age such as '12h' or '2 weeks', or a number of seconds"
        raise ValueError(msg)
    return seconds(float(found["number"]) * UNITS[str(found.lastgroup)])


@dataclass(slots=True)
class KeysState:
    """An issuer's keys, for a time."""

    seconds: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _held: tuple[float, list[dict[str, Any]]] | None = None

    def get(self, now: float) -> list[dict[str, Any]] | None:
        """Return the keys, if they are young enough."""
        with self._lock:
            held = self._held
        return held[1] if held is not None and now < held[0] + self.seconds else None

    def put(self, keys: list[dict[str, Any]], now: float) -> None:
        """Keep keys that have just been fetched."""
        with self._lock:
            self._held = now, keys


@dataclass(frozen=True, slots=True)
class Jwt:
    """Verifies the token of a header; PyJWT does the verifying."""

    uri: str
    header: str
    tolerance: float
    oldest: float
    keys: KeysState

    def run(self, context: CheckContext) -> Route[CheckResult]:
        """Return whether the token is valid; raise NoAnswer where its keys cannot be had."""
        told = context.headers.get(self.header, "")
        token = re.sub(r"^bearer\s+", "", told, flags=re.IGNORECASE).strip()
        if not token:
            return _failed("the header is missing")
        name = _key_id(token)
        if name is None:
            return _failed("not a token that names its key")
        key = self._named(self.keys.get(context.now), name)
        if key is None:  # the issuer may have changed its keys
            fetched = yield from self._fetched()
            self.keys.put(fetched, context.now)
            key = self._named(fetched, name)
        return _failed("its key is unknown") if key is None else self._verified(token, key)

    def _fetched(self) -> Route[list[dict[str, Any]]]:
        answer = yield from Fetch(Packet("GET", self.uri, {}, None), TIMEOUT)
        if not isinstance(answer, Answer) or answer.status != 200:
            raise NoAnswer(f"status {answer.status}")
        try:
            keys = json.loads(answer.content)["keys"]
            return [key for key in keys if isinstance(key, dict)]
        except (ValueError, TypeError, KeyError):
            raise NoAnswer("no keys") from None

    def _named(self, keys: list[dict[str, Any]] | None, name: str) -> dict[str, Any] | None:
        return next((key for key in keys or () if key.get("kid") == name), None)

    def _verified(self, token: str, key: dict[str, Any]) -> CheckResult:
        import jwt as pyjwt

        try:
            claims = pyjwt.decode(
                token,
                pyjwt.PyJWK(key),
                algorithms=list(ALGORITHMS),
                leeway=self.tolerance,
                # Whose a token is, and which, is for the caller to say in any form.
                options={
                    "verify_aud": False,
                    "verify_sub": False,
                    "verify_jti": False,
                    "require": ["iat"],
                },
            )
            expired = self._too_old(claims)
        except pyjwt.PyJWTError as error:
            return _failed(type(error).__name__)
        return _failed("older than maxTokenAge") if expired else CheckResult(verdict=True)

    def _too_old(self, claims: Mapping[str, Any]) -> bool:
        from datetime import UTC, datetime

        now = datetime.now(UTC).timestamp()  # noqa: TID251 - a token's times are times of day
        return bool(now - float(claims["iat"]) > self.oldest + self.tolerance)


def _key_id(token: str) -> str | None:
    import jwt as pyjwt

    try:
        name = pyjwt.get_unverified_header(token).get("kid")
    except pyjwt.PyJWTError:
        return None
    return name if isinstance(name, str) else None


def _failed(why: str) -> CheckResult:
    return CheckResult(verdict=False, data={"explanation": why})
