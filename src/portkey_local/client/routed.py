"""What the synchronous and the asynchronous client share: everything that does not wait.

Two doors lead into one router. The *fast door* takes plain JSON calls and streams straight to it
and skips the SDK's request building; the *transport* takes everything else (uploads, binary
answers, raw responses) as an HTTP request of the SDK's own. Both give the same results.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Self, Unpack

import openai
from openai import BaseModel
from openai._constants import OVERRIDE_CAST_TO_HEADER, RAW_RESPONSE_HEADER

from portkey_local.client import arguments
from portkey_local.client.arguments import Changes
from portkey_local.client.engines import engine_of
from portkey_local.client.failures import DENIED, denied, exception, told
from portkey_local.client.hosted import INSTEAD, HostedOnly
from portkey_local.client.router import RouterView
from portkey_local.client.wanted import WANTED, is_timeout
from portkey_local.engine import Engine, Plan
from portkey_local.model import EMPTY, Call, Request
from portkey_local.providers.openai import encode_json
from portkey_local.transports import EXTENSION, ROOT, ROOT_HOST, TEXT_HEADER, parted, seconds_of

if TYPE_CHECKING:
    from portkey_local.compile import Compiled

SPECIAL_HEADERS = frozenset({RAW_RESPONSE_HEADER.lower(), OVERRIDE_CAST_TO_HEADER.lower()})
JSON = "application/json"


class Routed:
    """The half of a client that makes calls out of requests and exceptions out of failures."""

    _given: dict[str, Any]
    _engine: Engine
    _plan: Plan

    def _begin(self, given: Mapping[str, Any]) -> None:
        """Read the arguments and compile the config, before anything is built."""
        self._given = arguments.checked(given)
        self._engine = engine_of(self._given)
        self._plan = self._engine.plan(arguments.options(self._given))

    def _sdk_arguments(self) -> dict[str, Any]:
        """Return what openai's constructor is given; its own HTTP client is never built."""
        kept: dict[str, Any] = {
            name: self._given[name]
            for name in ("default_headers", "default_query", "timeout", "webhook_secret")
            if name in self._given
        }
        own: dict[str, Any] = {
            "api_key": arguments.api_key(self._given),
            "base_url": ROOT,
            "max_retries": 0,
        }
        return {**own, **kept}

    def copy(self, **changes: Unpack[Changes]) -> Self:
        """Return a client with other options, over the same connections. Also `with_options`.

        Takes the routing arguments of the constructor (`config`, `virtual_key`, `provider`,
        `trace_id`, `metadata`, ...) and `timeout`, `default_headers`, `default_query`, `api_key`.
        """
        new = arguments.checked(changes)
        if wrong := new.keys() & arguments.ONE_CLIENT:
            msg = f"{', '.join(sorted(wrong))}: belongs to the whole client; make a new one"
            raise TypeError(msg)
        twin = self.__class__.__new__(self.__class__)
        owner: Any = type(self)
        cached = _cached_names(owner)
        twin.__dict__.update({k: v for k, v in self.__dict__.items() if k not in cached})
        routing = {name: value for name, value in new.items() if name in arguments.ROUTING}
        if routing.keys() - arguments.CARRIED:
            twin._given = arguments.changed(self._given, routing)
            twin._plan = self._engine.plan(arguments.options(twin._given))
        elif routing:  # the route stays: nothing is read or compiled anew
            twin._given = {**self._given, **routing}
            told = arguments.options({name: twin._given.get(name) for name in arguments.CARRIED})
            twin._plan = replace(
                self._plan,
                trace_id=told.trace_id,
                metadata=told.metadata,
                caching=told.caching,
            )
        _take_sdk_options(twin, new)
        return twin

    with_options = copy

    def __getattr__(self, name: str) -> HostedOnly:
        """Answer for the resources that only the hosted product has."""
        if name in INSTEAD:
            return HostedOnly(name)
        msg = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(msg)

    @property
    def admin(self) -> Any:
        """The hosted product's administration; openai 3 has a resource of that name, hidden here
        because code that was written for Portkey means the other.
        """
        return HostedOnly("admin")

    @property
    def router(self) -> RouterView:
        """The client's router, to be looked at: `router.status()`, `router.explain(...)`."""
        return RouterView(self._engine, self._plan)

    def __repr__(self) -> str:
        """Name the targets, never a key."""
        targets = ", ".join(f"{t.path}={t.provider}" for t in self._plan.router.targets)
        return f"<{type(self).__name__} {targets or 'without a target'}>"

    # --- raw calls: with `cast_to` as the SDK has them, without it decoded JSON comes back

    def post(self: Any, path: str, **arguments: Any) -> Any:
        """Post to any path; without `cast_to`, the arguments (or `body`) are the body."""
        return super().post(path, **_with_body(arguments))  # type: ignore[misc]

    def put(self: Any, path: str, **arguments: Any) -> Any:
        """Put to any path, as `post` posts."""
        return super().put(path, **_with_body(arguments))  # type: ignore[misc]

    def patch(self: Any, path: str, **arguments: Any) -> Any:
        """Patch at any path, as `post` posts."""
        return super().patch(path, **_with_body(arguments))  # type: ignore[misc]

    def get(self: Any, path: str, **arguments: Any) -> Any:
        """Get any path."""
        return super().get(path, **{"cast_to": object, **arguments})  # type: ignore[misc]

    def delete(self: Any, path: str, **arguments: Any) -> Any:
        """Delete any path."""
        return super().delete(path, **{"cast_to": object, **arguments})  # type: ignore[misc]

    # --- the fast door

    def _fast_request(self: Any, cast_to: Any, options: Any, *, stream: bool) -> Request | None:
        """Return the request of a call that the fast door can take, else None."""
        if not _is_plain_json(options):
            return None
        if not (stream or _is_model(cast_to)):
            return None
        told = self._headers(options.headers)
        if told is None:
            return None
        headers, withheld = told
        try:
            body, encoded = _json_of(options)
        except (TypeError, ValueError):  # dates, models: the SDK knows how to write them
            return None
        method = options.method.upper()
        if method == "GET":  # as the SDK: nothing is sent, so nothing has a type
            headers = {name: text for name, text in headers.items() if name != "content-type"}
        query = {**self._custom_query, **(options.params or {})}
        path, _, fixed = options.url.partition("?")
        parts = [part for part in (fixed, self.qs.stringify(query) if query else "") if part]
        return Request(
            method=method,
            path=path,
            body=body if method != "GET" else None,
            encoded=encoded,
            headers=headers,
            withheld=withheld,
            query="&".join(parts),
            stream=stream,
        )

    def _headers(self: Any, given: Any) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
        """Return a call's headers, those that go along and those withheld.

        None when they ask for what only the SDK's own way gives.
        """
        custom: Mapping[str, Any] = self._custom_headers
        if not isinstance(given, Mapping) or not given:
            return _merged(custom) if custom else (_plain_headers(), EMPTY)
        lower = {name.lower(): value for name, value in given.items()}
        if lower.keys() & SPECIAL_HEADERS or lower.get("content-type", JSON) != JSON:
            return None
        return _merged({**{n.lower(): v for n, v in custom.items()}, **lower})

    def _told_headers(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """Return the headers of a call that gives none of its own."""
        return self._headers(None) or (EMPTY, EMPTY)

    def _start(self: Any, request: Request, timeout: Any) -> tuple[Call, Compiled]:
        """Return a call that begins now, and the router for it."""
        check_timeout(timeout)
        if isinstance(timeout, openai.NotGiven):
            timeout = self.timeout
        started: tuple[Call, Compiled] = self._engine.begin(
            request, self._plan, seconds_of(timeout)
        )
        return started

    # --- the transport

    @property
    def auth_headers(self) -> dict[str, str]:
        """Nothing: each target signs in with its own key, on the way out."""
        return {}

    def _auth_headers(self, security: Any) -> dict[str, str]:  # noqa: ARG002 - the SDK's signature
        return {}

    def _validate_headers(self, headers: Any, custom_headers: Any) -> None:
        """Miss no key: the SDK would."""

    def _make_status_error(self: Any, err_msg: str, *, body: object, response: Any) -> Any:
        if response.status_code == DENIED:
            return denied(response, body)
        return super()._make_status_error(err_msg, body=body, response=response)  # type: ignore[misc]

    def _mark(self, request: Any) -> None:
        """Tell the transport which copy of the client sends the request."""
        if request.url.host != ROOT_HOST:
            msg = f"{request.url}: only paths below an API's root are routed"
            raise ValueError(msg)
        request.extensions[EXTENSION] = self._plan

    def _retold(self, error: openai.APIError) -> openai.APIError | Exception:
        """Return an exception that the SDK raised for a routed request, with what the router
        knows.
        """
        outcome = getattr(error.__cause__, EXTENSION, None)
        if outcome is not None:
            return exception(self, *outcome)
        response = getattr(error, "response", None)
        outcome = response.extensions.get(EXTENSION) if response is not None else None
        if outcome is not None:
            call, failure = outcome
            told(error, error.message, call, failure.target)
        return error


def _take_sdk_options(client: Any, new: Mapping[str, Any]) -> None:
    if "timeout" in new:
        client.timeout = new["timeout"]
    if "default_headers" in new:
        client._custom_headers = {**client._custom_headers, **(new["default_headers"] or {})}
    if "default_query" in new:
        client._custom_query = {**client._custom_query, **(new["default_query"] or {})}
    for name in ("api_key", "webhook_secret"):
        if new.get(name) is not None:
            setattr(client, name, new[name])


def _merged(custom: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    merged = {**_plain_headers(), **{name.lower(): value for name, value in custom.items()}}
    return parted({name: value for name, value in merged.items() if isinstance(value, str)})


def _with_body(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a raw call's arguments as the SDK takes them: the body is `body` alone, or all."""
    if "cast_to" in arguments:
        return arguments
    if "body" not in arguments:
        return {"cast_to": object, "body": arguments}
    if len(arguments) > 1:
        others = ", ".join(sorted(arguments.keys() - {"body"}))
        msg = f"give either body= or the body's fields as arguments, not both ({others})"
        raise TypeError(msg)
    return {"cast_to": object, **arguments}


def check_timeout(timeout: Any) -> None:
    """Raise TypeError for what is no time limit, before anything is sent."""
    unset = timeout is None or isinstance(timeout, openai.NotGiven)
    if not unset and not is_timeout(timeout):
        msg = f"timeout must be {WANTED['timeout'][1]}, not {timeout!r}"
        raise TypeError(msg)


def mark_text(cast_to: Any, options: Any) -> None:
    """Say to the transport that an answer is not to be JSON, where the caller asks for its text."""
    if cast_to is str or getattr(cast_to, "__module__", "").split(".")[0] in ("httpx", "httpx2"):
        given = options.headers if isinstance(options.headers, Mapping) else {}
        options.headers = {**given, TEXT_HEADER: "true"}


def _is_plain_json(options: Any) -> bool:
    """Whether a request of the SDK's is JSON, or nothing, for a path below the API's root."""
    if options.files or options.content is not None or not options.url.startswith("/"):
        return False
    return options.json_data is None or isinstance(options.json_data, dict)


def _json_of(options: Any) -> tuple[dict[str, Any] | None, bytes | None]:
    """Return a JSON body and its bytes; raise TypeError or ValueError for what is no plain JSON."""
    if options.json_data is None and not options.extra_json:
        return None, None
    body = {**(options.json_data or {}), **(options.extra_json or {})}
    return body, encode_json(body)


@lru_cache(maxsize=512)
def _is_model(cast_to: Any) -> bool:
    return (
        inspect.isclass(cast_to)
        and issubclass(cast_to, BaseModel)
        and not hasattr(cast_to, "build")
    )


@lru_cache(maxsize=1)
def _plain_headers() -> Mapping[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("portkey-local")
    except PackageNotFoundError:
        own = "0"
    return {"accept": JSON, "content-type": JSON, "user-agent": f"portkey-local/{own}"}


@lru_cache(maxsize=8)
def _cached_names(owner: type) -> frozenset[str]:
    """Return the names of a class's cached properties: they hold the client they were made for."""
    return frozenset(
        name
        for base in owner.__mro__
        for name, value in vars(base).items()
        if isinstance(value, cached_property) or type(value).__name__ == "cached_property"
    )
