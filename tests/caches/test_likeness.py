"""What tells one check of the caller's from another of the same name."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from typing import Any

import pytest
from tests.caches.worlds import HELLO, Counting, config, status

from portkey_local import GuardrailDenied as Denied, MemoryCache, Portkey
from portkey_local.compile import likeness as module
from portkey_local.compile.likeness import likeness
from portkey_local.testing import Loopback


def at_most(limit: Any) -> Any:
    """Return a check that closes over a limit."""
    return lambda text: len(text) <= limit


class Limit:
    """A check that is an object, and notes its calls beside."""

    def __init__(self, limit: Any) -> None:
        self.limit = limit
        self.seen: list[str] = []

    def __call__(self, text: str) -> bool:
        return len(text) <= self.limit

    def check(self, text: str) -> bool:
        return self(text)


def measured(text: str, limit: int = 3) -> bool:
    return len(text) <= limit


TWO = {
    "code": (lambda text: "a" in text, lambda text: "b" in text),
    "names": (lambda text: text.upper(), lambda text: text.lower()),
    "code within": (lambda t: any(c == "a" for c in t), lambda t: any(c == "b" for c in t)),
    "a set": (lambda text: text in {"a", "b"}, lambda text: text in {"a", "c"}),
    "a closure": (at_most(3), at_most(4)),
    "a kind of value": (at_most(1), at_most(1.0)),
    "a default": (lambda text, most=3: len(text) <= most, lambda text, most=4: len(text) <= most),
    "an object": (Limit(3), Limit(4)),
    "a method's object": (Limit(3).check, Limit(4).check),
    "a method": (Limit(3), Limit(3).check),
    "a part": (functools.partial(measured, limit=3), functools.partial(measured, limit=4)),
    "a pattern": (at_most(re.compile("a")), at_most(re.compile("a", re.IGNORECASE))),
    "an object's function": (Limit(at_most(3)), Limit(at_most(4))),
    "what is wrapped": (functools.lru_cache(at_most(3)), functools.lru_cache(at_most(4))),
    "a function within": (at_most(at_most(3)), at_most(at_most(4))),
}


@pytest.mark.parametrize("what", TWO)
def test_two_of_one_name_are_told_apart(what):
    one, other = TWO[what]
    assert likeness(one) != likeness(other)
    assert likeness(one) == likeness(one)


def test_what_is_made_alike_is_alike():
    assert likeness(at_most(3)) == likeness(at_most(3))
    assert likeness(at_most(b"x")) == likeness(at_most(b"x"))
    assert likeness(at_most(Limit)) != likeness(at_most(dict))
    counting = Limit(3)
    before = likeness(counting)
    counting.seen.append("a call")
    assert likeness(counting) == before == likeness(Limit(3))


def test_a_function_that_knows_itself_has_an_end():
    def again(text: str) -> bool:
        return again(text[1:]) if text else True

    assert likeness(again) == likeness(again)


def test_it_is_the_same_after_a_restart():
    code = (
        f"import runpy; likeness = runpy.run_path({module.__file__!r})['likeness']\n"
        "print(likeness(lambda text: text in {'a', 'b', 'c', 'd'}))"
    )
    run = [sys.executable, "-c", code]
    first, second = (subprocess.run(run, capture_output=True, check=True).stdout for _ in range(2))
    assert first == second != b""


@pytest.mark.filterwarnings("ignore::portkey_local.errors.ConfigWarning")
def test_two_clients_with_other_checks_of_one_name_share_no_answer():
    verdicts = [(lambda _, verdict=verdict: verdict) for verdict in (True, False)]
    with Loopback(Counting()) as world:
        guarded = config(world.target("a"), output_guardrails=[{"mine": {}, "deny": True}])
        given = {"config": guarded, "cache": MemoryCache()}
        asked = {"model": "m", "messages": HELLO}
        with Portkey(**given, checks={"mine": verdicts[0]}) as client:
            told = [client.chat.completions.create(**asked) for _ in range(2)]
            assert list(map(status, told)) == ["MISS", "HIT"]
        with Portkey(**given, checks={"mine": verdicts[1]}) as client, pytest.raises(Denied):
            client.chat.completions.create(**asked)
