"""Mutators' checks: they change the text, and pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from portkey_local.checks.plain import Plain
from portkey_local.hooks import Check, CheckContext, CheckResult
from portkey_local.texts import mapped_request, mapped_response, with_request_text

UNCHANGED = CheckResult(verdict=True)


def replace(given: Mapping[str, Any]) -> Check:
    """`regexReplace`: whatever the pattern matches becomes `redactText`."""
    rule: re.Pattern[str] = given["rule"]
    redacted: str = given["redactText"]

    def decide(context: CheckContext) -> CheckResult:
        if rule.search(context.text) is None:
            return UNCHANGED
        body = context.request if context.moment == "input" else context.response or {}
        mapped = mapped_request if context.moment == "input" else mapped_response
        changed = mapped(body, lambda text: rule.sub(lambda _: redacted, text))
        return CheckResult(not given["failOnDetection"], body=changed)

    return Plain(decide)


def prefix(given: Mapping[str, Any]) -> Check:
    """`addPrefix`: a text goes before the first message of a role, or before the prompt.

    Without a message of that role one is made: a system message first, any other last. With
    `addToExisting` false it is a message of its own, before the one that is there; with
    `onlyIfEmpty` nothing happens where there is one.
    """

    def decide(context: CheckContext) -> CheckResult:
        request = context.request
        if context.moment != "input" or context.endpoint == "/embeddings":
            return UNCHANGED
        if isinstance(request.get("messages"), list):
            messages = _with_prefix(request["messages"], given)
            return CheckResult(verdict=True, body={**request, "messages": messages})
        if isinstance(request.get("prompt"), str):
            changed = with_request_text(request, given["prefix"] + request["prompt"])
            return CheckResult(verdict=True, body=changed)
        return UNCHANGED

    return Plain(decide)


def _with_prefix(messages: list[Any], given: Mapping[str, Any]) -> list[Any]:
    role, text = given["applyToRole"], given["prefix"]
    own = {"role": role, "content": text}
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
    if given["onlyIfEmpty"]:
        return messages
    if not given["addToExisting"]:
        return [*messages[:at], own, *messages[at:]]
    found = messages[at]
    return [*messages[:at], {**found, "content": _before(text, found)}, *messages[at + 1 :]]


def _before(text: str, message: Mapping[str, Any]) -> Any:
    content = message.get("content")
    if isinstance(content, list):
        return [{"type": "text", "text": text}, *content]
    return text + (content or "")
