"""Converse's content blocks, one for each part of a message of OpenAI's.

Ground rules: pure functions. A part that Converse or the model has no words for is None: whoever
asks names it as dropped. Blocks of Converse's own (`{"video": …}`, `{"guardContent": …}`) among
the parts are handed on as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.bedrock.models import Model
from portkey_local.providers.chat import Media, media_of

__all__ = ["FILLER", "cache_point", "document_name", "media_block", "native_block"]

FILLER: Final = "."  # where Converse demands a text, and there is none
IMAGES: Final[Mapping[str, str]] = {
    "image/gif": "gif",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/png": "png",
    "image/webp": "webp",
}
DOCUMENTS: Final[Mapping[str, str]] = {
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "text/csv": "csv",
    "text/html": "html",
    "text/markdown": "md",
    "text/plain": "txt",
}
VIDEOS: Final[Mapping[str, str]] = {
    "video/3gpp": "three_gp",
    "video/mp4": "mp4",
    "video/mpeg": "mpeg",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/x-matroska": "mkv",
    "video/x-ms-wmv": "wmv",
}
SOUNDS: Final = frozenset({
    "aac", "flac", "m4a", "mka", "mp3", "mp4", "mpeg", "mpga", "ogg", "opus", "pcm", "wav", "webm",
})  # fmt: skip
NATIVE: Final = frozenset({
    "audio", "cachePoint", "citationsContent", "document", "guardContent", "image", "searchResult",
    "video",
})  # fmt: skip
MEDIA_TYPE: Final = re.compile(r"\s*([^;\s]+)")
UNNAMEABLE: Final = re.compile(r"[^0-9A-Za-z\-()\[\]]+")


def native_block(part: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a part that is a block of Converse's already."""
    return part if "type" not in part and len(part) == 1 and NATIVE.issuperset(part) else None


def cache_point(control: Any) -> dict[str, Any] | None:
    """Return the cache point that a `cache_control` of Anthropic's form asks for.

    >>> cache_point({"type": "ephemeral", "ttl": "1h"})
    {'cachePoint': {'type': 'default', 'ttl': '1h'}}
    """
    if not isinstance(control, Mapping):
        return None
    point = {"type": "default"}
    if (ttl := control.get("ttl")) in ("5m", "1h"):
        point["ttl"] = ttl
    return {"cachePoint": point}


def media_block(part: Mapping[str, Any], model: Model) -> dict[str, Any] | None:
    """Return the block of an image, a document, a video or a sound; a document has no name yet."""
    media = media_of(part)
    source = None if media is None else _source(media)
    if media is None or source is None:
        return None
    found = MEDIA_TYPE.match(media.type.lower())
    told = found[1] if found else ""
    kind, _, sound = told.partition("/")
    if kind == "audio":
        heard = sound in SOUNDS and model.hears
        return {"audio": {"format": sound, "source": source}} if heard else None
    if told in DOCUMENTS:
        return {"document": {"format": DOCUMENTS[told], "name": media.name, "source": source}}
    for block, formats in (("image", IMAGES), ("video", VIDEOS)):
        if told in formats:
            return {block: {"format": formats[told], "source": source}}
    return None


def _source(media: Media) -> dict[str, Any] | None:
    if media.data:
        return {"bytes": media.data}
    if media.url is not None and media.url.startswith("s3://"):
        return {"s3Location": {"uri": media.url}}
    return None


def document_name(given: str | None, taken: set[str]) -> str:
    """Return a name that Converse takes for a document: few characters, and no name twice.

    >>> document_name("Report (2024)_v1.pdf", set()), document_name(None, {"Document"})
    ('Report (2024) v1', 'Document 2')
    """
    stem = (given or "").rpartition("/")[2]
    stem = stem.rpartition(".")[0] or stem
    name = unique = UNNAMEABLE.sub(" ", stem).strip()[:180].strip() or "Document"
    number = 2
    while unique in taken:
        unique = f"{name} {number}"
        number += 1
    taken.add(unique)
    return unique
