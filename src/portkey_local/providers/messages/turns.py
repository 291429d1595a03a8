"""The turns of a Messages request as messages of OpenAI's chat.

Ground rules: the results in a user's turn become messages of their own, which must follow the calls
at once; what else the turn says comes after them. Texts beside each other are joined by a blank
line, because many hosts take one text only. A turn of a wrong shape raises Inexpressible; a block
that has no words is named in `dropped` by its place in the caller's request.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2s
from typing import Any, Final

from portkey_local.providers.chat import OBJECT, Inexpressible
from portkey_local.providers.completion import COMPACT
from portkey_local.providers.messages.blocks import CACHE, Part, parts_of_block, text_part
from portkey_local.providers.messages.carried import is_ours, read
from portkey_local.providers.messages.host import Host
from portkey_local.providers.messages.thoughts import detail_of

__all__ = ["Told", "messages_of"]

LONGEST_ID: Final = 40  # characters; OpenAI refuses the id of a longer call
FAILED: Final = "Error: "  # before a failure's text, where nothing else can mark it
BREAK: Final = "\n\n"
THOUGHTS: Final = ("thinking", "redacted_thinking")


class Told:
    """A request's turns, told as chat messages; `dropped` names what is left out."""

    def __init__(self, host: Host) -> None:
        """Begin with nothing."""
        self.host = host
        self.messages: list[dict[str, Any]] = []
        self.dropped: list[str] = []

    # --- system

    def system(self, content: Any, place: str) -> None:
        """Add a system prompt."""
        if content is None:
            return
        parts = self._parts(_blocks(content, place), place)
        if any(part["type"] != "text" for part in parts):
            raise Inexpressible(f"{place} may hold text only")
        if said := self._content(parts):
            self.messages.append({"role": "system", "content": said})

    # --- turns

    def turn(self, message: Any, place: str) -> None:
        """Add a turn."""
        role = message.get("role") if isinstance(message, OBJECT) else None
        if not isinstance(message, OBJECT) or role not in ("user", "assistant", "system"):
            raise Inexpressible(f"{place} needs the role 'user' or 'assistant'")
        if "content" not in message:
            raise Inexpressible(f"{place}.content is missing")
        content, place = message["content"], f"{place}.content"
        if role == "system":
            self.system(content, place)
        elif role == "user":
            self._user(_blocks(content, place), place)
        else:
            self._assistant(_blocks(content, place), place)

    def _user(self, blocks: list[Mapping[str, Any]], place: str) -> None:
        shown: list[Part] = []
        said: list[Part] = []
        answers = False
        for number, block in enumerate(blocks):
            if block.get("type") == "tool_result":
                self._result(block, f"{place}[{number}]", shown)
                answers = True
            else:
                said += self._block(block, f"{place}[{number}]")
        content = self._content([*shown, *said])
        if content or not answers:
            self.messages.append({"role": "user", "content": content})

    def _result(self, block: Mapping[str, Any], place: str, shown: list[Part]) -> None:
        """Add a tool's result; what it shows goes to `shown`, where the message cannot hold it."""
        called = block.get("tool_use_id")
        if not isinstance(called, str):
            raise Inexpressible(f"{place}.tool_use_id is missing")
        told = block.get("content")
        inner = f"{place}.content"
        parts = [] if told is None else self._parts(_blocks(told, inner), inner)
        texts = [part for part in parts if part["type"] == "text"]
        others = [part for part in parts if part["type"] != "text"]
        if others and self.host.shows_results:
            texts, others = parts, []
        message: dict[str, Any] = {"role": "tool", "tool_call_id": self._id(called)}
        message["content"] = self._content(texts)
        if block.get("is_error") is True:
            self._fail(message)
        if self.host.vendor and block.get(CACHE) is not None:
            message[CACHE] = block[CACHE]
        self.messages.append(message)
        if others:
            shown += [text_part(f"What the call {message['tool_call_id']} shows:"), *others]

    def _fail(self, message: dict[str, Any]) -> None:
        """Tell that a tool has failed: in its result's text, where no field says so."""
        content = message["content"]
        if self.host.tells_failures:
            message["is_error"] = True
        elif isinstance(content, str):
            message["content"] = FAILED + content
        else:
            message["content"] = [text_part(FAILED.strip()), *content]

    def _assistant(self, blocks: list[Mapping[str, Any]], place: str) -> None:
        texts: list[Part] = []
        calls: list[dict[str, Any]] = []
        message: dict[str, Any] = {"role": "assistant", "content": ""}
        for number, block in enumerate(blocks):
            kind = block.get("type")
            if kind == "tool_use":
                calls.append(self._call(block, f"{place}[{number}]"))
            elif kind in THOUGHTS:
                self._thought(block, message)
            else:
                texts += self._block(block, f"{place}[{number}]")
        message["content"] = "".join(part.get("text", "") for part in texts)
        if self.host.vendor and any(CACHE in part for part in texts):
            message["content"] = texts
        if calls:
            message["tool_calls"] = calls
            message["content"] = message["content"] or None
        self.messages.append(message)

    def _call(self, block: Mapping[str, Any], place: str) -> dict[str, Any]:
        told, name, given = block.get("id"), block.get("name"), block.get("input")
        if not isinstance(told, str) or not isinstance(name, str) or not isinstance(given, OBJECT):
            raise Inexpressible(f"{place} needs an id, a name and an object as its input")
        function = {"name": name, "arguments": COMPACT.encode(given)}
        call: dict[str, Any] = {"id": self._id(told), "type": "function", "function": function}
        if self.host.vendor and block.get(CACHE) is not None:
            call[CACHE] = block[CACHE]
        return call

    def _thought(self, block: Mapping[str, Any], message: dict[str, Any]) -> None:
        """Add what a model thought, where its own vendor hears it again."""
        if is_ours(block):
            message |= read(block, self.host.provider)
        elif (form := self.host.thoughts) is not None:
            details = message.setdefault("reasoning_details", [])
            details.append(detail_of(block, len(details), form))

    def _id(self, id: str) -> str:
        if self.host.vendor or len(id) <= LONGEST_ID:
            return id
        return f"toolu_{blake2s(id.encode('utf-8', 'replace'), digest_size=16).hexdigest()}"

    # --- contents

    def _parts(self, blocks: list[Mapping[str, Any]], place: str) -> list[Part]:
        found: list[Part] = []
        for number, block in enumerate(blocks):
            found += self._block(block, f"{place}[{number}]")
        return found

    def _block(self, block: Mapping[str, Any], place: str) -> list[Part]:
        if block.get("type") == "text" and CACHE not in block and type(block.get("text")) is str:
            return [text_part(block["text"])]  # as nearly all are
        if is_ours(block):
            return []
        parts = parts_of_block(block, self.host)
        if parts is None:
            self.dropped.append(place)
            return []
        return parts

    def _content(self, parts: list[Part]) -> str | list[Part]:
        """Return parts as one text where they are nothing else.

        A vendor's translation gets parts that are to be cached as they are.
        """
        if any(part["type"] != "text" or CACHE in part for part in parts):
            return parts
        return BREAK.join(part["text"] for part in parts)


def messages_of(body: Mapping[str, Any], host: Host) -> Told:
    """Return the chat messages of a Messages request. Raises Inexpressible."""
    told = Told(host)
    told.system(body.get("system"), "system")
    turns = body.get("messages")
    if not isinstance(turns, list) or not turns:
        raise Inexpressible("messages needs a list of at least one message")
    for number, message in enumerate(turns):
        told.turn(message, f"messages[{number}]")
    return told


def _blocks(content: Any, place: str) -> list[Mapping[str, Any]]:
    if isinstance(content, str):
        return [text_part(content)]
    if not isinstance(content, list) or not all(isinstance(each, OBJECT) for each in content):
        raise Inexpressible(f"{place} is neither a text nor a list of blocks")
    return content
