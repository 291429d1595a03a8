"""`portkey-local keys`: what is stored where, and that no secret is ever shown."""

from __future__ import annotations

import json
import multiprocessing
import tomllib
from pathlib import Path
from typing import Any

import keyring
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from keyring.backend import KeyringBackend

from portkey_local import ConfigError, Portkey, keyrings, store
from portkey_local.testing import Loopback, Step

KEY = "sk-0123456789abcdefghijklmnop"


def tables(home: Path) -> dict[str, Any]:
    return tomllib.loads((home / "keys.toml").read_text())


def added(
    run: Any, name: str = "prod", *options: str, key: str = KEY, provider: str = "openai"
) -> Any:
    return run("keys", "add", name, "--provider", provider, *options, typed=f"{key}\n")


def test_a_key_from_stdin_is_kept_where_only_its_user_reads_it(run, home):
    """The file is 0600, its folder 0700, and nothing printed holds the key."""
    told = added(run)
    assert told.exit_code == 0, told.output
    assert tables(home) == {"prod": {"provider": "openai", "api_key": KEY}}
    assert (home / "keys.toml").stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700
    assert KEY not in told.output
    with Portkey(virtual_key="prod") as client:
        assert client._plan.router.targets[0].secrets == (KEY,)


def test_no_option_takes_a_secret(run):
    """Arguments can be seen by other programs; the help says so."""
    told = run("keys", "add", "--help")
    assert "arguments can be seen" in " ".join(told.output.split())
    told = run("keys", "add", "prod", KEY, "--provider", "openai")
    assert told.exit_code == 2
    assert KEY not in told.output


def test_a_key_is_no_name(run, home):
    """One that was typed in the wrong place is neither stored nor repeated; a long name is fine."""
    told = added(run, KEY)
    assert told.exit_code == 1
    assert KEY not in told.output
    assert not (home / "keys.toml").exists()
    assert added(run, "openai-production-account-2024-eu").exit_code == 0


def test_a_link_stays_a_link(run, home, tmp_path):
    """A file that is kept elsewhere is written there."""
    home.mkdir()
    kept = tmp_path / "kept.toml"
    kept.write_text("")
    (home / "keys.toml").symlink_to(kept)
    assert added(run).exit_code == 0
    assert (home / "keys.toml").is_symlink()
    assert "[prod]" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600


def test_further_fields_are_checked_and_stored(run, home):
    """A host and any field of a target; what is JSON is taken as JSON."""
    told = added(
        run,
        "house",
        "--host",
        "http://localhost:1/v1",
        "--set",
        'override_params={"temperature": 0}',
        "--set",
        "openai_organization=org-1",
    )
    assert told.exit_code == 0, told.output
    assert tables(home)["house"] == {
        "provider": "openai",
        "custom_host": "http://localhost:1/v1",
        "override_params": {"temperature": 0},
        "openai_organization": "org-1",
        "api_key": KEY,
    }


@pytest.mark.parametrize(
    ("arguments", "key", "words"),
    [
        (("bad/name", "--provider", "openai"), KEY, "letters, digits"),
        (("x", "--provider", "opnai"), KEY, "did you mean 'openai'"),
        (("x", "--provider", "openai"), "", "no key was given"),
        (("x", "--provider", "openai"), "schlüssel-1234", "no HTTP header"),
        (("x", "--provider", "openai", "--set", "retyr=1"), KEY, "retry"),
        (("x", "--provider", "openai", "--set", "api_key=sk-1"), KEY, "other than the key's own"),
        (
            ("x", "--provider", "bedrock", "--set", "aws_secret_access_key=sk-0123"),
            KEY,
            "is a secret",
        ),
        (("x", "--provider", "openai", "--keyring"), KEY, "portkey-local[keyring]"),
    ],
    ids=str,
)
def test_what_cannot_be_stored(run, home, monkeypatch, arguments, key, words):
    """One line says why, and nothing is written."""
    monkeypatch.setattr("portkey_local.keyrings._backend", lambda: None)
    told = run("keys", "add", *arguments, typed=f"{key}\n")
    assert told.exit_code == 1
    assert words in " ".join(told.stderr.split())
    assert not (home / "keys.toml").exists()
    assert "sk-0123" not in told.output


def test_a_name_is_replaced_only_when_asked(run, home):
    """So that no key is lost by a slip."""
    added(run)
    assert added(run, key="sk-another-one").exit_code == 1
    assert tables(home)["prod"]["api_key"] == KEY
    assert added(run, "prod", "--replace", key="sk-another-one").exit_code == 0
    assert tables(home)["prod"]["api_key"] == "sk-another-one"


def test_an_edited_file_keeps_its_comments_and_its_order(run, home):
    """And a file that others could read is closed to them, aloud."""
    home.mkdir()
    path = home / "keys.toml"
    path.write_text(f'# mine\n[a]  # first\nprovider = "groq"\napi_key = "{KEY}"\n')
    path.chmod(0o644)
    told = added(run)
    assert "could be read by others" in " ".join(told.stderr.split())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("# mine\n[a]  # first\n")
    assert list(tables(home)) == ["a", "prod"]


def test_the_list_shows_no_secret(run, home):
    """Names, providers, hosts, and where each key is kept."""
    note = run("keys", "list")
    assert "no keys in" in " ".join(note.stderr.split())
    added(run, "prod", "--host", "http://localhost:1/v1")
    told, as_json = run("keys", "list"), run("keys", "list", "--json")
    assert "prod  openai  in keys.toml  http://localhost:1/v1" in told.stdout
    assert json.loads(as_json.stdout)[0]["key"] == "in keys.toml"
    assert KEY not in told.output + as_json.output
    assert home.is_dir()


