"""Every way to name a config, and what is said when there is none."""

import json
import os
from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType

import pytest

from portkey_local.config import Config, Retry, Strategy, load
from portkey_local.errors import ConfigError

OPENAI = {"provider": "openai", "retry": {"attempts": 2, "on_status_codes": [429]}}


def refused(source, **options):
    with pytest.raises(ConfigError) as caught:
        load(source, **options)
    return caught.value


@pytest.mark.parametrize(
    "source",
    [
        OPENAI,
        MappingProxyType(OPENAI),
        OrderedDict(OPENAI),
        json.dumps(OPENAI),
        "\ufeff\n  " + json.dumps(OPENAI),
        {"provider": "openai", "retry": Retry(attempts=2, on_status_codes=(429,))},
    ],
)
def test_every_source_gives_the_same_config(source):
    assert load(source) == Config(
        provider="openai", retry=Retry(attempts=2, on_status_codes=(429,))
    )


def test_a_config_is_handed_back_as_it_is():
    config = load(OPENAI)
    assert load(config) is config


def test_a_config_built_by_hand_is_checked_as_well():
    group = Config(strategy=Strategy(mode="fallback"), targets=())
    assert refused(group).path == "config.targets"


def test_none_in_a_hand_built_model_is_the_same_as_leaving_it_out():
    assert Retry(attempts=1, on_status_codes=None).model_fields_set == {"attempts"}


@pytest.mark.parametrize("as_path", [Path, str])
def test_a_file_is_read(tmp_path, as_path):
    (tmp_path / "c.json").write_text("\ufeff" + json.dumps(OPENAI), encoding="utf-8")
    assert load(as_path(tmp_path / "c.json")).provider == "openai"


def test_an_id_is_looked_up_in_the_configs_folder(tmp_path):
    (tmp_path / "pc-prod-1.json").write_text(json.dumps(OPENAI))
    assert load("pc-prod-1", configs_dir=tmp_path).provider == "openai"


def test_an_unknown_id_says_where_it_looked_and_what_is_near(tmp_path):
    (tmp_path / "pc-prod.json").write_text(json.dumps(OPENAI))
    text = str(refused("pc-prud", configs_dir=tmp_path))
    assert str(tmp_path) in text
    assert "did you mean 'pc-prod'?" in text


def test_an_unknown_id_in_a_missing_folder(tmp_path):
    assert "no config 'prod'" in str(refused("prod", configs_dir=tmp_path / "none"))
    assert "no configs folder" in str(refused("prod"))


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "a\\b", "..", "a..b", "", " ", ".hidden", "x" * 9999, "a\0b"]
)
def test_an_id_is_a_plain_name(tmp_path, name):
    (tmp_path / "x.json").write_text(json.dumps(OPENAI))
    refused(name, configs_dir=tmp_path / "inner")


def test_bad_json_is_placed_by_line_and_column_without_the_text():
    error = refused('{"provider": "openai",\n "api_key": sk-live-123}')
    assert "line 2, column 13" in str(error)
    assert "sk-live" not in str(error)
    assert error.__context__ is None


def test_problems_of_a_file_name_the_file(tmp_path):
    (tmp_path / "c.json").write_text('{"foo": 1}')
    assert refused(tmp_path / "c.json").__notes__ == [f"in {tmp_path / 'c.json'}"]
    (tmp_path / "bad.json").write_text("{,}")
    assert str(tmp_path / "bad.json") in str(refused(tmp_path / "bad.json"))


def test_files_that_cannot_be_read(tmp_path):
    assert "cannot be read" in str(refused(tmp_path / "none.json"))
    (tmp_path / "latin.json").write_bytes(b'{"name": "\xe9"}')
    assert "not UTF-8" in str(refused(tmp_path / "latin.json"))


def test_a_path_with_a_null_character():
    assert "null character" in str(refused(Path("a\0b")))


def test_a_field_written_twice_in_json_text():
    assert "'name' is written twice" in str(refused('{"name": "a", "name": "b"}'))


@pytest.mark.parametrize("source", ["[1]", [1], 3, None, b"{}", ("a",)])
def test_the_top_level_is_an_object(source):
    assert "not an object" in str(refused(source))


def test_depth_has_an_end():
    loop: dict = {}
    loop["override_params"] = {"again": loop}
    assert "holds itself" in str(refused(loop))
    assert "nested too deeply" in str(refused("{" * 1 + '"a":' + "[" * 200_000))
    assert "too many digits" in str(refused('{"weight": ' + "9" * 5000 + "}"))


def test_values_that_are_not_json():
    error = refused({"name": object(), 1: "x", "override_params": {"a": {1, 2}, "b": float("inf")}})
    assert dict(error.problems) == {
        "config": "field names must be strings of valid Unicode",
        "config.name": "a Python object is not JSON",
        "config.override_params.a": "a Python set is not JSON",
        "config.override_params.b": "inf is not a number that JSON knows",
    }


def test_the_callers_dict_is_not_held():
    params = {"stop": ["a"], "top_p": None}
    config = load({"override_params": params})
    params["stop"].append("b")
    assert config.override_params == {"stop": ["a"], "top_p": None}


def test_configs_are_immutable_and_keep_keys_out_of_repr():
    config = load(
        {"provider": "openai", "api_key": "k1", "virtual_key": "v1", "openai_project": "p1"}
    )
    with pytest.raises(ValueError, match="frozen"):
        config.provider = "groq"
    assert repr(config) == "Config(provider='openai')"


def test_defaults():
    config = load({})
    assert (config.weight, config.override_params, config.strict_open_ai_compliance) == (
        1.0,
        {},
        True,
    )
    assert (config.request_timeout, config.stream_idle_timeout, config.retry) == (
        None,
        60_000.0,
        None,
    )
    assert config.model_fields_set == set()


def test_pathlike_objects_are_paths(tmp_path):
    class Place(os.PathLike):
        def __fspath__(self):
            return str(tmp_path / "c.json")

    (tmp_path / "c.json").write_text("{}")
    assert load(Place()) == Config()
