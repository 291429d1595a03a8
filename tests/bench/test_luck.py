"""The same luck for every config, in every process, and in any order of events."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.bench.worlds import fallback, quick, workload

from portkey_local.bench import run
from portkey_local.bench.chance import Draws, key_of, mixed, normal, quantile, uniform
from portkey_local.bench.records import Run, columns
from portkey_local.bench.weather.models import ProviderModel
from portkey_local.bench.weather.presets import PRESETS
from portkey_local.bench.weather.regimes import RegimeState

SOURCE = Path(__file__).parents[2] / "src"
CONFIG = fallback("openai", "anthropic", retry={"attempts": 1}, cache={"mode": "simple"})
CALLS = {**workload(400), "questions": {"repeat_rate": 0.4}}
PROGRAM = """
import json, sys
from portkey_local.bench import run
from tests.bench.test_luck import CALLS, CONFIG, digest
print(digest(run(CONFIG, CALLS, "stormy", seed=int(sys.argv[1]))))
"""


def digest(result: Run) -> str:
    """Return a digest of all that a run found."""
    tables = (result.calls, result.attempts, result.regimes, result.breakers)
    parts = [c.tobytes() for table in tables for c in columns(table).values()]
    facts = repr([result.targets, result.end_s, result.regimes.names, result.warnings])
    return hashlib.sha256(b"".join([*parts, facts.encode()])).hexdigest()


def test_one_seed_gives_one_run_also_in_another_process():
    """Two runs, and two processes with other hash seeds, give the same bytes; another seed others."""
    here = {digest(run(CONFIG, CALLS, "stormy", seed=7)) for _ in range(2)}
    there = set()
    for hashing in ("1", "2"):
        path = os.pathsep.join((str(SOURCE), str(SOURCE.parent)))
        surroundings = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": hashing}
        there.add(
            subprocess.run(
                [sys.executable, "-c", PROGRAM, "7"],
                env=surroundings,
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
        )
    assert here == there
    assert len(here) == 1
    assert digest(run(CONFIG, CALLS, "stormy", seed=8)) not in here


def test_a_call_meets_the_same_provider_whatever_the_config_does_besides():
    """Where the first attempt answers, one config's call takes exactly what the other's takes."""
    calls = workload(600)
    alone = run({"provider": "openai"}, calls, "brownout", seed=3).calls
    backed = run(fallback("openai", "groq"), calls, "brownout", seed=3).calls
    first = (backed.attempts == 1) & backed.succeeded
    assert first.sum() > 400
    assert (alone.total_s[first] == backed.total_s[first]).all()
    assert (alone.status[first] == backed.status[first]).all()


def test_providers_keep_their_luck_and_weather_when_the_order_changes():
    """The second target of one order is the first of the other, and meets what it would have met."""
    one = run(fallback("openai", "groq"), workload(300), "stormy", seed=3)
    other = run(fallback("groq", "openai"), workload(300), "stormy", seed=3)
    alone = run({"provider": "groq"}, workload(300), "stormy", seed=3).calls
    first = other.calls.attempts == 1
    assert (other.calls.ttft_s[first] == alone.ttft_s[first]).mean() > 0.99
    weathers = []
    for result, place in ((one, 1), (other, 0)):
        rows = result.regimes.target == place
        names = [result.regimes.names[code] for code in result.regimes.regime[rows]]
        spans = zip(names, result.regimes.start_s[rows].tolist(), strict=True)
        weathers.append([row for row in spans if row[1] < 20])
    assert weathers[0] == weathers[1]


def test_two_accounts_of_one_provider_share_its_weather_and_not_their_luck():
    """A retry at another key of the same provider is another attempt, with a draw of its own."""
    targets = [{"virtual_key": "openai-a"}, {"virtual_key": "openai-b"}]
    config = {"strategy": {"mode": "fallback"}, "targets": targets}
    sky = {"providers": {"*": {"regimes": {"only": {"errors": {"500": 0.5}}}}}}
    taken = run(config, workload(2000), sky, seed=1).calls
    assert 0.2 < (~taken.succeeded).mean() < 0.3


@given(st.integers(0, 2**64 - 1), st.integers(0, 10**9))
def test_draws_lie_inside_the_unit_interval(key, position):
    """No draw is 0 or 1, of which a logarithm or a quantile could not be taken."""
    assert 0.0 < uniform(key, position) < 1.0
    assert 0 <= mixed(key, position) < 2**64


def test_draws_are_uniform_and_do_not_follow_each_other():
    """Mean, variance and neighbours of many draws are those of independent uniform ones."""
    for keys in ([key_of(1, "a")] * 10_000, [mixed(key_of(1, "b"), n) for n in range(10_000)]):
        step = len(set(keys)) == 1
        drawn = np.array([uniform(key, n if step else 0) for n, key in enumerate(keys)])
        assert abs(drawn.mean() - 0.5) < 4 * np.sqrt(1 / 12 / len(drawn))
        assert abs(drawn.var() - 1 / 12) < 0.002
        assert abs(np.corrcoef(drawn[:-1], drawn[1:])[0, 1]) < 4 / np.sqrt(len(drawn))


def test_a_calls_own_draws_are_those_of_its_number():
    """A call draws the same numbers whenever it comes."""
    one, again, other = (Draws(5, number) for number in (3, 3, 4))
    drawn = [one.random() for _ in range(3)]
    assert drawn == [again.random() for _ in range(3)]
    assert other.random() not in drawn


def test_quantiles_and_normals_reach_their_ends():
    """A draw that is rounded to an end of the interval is none of infinity."""
    assert quantile([1.0, 3.0], 0.5) == 2.0
    assert quantile([4.0], 0.7) == 4.0
    assert normal(0.0) < -8 < 8 < normal(1.0)
    assert normal(0.5) == 0.0


@given(st.lists(st.floats(0, 5000), min_size=1, max_size=20), st.integers(0, 100))
def test_the_weather_is_the_same_whoever_looks_and_when(moments, seed):
    """Looking often, or once, or out of order, finds the same regime at the same time."""
    model = PRESETS["stormy"].providers()["*"]
    often = RegimeState(model, key_of(seed, "weather"))
    names = {id(regime): name for name, regime in model.regimes.items()}
    seen = [(moment, names[id(often.at(moment))]) for moment in moments]
    for moment, name in seen:
        once = RegimeState(model, key_of(seed, "weather"))
        assert names[id(once.at(moment))] == name
        inside = [n for begin, end, n in _spans(once, moment + 1) if begin <= moment < end]
        assert inside == [name]


def _spans(state: RegimeState, until: float) -> list[tuple[float, float, str]]:
    return [(begin, end, state.names[place]) for begin, end, place in state.spans(until)]


def test_regimes_last_as_long_as_they_say_and_follow_as_they_are_weighed():
    """Over many spans the shares of time are those of the chain's stationary distribution."""
    model = ProviderModel.model_validate(
        {
            "regimes": {
                "a": {"mean_seconds": 30, "next": {"b": 3, "c": 1}},
                "b": {"mean_seconds": 10, "next": {"a": 1}},
                "c": {"mean_seconds": 20, "next": {"a": 1}},
            }
        }
    )
    spans = RegimeState(model, key_of(1, "weather")).spans(400_000)
    time = np.zeros(3)
    for begin, end, place in spans:
        time[place] += end - begin
    due = np.array([30, 0.75 * 10, 0.25 * 20])
    assert time / time.sum() == pytest.approx(due / due.sum(), rel=0.08)


