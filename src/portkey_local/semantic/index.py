"""The vectors of one scope, in memory, searched exactly by FAISS.

Ground rules: every vector is compared, so the nearest one is never missed, and one thread compares,
for a second one makes others wait and a forked process hang. In a large scope most of a search is
waiting for memory, so there FAISS compares short forms of the vectors, and what comes near is
compared again as it is. What is removed stays in FAISS as a tombstone until a fifth of it is dead.
FAISS is imported with the first vector.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any, Final

from portkey_local.semantic.forking import survive

__all__ = ["LARGE", "FaissNeighbours"]

LARGE: Final = 4_096  # vectors from which reading all of them from memory takes a while
WIDER: Final = 4  # times as many neighbours as asked for, by the short forms of vectors
TALLEST: Final = 8.0  # of a vector's numbers in the short form, in standard deviations of them all
DEAD: Final = 0.2  # the part of a scope that may be tombstones
FEW: Final = 64  # tombstones that nobody clears away
SPARE: Final = 8  # more neighbours than asked for, because some may be dead
EMPTY: Final = 1_024  # bytes of an empty scope, about
BOOKKEEPING: Final = 96  # bytes that a vector takes besides its numbers: two ids, and a set's place
BESIDE: Final = 120  # bytes that keeping a vector beside the index takes
UNIT: Final = 0.01  # how far from 1 the length of a vector may be


class FaissNeighbours:
    """The vectors of one scope; safe across threads, and whole in a forked process.

    Vectors are unit-length float32 as bytes, each under a number of its own. A scope that is
    `large` looks for neighbours by 8-bit numbers, and keeps the vectors themselves in half
    precision, which moves a similarity by less than 0.001.
    """

    def __init__(self, dimensions: int, *, large: int = LARGE) -> None:
        """Begin empty."""
        if dimensions < 1:
            raise ValueError("dimensions must be 1 or more")
        self.dimensions = dimensions
        self.lock = threading.Lock()
        self._large = large
        self._scale = 127 / min(1.0, TALLEST / math.sqrt(dimensions))
        self._clear()
        survive(self)

    def _clear(self) -> None:
        self._index: Any = None  # a faiss.IndexIDMap
        self._exact: dict[int, bytes] | None = None  # in half precision, where the index is short
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
        kept = len(self._live) + len(self._dead)
        if self._exact is None:
            return EMPTY + kept * (4 * self.dimensions + BOOKKEEPING)
        return EMPTY + kept * (3 * self.dimensions + BOOKKEEPING + BESIDE)

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
                self._kill(replaced)
                self._bury()
            self._make_room(len(taken))
            self._put(vectors, numbers)
            self._live |= taken.keys()

    def remove(self, numbers: Iterable[int], /) -> None:
        """Forget vectors; numbers that are not known are passed over."""
        with self.lock:
            self._kill(self._live.intersection(numbers))
            if len(self._dead) > max(FEW, DEAD * (len(self._live) + len(self._dead))):
                with _one_thread():
                    self._bury()

    def nearest(self, vector: bytes, count: int, /) -> list[tuple[int, float]]:
        """Return the numbers of the nearest vectors with their cosine similarity, nearest first.

        Raises ValueError for a vector of another length.
        """
        query = self._flat([vector])
        _check_lengths(query)
        with self.lock:
            wanted = min(count, len(self._live))
            if wanted < 1:
                return []
            with _one_thread():
                found = self._search(query, wanted + min(SPARE, len(self._dead)))
                if len(found) < wanted:  # the nearest are dead: look again, past all of these
                    found = self._search(query, wanted, self._past_dead())
            return found[:wanted]

    # --- with the lock held

    def _search(self, query: Any, count: int, params: Any = None) -> list[tuple[int, float]]:
        asked, wide = query, count
        if self._exact is not None:
            asked, wide = self._short(query), min(WIDER * count, self._index.ntotal)
        scores, ids = self._index.search(asked, wide, params=params)
        numbers, similarities = ids[0].tolist(), scores[0].tolist()
        if self._exact is not None:
            numbers = [number for number in numbers if number in self._live]
            similarities = self._compared(query[0], [self._exact[number] for number in numbers])
        found = [
            (number, max(-1.0, min(1.0, similarity)))
            for number, similarity in zip(numbers, similarities, strict=True)
            if number in self._live
        ]
        return found if self._exact is None else sorted(found, key=itemgetter(1), reverse=True)

    def _compared(self, query: Any, exact: list[bytes]) -> list[float]:
        """Return the similarity of a few vectors to the one that is asked for."""
        import numpy as np

        rows = np.frombuffer(b"".join(exact), dtype=np.float16).reshape(-1, self.dimensions)
        similarities: list[float] = (rows.astype(np.float32) @ query).tolist()
        return similarities

    def _past_dead(self) -> Any:
        faiss = _faiss()
        dead = faiss.IDSelectorBatch(sorted(self._dead))
        params = faiss.SearchParameters(sel=(without := faiss.IDSelectorNot(dead)))
        params.kept = dead, without  # FAISS points to them and does not keep them
        return params

    def _kill(self, numbers: set[int]) -> None:
        """Leave vectors behind as tombstones."""
        self._live -= numbers
        self._dead |= numbers
        if self._exact is not None:
            for number in numbers:
                self._exact.pop(number, None)

    def _bury(self) -> None:
        """Clear the tombstones away."""
        import numpy as np

        if not self._live:
            self._clear()
        elif self._dead:
            self._index.remove_ids(np.array(sorted(self._dead), dtype=np.int64))
            self._dead.clear()

    def _make_room(self, more: int) -> None:
        """Have an index that so many more may be added to; that of a large scope is short."""
        faiss = _faiss()
        if self._index is None:
            self._index = faiss.IndexIDMap(faiss.IndexFlatIP(self.dimensions))
        if self._exact is None and len(self._live) + more >= self._large:
            self._shorten()

    def _shorten(self) -> None:
        self._bury()
        faiss = _faiss()
        old = self._index
        short = faiss.IndexScalarQuantizer(
            self.dimensions,
            faiss.ScalarQuantizer.QT_8bit_direct_signed,
            faiss.METRIC_INNER_PRODUCT,
        )
        self._index, self._exact = faiss.IndexIDMap(short), {}
        if old is not None and old.ntotal:
            numbers = faiss.vector_to_array(old.id_map)
            self._put(old.index.reconstruct_n(0, old.ntotal), numbers)

    def _short(self, vectors: Any) -> Any:
        """Return vectors of whole numbers that 8 bits hold, which FAISS compares as they are."""
        import numpy as np

        return np.clip(np.rint(vectors * self._scale), -127, 127)

    def _put(self, vectors: Any, numbers: Any) -> None:
        """Give vectors to the index, and keep them beside a short one."""
        import numpy as np

        if self._exact is not None:
            halves = map(bytes, vectors.astype(np.float16))
            self._exact.update(zip(numbers.tolist(), halves, strict=True))
            vectors = self._short(vectors)
        self._index.add_with_ids(vectors, numbers)

    # --- vectors

    def _arrays(self, rows: dict[int, bytes]) -> tuple[Any, Any]:
        """Return numbers and vectors as arrays. Raises ValueError."""
        import numpy as np

        vectors = self._flat(rows.values())
        _check_lengths(vectors)
        return np.fromiter(rows, dtype=np.int64, count=len(rows)), vectors

    def _flat(self, vectors: Collection[bytes]) -> Any:
        """Return vectors as the rows of an array. Raises ValueError."""
        import numpy as np

        width = 4 * self.dimensions
        if any(len(vector) != width for vector in vectors):
            raise ValueError(f"a vector of {self.dimensions} numbers has {width} bytes")
        flat = np.frombuffer(b"".join(vectors), dtype=np.float32)
        return flat.reshape(-1, self.dimensions)


def _check_lengths(vectors: Any) -> None:
    """Raise ValueError for a row that is not of length 1."""
    squares = (vectors * vectors).sum(axis=1)
    if not (abs(squares - 1.0) < 2 * UNIT).all():  # also where one is not a number
        raise ValueError("a vector is not of length 1")


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
