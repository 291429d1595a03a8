"""The server as an ASGI application, over a door of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Unpack

from portkey_local.serving.calls import Calls, Served, failure
from portkey_local.serving.door import door_of
from portkey_local.serving.guards import Guard
from portkey_local.wrapping.told import Shared

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["BODY_LIMIT", "Service", "service"]

BODY_LIMIT: Final = 128 * 2**20  # bytes; held in memory, so that a request can be sent again
ROUTED: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
ALLOW: Final = {"allow": ", ".join((*ROUTED, "OPTIONS"))}


@dataclass(frozen=True, slots=True)
class Service:
    """An ASGI application, to be served by any ASGI server, and what closes it."""

    app: Starlette
    door: Any = field(repr=False)

    async def aclose(self) -> None:
        """Take no more calls, write what the cache has not written, close the connections.

        The application's own lifespan does it, where the server has one.
        """
        await self.door.aclose()


def service(
    config: Any = None,
    *,
    guard: Guard | None = None,
    max_body: int = BODY_LIMIT,
    log: Callable[[Served], object] = lambda _: None,
    **given: Unpack[Shared],
) -> Service:
    """Return the router as an ASGI application with the gateway's HTTP face.

    `config` routes the requests that do not say by headers who is to be asked; `guard` says whose
    requests are refused; `log` is told of each call that is over. Takes what belongs to a whole
    `Portkey` client: `cache_dir`, `event_log`, `on_event`, `checks`, `virtual_keys`, ...
    Raises ConfigError, and ImportError where starlette is not installed.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.routing import Route

    door = door_of(config, given)
    guard = guard or Guard()
    app = Starlette(
        routes=[
            Route("/", _hello),
            Route("/v1/health", _health),
            Route("/v1/{path:path}", _Methods(Calls(door, max_body, log))),
        ],
        middleware=[Middleware(_Guarded, guard=guard), *_cors(guard)],
        exception_handlers={HTTPException: _unknown},
        lifespan=_closing(door),
    )
    app.router.redirect_slashes = False
    return Service(app, door)


def _cors(guard: Guard) -> list[Any]:
    """Return what lets pages of the allowed origins read their answers: nothing for none."""
    from starlette.middleware import Middleware
    from starlette.middleware.cors import CORSMiddleware

    if not guard.origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=guard.origins,
            allow_methods=ROUTED,
            allow_headers=("*",),
            allow_private_network=True,  # some browsers ask before a page may reach this machine
            expose_headers=("*",),
        )
    ]


def _closing(door: Any) -> Callable[[Any], Any]:
    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await door.aclose()

    return lifespan


class _Guarded:
    """Refuses what the guard refuses, before anything else is looked at."""

    def __init__(self, app: ASGIApp, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        refusal = self._guard.refusal(headers)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _failed(403, refusal)(scope, receive, send)


class _Methods:
    """Lets the methods in that a provider may be asked by."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ROUTED:
            await self._calls(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await _plain(204, b"", ALLOW)(scope, receive, send)
        else:
            await _failed(405, "Ask by GET, POST, PUT, PATCH or DELETE", ALLOW)(
                scope, receive, send
            )


def _plain(status: int, content: bytes, headers: Mapping[str, str]) -> Response:
    from starlette.responses import Response

    return Response(content, status, dict(headers))


def _failed(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    kind = {"content-type": "application/json", **(headers or {})}
    return _plain(status, failure(message), kind)


async def _hello(_request: Request) -> Response:
    words = b"portkey-local: POST /v1/chat/completions, or give /v1 to an SDK as its base URL.\n"
    return _plain(200, words, {"content-type": "text/plain; charset=utf-8"})


async def _health(_request: Request) -> Response:
    return _plain(200, b'{"status":"success"}', {"content-type": "application/json"})


async def _unknown(request: Request, error: Any) -> Response:
    message = f"{request.method} {request.url.path} leads nowhere; every call is below /v1"
    return _failed(error.status_code, message, error.headers)
