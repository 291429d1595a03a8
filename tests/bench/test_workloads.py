"""Workloads: traces and their mistakes, arrivals that are what they say, questions for caches."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from portkey_local.bench import BenchError, compare, weather_of, workload_of
from portkey_local.bench.workloads import DEFAULT, PRESETS
from portkey_local.bench.workloads.questions import WORDINGS, wording

HEADER = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


def trace(path, text: str):
    """Write a trace."""
    path = path / "trace.csv"
    path.write_text(text)
    return path


def test_a_trace_is_read_in_seconds_since_its_first_call(tmp_path):
    """Columns may stand in any order, times may be ISO 8601 or seconds, rows in any order."""
    text = (
        "GeneratedTokens,extra,TIMESTAMP,ContextTokens\n"
        "8,x,2023-11-16 18:17:05.0319600,3180\n"
        "10,y,2023-11-16 18:17:03.9799600,4808\n\n"
    )
    calls = workload_of(trace(tmp_path, text))
    assert calls.arrival == pytest.approx([0, 1.052], abs=1e-5)
    assert calls.prompt_tokens.tolist() == [4808, 3180]
    assert calls.completion_tokens.tolist() == [10, 8]
    assert calls.name == "trace"
    numbers = workload_of(trace(tmp_path, HEADER + "5.5,1,2\n6,3,4\n"))
    assert numbers.arrival.tolist() == [0, 0.5]


def test_whole_numbers_may_be_written_as_decimals(tmp_path):
    """Tools that know only decimals write 374.0."""
    calls = workload_of(trace(tmp_path, HEADER + "1,374.0,44.\n"))
    assert (calls.prompt_tokens.tolist(), calls.completion_tokens.tolist()) == ([374], [44])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the header lacks TIMESTAMP, ContextTokens, GeneratedTokens"),
        ("TIMESTAMP,ContextTokens\n1,2\n", "line 1: the header lacks GeneratedTokens"),
        (HEADER, "line 2: the trace is empty"),
        (HEADER + "1,2,3\n2,3\n", "line 3: 2 fields, not 3"),
        (HEADER + "1,2,3\nyesterday,2,3\n", "line 3: TIMESTAMP 'yesterday' is neither"),
        (HEADER + "nan,2,3\n", "line 2: TIMESTAMP 'nan'"),
        (HEADER + "1,2,3\n\n2,-2,3\n", "line 4: ContextTokens '-2' is no count"),
        (HEADER + "1,2,3.5\n", "line 2: GeneratedTokens '3.5' is no count"),
        (HEADER + "1,2,3\n2,99999999999,3\n", "line 3: ContextTokens '99999999999' is no count"),
        (HEADER + f"1,{10**22},3\n", "line 2: ContextTokens"),
        (HEADER + "1,2,3\n2,2,3,4\n", "line 3: 4 fields, not 3"),
        (HEADER + '1,2,3\n2,"2,3\n3,2,3\n', "line 3: 2 fields, not 3"),
        (HEADER + "1,2,3\n" + "9" * 200_000 + ",2,3\n", "line 3: is no CSV"),
    ],
)
def test_a_trace_with_a_mistake_names_its_line(tmp_path, text, said):
    """An empty or malformed trace is refused, and the line is said."""
    with pytest.raises(BenchError, match=r"trace\.csv, line") as caught:
        workload_of(trace(tmp_path, text))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("poison", "did you mean 'poisson'"),
        ({"poisson": {"rat": 1}}, "poisson: 'rat' is unknown; did you mean 'rate'?"),
        ({}, "give one of trace, poisson, bursty, diurnal"),
        ({"poisson": {}, "bursty": {}}, "give one of"),
        ({"poisson": {"rate": 0}}, "poisson.rate"),
        ({"trace": "gone.csv"}, "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_workload_is_said(told, said):
    """Every mistake names its place and the name that was probably meant."""
    with pytest.raises(BenchError) as caught:
        workload_of(told)
    assert said in str(caught.value)


def test_the_measured_traces_are_read_whole(shared):
    """Both published traces are read, with their own arrivals and sizes."""
    counts = {}
    for name in ("code", "conv"):
        calls = workload_of(shared / "traces" / f"azure_llm_{name}_2023.csv")
        counts[name] = len(calls)
        assert (np.diff(calls.arrival) >= 0).all()
        assert 3000 < calls.arrival[-1] < 4000
    assert counts == {"code": 8819, "conv": 19366}


def test_a_trace_that_is_no_text_says_from_which_line_on(tmp_path):
    """A file in another encoding is found where it first shows."""
    path = tmp_path / "trace.csv"
    path.write_bytes((HEADER + "1,2,3\n2,2,3 é\n").encode("latin-1"))
    with pytest.raises(BenchError, match="line 3: is not UTF-8 text"):
        workload_of(path)


@pytest.mark.parametrize("told", [None, 5, "", b"poisson", {"poisson"}])
def test_what_is_no_workload_and_no_weather_is_refused(told):
    """A slip in code is said as one in a file is."""
    for read in (workload_of, weather_of):
        with pytest.raises(BenchError, match="give a name, a file, or JSON"):
            read(told)
    with pytest.raises(BenchError, match="calls: at least 1"):
        compare({"a": {"provider": "openai"}}, calls=0)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_workload(name):
    """Presets need no file, and one seed gives one workload."""
    one, again, other = (workload_of(name, seed=seed) for seed in (1, 1, 2))
    assert one.name == name
    assert len(one) >= 2000
    assert (np.diff(one.arrival) >= 0).all()
    assert (one.arrival == again.arrival).all()
    assert (one.asked.family == again.asked.family).all()
    assert name == DEFAULT or not (one.arrival == other.arrival).all()


def test_independent_calls_come_at_their_rate():
    """Gaps of a Poisson process are exponential: mean and deviation are 1 over the rate."""
    gaps = np.diff(workload_of({"poisson": {"rate": 4}, "calls": 20_000}, seed=1).arrival)
    assert gaps.mean() == pytest.approx(0.25, rel=0.03)
    assert gaps.std() == pytest.approx(0.25, rel=0.03)


def test_bursts_come_and_go():
    """The counts of an on/off process vary far more than a Poisson process's."""
    told = {"bursty": {"rate": 20, "on_seconds": 10, "off_seconds": 30, "off_rate": 0}}
    at = workload_of({**told, "calls": 20_000}, seed=1).arrival
    counts = np.histogram(at, np.arange(0, at[-1], 1.0))[0]
    assert counts.mean() == pytest.approx(5, rel=0.3)
    assert counts.var() > 5 * counts.mean()


