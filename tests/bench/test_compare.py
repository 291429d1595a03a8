"""Comparing configs: what is found, in which shapes, and that it is found again."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.bench.conftest import CONFIGS, EVIL, OUTAGE, PRIMARY, WORKLOAD
from typer.testing import CliRunner

from portkey_local import ConfigError, bench
from portkey_local.bench.door import in_rounds
from portkey_local.bench.metrics import METRICS
from portkey_local.bench.naming import BenchError
from portkey_local.bench.results import Results
from portkey_local.bench.tabular import FILES
from portkey_local.bench.traffic import traffic_of
from portkey_local.cli import app

SOURCE = Path(__file__).resolve().parents[2] / "src"
START = "from portkey_local.cli import main; main()"


def test_an_outage_is_seen_in_the_figures(results: Results) -> None:
    """The primary is out for a third of the time: one config fails then, the others do not."""
    calm, outage = results["calm"], results["outage"]
    single, fallback, cached = (outage[name].figures for name in CONFIGS)
    assert single["success"].value == pytest.approx(0.67, abs=0.05)
    assert fallback["success"].value == cached["success"].value == 1
    assert single["cache_hits"].value == fallback["cache_hits"].value == 0
    assert 0.2 < cached["cache_hits"].value < 0.4
    assert single["amplification"].value == pytest.approx(1)
    assert fallback["amplification"].value == pytest.approx(2)
    assert single["recovery"].value < 1
    assert math.isnan(calm["single"].figures["recovery"].value)
    assert outage["single"].endings["status"] > 100
    for figures in (single, fallback, cached):
        ranked = [figures[name].value for name in ("p50", "p90", "p99", "p99.9")]
        assert ranked == sorted(ranked)
        assert figures["goodput"].value <= figures["success"].value
        assert figures["wasted"].value <= figures["cost"].value


def test_the_summary_says_what_to_ship_and_whom_it_beats(results: Results) -> None:
    outage = results["outage"]
    assert outage.best != "single"
    assert outage.summary[0].startswith(f"{outage.best}: 100")
    against = next(line for line in outage.summary if line.startswith("Against single, it"))
    assert "answers more calls in time by" in against
    told = {(each.metric, each.better, each.worse): each.shown for each in outage.differences}
    assert told["goodput", "fallback", "single"]
    assert told["attempts", "single", "fallback"]


def test_the_run_over_time(results: Results) -> None:
    outage = results["outage"]
    steps = outage["single"].overtime
    assert sum(steps.calls) == 500
    failed = [
        until
        for until, calls, good in zip(steps.times, steps.calls, steps.succeeded, strict=True)
        if good < calls
    ]
    assert min(failed) >= 20
    assert max(failed) <= 41
    spans = {(span.regime, span.start, span.end) for span in outage.spans}
    assert spans == {("blackout", 20.0, 40.0)}
    phases = [each.phase for each in outage[EVIL].phases]
    assert phases[0] == "open"
    assert "half-open" in phases
    assert outage["fallback"].phases == ()
    for result in outage.results:
        answered = sum(sum(counts) for _, counts in result.overtime.answered)
        assert answered == sum(result.overtime.succeeded)


def test_curves_end_at_the_share_that_was_answered(results: Results) -> None:
    for comparison in results.comparisons:
        for result in comparison.results:
            seconds, shares = zip(*result.curve, strict=True)
            assert list(seconds) == sorted(seconds)
            assert list(shares) == sorted(shares)
            assert shares[-1] == pytest.approx(result.figures["success"].value)


def test_json_holds_no_key_no_infinity_and_every_metric(results: Results) -> None:
    text = json.dumps(results.to_dict(), allow_nan=False)
    assert "sk-0123456789" not in text
    first = json.loads(text)["comparisons"][0]["results"][0]
    assert list(first["figures"]) == list(METRICS)
    assert set(first["figures"]["p99"]) == {"value", "low", "high", "method"}


def test_csv_has_its_columns_and_no_formula(results: Results, tmp_path: Path) -> None:
    results.write_csv(tmp_path / "tables")
    for name, header in FILES.items():
        text = (tmp_path / "tables" / name).read_text("utf-8")
        rows = list(csv.reader(io.StringIO(text)))
        assert tuple(rows[0]) == header
        assert len(rows) > 10
        assert {len(row) for row in rows} == {len(header)}
    text = (tmp_path / "tables" / "figures.csv").read_text("utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 2 * len(CONFIGS) * len(METRICS)
    assert {row["config"] for row in rows} == set(CONFIGS)

    odd = bench.compare({"=1+1": PRIMARY}, calls=20)
    odd.write_csv(tmp_path / "odd")
    assert "=1+1" in (tmp_path / "odd" / "figures.csv").read_text("utf-8")
    assert ",=1+1" not in (tmp_path / "odd" / "figures.csv").read_text("utf-8")


def test_a_run_in_rounds_ends_where_a_run_at_once_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Ctrl-C leaves is a whole comparison over fewer calls; the last round is the full one."""
    monkeypatch.setattr("portkey_local.bench.door.FEWEST", 20)
    whole = traffic_of(WORKLOAD, seed=3, calls=400)
    rounds = list(in_rounds({"a": CONFIGS["fallback"]}, whole, ["calm", OUTAGE], seed=3))
    covered = [[each.calls for each in found.comparisons] for found in rounds]
    assert covered == [[40], [40, 40], [400, 40], [400, 400]]
    assert [each.complete for each in rounds] == [False, False, False, True]
    at_once = bench.compare(
        {"a": CONFIGS["fallback"]}, workload=whole, weather=["calm", OUTAGE], seed=3
    )
    assert rounds[-1].to_dict() == at_once.to_dict()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"weather": "stromy"}, "did you mean 'stormy'?"),
        ({"workload": "poison"}, "did you mean 'poisson'?"),
        ({"weather": ["calm", "calm"]}, "none twice"),
        ({"deadline": 0}, "deadline: seconds, more than 0"),
        ({"weather": {"providers": {"*": {"script": [{"status": 500}]}}}}, "a: config: no call"),
    ],
)
def test_what_cannot_be_run_is_said_first(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(BenchError) as refused:
        bench.compare({"a": PRIMARY}, calls=50, **arguments)
    assert says in str(refused.value)


def test_a_wrong_config_is_named() -> None:
    with pytest.raises(ConfigError) as refused:
        bench.compare({"good": PRIMARY, "bad": {"provider": "opnai"}}, calls=20)
    assert "bad: config.provider" in str(refused.value)


def test_traffic_laid_over_traffic_is_as_much_and_in_order() -> None:
    """Calls of both come, by their own times, and nobody asks what only the other one asked."""
    both = traffic_of(["poisson", "bursty"], seed=1, calls=None)
    assert len(both) == 4000
    assert (both.arrival[1:] >= both.arrival[:-1]).all()
    assert len(set(both.asked.family.tolist())) == 4000
    again = traffic_of("poisson", seed=1, calls=1000, repeats=0.5)
    assert len(again) == 1000
    assert len(set(again.asked.family.tolist())) == pytest.approx(500, abs=60)


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", START, "bench", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
    )


