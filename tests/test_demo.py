"""The demonstration: what it shows is what happened, and it fails when that is not what must happen."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from portkey_local.cli import app
from portkey_local.demo import program
from portkey_local.demo.judge import differences
from portkey_local.demo.recordings import recorded
from portkey_local.demo.scenes import Expected, all_fail, cut_stream, reset, scenes, timeout
from portkey_local.demo.stage import Got, Report, play
from portkey_local.model import Event
from portkey_local.report.outline import in_one_line
from portkey_local.report.story import Next, Try, came_back, what_next, why
from portkey_local.testing import Step

SOURCE = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture(scope="module")
def told() -> dict[str, object]:
    """What `demo --json` prints: played once, for it takes seconds."""
    result = CliRunner().invoke(app, ["demo", "--json", "--seed", "3"])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


def scene(told, title):
    return next(each for each in told["scenes"] if each["scene"] == title)


def tried(scene):
    return [(each["provider"], each["status"], each["next"]) for each in scene["calls"][0]["tries"]]


def test_every_scene_goes_as_it_must(told):
    assert told["as_expected"] is True
    assert [each["differences"] for each in told["scenes"]] == [[]] * 8
    assert told["seconds"] < 20


def test_a_rate_limit_is_waited_for(told):
    limited = scene(told, "A rate limit that passes")
    assert tried(limited) == [("openai", 429, "retry"), ("openai", 200, "answer")]
    assert limited["calls"][0]["tries"][0]["wait"] == 1.0
    assert limited["got"][0]["text"] == "The capital of France is Paris."


def test_the_production_set_up_falls_back(told):
    down = scene(told, "Production set-up, main provider down")
    assert tried(down) == [
        ("openai", 500, "retry"),
        ("openai", 429, "retry"),
        ("openai", 500, "fallback"),
        ("openrouter", 200, "answer"),
    ]
    assert down["got"][0]["text"].startswith("I am Claude")


def test_the_shares_follow_the_dice(told):
    shared = scene(told, "Load balancing by weight")
    dice = random.Random(3)
    groq = sum(dice.random() < 0.7 for _ in range(10))
    asked = [call["tries"][0]["provider"] for call in shared["calls"]]
    assert (asked.count("groq"), asked.count("mistral-ai")) == (groq, 10 - groq)


def test_errors_are_shown_as_the_caller_gets_them(told):
    cut = scene(told, "A stream that is cut")
    assert cut["got"][0]["error"] == "StreamInterrupted"
    assert cut["got"][0]["text"]
    failed = scene(told, "Everything fails")
    assert failed["got"][0]["error"] == "RateLimitError"
    assert all(name in failed["got"][0]["message"] for name in ("openai", "mistral-ai", "groq"))


@pytest.mark.parametrize("width", [80, 120])
def test_the_pages_fit_and_hold_no_colour_codes(width):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": str(width)}
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        environment.pop(name, None)
    shown = subprocess.run(
        [sys.executable, "-c", "from portkey_local.cli import main; main()", "demo"],
        capture_output=True,
        check=False,
        env=environment,
        timeout=50,
    )
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.decode().splitlines()
    assert max(map(len, lines)) <= width
    assert not any("\x1b" in line for line in lines)
    text = "\n".join(lines)
    assert "8 of 8 scenes went as expected" in text
    assert text.count("✓ as expected") == 8
    assert re.search(r"429 Too Many Requests +0\.\d\d s +retry in 1\.00 s", text)
    assert "portkey-local ask" in text


def test_a_scene_that_goes_another_way_fails_the_run(monkeypatch):
    wrong = replace(timeout(), expected=Expected(tries=(("z-ai", 200),)))
    monkeypatch.setattr(program, "scenes", lambda _: (reset(), wrong))
    shown = CliRunner().invoke(app, ["demo"])
    assert shown.exit_code == 1
    assert "✗ Not as expected: A provider that hangs" in shown.stdout
    assert "expected the tries z-ai 200, saw mistral-ai 408, z-ai 200" in " ".join(
        shown.stdout.split()
    )
    assert "1 of 2 scenes went as expected" in shown.stdout
    as_json = CliRunner().invoke(app, ["demo", "--json"])
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["as_expected"] is False


def test_the_users_keys_and_proxies_stay_out(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-the-demonstration")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert differences(play(reset(), 1)) == []


# --- the judge hears three witnesses


@pytest.fixture(scope="module")
def failed() -> Report:
    return play(all_fail(), 1)


def test_the_judge_is_content_with_what_happened(failed):
    assert differences(failed) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"got": (Got("surprise", RuntimeError("openai mistral-ai groq")),)}, "RateLimitError"),
        ({"got": (Got(),)}, "expected RateLimitError, the caller got none"),
        ({"received": (("openai", "o1-mini"),)}, "the providers received openai o1-mini"),
        ({"events": ()}, "expected the tries"),
        ({"seconds": 60.0}, "took 60.0 s"),
    ],
)
def test_the_judge_notices(failed, changes, words):
    assert words in "\n".join(differences(replace(failed, **changes)))


def test_the_judge_knows_how_long_waits_may_be(failed):
    retry = Event(name="retry.scheduled", trace_id="t", metadata={}, elapsed=0, wait=5.0)
    first = replace(failed.events[1], trace_id="t")
    waited = replace(failed, events=(first, retry))
    assert any("waits" in line for line in differences(waited))


def test_half_an_answer_must_be_the_beginning_of_the_whole():
    report = play(cut_stream(), 1)
    assert differences(report) == []
    whole = report.scene.recording.answer
    error = report.got[0].error
    for text in ("", "Something else", whole):
        assert differences(replace(report, got=(Got(text, error),)))


# --- words


def a_try(status: int, following: Next, provider: str = "openai", **more) -> Try:
    reason = None if status < 300 else f"HTTP {status}"
    return Try(provider, provider, "m", status, 0.1, more.pop("reason", reason), following, **more)


@pytest.mark.parametrize(
    ("tries", "sentence"),
    [
        ([], "nobody was asked."),
        ([a_try(200, Next.ANSWER)], "openai answered."),
        (
            [a_try(503, Next.RETRY, wait=0.5), a_try(200, Next.ANSWER)],
            "openai failed once (503), was asked again after 0.50 s and answered.",
        ),
        (
            [a_try(429, Next.FALLBACK), a_try(200, Next.ANSWER, "groq")],
            "openai failed once (429), so groq was asked and answered.",
        ),
        (
            [a_try(500, Next.ERROR, reason="network: reset.")],
            "openai failed once (network: reset): the caller gets one error that names every try.",
        ),
    ],
)
def test_a_call_in_one_sentence(tries, sentence):
    assert why(tries) == sentence


def test_a_try_in_a_few_words():
    late = a_try(408, Next.FALLBACK, reason="timeout: no answer within 1 s")
    assert (came_back(late), what_next(late)) == ("timeout (as 408)", "next target")
    assert came_back(a_try(200, Next.BREAK, reason="cut")) == "200 OK"
    assert came_back(a_try(529, Next.ERROR)) == "529"


def test_configs_in_one_line():
    lines = [in_one_line(each.config) for each in scenes(1)]
    assert lines[2] == "loadbalance: groq 70%, mistral-ai 30%"
    assert lines[3].endswith("then groq; circuit opens at 2 failures, for 30 s")
    assert lines[4] == "fallback: mistral-ai (at most 0.3 s), then z-ai"


# --- the recordings


def test_recordings_are_small_and_come_with_their_licence():
    folder = files("portkey_local.demo")
    rows = folder.joinpath("recordings.jsonl").read_bytes().splitlines()
    assert 0 < len(rows) <= 12
    assert max(map(len, rows)) < 6 * 1024
    notice = folder.joinpath("NOTICE").read_text(encoding="utf-8")
    assert "Pydantic Services Inc." in notice
    assert "Permission is hereby granted" in notice


def test_a_recorded_stream_is_sent_event_by_event():
    row = recorded("openai", "What is the capital of Mexico?", streamed=True)
    step = row.step()
    assert isinstance(step, Step)
    assert b"".join(step.pieces or ()).decode() == row.body.rstrip("\n") + "\n\n"
    assert row.answer == "The capital of Mexico is Mexico City."


def test_an_error_has_no_answer():
    assert recorded("openai", "Hello").answer == ""
