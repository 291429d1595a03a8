"""What the guardrails inside a cache go by besides the request: who calls, and how it is answered.

A hit is not judged again, so an answer may only serve where these guardrails would have judged it
alike. What stands before the cache runs on every call, and hooks beside a call decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Final

from portkey_local.checks.tokens import Jwt
from portkey_local.compile.guards import Own
from portkey_local.hooks import Hook, NamedCheck
from portkey_local.policies.guardrails import holds

__all__ = ["go_by_metadata", "headers_read", "tell_streams_apart"]

READ_METADATA: Final = frozenset(
    {
        "default.allowedRequestTypes",
        "default.modelRules",
        "default.modelWhitelist",
        "default.modelwhitelist",
        "default.requiredMetadataKeys",
        "default.webhook",
    }
)
CHANGE: Final = frozenset({"default.addPrefix", "default.regexReplace", "default.webhook"})


def go_by_metadata(hooks: Iterable[Hook], own: Own) -> bool:
    """Whether a hook may judge a call by its metadata; one of the caller's own may."""
    return any(check.id in READ_METADATA or check.id in own for check in _checks(hooks))


def headers_read(hooks: Iterable[Hook]) -> set[str]:
    """Return the names of the headers by which a hook judges a call."""
    return {check.check.header for check in _checks(hooks) if isinstance(check.check, Jwt)}


def tell_streams_apart(after: Iterable[Hook], own: Own) -> bool:
    """Whether a stream may be let through, or unchanged, where a whole answer would not be."""
    heeded = [hook for hook in after if not hook.beside]
    changing = any(check.id in CHANGE or check.id in own for check in _checks(heeded))
    return changing or not all(map(holds, heeded))


def _checks(hooks: Iterable[Hook]) -> Iterable[NamedCheck]:
    return chain.from_iterable(hook.checks for hook in hooks if not hook.beside)
