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


METADATA: dict[str, Any] = {"plan": "pro", "user_id": "u-42"}


def parity_config(url: str) -> dict[str, Any]:
    """Return a condition before a balanced group with sticky sessions and circuit breakers."""
    target = config(url)["targets"][0]
    group = {
        "name": "pool",
        "strategy": {
            "mode": "loadbalance",
            "sticky_session": {"hash_fields": ["metadata.user_id"]},
            "cb_config": {"failure_threshold": 5},
        },
        "targets": [dict(target), dict(target)],
    }
    conditions = [
        {"query": {"metadata.plan": {"$eq": "free"}}, "then": "one"},
        {"query": {"metadata.plan": "pro", "params.temperature": {"$lte": 1}}, "then": "pool"},
    ]
    strategy = {"mode": "conditional", "conditions": conditions, "default": "one"}
    return {"strategy": strategy, "targets": [group, {**target, "name": "one"}]}
