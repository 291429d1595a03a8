"""The text that guardrails look at: where it stands in a request and in an answer.

Ground rules: pure functions on JSON of OpenAI's shapes, which may be wrong in any way. The text of
a request is that of its last message, its prompt or its input; the text of an answer is that of
its first choice. Parts of text are joined by a line break. Nothing given is changed: a function
that changes a text returns a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = [
    "INPUT_ENDPOINTS",
    "OUTPUT_ENDPOINTS",
    "mapped_request",
    "mapped_response",
    "request_text",
    "response_text",
    "stream_text",
    "with_request_text",
    "with_response_text",
]

INPUT_ENDPOINTS = frozenset({"/chat/completions", "/completions", "/embeddings", "/messages"})
OUTPUT_ENDPOINTS = INPUT_ENDPOINTS - {"/embeddings"}


def request_text(body: Mapping[str, Any]) -> str:
    """Return the text of a request."""
    messages = body.get("messages")
    if isinstance(messages, list):
        return _content_text(_content(messages[-1])) if messages else ""
    for name in ("prompt", "input"):
        if name in body:
            return _content_text(body[name])
    return ""


def with_request_text(body: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a request with another text; raise ValueError where it has several texts."""
    return _with_request(body, lambda content: _replaced(content, text))


def mapped_request(body: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return a request with each part of its text changed."""
    return _with_request(body, lambda content: _mapped(content, change))


def _with_request(body: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    messages = body.get("messages")
    if isinstance(messages, list):
        if not messages or _content(messages[-1]) is None:
            return dict(body)
        last = {**messages[-1], "content": change(messages[-1]["content"])}
        return {**body, "messages": [*messages[:-1], last]}
    name = "prompt" if "prompt" in body else "input"
    return {**body, name: change(body.get(name))} if name in body else dict(body)


def response_text(data: Mapping[str, Any]) -> str:
    """Return the text of an answer of chat, completions or Anthropic's messages."""
    if (choice := _first_choice(data)) is not None:
        message = choice.get("message")
        content = _content(message) if isinstance(message, Mapping) else choice.get("text")
        return _content_text(content)
    return _content_text(data.get("content"))


def with_response_text(data: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return an answer with another text in its first choice."""
    return _with_response(data, lambda content: _replaced(content, text))


def mapped_response(data: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return an answer with each part of its first choice's text changed."""
    return _with_response(data, lambda content: _mapped(content, change))


def _with_response(data: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    choice = _first_choice(data)
    if choice is None:
        return {**data, "content": change(data.get("content"))}
    message = choice.get("message")
    if isinstance(message, Mapping):
        changed = {**choice, "message": {**message, "content": change(message.get("content"))}}
    else:
        changed = {**choice, "text": change(choice.get("text"))}
    return {**data, "choices": [changed, *data["choices"][1:]]}


def stream_text(events: Iterable[Any]) -> str:
    """Return the text that a stream's events (decoded JSON) say in their first choice."""
    return "".join(_delta_text(data) for data in events if isinstance(data, Mapping))


def _delta_text(data: Mapping[str, Any]) -> str:
    choices = data.get("choices")
    said: Any = None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and not choice.get("index"):
            delta = choice.get("delta")
            said = delta.get("content") if isinstance(delta, Mapping) else choice.get("text")
    delta = data.get("delta")
    if data.get("type") == "content_block_delta" and isinstance(delta, Mapping):
        said = delta.get("text")  # Anthropic's messages
    return said if isinstance(said, str) else ""


def _first_choice(data: Mapping[str, Any]) -> Mapping[str, Any] | None:
    choices = data.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        return choices[0]
    return None


def _content(message: Any) -> Any:
    return message.get("content") if isinstance(message, Mapping) else None


def _content_text(content: Any) -> str:
    """Return the text of a content: a string, or a list of strings and of parts with text."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = (part if isinstance(part, str) else _part_text(part) for part in content)
    return "\n".join(text for text in texts if text)


def _part_text(part: Any) -> str | None:
    text = part.get("text") if isinstance(part, Mapping) else None
    return text if isinstance(text, str) else None


def _mapped(content: Any, change: Callable[[str], str]) -> Any:
    if isinstance(content, str):
        return change(content)
    if not isinstance(content, list):
        return content
    return [_mapped_part(part, change) for part in content]


def _mapped_part(part: Any, change: Callable[[str], str]) -> Any:
    if isinstance(part, str):
        return change(part)
    text = _part_text(part)
    return part if text is None else {**part, "text": change(text)}


def _replaced(content: Any, text: str) -> Any:
    """Return a content whose text is `text`: in its first part of text, with the others gone."""
    if not isinstance(content, list):
        return text
    if content and all(isinstance(part, str) for part in content):
        if len(content) > 1:
            msg = "one text cannot stand for several; change the body instead"
            raise ValueError(msg)
        return [text]
    parts: list[Any] = []
    told = False
    for part in content:
        if not isinstance(part, str) and _part_text(part) is None:
            parts.append(part)
        elif not told:
            told = True
            parts.append(text if isinstance(part, str) else {**part, "text": text})
    return parts if told else [*parts, {"type": "text", "text": text}]
