"""Content codings, for the wires whose library leaves them to us: gzip and deflate, by zlib."""

from __future__ import annotations

import zlib

from portkey_local.wire.contract import WireError

ACCEPTED = "gzip, deflate"
AUTO_HEADER = 47  # zlib: accept a gzip or a zlib header


class Decoder:
    """Undoes one content coding, chunk by chunk; raises `WireError` for bytes that are not coded
    so.
    """

    def __init__(self, coding: str) -> None:
        """Take the value of a Content-Encoding header."""
        self._coding = coding
        self._inflate = zlib.decompressobj(AUTO_HEADER)
        self._begun = False

    def decode(self, chunk: bytes) -> bytes:
        """Return the plain bytes of `chunk`."""
        try:
            plain = self._inflate.decompress(chunk)
        except zlib.error as error:
            if self._coding != "deflate" or self._begun:
                msg = f"the body is not {self._coding}: {error}"
                raise WireError(msg) from None
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers leave the header out
            plain = self._inflate.decompress(chunk)
        self._begun = True
        return plain

    def finish(self) -> None:
        """Raise `WireError` when the coded body was cut short."""
        if self._begun and not self._inflate.eof:
            msg = f"the {self._coding} body was cut short"
            raise WireError(msg)


def decoder_for(coding: str) -> Decoder | None:
    """Return a decoder, None for no coding; raise `WireError` for one we did not ask for."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip", "deflate"):
        return Decoder(coding)
    msg = f"the answer's content coding is {coding!r}, which was not asked for"
    raise WireError(msg)
