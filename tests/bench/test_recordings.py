"""Event logs as weather: what was met once is met again, where it was."""

from __future__ import annotations

import json

import pytest
from tests.bench.worlds import fallback, workload

from portkey_local import Portkey
from portkey_local.bench import BenchError, Ending, run, weather_of, workload_of
from portkey_local.bench.weather.fates import Ask
from portkey_local.bench.weather.recorded import RecordedState, attempts_of
from portkey_local.testing import Loopback, Step

OPENAI = {"provider": "openai"}


def recorded(path, *rows: dict) -> str:
    """Write an event log."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def attempt(at: float, provider: str = "openai", **facts: object) -> dict[str, object]:
    """Return the event of an attempt that began at a time and took a second."""
    facts = {"status": 200, "duration": 1.0, "model": "gpt-4o-mini", **facts}
    name = "attempt.succeeded" if facts["status"] == 200 else "attempt.failed"
    trace = f"{provider}-{at}"
    elapsed = facts["duration"]
    head = {"time": 1000.0 + at + elapsed, "event": name, "trace_id": trace, "elapsed": elapsed}
    return {**head, "provider": provider, "attempt": 1, "metadata": {}, **facts}


def test_a_recording_is_met_where_it_was(tmp_path):
    """An attempt meets what was recorded nearest in time: an outage stays where it was."""
    path = recorded(
        tmp_path / "log.jsonl",
        *(attempt(at, status=503 if 20 <= at < 40 else 200) for at in range(60)),
    )
    result = run(OPENAI, {**workload(600), "stream": False}, path, seed=1)
    down = (result.calls.arrival_s >= 19.5) & (result.calls.arrival_s < 39.5)
    assert (result.calls.succeeded == ~down).all()
    assert result.calls.total_s == pytest.approx(1.0)


def test_what_a_client_has_logged_can_be_played_again(tmp_path):
    """The library's own event log is a recording, and the workload it was recorded under."""
    path = tmp_path / "events.jsonl"
    steps = [Step(), Step(status=503), Step(status=429, headers={"retry-after": "1"}), Step()]
    with Loopback({"a": steps}) as server:
        config = {**OPENAI, "api_key": "sk-0", "custom_host": server.target("a")}
        with Portkey(config=config, event_log=path) as client:
            for _ in steps:
                try:
                    client.chat.completions.create(model="gpt-4o-mini", messages=[])
                except Exception:  # noqa: BLE001 - two of them fail
                    continue
    result = run(OPENAI, path, path, seed=1)
    assert result.calls.status.tolist() == [200, 503, 429, 200]


def test_recorded_ends_of_all_kinds_come_back(tmp_path):
    """Network failures, our own time limits and streams that broke are what they were."""
    stream = attempt(20, time_to_first_token=1.0)
    cut = {**stream, "event": "stream.interrupted", "time": 1024.0, "elapsed": 4.0}
    path = recorded(
        tmp_path / "log.jsonl",
        attempt(0, status=500, reason="network: refused"),
        attempt(10, status=408, reason="timeout: no answer within 1 s"),
        stream,
        {name: value for name, value in cut.items() if name not in ("duration", "attempt")},
        attempt(40),
    )
    calls = {**workload(4, rate=0.1), "timeout": 60}
    endings = {Ending(code) for code in run(OPENAI, calls, path, seed=2).calls.ending.tolist()}
    state = RecordedState(attempts_of(tmp_path / "log.jsonl")["openai", "gpt-4o-mini"])
    fates = [state.fate(Ask(0, 0, at, 1, 7, 60.0)) for at in (0.0, 10.0, 20.0, 40.0)]
    assert [fate.end.name for fate in fates] == ["NETWORK", "SILENCE", "TRUNCATED", "WHOLE"]
    assert (fates[2].first, fates[2].rest, fates[3].tokens) == (1.0, 3.0, 7)
    assert endings <= {Ending.NETWORK, Ending.TIMEOUT, Ending.INTERRUPTED, Ending.SUCCEEDED}


def test_a_target_that_was_never_recorded_needs_a_model(tmp_path):
    """A recording knows only what it saw; a file may add a model of the rest."""
    path = recorded(tmp_path / "log.jsonl", attempt(0), attempt(1, status=500))
    with pytest.raises(BenchError, match="the recording has attempts at openai/gpt-4o-mini alone"):
        run(fallback("openai", "groq"), workload(5), path)
    sky = {"recording": path, "providers": {"groq": {}}}
    assert run(fallback("openai", "groq"), workload(50), sky).calls.succeeded.all()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"time": 1, "event": "attempt.succeeded"}\nnonsense\n', "line 2: is no event"),
        ('{"time": 1, "event": "call.began"}\n', "holds no attempt"),
        ("", "holds no attempt"),
        ('{"event": "attempt.succeeded"}\n', "line 1: is no event"),
        ('{"time": NaN, "event": "attempt.succeeded"}\n', "line 1: is no event"),
        ("\N{LATIN SMALL LETTER E WITH ACUTE}\n", "line 1: is no event"),
        ('{"a":' * 100_000, "line 1: is no event"),
    ],
)
def test_a_log_that_is_none_names_its_line(tmp_path, text, said):
    """What is no event log is refused with its line."""
    path = tmp_path / "log.jsonl"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BenchError, match=said):
        weather_of(path)


@pytest.mark.parametrize("told", [None, "x", -7, 10**12, float("nan"), []])
def test_a_figure_of_a_log_that_is_none_is_no_figure(tmp_path, told):
    """A log that other tools have touched may say anything of a call; it is read all the same."""
    odd = {"input_tokens": told, "output_tokens": told, "elapsed": told, "duration": told}
    path = recorded(tmp_path / "log.jsonl", {**attempt(0), **odd}, attempt(1))
    calls = workload_of(path)
    assert (calls.arrival >= 0).all()
    assert (calls.completion_tokens >= 0).all()
    seen = weather_of(path).recording["openai", "gpt-4o-mini"]
    assert all(each.tokens >= 0 and each.first >= 0 for each in seen)
