"""`portkey-local configs`, `check` with its advice, and `explain`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portkey_local import Portkey

KEY = "sk-0123456789abcdefghijklmnop"
GOOD = {"provider": "openai", "api_key": KEY, "retry": {"attempts": 2}}
BRANCHES = {
    "strategy": {
        "mode": "conditional",
        "conditions": [{"query": {"metadata.tier": "pro"}, "then": "pool"}],
        "default": "one",
    },
    "targets": [
        {
            "name": "pool",
            "strategy": {"mode": "loadbalance"},
            "targets": [{"provider": "openai", "weight": 3}, {"provider": "groq"}],
        },
        {"name": "one", "provider": "groq"},
    ],
}


def written(folder: Path, value: Any, name: str = "file.json") -> str:
    path = folder / name
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(path)


def test_a_config_is_stored_used_shown_and_removed(run, home, tmp_path):
    """Its file is the user's alone; what is shown has no secret."""
    assert run("configs", "add", "pc-a", written(tmp_path, GOOD)).exit_code == 0
    path = home / "configs" / "pc-a.json"
    assert json.loads(path.read_text()) == GOOD
    assert path.stat().st_mode & 0o777 == 0o600
    with Portkey(config="pc-a") as client:
        assert client._plan.router.targets[0].provider == "openai"
    shown, listed = run("configs", "show", "pc-a"), run("configs", "list")
    assert json.loads(shown.stdout) == {**GOOD, "api_key": "(hidden)"}
    assert "pc-a  openai (up to 2 retries" in listed.stdout
    assert KEY not in shown.output + listed.output
    assert json.loads(run("configs", "list", "--json").stdout)[0]["id"] == "pc-a"
    assert run("configs", "remove", "pc-a", typed="n\n").exit_code == 1
    assert run("configs", "remove", "pc-a", "--yes").exit_code == 0
    assert not path.exists()


def test_a_config_without_a_target_is_stored(run):
    """Its client names the provider; what is wrong with it is found all the same."""
    assert run("configs", "add", "pc-r", "-", typed='{"retry": {"attempts": 2}}').exit_code == 0
    assert "whom the client names" in run("configs", "list").stdout
    with Portkey(config="pc-r", provider="openai", Authorization="sk-1") as client:
        assert client.router.explain(model="m").orders
    told = run("configs", "add", "pc-s", "-", typed='{"input_guardrails": [{"nope": {}}]}')
    assert told.exit_code == 1
    assert "no check of this name" in " ".join(told.stderr.split())
    assert run("configs", "add", "pc-s", "-", typed="{}").exit_code == 1


def test_a_wrong_config_is_not_stored(run, home):
    """All that is wrong is listed, one line each."""
    wrong = {"strategy": {"mode": "falback"}, "targets": [{"provider": "opnai", "retyr": {}}]}
    told = run("configs", "add", "pc-a", "-", typed=json.dumps(wrong))
    assert told.exit_code == 1
    assert {line.split(": ")[1] for line in told.stderr.splitlines()} == {
        "config.strategy.mode",
        "config.targets[0].provider",
        "config.targets[0].retyr",
        "config.targets[0].retyr.attempts",
    }
    assert not (home / "configs").exists()


@pytest.mark.parametrize("id", ["../x", "a/b", "", ".."])
def test_an_id_stays_in_its_folder(run, tmp_path, id):
    """Whatever is tried with it."""
    for command in (("add", id, written(tmp_path, GOOD)), ("show", id), ("remove", id, "--yes")):
        assert run("configs", *command).exit_code in (1, 2)


def test_an_id_is_replaced_only_when_asked(run, tmp_path):
    """An existing one is kept; an unknown one gets its nearest."""
    path = written(tmp_path, GOOD)
    run("configs", "add", "pc-prod", path)
    assert run("configs", "add", "pc-prod", path).exit_code == 1
    assert run("configs", "add", "pc-prod", path, "--replace").exit_code == 0
    assert "did you mean 'pc-prod'" in " ".join(run("configs", "show", "pc-prud").stderr.split())


def test_a_config_with_checks_of_the_users_own(run, tmp_path):
    """They are named for the command line, which does not have them."""
    path = written(tmp_path, {**GOOD, "input_guardrails": [{"house": {}}]})
    assert run("check", path).exit_code == 1
    assert run("check", path, "--own-check", "house").exit_code == 0
    told = run("check", path, "--own-check", "house", "--endpoint", "/v1/responses")
    assert "not run on /responses" in " ".join(told.stderr.split())
    assert run("configs", "add", "pc-a", path, "--own-check", "house").exit_code == 0


