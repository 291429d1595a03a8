"""What another vendor's model thought, as blocks that an Anthropic client hands back.

Ground rules: such blocks are marked, because nobody but us can read them: Anthropic, which signs
its own, refuses them. So they are taken out before a request goes to Anthropic, and what they carry
goes back only to the provider that it came from.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Final

from portkey_local.providers.chat import OBJECT
from portkey_local.providers.sse import decode_json

__all__ = ["MARK", "carried", "is_ours", "read", "without_ours"]

MARK: Final = "portkey-local."
FIELDS: Final = ("reasoning_content", "reasoning_details")


def carried(provider: str, message: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a block with a message's reasoning, None where it has none."""
    told = {name: message[name] for name in FIELDS if message.get(name)}
    if not told:
        return None
    text = json.dumps([provider, told], separators=(",", ":"))
    return {"type": "redacted_thinking", "data": MARK + b64encode(text.encode()).decode()}


def read(block: Mapping[str, Any], provider: str) -> dict[str, Any]:
    """Return the reasoning that a block carries for a provider; nothing for another's."""
    try:
        whose, told = decode_json(b64decode(str(block.get("data")).removeprefix(MARK)))
        return {name: told[name] for name in FIELDS if name in told} if whose == provider else {}
    except (TypeError, ValueError):
        return {}


def is_ours(block: Any) -> bool:
    """Whether a block is one that only we can read."""
    if not isinstance(block, OBJECT):
        return False
    match block.get("type"):
        case "thinking":
            mark = block.get("signature")
        case "redacted_thinking":
            mark = block.get("data")
        case _:
            return False
    return isinstance(mark, str) and mark.startswith(MARK)


def without_ours(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a Messages request as Anthropic can read it; the same object where it is already."""
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body
    kept = [_turn(message) for message in messages]
    if all(ours is theirs for ours, theirs in zip(kept, messages, strict=True)):
        return body
    return {**body, "messages": [turn for turn in kept if turn is not None]}


def _turn(message: Any) -> Any:
    """Return a turn without blocks of ours, None where nothing is left of it."""
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, list) or not any(map(is_ours, content)):
        return message
    kept = [block for block in content if not is_ours(block)]
    return {**message, "content": kept} if kept else None
