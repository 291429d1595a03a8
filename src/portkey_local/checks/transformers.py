"""Mutators' checks: they change the text, and pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from portkey_local.checks.plain import Plain
from portkey_local.hooks import Check, CheckContext, CheckResult
from portkey_local.patterns import replacement
from portkey_local.texts import mapped_request, mapped_response

UNCHANGED = CheckResult(verdict=True)


def replace(given: Mapping[str, Any]) -> Check:
    """`regexReplace`: whatever the pattern matches becomes `redactText`, with or without a `g`:
    half a redaction is none.
    """
    rule: re.Pattern[str] = given["rule"]
    redacted = replacement(given["redactText"])

    def decide(context: CheckContext) -> CheckResult:
        if rule.search(context.text) is None:
            return UNCHANGED
        body = context.request if context.moment == "input" else context.response or {}
        mapped = mapped_request if context.moment == "input" else mapped_response
        changed = mapped(body, lambda text: rule.sub(redacted, text))
        return CheckResult(not given["failOnDetection"], body=changed)

    return Plain(decide)


def prefix(given: Mapping[str, Any]) -> Check:
    """`addPrefix`: a text goes before the first message of a role, or before the (first) prompt.

    Without a message of that role one is made: a system message first, any other last. With
    `addToExisting` false it is a message of its own, before the one that is there; with
    `onlyIfEmpty` nothing happens where that one says something.
    """

    def decide(context: CheckContext) -> CheckResult:
        request = context.request
        if context.moment != "input" or context.endpoint == "/embeddings":
            return UNCHANGED
        if isinstance(request.get("messages"), list):
            messages = _with_prefix(request["messages"], given, context.endpoint)
            return CheckResult(verdict=True, body={**request, "messages": messages})
        prompt = request.get("prompt")
        first, *others = prompt if isinstance(prompt, list) and prompt else [prompt]
        if not isinstance(first, str):
            return UNCHANGED
        first = given["prefix"] + first
        changed = [first, *others] if isinstance(prompt, list) else first
        return CheckResult(verdict=True, body={**request, "prompt": changed})

    return Plain(decide)


def _with_prefix(messages: list[Any], given: Mapping[str, Any], endpoint: str) -> list[Any]:
    role, text = given["applyToRole"], given["prefix"]
    part = {"type": "text", "text": text}
    own = {"role": role, "content": [part] if endpoint == "/messages" else text}
    at = next(
        (
            i
            for i, each in enumerate(messages)
            if isinstance(each, dict) and each.get("role") == role
        ),
        None,
    )
    if at is None:
        return [own, *messages] if role == "system" else [*messages, own]
    if given["onlyIfEmpty"] and not _empty(messages[at].get("content")):
        return messages
    if not given["addToExisting"]:
        return [*messages[:at], own, *messages[at:]]
    found = messages[at]
    return [*messages[:at], {**found, "content": _before(text, found)}, *messages[at + 1 :]]


def _before(text: str, message: Mapping[str, Any]) -> Any:
    content = message.get("content")
    if not isinstance(content, list):
        return text + (content or "")
    first = content[0] if content else None
    if isinstance(first, dict) and first.get("type") == "text":
        return [{**first, "text": text + (first.get("text") or "")}, *content[1:]]
    return [{"type": "text", "text": text}, *content]


def _empty(content: Any) -> bool:
    return not content.strip() if isinstance(content, str) else content == []