def test_a_secret_hides_wherever_it_stands(run, tmp_path):
    """By the name of its field, or by its looks."""
    config = {
        **GOOD,
        "input_guardrails": [
            {"default.webhook": {"webhookURL": "http://x", "headers": {"X-Any": "hush"}}}
        ],
        "override_params": {"user": "sk-abcdefghijklmnop1234"},
    }
    run("configs", "add", "pc-a", written(tmp_path, config))
    told = run("configs", "show", "pc-a").stdout
    assert "hush" not in told
    assert "sk-abc" not in told


def test_check_gives_advice_and_takes_it_for_no_error(run, tmp_path):
    """Warnings leave the exit code alone; --json has both kinds apart."""
    config = {
        "strategy": {"mode": "fallback", "on_status_codes": [500]},
        "targets": [
            {"provider": "ollama", "custom_host": "http://x", "request_timeout": 5000},
            {"provider": "ollama", "custom_host": "http://x"},
        ],
    }
    told = run("check", written(tmp_path, config))
    assert told.exit_code == 0
    assert "408" in told.stderr
    found = json.loads(run("check", "--json", written(tmp_path, config)).stdout)
    assert found["ok"]
    assert found["warnings"]


def test_check_shows_what_stands_around_a_target(run, tmp_path):
    """Conditions, sessions, circuits and hooks are in the tree."""
    config = {
        "strategy": {"mode": "loadbalance", "sticky_session": {"hash_fields": ["metadata.user"]}},
        "cb_config": {"failure_threshold": 5},
        "input_guardrails": [{"default.notNull": {}, "deny": True}],
        "targets": [{"provider": "ollama", "custom_host": "http://x"}] * 2,
    }
    told = " ".join(run("check", written(tmp_path, config)).stdout.split())
    for words in (
        "for each metadata.user",
        "circuit opens at 5 failures",
        "default.notNull (denies)",
    ):
        assert words in told
    assert "the first condition that holds (pool), else one" in " ".join(
        run("check", "--no-keys", written(tmp_path, BRANCHES)).stdout.split()
    )


def test_explain_says_who_would_be_asked(run, tmp_path):
    """No key is needed; metadata takes the other branch; JSON is JSON alone."""
    config, request = (
        written(tmp_path, BRANCHES),
        written(tmp_path, '{"model": "m"}', "request.json"),
    )
    told = run("explain", config, request)
    assert told.exit_code == 0, told.output
    assert "100.00%  config.targets[1]" in told.stdout
    pro = run("explain", config, request, "--metadata", '{"tier": "pro"}', "--json")
    orders = json.loads(pro.stdout)["orders"]
    assert [(order["probability"], order["targets"]) for order in orders] == [
        (0.75, ["config.targets[0].targets[0]"]),
        (0.25, ["config.targets[0].targets[1]"]),
    ]
    assert run("explain", config, "-", typed='{"model": "m"}').exit_code == 0


@pytest.mark.parametrize(
    ("config", "request_text", "metadata"),
    [
        (BRANCHES, "[1]", "{}"),
        (BRANCHES, "{", "{}"),
        (BRANCHES, '{"model": "m"}', "x"),
        ({"provider": "opnai"}, '{"model": "m"}', "{}"),
        ({**GOOD}, "{}", "{}"),
    ],
    ids=["no object", "no JSON", "metadata", "config", "no model"],
)
def test_explain_of_what_cannot_be(run, tmp_path, config, request_text, metadata):
    """Exit code 1 and a reason, never a traceback."""
    request = written(tmp_path, request_text, "request.json")
    told = run("explain", written(tmp_path, config), request, "--metadata", metadata)
    assert told.exit_code == 1
    assert told.output.strip()
    assert "Traceback" not in told.output
    assert run("explain", written(tmp_path, config), str(tmp_path / "nowhere.json")).exit_code == 1


def test_check_takes_a_config_for_wrap_and_says_that_it_is_for_wrap(run, tmp_path):
    """The client that is wrapped has a key and an address; `Portkey` and `serve` have none."""
    targets = [{"provider": "self"}, {"provider": "ollama", "custom_host": "http://x"}]
    path = written(tmp_path, {"strategy": {"mode": "fallback"}, "targets": targets})
    told = run("check", path)
    assert told.exit_code == 0
    assert told.stderr.startswith("warning: config.targets[0].provider: 'self' is the client given")
    assert "key: the client's own" in " ".join(told.stdout.split())
    assert run("configs", "add", "for-wrap", path).exit_code == 0
    told = run("check", written(tmp_path, {"provider": "self", "custom_host": "http://x"}))
    assert (told.exit_code, "has no meaning for 'self'" in told.stderr) == (1, True)
