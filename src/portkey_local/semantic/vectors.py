"""The vectors of the texts that were asked last: a question that many ask is embedded once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

from portkey_local.semantic.forking import survive

__all__ = ["VectorsState"]

TEXTS: Final = 1_000  # about 2 MB
LONGEST: Final = 1_000  # letters of a text that is remembered


class VectorsState:
    """Remembers some texts' vectors, the last ones asked for; safe across threads.

    >>> vectors = VectorsState(texts=1)
    >>> vectors.put("Why?", b"1")
    >>> vectors.put("How?", b"2")
    >>> vectors.get("Why?"), vectors.get("How?")
    (None, b'2')
    """

    def __init__(self, texts: int = TEXTS) -> None:
        """Begin with none."""
        self.lock = threading.Lock()
        self.texts = texts
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        survive(self)

    def renew(self, *, whole: bool) -> None:
        """Take a new lock in a forked process."""
        self.lock = threading.Lock()
        if not whole:
            self._kept = OrderedDict()

    def get(self, text: str) -> bytes | None:
        """Return a text's vector, if it is remembered."""
        with self.lock:
            vector = self._kept.get(text)
            if vector is not None:
                self._kept.move_to_end(text)
            return vector

    def put(self, text: str, vector: bytes) -> None:
        """Remember a text's vector, in place of that which was asked for longest ago."""
        if len(text) > LONGEST:
            return
        with self.lock:
            self._kept[text] = vector
            while len(self._kept) > self.texts:
                self._kept.popitem(last=False)
