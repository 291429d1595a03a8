"""A provider on loopback for the tests of caches: it counts, and answers each request its own way."""

from __future__ import annotations

import threading
from typing import Any

from portkey_local.testing.received import Received
from portkey_local.testing.steps import Step, chat, chat_stream

HELLO = [{"role": "user", "content": "Hello!"}]


def embedded(received: Received) -> Step:
    """Answer with an embedding of each input."""
    given = received.json["input"]
    inputs = [given] if isinstance(given, str) else given
    data = [
        {"object": "embedding", "index": index, "embedding": [float(len(str(text))), 0.5]}
        for index, text in enumerate(inputs)
    ]
    usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
    return Step(json={"object": "list", "model": "e", "data": data, "usage": usage})


class Counting:
    """A script whose every answer has a number of its own, so that two calls never answer alike."""

    def __init__(self) -> None:
        self.asked = 0
        self._lock = threading.Lock()

    def __call__(self, received: Received) -> Step:
        """Answer one request."""
        with self._lock:
            self.asked += 1
            number = self.asked
        if received.path.endswith("/embeddings"):
            return embedded(received)
        said = f"answer {number} of {received.target}"
        return chat_stream(said) if received.wants_stream else chat(said)


def config(url: str, **fields: Any) -> dict[str, Any]:
    """Return a target that keeps its answers."""
    target = {"provider": "openai", "api_key": "sk-of-one-tenant", "custom_host": url}
    return {**target, "cache": {"mode": "simple", "max_age": 300}, **fields}


def said(answer: Any) -> str:
    """Return the text of a plain answer."""
    return answer.choices[0].message.content


def status(answer: Any) -> str | None:
    """Return the cache's status of an answer or a stream."""
    return answer.get_headers().get("cache-status")
