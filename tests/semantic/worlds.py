"""Stand-ins for the tests of semantic caches: models that say what they are told, and a client."""

from __future__ import annotations

import threading
from array import array
from typing import Any

from portkey_local import Portkey
from portkey_local.testing import HashingEmbedder

RESET = "How do I reset my password?"
AGAIN = "How can I reset my password?"  # the same in other words
OTHER = "How do I bake sourdough bread?"


class Everything:
    """A model to which all texts are the same: whatever is not served then, others have stopped."""

    name = "everything"
    fingerprint = "everything"
    dimensions = 2
    window = 10_000

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def tokens(self, text: str, /) -> int:
        return 1

    def embed(self, text: str, /) -> bytes:
        self.embedded.append(text)
        return array("f", (1.0, 0.0)).tobytes()


class Slow(Everything):
    """A model that answers when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()

    def embed(self, text: str, /) -> bytes:
        self.go.wait(10)
        return super().embed(text)


class Broken(Everything):
    """A model that fails."""

    def embed(self, text: str, /) -> bytes:
        super().embed(text)
        raise RuntimeError(f"no vector of {text}")


def semantic(url: str, **cache: Any) -> dict[str, Any]:
    """Return a target with a semantic cache; hashes know no meaning, so little is asked of them."""
    target = {"provider": "openai", "api_key": "sk-of-one-tenant", "custom_host": url}
    return {**target, "cache": {"mode": "semantic", "min_similarity": 0.5, **cache}}


def client(url: str, kind: Any = Portkey, *, cache_fields: Any = None, **given: Any) -> Any:
    """Return a client with a semantic cache whose model counts words."""
    given.setdefault("cache_embedder", HashingEmbedder())
    return kind(config=semantic(url, **(cache_fields or {})), **given)


def user(text: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def ask(portkey: Any, text: Any, **given: Any) -> Any:
    """Ask a question."""
    return portkey.chat.completions.create(**{"model": "m", "messages": user(text), **given})


def names(events: list[Any], prefix: str = "cache.") -> list[str]:
    return [event.name for event in events if event.name.startswith(prefix)]
