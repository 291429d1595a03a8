"""Fuzzes the parser of AWS's event stream: `python tests/fuzz/fuzz_event_stream.py`.

Run by hand, where atheris is installed: `-max_total_time=300` for five minutes. The bytes are
parsed in cuttings that the fuzzer chooses, and once more with their checksums mended, or else no
fuzzer would get past those. Nothing may raise, and no cutting may change what is read.
"""

from __future__ import annotations

import struct
import sys
import zlib

import atheris

with atheris.instrument_imports():
    from portkey_local.providers.bedrock import Bedrock, events, framing, stream
    from portkey_local.providers.translating import (
        Translated,
    )
from portkey_local.providers.vendor import (
    Ask,
)

ASK = Ask({"model": "a.b", "stream_options": {"include_usage": True}}, 0.0)


def mended(data: bytes) -> bytes:
    """Return bytes as one message whose lengths and checksums are right."""
    cut = data[0] % (len(data) + 1) if data else 0
    headers, payload = data[1 : cut + 1], data[cut + 1 :]
    prelude = struct.pack("!II", len(headers) + len(payload) + 16, len(headers))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return body + struct.pack("!I", zlib.crc32(body))


def read(data: bytes, size: int) -> tuple[list[bytes], str | None]:
    """Return the messages of a stream that comes in pieces of a size."""
    parser = framing.Framing()
    messages = []
    for start in range(0, len(data), size):
        messages += [message.raw for message in parser.feed(data[start : start + size])]
    return messages, parser.malformed


def one(data: bytes) -> None:
    """Read one input in every way that the library does."""
    for stream_bytes in (data, mended(data), mended(data) + data):
        assert read(stream_bytes, 1 + len(data) % 7) == read(stream_bytes, 1 << 20)
        translated = Translated(events.BinaryEvents(), stream.ConverseTranslator(ASK, None))
        for reader in (translated, events.NativeEvents(), Translated(
            Bedrock().frames(), Bedrock().translator(ASK)
        )):  # fmt: skip
            reader.feed(stream_bytes)
            reader.finish()


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
