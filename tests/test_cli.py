"""The command line, as a shell sees it: what it prints where, and how it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from portkey_local.cli import app
from portkey_local.providers.table import PROVIDERS
from portkey_local.testing import Fault, Loopback, Step, chat, chat_stream, error

SOURCE = Path(__file__).resolve().parents[1] / "src"
# A shell's programs in the background do not hear a Control-C, and neither do their children.
HEAR = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
START = HEAR + "from portkey_local.cli import main; main()"
KEY = "sk-0123456789abcdefghijklmnop"

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in PROVIDERS.values():
        for variable in row.key_variables:
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process."""

    def call(*arguments: str, typed: str | None = None, **environment: str) -> Any:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, list(arguments), input=typed)

    return call


def start(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """Run a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", START, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
    )


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Mapping[str, Any]], str]:
    """Write a config into a file, and give its name."""

    def write(config: Mapping[str, Any]) -> str:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        return str(path)

    return write


def test_version_and_help(run):
    assert run("--version").stdout.startswith("portkey-local ")
    told = run("--help")
    assert told.exit_code == 0
    assert all(command in told.stdout for command in ("demo", "check", "providers", "ask"))


def test_help_loads_nothing_heavy():
    code = (
        "import sys, portkey_local.cli; "
        "print(*{'openai', 'httpx', 'httpx2', 'aiohttp', 'pydantic', 'tenacity'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert told.stdout.split() == []


# --- check


PRODUCTION = {
    "strategy": {"mode": "fallback"},
    "request_timeout": 30_000,
    "targets": [
        {
            "name": "main",
            "provider": "openai",
            "override_params": {"model": "gpt-4o", "temperature": 0},
            "retry": {"attempts": 2, "on_status_codes": [429, 500]},
        },
        {
            "strategy": {"mode": "loadbalance"},
            "targets": [
                {"provider": "groq", "weight": 3, "api_key": KEY},
                {"provider": "mistral-ai", "weight": 1, "api_key": KEY},
                {"provider": "ollama", "weight": 0, "custom_host": "http://localhost:1/v1/"},
            ],
        },
    ],
}

NEVER = "config.targets[1].targets[2].weight"


def test_a_good_config_is_shown_as_a_tree(run, written):
    told = run("check", written(PRODUCTION), OPENAI_API_KEY=KEY)
    assert told.exit_code == 0
    assert told.stderr == f"warning: {NEVER}: 0, so this target is never chosen\n"
    for words in (
        "fallback: in this order; any failure moves on",
        "1  openai gpt-4o “main”",
        "overrides temperature",
        "up to 2 retries on 429, 500",
        "each try at most 30 s",
        "key: from OPENAI_API_KEY",
        "1  groq  75%",
        "2  mistral-ai  25%",
        "3  ollama  never asked",
        "key: in the config",
        "http://localhost:1/v1",
        "This config can be used.",
    ):
        assert words in told.stdout
    assert KEY not in told.output


def test_a_config_as_json(run, written):
    told = run("check", "--json", written(PRODUCTION), OPENAI_API_KEY=KEY)
    found = json.loads(told.stdout)
    assert found["ok"]
    assert found["errors"] == []
    assert [remark["path"] for remark in found["warnings"]] == [NEVER]
    first, second = found["config"]["targets"]
    assert first["url"] == "https://api.openai.com/v1"
    assert first["retry"]["attempts"] == 2
    assert first["request_timeout"] == 30_000
    assert [target["share"] for target in second["targets"]] == [0.75, 0.25, 0.0]
    assert KEY not in told.output


def test_every_mistake_is_a_line(run, written):
    told = run(
        "check", written({"provider": "openai", "retry": {"attemps": 2}, "cache": "semantik"})
    )
    assert told.exit_code == 1
    lines = told.stderr.splitlines()
    assert [line.split(": ")[:2] for line in lines] == [
        ["error", "config.retry.attemps"],
        ["error", "config.cache.mode"],
    ]
    assert told.stdout == ""


def test_what_is_not_built_yet_may_surprise_too(run, written):
    config = {
        "provider": "openai",
        "cache": {"mode": "simple", "max_age": 10**8},
        "prompt_id": "pp-1",
        "override_params": {"temperature": 0.9},
    }
    told = run("check", "--json", written(config))
    assert told.exit_code == 1
    found = json.loads(told.stdout)
    assert [error["path"] for error in found["errors"]] == ["config.prompt_id"]
    paths = [warning["path"] for warning in found["warnings"]]
    assert paths == ["config.cache", "config.cache.max_age"]


def test_mistakes_as_json(run, written):
    told = run("check", "--json", written({"provider": "opnai"}))
    assert told.exit_code == 1
    found = json.loads(told.stdout)
    assert not found["ok"]
    assert found["config"] is None
    assert "did you mean 'openai'" in found["errors"][0]["message"]


def test_a_warning_is_said_once_and_is_no_error(run, written):
    told = run("check", written({"provider": "ollama", "request_timeout": 30}))
    assert told.exit_code == 0
    assert told.stderr.count("warning: config.request_timeout") == 1
    assert "This config can be used." in told.stdout


def test_missing_keys_are_errors_unless_they_are_not_asked_for(run, written):
    config = written({"strategy": {"mode": "single"}, "targets": [{"provider": "groq"}]})
    told = run("check", config)
    assert told.exit_code == 1
    assert "GROQ_API_KEY" in told.stderr
    assert "--no-keys" in told.stderr
    assert "single: the first target alone" in told.stdout
    assert run("check", "--no-keys", config).exit_code == 0


def test_unknown_virtual_keys_are_errors_without_keys_too(run, written):
    told = run("check", "--no-keys", written({"virtual_key": "team-a"}))
    assert told.exit_code == 1
    assert "config.virtual_key" in told.stderr


def test_a_key_from_the_keys_file(run, written, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "keys.toml").write_text(f'[team-a]\nprovider = "groq"\napi_key = "{KEY}"\n')
    told = run("check", written({"virtual_key": "team-a"}), GROQ_API_KEY="other")
    assert told.exit_code == 0
    assert "key: from keys.toml" in told.stdout
    assert KEY not in told.output


def test_a_config_from_stdin_and_by_id(run, tmp_path):
    config = '{"provider": "ollama"}'
    assert "key: none, and none needed" in run("check", "-", typed=config).stdout
    folder = tmp_path / "home" / "configs"
    folder.mkdir(parents=True)
    (folder / "pc-prod.json").write_text(config)
    assert run("check", "pc-prod").exit_code == 0


@pytest.mark.parametrize("typed", ["", "\n", "{", "[]", "{}", '{"retry": {"attempts": 1}}'])
def test_a_config_that_is_none(run, typed):
    told = run("check", "-", typed=typed)
    assert told.exit_code == 1
    assert told.stderr.startswith("error: config: ")


# --- providers


def test_providers_tick_what_has_a_key(run):
    told = run("providers", "groq", GROQ_API_KEY=KEY)
    assert told.exit_code == 0
    assert "https://api.groq.com/openai/v1" in told.stdout
    assert "GROQ_API_KEY" in told.stdout
    assert "✓  groq" in told.stdout
    assert KEY not in told.output


def test_all_providers_as_json(run):
    rows = json.loads(run("providers", "--json", MISTRAL_API_KEY=KEY).stdout)
    assert {row["id"] for row in rows} == PROVIDERS.keys()
    assert [row["id"] for row in rows if row["key_set"]] == ["mistral-ai"]


def test_providers_at_80_columns(run):
    told = run("providers")
    assert max(map(len, told.stdout.splitlines())) <= 80


def test_a_provider_nobody_knows(run):
    told = run("providers", "opnai")
    assert told.exit_code == 1
    assert "did you mean 'openai'?" in told.stderr


def test_every_provider_is_shown_with_its_address_key_and_endpoints(run):
    told = json.loads(run("providers", "--json").stdout)
    assert len(told) >= 70
    for row in told:
        assert row["base_url"] or row["places"]
        assert row["key_variables"] or row["key_optional"]
        assert row["endpoints"]
        assert row["signs_in_by"]


# --- ask


@pytest.fixture
def server() -> Iterator[Loopback]:
    script = {
        "down": [error(500)],
        "good": [chat_stream(["Hel", "lo"])],
        "plain": [chat("Hello, plainly")],
        "denied": [error(401, "this key\nis not good")],
        "cut": [Step(fault=Fault.CUT_CHUNKED)],
        "slow": [chat_stream(["a"] * 500, event_gap=0.02)],
    }
    with Loopback(script) as running:
        yield running


def target(server: Loopback, name: str) -> dict[str, Any]:
    return {
        "provider": "openai",
        "custom_host": server.target(name),
        "override_params": {"model": f"model-of-{name}"},
    }


def test_an_answer_is_streamed_and_its_way_is_traced(run, written, server):
    targets = [target(server, "down"), target(server, "good")]
    config = written({"strategy": {"mode": "fallback"}, "targets": targets})
    told = run("ask", "Say hello", "--config", config, "--trace")
    assert told.exit_code == 0
    assert told.stdout == "Hello\n"
    assert "500 Internal Server Error" in told.stderr
    assert "next target" in told.stderr
    assert "model-of-good" in told.stderr
    assert [each.target for each in server.received] == ["down", "good"]
    assert server.received[-1].json["messages"] == [{"role": "user", "content": "Say hello"}]
    assert server.received[-1].wants_stream


def test_a_plain_answer_and_a_question_from_stdin(run, written, server):
    config = written(target(server, "plain"))
    told = run("ask", "-", "--no-stream", "--config", config, typed="from a pipe")
    assert told.stdout == "Hello, plainly\n"
    assert told.stderr == ""
    assert server.received[0].json["messages"][0]["content"] == "from a pipe"
    assert not server.received[0].wants_stream


def test_a_provider_s_error_is_one_line(run, written, server):
    told = run("ask", "x", "--config", written(target(server, "denied")))
    assert told.exit_code == 1
    assert told.stdout == ""
    assert told.stderr.startswith("error: Error code: 401")
    assert "is not good" in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_a_cut_stream_keeps_what_came_and_fails(run, written, server):
    told = run("ask", "x", "--config", written(target(server, "cut")), "--trace")
    assert told.exit_code == 1
    assert told.stdout.startswith("one ")
    assert "breaks off" in told.stderr
    assert "error: Stream interrupted" in told.stderr


def test_the_provider_of_the_first_key_is_asked(run, server, monkeypatch):
    asked: dict[str, Any] = {}

    def noted(call, given, *, trace):
        asked.update(call, **given)

    monkeypatch.setattr("portkey_local.cli.asking._ask", noted)
    assert run("ask", "x", GROQ_API_KEY=KEY).exit_code == 0
    assert (asked["provider"], asked["model"]) == ("groq", "llama-3.3-70b-versatile")
    assert run("ask", "x", OPENAI_API_KEY=KEY).exit_code == 0
    assert asked["provider"] == "openai"
    assert run("ask", "x", "--provider", "x-ai", "--model", "m").exit_code == 0
    assert (asked["provider"], asked["model"]) == ("x-ai", "m")


def test_without_any_key_the_variables_are_named(run):
    told = run("ask", "x")
    assert told.exit_code == 1
    assert "OPENAI_API_KEY" in told.stderr
    assert "providers" in told.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--provider", "opnai"], "did you mean 'openai'?"),
        (["--provider", "x-ai"], "--model"),
        (["--provider", "x-ai", "--model", "m"], "XAI_API_KEY"),
        (["--config", "no-such-config"], "no config 'no-such-config'"),
    ],
)
def test_what_cannot_be_asked(run, arguments, words):
    told = run("ask", "x", *arguments)
    assert told.exit_code == 1
    assert words in told.stderr
    assert told.stdout == ""


def test_config_and_provider_exclude_each_other(run):
    assert run("ask", "x", "--config", "a", "--provider", "openai").exit_code == 2


def test_a_warning_about_the_config_is_said(run, written, server):
    config = written({**target(server, "good"), "on_status_codes": [500]})
    told = run("ask", "x", "--config", config)
    assert told.stdout == "Hello\n"
    assert told.stderr.startswith("warning: config.on_status_codes: ")


def test_a_failing_command_shows_no_traceback(written, server):
    process = start("ask", "x", "--config", written(target(server, "denied")))
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Traceback" not in said


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal to send")
def test_control_c_leaves_quietly(written, server):
    process = start("ask", "x", "--config", written(target(server, "slow")))
    assert process.stdout is not None
    assert process.stdout.read(1) == "a"
    time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said == ""
