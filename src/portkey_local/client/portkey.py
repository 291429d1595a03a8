"""`Portkey` and `AsyncPortkey`: openai's clients, routed in this process."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

import anyio
import openai

from portkey_local.client.arguments import Arguments
from portkey_local.client.failures import exception, http_library, interrupted, response_of
from portkey_local.client.masking import mask_credentials
from portkey_local.client.results import build, with_headers
from portkey_local.client.routed import Routed, check_timeout, mark_text
from portkey_local.client.streams import AsyncPortkeyStream, PortkeyStream, chunk_type
from portkey_local.drivers.aio import AsyncDriver
from portkey_local.drivers.streams import StreamBroken
from portkey_local.drivers.sync import SyncDriver
from portkey_local.errors import ConfigError
from portkey_local.model import Failure, Outcome, Reply, Request
from portkey_local.transports import async_transport, sync_transport
from portkey_local.wire.chosen import ChosenWire
from portkey_local.wire.contract import AsyncWire, Wire
from portkey_local.wire.given import GivenAsyncWire, GivenWire
from portkey_local.wire.sync import CoreWire

if TYPE_CHECKING:  # the SDK loads its resources when they are touched, and so do we
    from portkey_local.client.cache import AsyncCacheView, CacheView
    from portkey_local.client.resources import (
        AsyncChat,
        AsyncEmbeddings,
        AsyncLegacyCompletions,
        Chat,
        Embeddings,
        LegacyCompletions,
    )


def _broken(events: Any, error: StreamBroken) -> Exception:
    library = http_library()
    call, target = events.call, events.target
    reply = Reply(target, events.head)
    return interrupted(call, target, response_of(library, call, reply), error)


class Portkey(Routed, openai.OpenAI):  # type: ignore[misc]  # `copy` takes our arguments
    """openai's client with Portkey's routing, in this process.

    Takes `portkey_ai`'s arguments: `config` (a dict, JSON text, a file, or the id of a file in the
    home directory), `provider`, `virtual_key`, `trace_id`, `metadata`, `custom_host`, and
    `request_timeout` in seconds. Ours: `virtual_keys` (name to key or target fields), `on_event`
    and `event_log` (see the README's table of events), `connections`, `http_client` (a client or
    transport of httpx or httpx2 that carries the calls), `rng` (a `random.Random`, for runs that
    can be repeated). `timeout` bounds a whole call, up to the first event of a stream. `api_key`
    is not needed.

    Raises ConfigError for a config that cannot be used, before any call. Calls raise openai's own
    exceptions, and `StreamInterrupted` from a stream that breaks.
    """

    def __init__(self, **given: Unpack[Arguments]) -> None:
        """Compile the config; make no connection."""
        if given.get("wire"):
            raise ConfigError("wire", "only AsyncPortkey has a choice of wires")
        self._begin(given)
        client = self._given.get("http_client")
        connections = self._given.get("connections")
        wire: Wire = GivenWire(client) if client is not None else CoreWire(connections)
        self._driver = SyncDriver(wire)
        library = http_library()
        transport = sync_transport(library)(self._driver, self._engine, self._plan, _broken)
        bridge = library.Client(transport=transport, trust_env=False)
        super().__init__(http_client=bridge, **self._sdk_arguments())

    @cached_property
    def chat(self) -> Chat:
        """Chat completions."""
        from portkey_local.client.resources import Chat

        return Chat(self)

    @cached_property
    def completions(self) -> LegacyCompletions:
        """Completions of a prompt."""
        from portkey_local.client.resources import LegacyCompletions

        return LegacyCompletions(self)

    @cached_property
    def embeddings(self) -> Embeddings:
        """Embeddings."""
        from portkey_local.client.resources import Embeddings

        return Embeddings(self)

    @property
    def cache(self) -> CacheView:
        """What the client's cache has: look at it, tidy it, or reject an answer."""
        from portkey_local.client.cache import CacheView

        return CacheView(self._engine, self._plan, self._driver.run, self._told_headers())

    def _prepare_request(self, request: Any) -> None:
        self._mark(request)

    def request(
        self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None
    ) -> Any:
        """Send a request of the SDK's through the router."""
        request = self._fast_request(cast_to, options, stream=stream)
        if request is None:
            check_timeout(options.timeout)
            mark_text(cast_to, options)
            mask_credentials(options)
            try:
                return super().request(cast_to, options, stream=stream, stream_cls=stream_cls)
            except openai.APIError as error:
                raise self._retold(error) from error.__cause__
        chunk = chunk_type(cast_to, stream_cls) if stream else cast_to
        return self._send(chunk, request, options.timeout, options)

    def _process_response(self, **given: Any) -> Any:
        return with_headers(super()._process_response(**given), given["response"])

    def _send(self, cast_to: Any, request: Request, timeout: Any, options: Any = None) -> Any:
        """Route a request by the fast door."""
        call, router = self._start(request, timeout)
        outcome: Outcome = self._driver.run(router.route(call))
        if isinstance(outcome, Failure):
            raise exception(self, call, outcome)
        if outcome.stream is not None:
            return PortkeyStream(cast_to, options, call, outcome)
        return build(cast_to, call, outcome, options)

    def is_closed(self) -> bool:
        """Whether the client was closed."""
        return self._engine.closed

    def close(self) -> None:
        """Close the connections of this client and of its copies; it takes no more calls."""
        if "_engine" in self.__dict__:
            self._engine.closed = True  # before what still runs beside the calls has ended
            try:
                self._driver.close()
            finally:
                self._engine.close()


