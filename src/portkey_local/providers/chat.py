"""Reading a chat request of OpenAI's shape, for codecs that say it in another language.

Ground rules: pure functions on JSON that may be wrong in any way: what cannot be read is left out.
Tool calls alone raise where their arguments are no JSON object: no other language can say them, and
a call that told something else would mislead the model. Nothing given is changed.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic_core import from_json

__all__ = [
    "Call",
    "Choice",
    "Format",
    "Function",
    "Inexpressible",
    "Media",
    "arguments_of",
    "calls_of",
    "choice_of",
    "data_url",
    "format_of",
    "functions_of",
    "limit_of",
    "media_of",
    "messages_of",
    "parts_of",
    "stops_of",
    "text_of",
]

SYSTEM: Final = frozenset({"system", "developer"})
DATA_URL: Final = re.compile(r"data:([^;,]*)((?:;[^;,]*)*?)(;base64)?,", re.IGNORECASE)
OBJECT: Final = (dict, Mapping)  # in this order, because the first is told ten times faster
EMPTY_OBJECT: Final[Mapping[str, Any]] = {"type": "object", "properties": {}}


class Inexpressible(ValueError):
    """A request that a vendor's language cannot say at all; the message says why."""


# --- messages


def messages_of(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Walk a request's messages."""
    messages = body.get("messages")
    if isinstance(messages, list | tuple):
        yield from (message for message in messages if isinstance(message, OBJECT))


def parts_of(content: Any) -> list[Mapping[str, Any]]:
    """Return a content as a list of parts; a text becomes one part, unless it is empty."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list | tuple):
        return []
    return [
        {"type": "text", "text": part} if isinstance(part, str) else part
        for part in content
        if isinstance(part, str | Mapping)
    ]


def text_of(content: Any) -> str:
    """Return all text of a content, its parts joined by line breaks."""
    if isinstance(content, str):
        return content
    texts = (part.get("text", part.get("refusal")) for part in parts_of(content))
    return "\n".join(text for text in texts if isinstance(text, str))


@dataclass(frozen=True, slots=True)
class Media:
    """A part that is no text: inline as base64 `data`, at a `url`, or uploaded as `file_id`."""

    kind: Literal["image", "audio", "file"]
    type: str  # such as image/png; "" where nobody says it
    data: str | None = None
    url: str | None = None
    file_id: str | None = None
    name: str | None = None


def media_of(part: Mapping[str, Any]) -> Media | None:
    """Return what a part of a message shows or plays, or None for text and for unknown parts."""
    kind = part.get("type")
    inner = part.get(kind) if isinstance(kind, str) else None
    if kind == "image_url":
        url = inner.get("url") if isinstance(inner, Mapping) else inner
        return _located("image", url) if isinstance(url, str) else None
    if kind == "input_audio" and isinstance(inner, Mapping):
        data = inner.get("data")
        named = str(inner.get("format") or "wav")
        return Media("audio", f"audio/{named}", data=data) if isinstance(data, str) else None
    if kind == "file" and isinstance(inner, Mapping):
        return _file(inner)
    return None


def _file(file: Mapping[str, Any]) -> Media | None:
    name = file.get("filename")
    name = name if isinstance(name, str) else None
    if isinstance(data := file.get("file_data"), str):
        located = _located("file", data) if ":" in data[:16] else Media("file", "", data=data)
        guessed = located.type or (mimetypes.guess_type(name)[0] if name else None)
        kind = guessed or "application/pdf"
        return Media("file", kind, data=located.data, url=located.url, name=name)
    if isinstance(file_id := file.get("file_id"), str):
        return Media("file", "", file_id=file_id, name=name)
    return None


def _located(kind: Literal["image", "audio", "file"], url: str) -> Media:
    told = data_url(url)
    if told is not None:
        return Media(kind, told[0], data=told[1])
    guessed = mimetypes.guess_type(url.partition("?")[0])[0]
    return Media(kind, guessed or "", url=url)


def data_url(url: str) -> tuple[str, str] | None:
    """Return the media type and the base64 text of a `data:` URL, else None.

    >>> data_url("data:image/png;base64,AAAA")
    ('image/png', 'AAAA')
    """
    found = DATA_URL.match(url[:256])
    if found is None:
        return None
    payload = url[found.end() :]
    if found[3] is None:  # percent-encoded text, which every vendor wants as base64
        from base64 import b64encode
        from urllib.parse import unquote_to_bytes

        payload = b64encode(unquote_to_bytes(payload)).decode()
    return found[1] or "text/plain", payload


# --- tools


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call of an assistant's message; `written` is the message's own entry."""

    id: str
    name: str
    arguments: dict[str, Any]
    written: Mapping[str, Any]


def calls_of(message: Mapping[str, Any]) -> list[Call]:
    """Return the tool calls of an assistant's message, the old `function_call` among them.

    Raises Inexpressible for one whose arguments are no JSON object.
    """
    written = message.get("tool_calls")
    calls = [
        _call(each) for each in written or () if isinstance(each, OBJECT)
    ] if isinstance(written, list | tuple) else []  # fmt: skip
    old = message.get("function_call")
    if not calls and isinstance(old, Mapping):
        calls = [_call({"id": f"call_{old.get('name')}", "function": old})]
    return [call for call in calls if call.name]


def _call(written: Mapping[str, Any]) -> Call:
    inner = written.get("function") or written.get("custom")
    inner = inner if isinstance(inner, OBJECT) else {}
    name = inner.get("name")
    name = name if isinstance(name, str) else ""
    if "arguments" not in inner and isinstance(text := inner.get("input"), str):
        arguments = {"input": text}  # of a custom tool, which takes plain text
    else:
        arguments = arguments_of(inner.get("arguments"))
    return Call(str(written.get("id") or ""), name, arguments, written)


def arguments_of(told: Any) -> dict[str, Any]:
    """Return a call's arguments as an object. Raises Inexpressible.

    >>> arguments_of('{"city": "Oslo"}'), arguments_of("")
    ({'city': 'Oslo'}, {})
    """
    if isinstance(told, OBJECT):
        return dict(told)
    if told is None or (isinstance(told, str) and not told.strip()):
        return {}
    try:
        read = from_json(told, allow_inf_nan=False) if isinstance(told, str) else None
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise Inexpressible("a tool call's arguments are not a JSON object")
    return read


@dataclass(frozen=True, slots=True)
class Function:
    """A tool that the model may call; `parameters` is its JSON schema."""

    name: str
    description: str | None
    parameters: Mapping[str, Any]
    strict: bool
    written: Mapping[str, Any]


def functions_of(body: Mapping[str, Any]) -> tuple[list[Function], list[Mapping[str, Any]]]:
    """Return a request's functions (the old `functions` too), and its other tools."""
    functions, others = [], []
    for tool in _listed(body.get("tools")):
        if tool.get("type", "function") == "function" and isinstance(tool.get("function"), Mapping):
            functions.append(_function(tool["function"], tool))
        else:
            others.append(tool)
    functions += [_function(each, each) for each in _listed(body.get("functions"))]
    return [each for each in functions if each.name], others


def _function(told: Mapping[str, Any], written: Mapping[str, Any]) -> Function:
    name, text, schema = told.get("name"), told.get("description"), told.get("parameters")
    return Function(
        name if isinstance(name, str) else "",
        text if isinstance(text, str) else None,
        schema if isinstance(schema, Mapping) and schema else EMPTY_OBJECT,
        told.get("strict") is True,
        written,
    )


def _listed(value: Any) -> Iterable[Mapping[str, Any]]:
    if not isinstance(value, list | tuple):
        return ()
    return (each for each in value if isinstance(each, Mapping))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tools the model is to call: `names` are those it may, or must, choose among."""

    mode: Literal["auto", "none", "required"]
    names: tuple[str, ...] = ()


def choice_of(body: Mapping[str, Any]) -> Choice | None:
    """Return a request's `tool_choice` (or `function_call`) in one form, None where it has none.

    >>> choice_of({"tool_choice": {"type": "function", "function": {"name": "f"}}})
    Choice(mode='required', names=('f',))
    """
    told = body.get("tool_choice", body.get("function_call"))
    match told:
        case "auto" | "none" | "required":
            return Choice(told)
        case "any":  # as several vendors spell it
            return Choice("required")
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [*tools]}}:
            names = tuple(_chosen(tool) for tool in tools if isinstance(tool, Mapping))
            kept = tuple(name for name in names if name)
            return Choice("required" if mode == "required" else "auto", kept)
        case {"type": "auto" | "none" | "required" as mode}:
            return Choice(mode)
        case Mapping() if name := _chosen(told):
            return Choice("required", (name,))
    return None


def _chosen(told: Mapping[str, Any]) -> str:
    inner = told.get("function") or told.get("custom") or told
    name = inner.get("name") if isinstance(inner, Mapping) else None
    return name if isinstance(name, str) else ""


# --- what else is asked


@dataclass(frozen=True, slots=True)
class Format:
    """The form an answer must have: any JSON object, or JSON of a `schema`."""

    name: str
    schema: Mapping[str, Any] | None
    strict: bool = False


def format_of(body: Mapping[str, Any]) -> Format | None:
    """Return a request's `response_format`, None where plain text will do."""
    match body.get("response_format"):
        case {"type": "json_object"}:
            return Format("json", None)
        case {"type": "json_schema", "json_schema": {"schema": Mapping() as schema, **rest}}:
            name = rest.get("name")
            named = name if isinstance(name, str) and name else "json"
            return Format(named, schema, rest.get("strict") is True)
    return None


def stops_of(body: Mapping[str, Any]) -> list[str]:
    """Return the stop sequences of a request, as a list."""
    told = body.get("stop")
    if isinstance(told, str):
        return [told]
    return [each for each in told if isinstance(each, str)] if isinstance(told, list) else []


def limit_of(body: Mapping[str, Any]) -> int | None:
    """Return how many tokens an answer may have, by the new name or the old one."""
    for name in ("max_completion_tokens", "max_tokens"):
        if isinstance(limit := body.get(name), int) and not isinstance(limit, bool):
            return limit
    return None
