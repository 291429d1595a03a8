"""The index finds exactly what comparing every vector finds, whatever was added and removed."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from portkey_local.semantic.index import FaissNeighbours

DIMENSIONS = 16


def unit(seed: int, dimensions: int = DIMENSIONS) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(dimensions).astype(np.float32)
    return vector / np.linalg.norm(vector)


def brute(kept: dict[int, np.ndarray], query: np.ndarray, count: int) -> list[float]:
    return sorted((float(vector @ query) for vector in kept.values()), reverse=True)[:count]


class AgainstBruteForce(RuleBasedStateMachine):
    """Does to the index and to a dict the same, and compares what they find."""

    numbers = st.integers(0, 400)
    seeds = st.integers(0, 30)  # few, so that many vectors are the same

    @initialize(large=st.sampled_from([10, 100_000]))
    def begin(self, large: int) -> None:
        self.index = FaissNeighbours(DIMENSIONS, large=large)
        self.tolerance = 2e-3 if large == 10 else 1e-5
        self.kept: dict[int, np.ndarray] = {}

    @rule(rows=st.lists(st.tuples(numbers, seeds), max_size=60))
    def add(self, rows: list[tuple[int, int]]) -> None:
        self.index.add((number, unit(seed).tobytes()) for number, seed in rows)
        self.kept.update((number, unit(seed)) for number, seed in rows)

    @rule(numbers=st.lists(numbers, max_size=60))
    def remove(self, numbers: list[int]) -> None:
        self.index.remove(numbers)
        for number in numbers:
            self.kept.pop(number, None)

    @rule(first=numbers, length=st.integers(1, 400))
    def remove_a_range(self, first: int, length: int) -> None:
        self.remove(list(range(first, first + length)))

    @rule(seed=seeds, count=st.integers(0, 12))
    def search(self, seed: int, count: int) -> None:
        query = unit(seed)
        found = self.index.nearest(query.tobytes(), count)
        expected = brute(self.kept, query, count)
        assert len({number for number, _ in found}) == len(found) == len(expected)
        assert np.allclose([similarity for _, similarity in found], expected, atol=self.tolerance)
        for number, similarity in found:  # and each is that of the very vector
            assert abs(float(self.kept[number] @ query) - similarity) < self.tolerance
            assert -1.0 <= similarity <= 1.0

    @invariant()
    def same_length(self) -> None:
        if hasattr(self, "index"):
            assert len(self.index) == len(self.kept)


TestAgainstBruteForce = AgainstBruteForce.TestCase
TestAgainstBruteForce.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def filled(count: int) -> FaissNeighbours:
    index = FaissNeighbours(DIMENSIONS)
    index.add((number, unit(number).tobytes()) for number in range(count))
    return index


def test_an_empty_index_finds_nothing():
    index = FaissNeighbours(DIMENSIONS)
    assert index.nearest(unit(0).tobytes(), 5) == []
    assert len(index) == 0
    index.remove([1, 2])
    assert index.size < 10_000


def test_nearest_come_first():
    found = filled(100).nearest(unit(7).tobytes(), 5)
    assert found[0][0] == 7
    assert found[0][1] == pytest.approx(1.0, abs=1e-6)
    assert [similarity for _, similarity in found] == sorted((s for _, s in found), reverse=True)


def test_a_number_taken_again_has_its_new_vector():
    index = filled(3)
    index.add([(1, unit(99).tobytes())])
    assert index.nearest(unit(99).tobytes(), 1)[0] == (1, pytest.approx(1.0, abs=1e-6))
    assert len(index) == 3


def test_entries_that_were_refreshed_many_times_do_not_hide_the_living():
    index = filled(50)
    for number in range(1_000, 1_060):  # the same question, stored and removed again and again
        index.add([(number, unit(7).tobytes())])
        index.remove([number])
    found = index.nearest(unit(7).tobytes(), 5)
    assert found[0][0] == 7
    assert len(found) == 5


@pytest.mark.parametrize(
    "vector",
    [
        b"",
        unit(1).tobytes()[:-1],
        unit(1, DIMENSIONS + 1).tobytes(),
        (2 * unit(1)).tobytes(),
        np.zeros(DIMENSIONS, np.float32).tobytes(),
        np.full(DIMENSIONS, np.nan, np.float32).tobytes(),
    ],
    ids=["empty", "short", "long", "not of length 1", "zero", "not a number"],
)
def test_what_is_no_vector_is_refused_and_nothing_of_its_rows_is_taken(vector):
    index = filled(3)
    with pytest.raises(ValueError, match="vector"):
        index.add([(10, unit(10).tobytes()), (11, vector)])
    with pytest.raises(ValueError, match="vector"):
        index.nearest(vector, 1)
    assert len(index) == 3


def test_size_follows_what_is_kept():
    index = filled(1_000)
    full = index.size
    assert 1_000 * DIMENSIONS * 4 < full < 1_000 * (DIMENSIONS * 4 + 200)
    index.remove(range(900))
    assert index.size < full / 5


def test_a_large_scope_takes_less_room_and_changes_no_similarity_by_much():
    whole, large = FaissNeighbours(384), FaissNeighbours(384, large=500)
    for first in range(0, 1_000, 100):  # it changes over while it grows
        rows = [(number, unit(number, 384).tobytes()) for number in range(first, first + 100)]
        whole.add(rows)
        large.add(rows)
    assert large.size < 0.9 * whole.size
    for seed in (3, 600, 5_000):
        query = unit(seed, 384).tobytes()
        left, right = dict(whole.nearest(query, 5)), dict(large.nearest(query, 5))
        assert left == pytest.approx(right, abs=1e-3)


def test_a_large_scope_tells_near_from_nearest():
    """Among many that are much alike, the short forms of vectors miss none of the nearest."""
    middle = unit(1, 384)
    crowd = [middle + 0.3 * unit(seed, 384) for seed in range(2, 600)]
    vectors = [each / np.linalg.norm(each) for each in crowd]
    index = FaissNeighbours(384, large=100)
    index.add((number, vector.tobytes()) for number, vector in enumerate(vectors))
    kept = dict(enumerate(vectors))
    for number in (0, 17, 400):
        found = index.nearest(vectors[number].tobytes(), 5)
        assert [found[0][0], len(found)] == [number, 5]
        expected = brute(kept, vectors[number], 5)
        assert [similarity for _, similarity in found] == pytest.approx(expected, abs=1e-3)


def test_threads_add_remove_and_search_at_once():
    index = filled(200)
    wrong: list[object] = []

    def work(first: int) -> None:
        try:
            for number in range(first, first + 150):
                index.add([(number, unit(number).tobytes())])
                if number % 3 == 0:
                    index.remove([number])
                found = index.nearest(unit(7).tobytes(), 3)
                if not found or found[0][0] != 7:
                    wrong.append(found)
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(1_000 * n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(index) == 200 + 8 * 100


def test_the_number_of_threads_that_others_gave_faiss_is_left_as_it_is():
    faiss = pytest.importorskip("faiss")
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        filled(10).nearest(unit(1).tobytes(), 1)
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_while_threads_work_finds_the_same():
    index = filled(500)
    going = threading.Event()
    going.set()

    def churn() -> None:
        number = 10_000
        while going.is_set():
            index.add([(number, unit(5_000).tobytes())])
            index.remove([number])
            number += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(5):
            assert _in_child(lambda: index.nearest(unit(7).tobytes(), 1)[0][0] == 7) == 0
    finally:
        going.clear()
        thread.join()


def _in_child(check) -> int:
    child = os.fork()
    if child == 0:
        os._exit(0 if check() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
