"""`override_params` for form bodies: audio and image uploads name their model in a form field.

Only fields are replaced, added or removed; file parts pass through byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

BOUNDARY = re.compile(r'boundary="?([^";,]+)"?', re.IGNORECASE)
FILE = re.compile(rb"content-disposition:[^\r\n]*?;\s*filename\*?=", re.IGNORECASE)
NAME = re.compile(rb'content-disposition:[^\r\n]*?\bname="([^"]*)"', re.IGNORECASE)


def override_form(content: bytes, content_type: str, override: Mapping[str, Any]) -> bytes:
    """Return a multipart body with `override` on top; any other body comes back as it is.

    A value of None removes the field; lists become repeated `name[]` fields, as the SDK writes
    them.
    """
    found = BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or found is None:
        return content
    delimiter = b"--" + found[1].encode()
    parts = content.split(delimiter)
    kept = [part for part in parts[1:-1] if _is_file(part) or _name(part) not in override]
    added = [
        b'\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n' % (name.encode(), value)
        for key, values in override.items()
        for name, value in _fields(key, values)
    ]
    return delimiter.join([parts[0], *kept, *added, parts[-1]])


def _is_file(part: bytes) -> bool:
    return FILE.search(part.split(b"\r\n\r\n", 1)[0]) is not None


def _name(part: bytes) -> str:
    head = part.split(b"\r\n\r\n", 1)[0]
    found = NAME.search(head)
    return found[1].decode("utf-8", "replace").removesuffix("[]") if found else ""


def _fields(key: str, value: Any) -> list[tuple[str, bytes]]:
    """Return a parameter's form fields, named as the SDK names them."""
    key = key.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    if value is None:
        return []
    if isinstance(value, dict):
        return [
            field for name, inner in value.items() for field in _fields(f"{key}[{name}]", inner)
        ]
    if isinstance(value, (list, tuple)):
        return [(f"{key}[]", _text(item)) for item in value]
    return [(key, _text(value))]


def _text(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"true" if value else b"false"
    return str(value).encode()
