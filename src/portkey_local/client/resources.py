"""The resources whose calls may leave `model` out, and chat completions by the fast door.

`model` may be missing where the targets bring it. A chat call whose arguments are plain JSON
becomes a request at once. Anything else (pydantic models, iterators, extra headers, a wrong type)
goes the SDK's own way, with the SDK's own errors. Arguments of `chat.completions.create` that the
SDK does not know are sent to the provider, as `portkey_ai` does.
"""

from __future__ import annotations

import inspect
from functools import cached_property, lru_cache, wraps
from typing import TYPE_CHECKING, Any

from openai import NotGiven, Omit
from openai.resources.chat.chat import AsyncChat as OpenAIAsyncChat, Chat as OpenAIChat
from openai.resources.chat.completions import (
    AsyncCompletions as OpenAIAsyncCompletions,
    Completions as OpenAICompletions,
)
from openai.resources.completions import (
    AsyncCompletions as OpenAIAsyncLegacyCompletions,
    Completions as OpenAILegacyCompletions,
)
from openai.resources.embeddings import (
    AsyncEmbeddings as OpenAIAsyncEmbeddings,
    Embeddings as OpenAIEmbeddings,
)
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from portkey_local.model import Request
from portkey_local.providers.openai import encode_json

PATH = "/chat/completions"
SDK_WAY = frozenset({"extra_headers", "extra_query"})
UNSET: Any = NotGiven()


@lru_cache(maxsize=1)
def _parameters() -> frozenset[str]:
    return frozenset(inspect.signature(OpenAICompletions.create).parameters)


def _body(arguments: dict[str, Any]) -> tuple[dict[str, Any], bytes] | None:
    """Return the JSON body of plain arguments and its bytes, or None when the SDK must make it."""
    body = {
        name: value
        for name, value in arguments.items()
        if not isinstance(value, (Omit, NotGiven)) and name not in ("timeout", "extra_body")
    }
    if body.keys() & SDK_WAY or not isinstance(body.get("messages"), list):
        return None
    if extra := arguments.get("extra_body"):
        body.update(extra)
    try:
        return body, encode_json(body)
    except (TypeError, ValueError):
        return None


def _for_the_sdk(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments that the SDK's own `create` takes: unknown ones move into `extra_body`."""
    unknown = {name: value for name, value in arguments.items() if name not in _parameters()}
    known = {name: value for name, value in arguments.items() if name not in unknown}
    if unknown:
        known["extra_body"] = {**unknown, **(known.get("extra_body") or {})}
    if "messages" in known:
        known.setdefault("model", Omit())
    return known


def _request(client: Any, arguments: dict[str, Any]) -> Request | None:
    """Return the request of plain arguments, or None."""
    plain = _body(arguments)
    if plain is None:
        return None
    body, encoded = plain
    stream = body.get("stream") is True
    headers, withheld = client._headers(None)
    return Request(
        method="POST",
        path=PATH,
        body=body,
        encoded=encoded,
        headers=headers,
        withheld=withheld,
        query=client.qs.stringify(client._custom_query) if client._custom_query else "",
        stream=stream,
    )


class Completions(OpenAICompletions):
    """openai's chat completions."""

    if not TYPE_CHECKING:  # openai's own overloads stay what type checkers show

        @wraps(OpenAICompletions.create)
        def create(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            request = _request(self._client, arguments)
            if request is None:
                return super().create(**_for_the_sdk(arguments))
            cast_to = ChatCompletionChunk if request.stream else ChatCompletion
            return self._client._send(cast_to, request, arguments.get("timeout", UNSET))

        @wraps(OpenAICompletions.parse)
        def parse(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            return super().parse(**{"model": Omit(), **arguments})

        @wraps(OpenAICompletions.stream)
        def stream(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            return super().stream(**{"model": Omit(), **arguments})


class AsyncCompletions(OpenAIAsyncCompletions):
    """openai's chat completions, asynchronously."""

    if not TYPE_CHECKING:

        @wraps(OpenAIAsyncCompletions.create)
        async def create(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            request = _request(self._client, arguments)
            if request is None:
                return await super().create(**_for_the_sdk(arguments))
            cast_to = ChatCompletionChunk if request.stream else ChatCompletion
            return await self._client._send(cast_to, request, arguments.get("timeout", UNSET))

        @wraps(OpenAIAsyncCompletions.parse)
        async def parse(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            return await super().parse(**{"model": Omit(), **arguments})

        @wraps(OpenAIAsyncCompletions.stream)
        def stream(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            return super().stream(**{"model": Omit(), **arguments})


class LegacyCompletions(OpenAILegacyCompletions):
    """openai's completions."""

    if not TYPE_CHECKING:

        @wraps(OpenAILegacyCompletions.create)
        def create(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            return super().create(**{"model": Omit(), **arguments})


class AsyncLegacyCompletions(OpenAIAsyncLegacyCompletions):
    """openai's completions, asynchronously."""

    if not TYPE_CHECKING:

        @wraps(OpenAIAsyncLegacyCompletions.create)
        async def create(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            return await super().create(**{"model": Omit(), **arguments})


class Embeddings(OpenAIEmbeddings):
    """openai's embeddings."""

    if not TYPE_CHECKING:

        @wraps(OpenAIEmbeddings.create)
        def create(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            return super().create(**{"model": Omit(), **arguments})


class AsyncEmbeddings(OpenAIAsyncEmbeddings):
    """openai's embeddings, asynchronously."""

    if not TYPE_CHECKING:

        @wraps(OpenAIAsyncEmbeddings.create)
        async def create(self, **arguments: Any) -> Any:  # noqa: D102 - openai's own
            return await super().create(**{"model": Omit(), **arguments})


class Chat(OpenAIChat):
    """openai's `chat` resource."""

    @cached_property
    def completions(self) -> Completions:
        """Chat completions."""
        return Completions(self._client)


class AsyncChat(OpenAIAsyncChat):
    """openai's `chat` resource, asynchronously."""

    @cached_property
    def completions(self) -> AsyncCompletions:
        """Chat completions."""
        return AsyncCompletions(self._client)
