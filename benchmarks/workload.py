"""The call that is measured, and the config it is routed by."""

from __future__ import annotations

from typing import Any

MODEL = "gpt-4o-mini"
MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant. Answer in one or two sentences."},
    {"role": "user", "content": "What is the capital of France, and how many people live there?"},
]
CALL: dict[str, Any] = {"model": MODEL, "messages": MESSAGES, "temperature": 0.2}


def config(url: str) -> dict[str, Any]:
    """Return a fallback of two targets, each with its own retries."""
    target = {"provider": "openai", "api_key": "sk-0", "custom_host": url, "retry": {"attempts": 2}}
    return {"strategy": {"mode": "fallback"}, "targets": [dict(target), dict(target)]}
