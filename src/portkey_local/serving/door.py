"""The server's way into the router: the gateway's door, with a config for requests that name none.

Ground rules: who is asked is said by the request's headers or, where they are silent, by the
server's own config; what else the headers say (time limits, guardrails, ...) holds in either case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from portkey_local.engine import Options
from portkey_local.model import Request
from portkey_local.wrapping.building import Making, async_door_of, library_named
from portkey_local.wrapping.gateway import GatewayDoor
from portkey_local.wrapping.headers import options_of, routing_headers, told_by
from portkey_local.wrapping.told import Shared, checked

__all__ = ["ServingDoor", "door_of"]

ANYTHING: Final = "*/*"  # what curl and fetch accept where nobody says
NOT_JSON: Final = ("/audio/", "/files/", "/containers/", "/videos/")


class ServingDoor(GatewayDoor):
    """Routes whatever comes; `config` is the server's own, as JSON text."""

    config: str | None = None

    def is_routed(self, message: Any) -> bool:  # noqa: ARG002 - as every door is asked
        """Take every request: it was sent to this server."""
        return True

    def told(self, message: Any) -> dict[str, str]:
        """Return what the headers tell; the server's config, where they do not say who is asked."""
        told = told_by({name.lower(): value for name, value in message.headers.items()})
        if self.config is not None and not routing_headers(message.headers):
            told["config"] = self.config
        return told

    def options(self, told: Mapping[str, str]) -> Options:
        """Return what headers tell; a config is JSON, or a stored one's id, and never a file."""
        config = told.get("config", "{").lstrip()
        if not config.startswith("{"):
            from portkey_local.config.sources import find_named
            from portkey_local.home import configs_dir

            told = {**told, "config": str(find_named(config, configs_dir()))}
        return options_of(told)

    def read(self, message: Any, content: bytes) -> Request:
        """Read a request; an answer must be JSON unless the caller, or the endpoint, wants other.

        Programs without an SDK say that they accept anything.
        """
        request = super().read(message, content)
        accept = message.headers.get("accept", ANYTHING)
        if not accept.startswith(ANYTHING):
            return request
        return replace(request, json_expected=not request.path.startswith(NOT_JSON))


def door_of(config: Any, given: Mapping[str, Any]) -> Any:
    """Return a door over a router of its own, for one event loop. Raises ConfigError.

    `config` is a mapping, JSON text, a file or an id; it is read once. `given` is what belongs to a
    whole `Portkey` client: `cache_dir`, `event_log`, `on_event`, ...
    """
    text = None if config is None else _text_of(config)
    door = async_door_of(checked(given, Shared), Making(library_named(None), kind=ServingDoor))
    if text is not None:
        door.config = text
        door._engine.plan(options_of({"config": text}))  # now, and not with the first request
    return door


def _text_of(config: Any) -> str:
    from portkey_local.config import load
    from portkey_local.home import configs_dir

    return json.dumps(load(config, configs_dir=configs_dir()).model_dump(exclude_unset=True))
