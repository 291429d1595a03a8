"""Scopes in memory: read when they are asked for, kept apart, and let go for one another."""

from __future__ import annotations

import os
import threading
from collections import defaultdict

import numpy as np
import pytest

from portkey_local.semantic.scopes import ScopesState

DIMENSIONS = 16


def unit(seed: int) -> bytes:
    vector = np.random.default_rng(seed).standard_normal(DIMENSIONS).astype(np.float32)
    return (vector / np.linalg.norm(vector)).tobytes()


class Table:
    """The rows of every scope, as a store has them; counts how many were read."""

    def __init__(self) -> None:
        self.rows: dict[bytes, list[tuple[int, bytes]]] = defaultdict(list)
        self.number = 0
        self.read = 0

    def store(self, scope: bytes, *vectors: bytes) -> None:
        for vector in vectors:
            self.number += 1
            self.rows[scope].append((self.number, vector))

    def since(self, scope: bytes):
        def rows(number: int):
            for row in list(self.rows[scope]):
                if row[0] > number:
                    self.read += 1
                    yield row

        return rows


@pytest.fixture
def table():
    return Table()


def ask(scopes: ScopesState, table: Table, scope: bytes, seed: int) -> list[int]:
    found = scopes.nearest(scope, unit(seed), 1, table.since(scope))
    return [number for number, similarity in found if similarity > 0.99]


def test_a_scope_is_read_when_it_is_asked_and_then_only_what_is_new(table):
    scopes = ScopesState(DIMENSIONS)
    table.store(b"a", unit(1), unit(2))
    assert (len(scopes), table.read) == (0, 0)
    assert ask(scopes, table, b"a", 2) == [2]
    assert table.read == 2
    table.store(b"a", unit(3))  # by another process, say
    assert ask(scopes, table, b"a", 3) == [3]
    assert table.read == 3


def test_no_scope_sees_another(table):
    scopes = ScopesState(DIMENSIONS)
    table.store(b"a", unit(1))
    table.store(b"b", unit(2))
    assert ask(scopes, table, b"a", 2) == []
    assert ask(scopes, table, b"b", 2) == [2]


def test_what_is_removed_is_not_found_again(table):
    scopes = ScopesState(DIMENSIONS)
    table.store(b"a", unit(1), unit(2))
    assert ask(scopes, table, b"a", 1) == [1]
    scopes.remove(b"a", [1])
    scopes.remove(b"never asked", [1])
    assert ask(scopes, table, b"a", 1) == []


def test_what_is_added_at_once_and_read_later_is_there_once(table):
    scopes = ScopesState(DIMENSIONS)
    assert ask(scopes, table, b"a", 1) == []
    scopes.add(b"a", [(1, unit(1))])
    assert ask(scopes, table, b"a", 1) == [1]
    table.store(b"a", unit(1))  # written meanwhile, under the same number
    assert scopes.nearest(b"a", unit(1), 5, table.since(b"a")) == [
        (1, pytest.approx(1.0, abs=1e-6))
    ]
    scopes.add(b"never asked", [(9, unit(9))])
    assert len(scopes) == 1


def test_the_scope_asked_longest_ago_is_let_go_and_read_again(table):
    scopes = ScopesState(DIMENSIONS, budget=60_000)
    for scope in (b"a", b"b", b"c"):
        table.store(scope, *(unit(seed) for seed in range(120)))
    for scope in (b"a", b"b", b"a", b"c"):
        assert len(ask(scopes, table, scope, 7)) == 1
        assert scopes.size <= 60_000
    assert (len(scopes), table.read) == (2, 3 * 120)
    ask(scopes, table, b"a", 7)  # was asked after b, and so is still there
    assert table.read == 3 * 120
    ask(scopes, table, b"b", 7)
    assert table.read == 4 * 120


def test_one_scope_larger_than_the_budget_is_still_searched(table):
    scopes = ScopesState(DIMENSIONS, budget=1)
    table.store(b"a", unit(1), unit(2))
    assert ask(scopes, table, b"a", 2) == ask(scopes, table, b"a", 2) == [2]
    assert len(scopes) == 1


def test_many_rows_are_taken_in_parts(table, monkeypatch):
    monkeypatch.setattr("portkey_local.semantic.scopes.TOGETHER", 7)
    scopes = ScopesState(DIMENSIONS)
    table.store(b"a", *(unit(seed) for seed in range(100)))
    assert [ask(scopes, table, b"a", seed) for seed in (0, 50, 99)] == [[1], [51], [100]]
    assert table.read == 100


def test_a_damaged_row_costs_itself_alone(table):
    scopes = ScopesState(DIMENSIONS)
    table.store(b"a", unit(1), b"damaged", unit(2))
    assert ask(scopes, table, b"a", 2) == [3]
    assert ask(scopes, table, b"a", 1) == [1]
    assert scopes.refused == 1
    assert table.read == 3


def test_what_reading_raises_is_raised_and_the_next_reads_on(table):
    scopes = ScopesState(DIMENSIONS)
    table.store(b"a", unit(1))

    def locked(_: int):
        raise OSError("the database is locked")

    with pytest.raises(OSError, match="locked"):
        scopes.nearest(b"a", unit(1), 1, locked)
    assert ask(scopes, table, b"a", 1) == [1]


def test_clearing_reads_everything_again(table):
    scopes = ScopesState(DIMENSIONS)
    table.store(b"a", unit(1))
    assert ask(scopes, table, b"a", 1) == [1]
    table.rows.clear()
    scopes.clear()
    assert ask(scopes, table, b"a", 1) == []


def test_threads_ask_few_scopes_while_others_are_let_go(table):
    names = [bytes([65 + n]) for n in range(6)]
    for name in names:
        table.store(name, *(unit(seed) for seed in range(40)))
    scopes = ScopesState(DIMENSIONS, budget=20_000)
    wrong: list[object] = []

    def work(offset: int) -> None:
        try:
            for step in range(60):
                name = names[(step * offset) % len(names)]
                if len(ask(scopes, table, name, step % 40)) != 1:
                    wrong.append((name, step))
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert scopes.size <= 20_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_while_a_scope_is_read_reads_it_again(table):
    scopes = ScopesState(DIMENSIONS)
    table.store(b"a", unit(1), unit(2))
    reading, go = threading.Event(), threading.Event()

    def slow(number: int):
        yield from table.since(b"a")(number)
        reading.set()
        go.wait(5)

    thread = threading.Thread(target=scopes.nearest, args=(b"a", unit(1), 1, slow))
    thread.start()
    reading.wait(5)
    child = os.fork()
    if child == 0:
        os._exit(0 if ask(scopes, table, b"a", 2) == [2] else 1)
    go.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ask(scopes, table, b"a", 2) == [2]


@pytest.mark.parametrize("budget", [0, -1])
def test_a_budget_of_nothing_is_refused(budget):
    with pytest.raises(ValueError, match="budget"):
        ScopesState(DIMENSIONS, budget=budget)
