"""Where files are kept, and how the file of keys is read and refused."""

import traceback
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from portkey_local.errors import ConfigError
from portkey_local.home import configs_dir, home, keys_file, read_keys


@pytest.fixture
def keys(tmp_path):
    """Write a keys file and read it."""

    def read(text):
        path = tmp_path / "keys.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_keys(path)

    return read


def test_the_variable_names_the_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("PORTKEY_LOCAL_HOME", str(tmp_path))
    assert home() == tmp_path
    assert configs_dir() == tmp_path / "configs"
    assert keys_file() == tmp_path / "keys.toml"


def test_the_variable_may_begin_with_a_tilde(monkeypatch):
    monkeypatch.setenv("PORTKEY_LOCAL_HOME", "~/portkey")
    assert home() == Path.home() / "portkey"


@pytest.mark.parametrize("value", [None, ""])
def test_else_it_is_the_users_config_folder(monkeypatch, value):
    monkeypatch.delenv("PORTKEY_LOCAL_HOME", raising=False)
    if value is not None:
        monkeypatch.setenv("PORTKEY_LOCAL_HOME", value)
    assert home().name == "portkey-local"
    assert home().is_absolute()


def test_a_table_for_each_key(keys):
    read = keys(
        '\ufeff[openai-prod]\nprovider = "openai"\napi_key = "k1"\n'
        '[local]\nprovider = "ollama"\ncustom_host = "http://127.0.0.1:11434"\n'
        "[local.override_params]\ntemperature = 0\n"
    )
    assert read == {
        "openai-prod": {"provider": "openai", "api_key": "k1"},
        "local": {
            "provider": "ollama",
            "custom_host": "http://127.0.0.1:11434",
            "override_params": {"temperature": 0},
        },
    }


def test_no_file_and_an_empty_file_hold_no_keys(tmp_path, keys):
    assert read_keys(tmp_path / "none.toml") == {}
    assert keys("# nothing yet\n") == {}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (
            '[a]\nprovider = "openai"\n\n[b]\napi_key = k1-hunter2\n',
            5,
            "[b] not valid TOML at column 11",
        ),
        ('[a]\nprovider = "hunter2\n', 2, "[a] not valid TOML"),
        ('[a]\nprovider = "openai"\n[a]\napi_key = "hunter2"', 3, "[a] not valid TOML"),
        ('provider = ["hunter2"', 1, "not valid TOML"),
        ('[a]\nprovider = "openai"\n\n[b]\napi_key = "hunter2"\n', 4, "[b] needs a provider"),
        ('[a]\nprovider = 7\napi_key = "hunter2"\n', 1, "[a] needs a provider"),
        ('[a]\nprovider = "openai"\napi_key = ["hunter2"]\n', 1, "[a] api_key must be a string"),
        ('# keys\nprod = "hunter2"\n', 2, "[prod] must be a table of its own"),
        ('[[a]]\nprovider = "hunter2"\n', None, "[a] must be a table of its own"),
        ('["my.key"]\napi_key = "hunter2"\n', 1, "[my.key] needs a provider"),
        ('"sk-hunter2" = "openai"\n', 1, "[name hidden] must be a table"),
    ],
)
def test_mistakes_are_placed_and_never_quoted(keys, text, line, words):
    with pytest.raises(ConfigError) as caught:
        keys(text)
    assert caught.value.path.endswith("keys.toml" if line is None else f"keys.toml, line {line}")
    assert words in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_files_that_cannot_be_read(tmp_path, keys):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_keys(tmp_path)
    with pytest.raises(ConfigError, match="not UTF-8"):
        keys(b'[a]\nprovider = "\xe9"\n')


@settings(max_examples=100)
@given(st.text(st.sampled_from('[]"=\n ab.1#{},')), st.text(st.sampled_from('[]"=\n ab.1#{},')))
def test_no_mistake_gives_a_secret_away(tmp_path_factory, before, after):
    path = tmp_path_factory.getbasetemp() / "keys.toml"
    path.write_text(before + '"sk-hunter2"' + after)
    text = ""
    try:
        read_keys(path)
    except ConfigError as error:
        text = "".join(traceback.format_exception(error))
    assert "hunter2" not in text
