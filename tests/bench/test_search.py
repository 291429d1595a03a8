"""The search finds what is best, spends its calls on it, and gives configs that a client takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.bench.conftest import OUTAGE, PRIMARY, SECOND
from typer.testing import CliRunner

from portkey_local import Portkey, bench
from portkey_local.bench.front import pareto_front
from portkey_local.bench.intervals import Measured
from portkey_local.bench.metrics import METRICS
from portkey_local.bench.naming import BenchError
from portkey_local.bench.search.halving import Candidate, candidates, search
from portkey_local.bench.search.objective import parse_objective
from portkey_local.bench.search.varying import parse_vary
from portkey_local.cli import app

FALLBACK: dict[str, Any] = {"strategy": {"mode": "fallback"}, "targets": [PRIMARY, SECOND]}


def figures(cost: float, success: float = 1.0) -> dict[str, Measured]:
    told = {**dict.fromkeys(METRICS, 1.0), "cost": cost, "success": success}
    return {
        name: Measured(value, np.full(30, value), "batch means", 30) for name, value in told.items()
    }


def attempts(candidate: Candidate) -> int:
    return int(dict(candidate.values).get("retry.attempts", 7))


def test_a_small_space_is_tried_whole_and_a_large_one_evenly() -> None:
    few, whole = candidates({}, [parse_vary("retry.attempts=0..4", {})], trials=10, seed=1)
    assert whole
    assert [each.name for each in few][:2] == ["as given", "retry.attempts=0"]
    assert len(few) == 6
    vary = [parse_vary("retry.attempts=0..99", {}), parse_vary("weight=0.0..1.0:1000", {})]
    drawn, whole = candidates({}, vary, trials=20, seed=1)
    assert not whole
    fifths = {attempts(each) // 5 for each in drawn[1:]}
    assert len(fifths) >= 19  # one of each twentieth, but for rounding at their borders
    again, _ = candidates({}, vary, trials=20, seed=1)
    assert [each.name for each in again] == [each.name for each in drawn]
    other, _ = candidates({}, vary, trials=20, seed=2)
    assert [each.name for each in other] != [each.name for each in drawn]


def test_most_calls_go_to_what_does_best() -> None:
    """Successive halving ends with the best, and with the config as given to compare it with."""
    vary = [parse_vary("retry.attempts=0..99", {})]
    tried, _ = candidates({}, vary, trials=40, seed=1)
    ran: list[int] = []

    def judge(candidate: Candidate, calls: int) -> dict[str, Measured]:
        ran.append(calls)
        return figures(abs(attempts(candidate) - 60))

    found = search(tried, judge, parse_objective("minimise cost"), calls=9000, halve=True)
    assert found.complete
    full = [each for each in found.trials.values() if each.calls == 9000]
    best = min(full, key=lambda each: each.rank).candidate
    assert abs(attempts(best) - 60) <= 3
    assert any(not each.candidate.values for each in full)
    assert sum(ran) < 0.4 * 9000 * len(tried)


def test_failing_is_not_cheap() -> None:
    """Without a word of success in the objective, who succeeds less than before is set aside."""
    tried = [Candidate((), {}), Candidate((("retry.attempts", 1),), {"retry": 1})]

    def judge(candidate: Candidate, calls: int) -> dict[str, Measured]:
        return figures(1, 0.5) if candidate.values else figures(2, 0.9)

    found = search(tried, judge, parse_objective("minimise cost"), calls=100, halve=False)
    kept = [each.candidate.name for each in found.trials.values() if each.keeps]
    assert kept == ["as given"]
    said = parse_objective("success > 40%, minimise cost")
    found = search(tried, judge, said, calls=100, halve=False)
    assert all(each.keeps for each in found.trials.values())


def test_a_search_that_is_stopped_has_what_it_found() -> None:
    tried, _ = candidates({}, [parse_vary("retry.attempts=0..4", {})], trials=10, seed=1)

    def judge(candidate: Candidate, calls: int) -> dict[str, Measured]:
        if attempts(candidate) == 2:
            raise KeyboardInterrupt
        return figures(1)

    found = search(tried, judge, parse_objective("minimise cost"), calls=100, halve=False)
    assert not found.complete
    assert len(found.trials) == 3


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40))
def test_none_beats_the_front_and_the_front_beats_the_rest(spots: list[tuple[int, int]]) -> None:
    """Cost is to be low and goodput high."""

    def of(spot: tuple[int, int], metric: str) -> float:
        return float(spot[metric == "goodput"])

    front = pareto_front(spots, of, ("cost", "goodput"))
    assert front
    for cost, goodput in spots:
        beaten_by = [f for f in front if f[0] <= cost and f[1] >= goodput]
        assert beaten_by
        if (cost, goodput) in front:
            assert beaten_by == [(cost, goodput)]


@pytest.mark.usefixtures("keys")
def test_tuning_finds_the_timeout_that_a_stalling_provider_needs(tmp_path: Path) -> None:
    """The primary stalls for the outage; only a short timeout lets the fallback answer in time."""
    silent = {
        **OUTAGE["providers"]["openai"],
        "regimes": {"calm": {}, "blackout": {"errors": {"silence": 1.0}}},
    }
    weather = {"name": "silent", "providers": {"openai": silent, "*": {}}}
    found = bench.tune(
        FALLBACK,
        ["targets[0].request_timeout=4000,60000", "targets[0].retry.attempts=0..1"],
        objective="success >= 99%, minimise p99",
        workload={"poisson": {"rate": 5}},
        weather=weather,
        calls=300,
        seed=5,
    )
    best = found.best[0]
    assert dict(best.candidate.values)["targets[0].request_timeout"] == 4000
    assert best.surely or best.figures["success"].value >= 0.99
    assert found.given is not None
    assert found.given.figures["success"].value < best.figures["success"].value
    assert not found.given.keeps
    assert best in found.front
    text = json.dumps(found.to_dict(), allow_nan=False)
    assert json.loads(text)["best"][0]["values"] == dict(best.candidate.values)
    assert "<svg" in found.to_html()
    paths = found.write_configs(tmp_path / "best")
    assert [path.name for path in paths] == [f"best-{n}.json" for n in range(1, len(paths) + 1)]
    for path in paths:
        with Portkey(config=path):
            pass


def test_a_candidate_that_is_no_config_is_left_out_and_said() -> None:
    found = bench.tune(FALLBACK, ["strategy.mode=single,falback"], calls=60, weather="calm")
    assert [each.candidate.label for each in found.refused] == ["mode=falback"]
    assert "did you mean 'fallback'?" in found.refused[0].reason
    with pytest.raises(BenchError, match="no candidate can be run"):
        bench.tune(
            PRIMARY,
            ["retry.attempts=-3..-1"],
            calls=60,
            weather={"providers": {"*": {"script": [{"status": 500}]}}},
        )


def test_tune_on_the_command_line(tmp_path: Path) -> None:
    arguments = ["bench", "tune", "fallback", "--vary", "retry.attempts=0..1", "--calls", "80"]
    out, page = tmp_path / "out", tmp_path / "tuned.html"
    told = CliRunner().invoke(app, [*arguments, "--out", str(out), "--html", str(page)])
    assert told.exit_code == 0
    assert "maximise goodput  3 candidates" in told.stdout
    assert (out / "best-1.json").exists()
    assert page.read_text("utf-8").startswith("<!doctype html>")
    told = CliRunner().invoke(app, [*arguments, "--json"])
    assert json.loads(told.stdout)["objective"] == "maximise goodput"
    told = CliRunner().invoke(app, [*arguments, "--objective", "p99 < 1ms, minimise cost"])
    assert told.exit_code == 1
    assert "no candidate keeps the limits" in told.stderr