def test_a_key_is_removed(run, home):
    """After a question, or with --yes; an unknown name gets its nearest."""
    added(run)
    added(run, "other")
    assert "did you mean 'prod'" in run("keys", "remove", "prud", "--yes").stderr
    assert run("keys", "remove", "prod", typed="n\n").exit_code == 1
    assert run("keys", "remove", "prod", typed="y\n").exit_code == 0
    assert list(tables(home)) == ["other"]


@pytest.mark.parametrize(
    ("step", "code", "words"),
    [
        (Step(json={"data": []}), 0, "takes the key"),
        (Step(status=401), 1, "refuses the key (status 401)"),
        (Step(status=500), 1, "500"),
    ],
)
def test_a_key_is_tried(run, provider: Loopback, step, code, words):
    """One cheap request, and one line."""
    provider.reset({"a": [step]})
    added(run, "prod", "--host", provider.target("a"))
    told = run("keys", "test", "prod")
    assert told.exit_code == code
    assert words in " ".join(told.output.split())
    assert provider.received[0].path == "/models"
    run("keys", "test", "prod", "--model", "m")
    assert provider.received[1].json["max_tokens"] == 1


def test_a_broken_file_is_one_line(run, home):
    """Nothing of it is quoted, and it is left as it is."""
    home.mkdir()
    (home / "keys.toml").write_text(f'[a]\nprovider = "groq\napi_key = "{KEY}"\n')
    told = added(run)
    assert told.exit_code == 1
    assert "not valid TOML" in " ".join(told.stderr.split())
    assert KEY not in told.output


def _add_many(home: Path, prefix: str) -> None:
    for number in range(20):
        store.add_key(home / "keys.toml", f"{prefix}{number}", {"provider": "openai"})


def test_two_processes_lose_nothing(home):
    """Writers take turns."""
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add_many, args=(home, prefix)) for prefix in ("a", "b")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(tables(home)) == 40


def test_an_interrupted_write_leaves_the_old_file(home, monkeypatch):
    """Whole, and without litter beside it."""
    path = home / "keys.toml"
    store.add_key(path, "a", {"provider": "openai"})
    before = path.read_text()

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.add_key(path, "b", {"provider": "groq"})
    assert path.read_text() == before
    assert sorted(entry.name for entry in home.iterdir()) == [".lock", "keys.toml"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=60),
)
def test_every_name_and_key_comes_back(tmp_path, name, key):
    """Dots, quotes and backslashes are written as TOML wants them."""
    path = tmp_path / "keys.toml"
    store.add_key(path, name, {"provider": "openai", "api_key": key})
    assert tomllib.loads(path.read_text())[name]["api_key"] == key
    store.remove_key(path, name)
    assert tomllib.loads(path.read_text()) == {}


class Memory(KeyringBackend):
    """A keyring that keeps its secrets in memory."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A system with a keyring."""
    own = Memory()
    monkeypatch.setattr(keyring, "get_keyring", lambda: own)
    monkeypatch.setattr("portkey_local.keyrings.available", lambda: True)
    return own


def test_a_keyring_keeps_the_secret_out_of_the_file(run, home, ring):
    """It is used where there is one, read when the key is needed, and emptied by `remove`."""
    told = added(run)
    assert "keyring" in told.stdout
    assert tables(home) == {"prod": {"provider": "openai", "keyring": True}}
    assert ring.held == {("portkey-local", "prod"): KEY}
    with Portkey(virtual_key="prod") as client:
        assert client._plan.router.targets[0].secrets == (KEY,)
    assert "in the keyring" in run("keys", "list").stdout
    run("keys", "remove", "prod", "--yes")
    assert ring.held == {}
    assert tables(home) == {}


def test_a_key_of_a_providers_name_is_found_in_the_keyring(run, ring):
    """A target that names the provider alone gets it."""
    added(run, "groq", provider="groq")
    with Portkey(provider="groq") as client:
        assert client._plan.router.targets[0].secrets == (KEY,)


def test_a_key_that_moves_to_the_file_leaves_the_keyring(run, home, ring):
    """So that no key lies where nobody looks for it."""
    added(run)
    assert added(run, "prod", "--file", "--replace").exit_code == 0
    assert tables(home)["prod"]["api_key"] == KEY
    assert keyrings.lookup("prod") is None


def test_the_file_can_be_asked_for(run, home, ring):
    """--file stores there, whatever else there is."""
    added(run, "prod", "--file")
    assert tables(home)["prod"]["api_key"] == KEY
    assert ring.held == {}


def test_a_secret_that_is_gone_is_asked_for(run, ring):
    """The error names the command that stores it again."""
    added(run)
    ring.held.clear()
    with pytest.raises(ConfigError, match="portkey-local keys add prod"):
        Portkey(virtual_key="prod")


def test_a_keyring_that_fails_is_told_without_the_secret(monkeypatch):
    """Whatever a backend raises becomes one line."""

    class Broken(Memory):
        def set_password(self, service: str, username: str, password: str) -> None:
            raise RuntimeError(password)

    monkeypatch.setattr(keyring, "get_keyring", Broken)
    with pytest.raises(ConfigError) as raised:
        keyrings.remember("prod", KEY)
    assert KEY not in str(raised.value)


def test_without_the_package_there_is_no_keyring(monkeypatch):
    """A table that says its key is in one says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "keyring", None)
    assert keyrings._backend() is None
    with pytest.raises(ConfigError, match="portkey-local\\[keyring\\]"):
        keyrings.lookup("prod")