def test_two_processes_print_the_same_bytes() -> None:
    """Whatever the seed of Python's hashes; and another seed of ours prints others."""
    arguments = ["bench", "fallback-breaker", "single", "--calls", "150", "--json"]
    runs = [start(*arguments[1:], PYTHONHASHSEED=hashes) for hashes in ("1", "2")]
    told = [each.communicate(timeout=60) for each in runs]
    assert [each.returncode for each in runs] == [0, 0]
    assert [err for _, err in told] == ["", ""]
    assert told[0][0] == told[1][0]
    assert json.loads(told[0][0])["complete"] is True
    assert CliRunner().invoke(app, arguments).stdout == told[0][0]
    other = CliRunner().invoke(app, [*arguments, "--seed", "8"]).stdout
    assert other != told[0][0]


def test_ctrl_c_prints_what_is_done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A whole comparison over the calls of the last round, how many they are, and a shell's 130."""
    monkeypatch.setattr("portkey_local.bench.door.FEWEST", 20)
    left = iter(range(3))  # two configs of the first round, one of the second

    def stopped(*arguments: Any, **named: Any) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return bench.run(*arguments, **named)

    monkeypatch.setattr("portkey_local.bench.door.run", stopped)
    page = tmp_path / "report.html"
    told = CliRunner().invoke(
        app, ["bench", "single", "fallback", "--calls", "400", "--json", "--html", str(page)]
    )
    assert told.exit_code == 130
    found = json.loads(told.stdout)
    assert found["complete"] is False
    assert [found["comparisons"][0][name] for name in ("calls", "calls_asked_for")] == [40, 400]
    assert "stopped: the results cover 40 of 400 calls" in told.stderr
    assert "40 of 400 calls" in page.read_text("utf-8")


def test_ctrl_c_before_anything_is_done_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*arguments: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("portkey_local.bench.door.run", stopped)
    told = CliRunner().invoke(app, ["bench", "single"])
    assert (told.exit_code, told.stdout) == (130, "")
    assert "nothing to print" in told.stderr


def test_help_names_the_workloads_the_weathers_and_their_defaults() -> None:
    from portkey_local.bench.weather import DEFAULT as WEATHER, PRESETS as WEATHERS
    from portkey_local.bench.workloads import DEFAULT as WORKLOAD, PRESETS as WORKLOADS
    from portkey_local.cli import benching

    assert ", ".join(WEATHERS) == benching.WEATHERS
    assert ", ".join(WORKLOADS) == benching.WORKLOADS
    for command in (["bench"], ["bench", "--help"], ["bench", "tune", "--help"]):
        told = CliRunner().invoke(app, command)
        assert told.exit_code == 0
        assert f"[default: {WORKLOAD}]" in told.stdout
        assert f"[default: {WEATHER}]" in told.stdout


def test_the_command_line_says_what_is_wrong_in_a_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n")
    for arguments, says in (
        (["singel"], "did you mean 'single'?"),
        (["single", "--workload", str(empty)], "line 2: the trace is empty"),
        (["single", "--weather", "calmm"], "did you mean 'calm'?"),
        (["tune", "single", "--vary", "retry.attempt=0..2"], "did you mean retry.attempts?"),
    ):
        told = CliRunner().invoke(app, ["bench", *arguments])
        assert (told.exit_code, told.stdout) == (1, "")
        assert told.stderr.startswith("error: ")
        assert says in told.stderr


@pytest.mark.usefixtures("keys")
def test_examples_are_configs_that_a_client_takes() -> None:
    from portkey_local import Portkey
    from portkey_local.bench.configs import EXAMPLES, example, named_configs

    assert list(named_configs(["examples"], Path("nowhere"))) == list(EXAMPLES)
    assert list(named_configs(["single", "single"], Path("nowhere"))) == ["single", "single (2)"]
    for name in EXAMPLES:
        with Portkey(config=example(name)):
            pass