class AsyncPortkey(Routed, openai.AsyncOpenAI):  # type: ignore[misc]  # as above
    """The same for asynchronous code, on asyncio and trio.

    `wire="httpx"` sends by httpcore instead of aiohttp on asyncio; trio always does. Everything
    else is as for `Portkey`.
    """

    def __init__(self, **given: Unpack[Arguments]) -> None:
        """Compile the config; make no connection."""
        self._begin(given)
        client = self._given.get("http_client")
        wire: AsyncWire
        if client is not None:
            wire = GivenAsyncWire(client)
        else:
            wire = ChosenWire(self._given.get("connections"), self._given.get("wire") or "aiohttp")
        self._driver = AsyncDriver(wire)
        library = http_library()
        transport = async_transport(library)(self._driver, self._engine, self._plan, _broken)
        bridge = library.AsyncClient(transport=transport, trust_env=False)
        super().__init__(http_client=bridge, **self._sdk_arguments())

    @cached_property
    def chat(self) -> AsyncChat:
        """Chat completions."""
        from portkey_local.client.resources import AsyncChat

        return AsyncChat(self)

    @cached_property
    def completions(self) -> AsyncLegacyCompletions:
        """Completions of a prompt."""
        from portkey_local.client.resources import AsyncLegacyCompletions

        return AsyncLegacyCompletions(self)

    @cached_property
    def embeddings(self) -> AsyncEmbeddings:
        """Embeddings."""
        from portkey_local.client.resources import AsyncEmbeddings

        return AsyncEmbeddings(self)

    @property
    def cache(self) -> AsyncCacheView:
        """What the client's cache has: look at it, tidy it, or reject an answer."""
        from portkey_local.client.cache import AsyncCacheView, CacheView

        return AsyncCacheView(
            CacheView(self._engine, self._plan, self._driver.run, self._told_headers())
        )

    async def _prepare_request(self, request: Any) -> None:
        self._mark(request)

    async def request(
        self, cast_to: Any, options: Any, *, stream: bool = False, stream_cls: Any = None
    ) -> Any:
        """Send a request of the SDK's through the router."""
        request = self._fast_request(cast_to, options, stream=stream)
        if request is None:
            check_timeout(options.timeout)
            mark_text(cast_to, options)
            mask_credentials(options)
            try:
                return await super().request(cast_to, options, stream=stream, stream_cls=stream_cls)
            except openai.APIError as error:
                raise self._retold(error) from error.__cause__
        chunk = chunk_type(cast_to, stream_cls) if stream else cast_to
        return await self._send(chunk, request, options.timeout, options)

    async def _process_response(self, **given: Any) -> Any:
        return with_headers(await super()._process_response(**given), given["response"])

    async def _send(self, cast_to: Any, request: Request, timeout: Any, options: Any = None) -> Any:
        """Route a request by the fast door."""
        call, router = self._start(request, timeout)
        outcome: Outcome = await self._driver.run(router.route(call))
        if isinstance(outcome, Failure):
            raise exception(self, call, outcome)
        if outcome.stream is not None:
            return AsyncPortkeyStream(cast_to, options, call, outcome)
        return build(cast_to, call, outcome, options)

    def is_closed(self) -> bool:
        """Whether the client was closed."""
        return self._engine.closed

    async def close(self) -> None:
        """Close the connections of this client and of its copies; it takes no more calls."""
        if "_engine" in self.__dict__:
            self._engine.closed = True  # before what still runs beside the calls has ended
            try:
                await self._driver.close()
            finally:
                await anyio.to_thread.run_sync(self._engine.close)  # a cache may have to write
