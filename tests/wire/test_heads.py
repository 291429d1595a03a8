"""A request's headers are checked once, and go out as they always did."""

from __future__ import annotations

import pytest

from portkey_local.model import Packet
from portkey_local.testing import Loopback
from portkey_local.wire.contract import WireError
from portkey_local.wire.heads import Heads, wire_headers
from portkey_local.wire.sync import CoreWire

HOST = b"example.com"
HEADERS = {"authorization": "Bearer none", "X-Mine": "caf\xe9"}


def packet(method: str = "POST", content: bytes | None = b"{}", **headers: str) -> Packet:
    return Packet(method, "http://example.com/x", {**HEADERS, **headers}, content)


@pytest.mark.parametrize(
    "sent", [packet(), packet(content=b"longer"), packet("GET", None), packet("POST", None)]
)
def test_what_goes_out_is_the_same(sent: Packet) -> None:
    made = Heads().of(sent, HOST)
    assert list(made.raw_items()) == wire_headers(sent, HOST)


def test_they_are_checked_once() -> None:
    heads = Heads()
    for length in range(5):
        heads.of(packet(content=b"x" * length), HOST)
    found = heads._checked.cache_info()
    assert (found.misses, found.hits) == (1, 4)


def test_an_impossible_header_is_refused_by_the_wire(provider: Loopback) -> None:
    sent = Packet("POST", provider.target("a"), {"x-bad": "two\nlines"}, b"{}")
    wire = CoreWire()
    with pytest.raises(WireError, match="LocalProtocolError"):
        wire.open(sent, float("inf"))
    wire.close()
    assert not provider.received
