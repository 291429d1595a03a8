"""The blocks of a Messages request as parts of a chat message.

Ground rules: a text stays a text, and a picture a picture. A document is a file where it is a PDF,
and its text where it is one. What OpenAI's shape has no part for (a file that was uploaded to
Anthropic, what a tool of Anthropic's own said) is None, and the caller names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.messages.host import Host

__all__ = ["Part", "parts_of_block", "text_part"]

Part = dict[str, Any]
CACHE: Final = "cache_control"


def text_part(text: str) -> Part:
    """Return a text as a part."""
    return {"type": "text", "text": text}


def parts_of_block(block: Mapping[str, Any], host: Host) -> list[Part] | None:
    """Return what a block shows or says, None where there are no parts for it."""
    match block.get("type"):
        case "text":
            text = block.get("text")
            found = [text_part(text)] if isinstance(text, str) else None
        case "image":
            found = _image(block)
        case "document":
            found = _document(block, host)
        case "search_result":
            found = _search_result(block)
        case _:
            found = None
    if found and host.vendor and block.get(CACHE) is not None:
        found[-1][CACHE] = block[CACHE]
    return found


def _image(block: Mapping[str, Any]) -> list[Part] | None:
    match block.get("source"):
        case {"type": "base64", "media_type": str() as kind, "data": str() as data}:
            url = f"data:{kind};base64,{data}"
        case {"type": "url", "url": str() as url}:
            pass
        case _:
            return None
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(block: Mapping[str, Any], host: Host) -> list[Part] | None:
    title = block.get("title")
    named = title if isinstance(title, str) and title else None
    match block.get("source"):
        case {"type": "base64", "media_type": str() as kind, "data": str() as data}:
            file = {"filename": named or "document.pdf", "file_data": f"data:{kind};base64,{data}"}
            found: list[Part] | None = [{"type": "file", "file": file}]
        case {"type": "url", "url": str() as url} if host.vendor:
            file = {"filename": named or "document.pdf", "file_data": url}
            found = [{"type": "file", "file": file}]
        case {"type": "text", "data": str() as text}:
            return _titled(named, block.get("context"), [text_part(text)])
        case {"type": "content", "content": content}:
            found = _inner(content, host)
            return None if found is None else _titled(named, block.get("context"), found)
        case _:
            return None
    return found if found is None else _titled(None, block.get("context"), found)


def _titled(title: str | None, context: Any, parts: list[Part]) -> list[Part]:
    """Return a document's parts, headed by what is said of it."""
    said = [text for text in (title, context) if isinstance(text, str) and text]
    if not said:
        return parts
    if len(parts) == 1 and parts[0]["type"] == "text":
        return [text_part("\n\n".join([*said, parts[0]["text"]]))]
    return [text_part("\n\n".join(said)), *parts]


def _search_result(block: Mapping[str, Any]) -> list[Part] | None:
    inner = block.get("content")
    if not isinstance(inner, list):
        return None
    texts = [block.get("title"), block.get("source")]
    texts += (each.get("text") for each in inner if isinstance(each, Mapping))
    return [text_part("\n\n".join(text for text in texts if isinstance(text, str) and text))]


def _inner(content: Any, host: Host) -> list[Part] | None:
    if isinstance(content, str):
        return [text_part(content)]
    if not isinstance(content, list):
        return None
    found: list[Part] = []
    for each in content:
        parts = parts_of_block(each, host) if isinstance(each, Mapping) else None
        if parts is None:
            return None
        found += parts
    return found
