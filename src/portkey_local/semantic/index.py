"""The vectors of one scope, in memory, searched exactly by FAISS.

Ground rules: every vector is compared, so the nearest one is never missed, and one thread compares,
for a second one makes others wait and a forked process hang. What is removed stays in FAISS as a
tombstone until a fifth of it is dead. FAISS is imported with the first vector.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from portkey_local.semantic.forking import survive

__all__ = ["HALF_PRECISION_FROM", "FaissNeighbours"]

HALF_PRECISION_FROM: Final = 50_000  # vectors from which they are kept as 16-bit floats
DEAD: Final = 0.2  # the part of a scope that may be tombstones
FEW: Final = 64  # tombstones that nobody clears away
SPARE: Final = 8  # more neighbours than asked for, because some may be dead
EMPTY: Final = 1_024  # bytes of an empty scope, about
BOOKKEEPING: Final = 96  # bytes that a vector takes besides its numbers: two ids, and a set's place
UNIT: Final = 0.01  # how far from 1 the length of a vector may be


class FaissNeighbours:
    """The vectors of one scope; safe across threads, and whole in a forked process.

    Vectors are unit-length float32 as bytes, each under a number of its own. From 50,000 on they
    are kept in half precision, which moves a similarity by less than 0.001.
    """

    def __init__(self, dimensions: int, *, half_precision_from: int = HALF_PRECISION_FROM) -> None:
        """Begin empty."""
        if dimensions < 1:
            raise ValueError("dimensions must be 1 or more")
        self.dimensions = dimensions
        self.lock = threading.Lock()
        self._half_from = half_precision_from
        self._clear()
        survive(self)

    def _clear(self) -> None:
        self._index: Any = None  # a faiss.IndexIDMap
        self._halved = False
        self._live: set[int] = set()
        self._dead: set[int] = set()

    def renew(self, *, whole: bool) -> None:
        """Take a new lock in a forked process; begin empty where a thread had not finished."""
        self.lock = threading.Lock()
        if not whole:
            self._clear()

    def __len__(self) -> int:
        """Return how many vectors there are, the removed ones not among them."""
        return len(self._live)

    @property
    def size(self) -> int:
        """How many bytes it takes, about."""
        width = 2 if self._halved else 4
        kept = len(self._live) + len(self._dead)
        return EMPTY + kept * (self.dimensions * width + BOOKKEEPING)

    def add(self, rows: Iterable[tuple[int, bytes]], /) -> None:
        """Take vectors, each under a number of its own, in place of what was there.

        Raises ValueError, before anything is taken, for a vector of another length.
        """
        taken = dict(rows)
        if not taken:
            return
        numbers, vectors = self._arrays(taken)
        with self.lock, _one_thread():
            replaced = self._live.intersection(taken) | self._dead.intersection(taken)
            if replaced:
                self._live -= replaced
                self._dead |= replaced
                self._bury()
            self._make_room(len(taken))
            self._index.add_with_ids(vectors, numbers)
            self._live |= taken.keys()

    def remove(self, numbers: Iterable[int], /) -> None:
        """Forget vectors; numbers that are not known are passed over."""
        with self.lock:
            gone = self._live.intersection(numbers)
            self._live -= gone
            self._dead |= gone
            if len(self._dead) > max(FEW, DEAD * (len(self._live) + len(self._dead))):
                with _one_thread():
                    self._bury()

    def nearest(self, vector: bytes, count: int, /) -> list[tuple[int, float]]:
        """Return the numbers of the nearest vectors with their cosine similarity, nearest first.

        Raises ValueError for a vector of another length.
        """
        _, vectors = self._arrays({0: vector})
        with self.lock:
            wanted = min(count, len(self._live))
            if wanted < 1:
                return []
            with _one_thread():
                found = self._search(vectors, wanted + min(SPARE, len(self._dead)))
                if len(found) < wanted:  # the nearest are dead: look again, past all of these
                    found = self._search(vectors, wanted, self._past_dead())
            return found[:wanted]

    # --- with the lock held

    def _search(self, vectors: Any, count: int, params: Any = None) -> list[tuple[int, float]]:
        similarities, numbers = self._index.search(vectors, count, params=params)
        return [
            (number, max(-1.0, min(1.0, similarity)))
            for number, similarity in zip(
                numbers[0].tolist(), similarities[0].tolist(), strict=True
            )
            if number in self._live
        ]

    def _past_dead(self) -> Any:
        faiss = _faiss()
        dead = faiss.IDSelectorBatch(sorted(self._dead))
        params = faiss.SearchParameters(sel=(without := faiss.IDSelectorNot(dead)))
        params.kept = dead, without  # FAISS points to them and does not keep them
        return params

    def _bury(self) -> None:
        """Clear the tombstones away."""
        import numpy as np

        if not self._live:
            self._clear()
        elif self._dead:
            self._index.remove_ids(np.array(sorted(self._dead), dtype=np.int64))
            self._dead.clear()

    def _make_room(self, more: int) -> None:
        """Have an index that so many more may be added to; a large one in half precision."""
        faiss = _faiss()
        if self._index is None:
            self._index = faiss.IndexIDMap(faiss.IndexFlatIP(self.dimensions))
        if not self._halved and len(self._live) + more >= self._half_from:
            self._halve()

    def _halve(self) -> None:
        self._bury()
        faiss = _faiss()
        old = self._index
        flat = faiss.IndexScalarQuantizer(
            self.dimensions, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index, self._halved = faiss.IndexIDMap(flat), True
        if old is not None and old.ntotal:
            numbers = faiss.vector_to_array(old.id_map)
            self._index.add_with_ids(old.index.reconstruct_n(0, old.ntotal), numbers)

    # --- vectors

    def _arrays(self, rows: dict[int, bytes]) -> tuple[Any, Any]:
        """Return numbers and vectors as arrays. Raises ValueError."""
        import numpy as np

        width = 4 * self.dimensions
        if any(len(vector) != width for vector in rows.values()):
            raise ValueError(f"a vector of {self.dimensions} numbers has {width} bytes")
        flat = np.frombuffer(b"".join(rows.values()), dtype=np.float32)
        vectors = flat.reshape(len(rows), self.dimensions)
        lengths = np.linalg.norm(vectors, axis=1)
        if not (abs(lengths - 1.0) < UNIT).all():  # also where one is not a number
            raise ValueError("a vector is not of length 1")
        return np.fromiter(rows, dtype=np.int64, count=len(rows)), vectors


def _faiss() -> Any:
    """Return the library, whose types differ from one version to the next."""
    import faiss

    return faiss


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let FAISS compute in the calling thread alone; others' use of it is left as it is."""
    faiss = _faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
