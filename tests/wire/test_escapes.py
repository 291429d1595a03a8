"""What is escaped in a URL goes out as it is written, on every wire: a signature may be over it."""

from __future__ import annotations

import time

import anyio
import httpx
import httpx2
import pytest

from portkey_local.model import Packet
from portkey_local.testing import Loopback, Step
from portkey_local.wire.aio import AioWire
from portkey_local.wire.given import GivenAsyncWire, GivenWire
from portkey_local.wire.sync import CoreWire

PATH = "/model/arn%3Aaws%3Abedrock%3A%3A%3Aa%2Fb%20c.d-e~f/converse"
GIVEN = {"httpx": httpx, "httpx2": httpx2}


def sent(server: Loopback) -> str:
    request = server.received[-1]
    return f"/{request.target}{request.path}"


def packet(server: Loopback, path: str) -> Packet:
    return Packet("POST", server.url + path, {"content-type": "application/json"}, b"{}")


def test_escapes_are_kept(provider):
    """Our own synchronous wire changes no escape."""
    provider.reset(lambda _: Step(json={}))
    wire = CoreWire()
    read(wire, packet(provider, PATH))
    wire.close()
    assert sent(provider) == PATH


@pytest.mark.parametrize("name", GIVEN)
def test_a_given_client_keeps_escapes(provider, name):
    """Nor does a client of the user's."""
    provider.reset(lambda _: Step(json={}))
    with GIVEN[name].Client() as client:
        read(GivenWire(client), packet(provider, PATH))
    assert sent(provider) == PATH


def read(wire, message: Packet) -> None:
    response = wire.open(message, time.monotonic() + 5)
    while response.chunk(time.monotonic() + 5) is not None:
        pass
    response.close()


@pytest.mark.parametrize("name", GIVEN)
def test_a_given_asynchronous_client_keeps_escapes(provider, name):
    """Nor does an asynchronous client of the user's."""

    async def ask() -> None:
        async with GIVEN[name].AsyncClient() as client:
            await read_async(GivenAsyncWire(client), packet(provider, PATH))

    provider.reset(lambda _: Step(json={}))
    anyio.run(ask)
    assert sent(provider) == PATH


@pytest.mark.parametrize(("written", "arrives"), [(PATH, PATH), ("/a b/%C3%A9", "/a%20b/%C3%A9")])
def test_aiohttp_keeps_escapes(provider, written, arrives):
    """Nor does aiohttp; a URL that nobody has written out is escaped, as ever."""

    async def ask() -> None:
        wire = AioWire()
        await read_async(wire, packet(provider, written))
        await wire.close()

    provider.reset(lambda _: Step(json={}))
    anyio.run(ask)
    assert sent(provider) == arrives


async def read_async(wire, message: Packet) -> None:
    response = await wire.open(message, time.monotonic() + 5)
    while await response.chunk(time.monotonic() + 5) is not None:
        pass
    await response.close()