def test_a_schedule_says_when():
    """Regimes by the clock begin when they are told to, whatever the seed."""
    model = ProviderModel.model_validate(
        {"regimes": {"a": {}, "b": {}}, "schedule": [[0, "a"], [60, "b"], [90, "a"]]}
    )
    for seed in (1, 2):
        spans = RegimeState(model, seed).spans(100)
        assert spans == [(0.0, 60.0, 0), (60.0, 90.0, 1), (90.0, 100, 0)]


@pytest.mark.parametrize("patience", [{}, {"patience": {"constant": 2.5}}])
def test_what_goes_on_beside_a_call_outlives_it(patience):
    """A stale answer is given at once; its refresh is retried after that, and paid for."""
    cache = {"mode": "simple", "max_age": 60, "stale_while_revalidate": 600}
    config = {"provider": "openai", "retry": {"attempts": 3}, "cache": cache}
    asks = workload(400, rate=3, questions={"repeat_rate": 0.9}, **patience)
    result = run(config, asks, quick(errors={"503": 0.5}), seed=1)
    calls, attempts = result.calls, result.attempts
    assert calls.attempts.sum() == len(attempts.call)
    assert calls.cost_usd.sum() == pytest.approx(attempts.cost_usd.sum())
    late = attempts.started_s > (calls.arrival_s + calls.total_s)[attempts.call]
    assert late.any()
