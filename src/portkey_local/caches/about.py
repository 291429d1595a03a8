"""What is said of an entry, besides the answer itself: whose it is, and what it answers.

Ground rules: pure. Nothing of a prompt or an answer is in it. The name of the user who caused an
entry is kept as a digest, by which it can be found again but not read.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import from_json

from portkey_local.model import Call, Target

__all__ = ["FORMAT", "about", "first_line", "read", "writer_of"]

FORMAT: Final = 2  # of entries; 1 had nothing said of them
LONGEST: Final = 4096  # bytes of a first line that is worth a look
NAMES: Final = ("_user", "user_id", "user")  # metadata that names a user, Portkey's own first


def about(call: Call, target: Target, at: float, until: float) -> bytes:
    """Return what is said of the answer that `target` gave to a call, as one line of JSON."""
    body = call.request.body or {}
    said: dict[str, Any] = {
        "format": FORMAT,
        "created": at,
        "expires": until,
        "namespace": call.caching.namespace,
        "endpoint": call.request.path,
        "model": _text(target.override.get("model") or body.get("model")),
        "provider": target.provider,
        "trace_id": call.trace_id,
        "writer": _writer(call.metadata, body),
    }
    return json.dumps(said, separators=(",", ":")).encode()


def _writer(metadata: Mapping[str, Any], body: Mapping[str, Any]) -> str | None:
    named = next((metadata[name] for name in NAMES if metadata.get(name)), body.get("user"))
    return None if named is None else writer_of(str(named))


def writer_of(user: str) -> str:
    """Return the digest by which a user's entries are found.

    >>> writer_of("alice") == writer_of("alice") != writer_of("bob")
    True
    """
    name = user.encode(errors="surrogatepass")
    return hashlib.blake2b(name, digest_size=8, person=b"cache writer").hexdigest()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def first_line(value: bytes) -> bytes | None:
    """Return the line of an entry that says what it is, or None where there is none."""
    line, newline, _ = value[: LONGEST + 1].partition(b"\n")
    return line if newline and line.startswith(b"{") else None


def read(line: bytes | None) -> Mapping[str, Any]:
    """Return what is said in such a line; nothing, where that cannot be read."""
    try:
        said = {} if line is None else from_json(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
