"""The watch over the whole run finds a key that leaks; so its silence means something."""

from __future__ import annotations

import logging

import pytest
from tests.leaks import LeakWatch

from portkey_local import Portkey
from portkey_local.errors import ConfigError
from portkey_local.testing import Loopback, Step

KEY = "sk-the-planted-key-1"  # no config holds it, so the watch over the whole run knows nothing


@pytest.fixture
def watch() -> LeakWatch:
    """A watch of its own, which knows the planted key."""
    own = LeakWatch()
    own.secrets.add(KEY)
    return own


def test_a_log_record_is_looked_at(watch):
    """A key in a logged message, or in the exception it carries, is found."""
    with watch.watching():
        logging.getLogger("any").warning("sent %s", KEY)
        logging.getLogger("any").warning("failed", exc_info=ValueError(KEY))
        chained = RuntimeError("failed")
        chained.__cause__ = ValueError(KEY)
        logging.getLogger("any").warning("failed", exc_info=chained)
        logging.getLogger("portkey_local.any").debug("sent %s", KEY)
    assert len(watch.leaks) == 4
    assert not any(KEY in leak for leak in watch.leaks)


def test_an_exception_is_looked_at(watch):
    """A key in a refusal is found."""
    with watch.watching():
        ConfigError("config", f"{KEY} is wrong")
    assert [leak.split(":")[0] for leak in watch.leaks] == ["exception"]


def test_a_key_counts_also_where_its_config_is_refused():
    """It is known before anything is said about the config."""
    own, key = LeakWatch(), "sk-of-a-refused-config"
    config = {"strategy": {"mode": "x"}, "targets": [{"provider": "opnai", "api_key": key}]}
    with own.watching(), pytest.raises(ConfigError):
        Portkey(config=config)
    assert own.secrets == {key}
    assert own.seen
    assert own.leaks == []


def test_a_file_is_looked_at(watch, tmp_path):
    """A key in a file that the library may have written is found."""
    (tmp_path / "events.jsonl").write_text(f'{{"reason": "{KEY}"}}\n')
    watch.look_at_files(tmp_path)
    assert len(watch.leaks) == 1


def test_a_client_of_ours_is_watched(provider: Loopback, tmp_path):
    """Compiling tells the watch the key; calls, errors and the event log are looked at."""
    own, key = LeakWatch(), "sk-another-key-2"
    provider.reset({"a": [Step(status=500)]})
    log = tmp_path / "events.jsonl"
    with own.watching():
        config = {"provider": "openai", "api_key": key, "custom_host": provider.target("a")}
        with Portkey(config=config, event_log=log) as client, pytest.raises(Exception, match="500"):
            client.chat.completions.create(model="m", messages=[])
    own.look_at_files(tmp_path)
    assert own.secrets == {key}
    assert own.seen >= 4
    assert own.leaks == []
