"""Content codings, for the wires whose library leaves them to us: gzip and deflate, by zlib."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from portkey_local.model import Answer
from portkey_local.wire.contract import WireError

ACCEPTED = "gzip, deflate"
AUTO_HEADER = 47  # zlib: accept a gzip or a zlib header
CODINGS = ("gzip", "x-gzip", "deflate")


class Decoder:
    """Undoes one content coding, chunk by chunk; raises `WireError` for bytes not coded so."""

    def __init__(self, coding: str) -> None:
        """Take the value of a Content-Encoding header."""
        coding = coding.strip().lower()
        if coding not in CODINGS:
            msg = f"the answer's content coding is {coding!r}, which was not asked for"
            raise WireError(msg)
        self._coding = coding
        self._inflate = zlib.decompressobj(AUTO_HEADER)
        self._head: bytes | None = b""  # what has come, until it is clear whether it has a header

    def decode(self, chunk: bytes) -> bytes:
        """Return the plain bytes of `chunk`."""
        head, self._head = self._head, None if self._head is None else self._head + chunk
        try:
            plain = self._inflate.decompress(chunk)
        except zlib.error as error:
            if self._coding != "deflate" or head is None:
                raise self._broken(error) from None
            plain = self._without_header(head + chunk)
        if plain:
            self._head = None
        return plain

    def _without_header(self, chunk: bytes) -> bytes:
        """Begin again with bare deflate: some servers leave zlib's header out."""
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        self._head = None
        try:
            return self._inflate.decompress(chunk)
        except zlib.error as error:
            raise self._broken(error) from None

    def _broken(self, error: zlib.error) -> WireError:
        return WireError(f"the body is not {self._coding}: {error}")

    def finish(self) -> None:
        """Raise `WireError` when the coded body was cut short; an empty one was not begun."""
        if not self._inflate.eof and self._head != b"":
            msg = f"the {self._coding} body was cut short"
            raise WireError(msg)


class Coded:
    """The body of an answer that may be coded; a wire's response inherits from it."""

    def __init__(self, status: int, raw_headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Take the head of an answer as it came."""
        self.head = head_of(status, raw_headers)
        self._coding = self.head.headers.get("content-encoding", "")
        self._decoder: Decoder | None = None

    def plain(self, data: bytes | None) -> bytes | None:
        """Return the plain bytes of a chunk, None at the body's end."""
        if not is_coded(self._coding):
            return data
        self._decoder = self._decoder or Decoder(self._coding)
        if data is None:
            self._decoder.finish()
            return None
        return self._decoder.decode(data)


def head_of(status: int, raw_headers: Iterable[tuple[bytes, bytes]]) -> Answer:
    """Return an answer's head; header bytes are read one by one, whatever their charset."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw_headers
    }
    return Answer(status, headers)


def is_coded(coding: str) -> bool:
    """Whether a Content-Encoding header says that a body must be decoded."""
    return coding.strip().lower() not in ("", "identity")
