"""The gateway idiom: an HTTP client that is the gateway, for code that was written for one.

Ground rules: what goes to the gateway's address, or says by Portkey's headers who is to be asked,
is routed as the headers say, whatever its path; the rest passes. Each distinct set of headers is
compiled once. Answers are a gateway's: a failure that no provider answered is one with its status,
and every answer tells the SDK not to try again, for there is one owner of retries.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any, ClassVar, Final, Unpack

from portkey_local.engine import Options, Plan
from portkey_local.errors import ConfigError
from portkey_local.model import Call, Failure, Fault, Outcome, Request
from portkey_local.providers.messages.front import is_messages
from portkey_local.transports import (
    ROOT_HOST,
    anthropic_body,
    has_answer,
    request_from,
    response_headers,
    synthetic_body,
    wire_form,
)
from portkey_local.wrapping.building import Making, async_door_of, library_named, sync_door_of
from portkey_local.wrapping.doors import Door
from portkey_local.wrapping.headers import options_of, routing_headers, told_by
from portkey_local.wrapping.told import Shared, checked

__all__ = ["async_http_client", "http_client"]

HOSTS: Final = frozenset({ROOT_HOST, "api.portkey.ai"})
PLANS_KEPT: Final = 128
NOBODY_TOLD: Final = (
    "No target: say who is asked by x-portkey-provider (its key as Authorization), "
    "x-portkey-virtual-key or x-portkey-config"
)
ONCE: Final = {"x-should-retry": "false"}  # which the SDKs obey


class GatewayDoor(Door):
    """Routes each request as its own headers say."""

    own: ClassVar = False

    def __init__(self, *given: Any, **named: Any) -> None:
        """Take what a door takes; no plan is known yet."""
        super().__init__(*given, **named)
        self._plans: dict[bytes, Plan] = {}

    def is_routed(self, message: Any) -> bool:
        """Whether a request is for the gateway."""
        return message.url.host in HOSTS or routing_headers(message.headers)

    def read(self, message: Any, content: bytes) -> Request:
        """Read a request to the gateway; an SDK may add its own `/v1` to the address."""
        request = request_from(message, content)
        if request.path.startswith("/v1/"):
            return replace(request, path=request.path.removeprefix("/v1"))
        return request

    def told(self, message: Any) -> dict[str, str]:
        """Return what the headers of a request tell of its route."""
        return told_by({name.lower(): value for name, value in message.headers.items()})

    def plan_of(self, message: Any) -> Plan:
        """Return how the headers want a request routed; a config that is wrong is a 400."""
        told = self.told(message)
        if not told.get("config", "{").lstrip().startswith("{"):
            return self._planned(told)  # an id: what it stands for may change
        key = _digest(told)
        if (known := self._plans.get(key)) is not None:
            return known
        made = self._planned(told)
        kept = list(self._plans.items())[1 - PLANS_KEPT :]
        self._plans = {**dict(kept), key: made}  # as the engine keeps what it has compiled
        return made

    def options(self, told: Mapping[str, str]) -> Options:
        """Return the engine's options for what headers tell. Raises ConfigError."""
        return options_of(told)

    def _planned(self, told: Mapping[str, str]) -> Plan:
        from portkey_local.compile import Nowhere

        try:
            plan = self._engine.plan(self.options(told))
        except ConfigError as error:
            return _leading_nowhere(str(error))
        if plan.router.root == Nowhere():
            return _leading_nowhere(NOBODY_TOLD)
        return plan

    def response(self, call: Call, outcome: Outcome, stream: Any = None) -> Any:
        """Return the gateway's response."""
        unanswered = (
            isinstance(outcome, Failure)
            and not has_answer(outcome)
            and outcome.fault is not Fault.ERROR_EVENT
        )
        if isinstance(outcome, Failure) and unanswered:
            headers = {**response_headers(call, outcome), "content-type": "application/json"}
            body = anthropic_body if is_messages(call.request.path) else synthetic_body
            return self._library.Response(
                outcome.status, headers=wire_form({**headers, **ONCE}), content=body(outcome)
            )
        response = super().response(call, outcome, stream)
        response.headers.update(ONCE)
        return response


def _leading_nowhere(message: str) -> Plan:
    from portkey_local.compile import Compiled, Nowhere

    return Plan(Compiled(Nowhere(message), None, (), model_needed=False))


def _digest(told: Mapping[str, str]) -> bytes:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).digest()


def http_client(*, library: ModuleType | str | None = None, **given: Unpack[Shared]) -> Any:
    """Return an HTTP client that stands for Portkey's gateway, for `openai.OpenAI` and the like.

    Give it to an SDK with `base_url=PORTKEY_GATEWAY_URL` and `default_headers=createHeaders(...)`.
    `library` is httpx or httpx2, by default that of the installed openai SDK. Takes what belongs to
    a whole `Portkey` client: `virtual_keys`, `checks`, `on_event`, `connections`, ...
    """
    made = library_named(library)
    door = sync_door_of(checked(given, Shared), Making(made, kind=GatewayDoor))
    return made.Client(transport=door, follow_redirects=True)


def async_http_client(*, library: ModuleType | str | None = None, **given: Unpack[Shared]) -> Any:
    """Return the same for `openai.AsyncOpenAI` and the like."""
    made = library_named(library)
    door = async_door_of(checked(given, Shared), Making(made, kind=GatewayDoor))
    return made.AsyncClient(transport=door, follow_redirects=True)