def test_a_day_has_its_quiet_and_its_busy_hours():
    """The rate swings as it is told, lowest at the beginning of the period."""
    told = {"diurnal": {"rate": 10, "swing": 0.8, "period_seconds": 1000}, "calls": 30_000}
    at = workload_of(told, seed=1).arrival
    phase = at[at < 2000] % 1000  # whole days
    quiet, busy = ((phase < 100) | (phase > 900)).mean(), ((phase > 400) & (phase < 600)).mean()
    assert quiet == pytest.approx(0.2 * (1 - 0.8 * 0.935), rel=0.1)
    assert busy == pytest.approx(0.2 * (1 + 0.8 * 0.935), rel=0.1)


def test_time_can_go_faster_and_a_trace_can_be_cut_short(tmp_path):
    """`speed` and `calls` of a file change a trace."""
    trace(tmp_path, HEADER + "0,1,1\n10,2,2\n20,3,3\n")
    path = tmp_path / "calls.json"
    path.write_text('{"trace": "trace.csv", "speed": 5, "calls": 2, "deadline": 8}')
    calls = workload_of(path)
    assert calls.arrival.tolist() == [0, 2]
    assert calls.deadline == 8
    assert workload_of("poisson").deadline == math.inf


@settings(max_examples=15)
@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([0.0, 0.5, 1.0, 1.5]))
def test_questions_repeat_as_often_as_they_are_told_to(repeat, other, zipf):
    """Repeats ask what was asked before, so many of them in other words."""
    told = {"repeat_rate": repeat, "paraphrase_rate": other, "zipf": zipf}
    calls = workload_of({"poisson": {}, "calls": 3000, "questions": told}, seed=1)
    family, form = calls.asked.family, calls.asked.wording
    seen: set[int] = set()
    again = []
    for each in family.tolist():
        again.append(each in seen)
        seen.add(each)
    repeated = np.array(again)
    assert repeated.mean() == pytest.approx(repeat, abs=0.04)
    assert (form[~repeated] == 0).all()
    if repeated.sum() > 500:
        assert (form[repeated] > 0).mean() == pytest.approx(other, abs=0.08)
    assert sorted(seen) == list(range(len(seen)))


def test_popular_questions_are_asked_more_often_the_steeper_zipf_is():
    """The most asked question's share grows with the exponent."""
    shares = []
    for zipf in (0.0, 1.0, 1.5):
        told = {"repeat_rate": 0.9, "zipf": zipf}
        family = workload_of({"poisson": {}, "questions": told}, seed=1).asked.family
        shares.append(np.bincount(family).max() / len(family))
    assert shares[0] < shares[1] < shares[2]


def test_no_two_families_have_a_wording_in_common():
    """Whoever asks the same words asks the same question."""
    texts: dict[str, int] = {}
    for family in range(3000):
        forms = {wording(family, number) for number in range(WORDINGS)}
        assert len(forms) == WORDINGS
        for text in forms:
            assert texts.setdefault(text, family) == family


def test_an_event_log_is_a_workload(tmp_path):
    """Its calls come when they came, with the tokens they used."""
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"time": 101.5, "event": "attempt.succeeded", "trace_id": "b", "elapsed": 0.5,'
        ' "input_tokens": 10, "output_tokens": 20}\n'
        '{"time": 100.0, "event": "attempt.started", "trace_id": "a", "elapsed": 0.0}\n'
    )
    calls = workload_of(path)
    assert calls.arrival.tolist() == [0, 1]
    assert calls.completion_tokens.tolist() == [20, 20]
    path.write_text("")
    with pytest.raises(BenchError, match="line 1: the event log is empty"):
        workload_of(path)
