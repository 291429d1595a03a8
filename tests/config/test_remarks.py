"""What is taken with a warning, and what is taken without."""

import warnings

import pytest

from portkey_local.config import load
from portkey_local.errors import ConfigError, ConfigWarning

LEAF = {"provider": "openai"}


def group(mode="fallback", **fields):
    return {"strategy": {"mode": mode}, "targets": [LEAF], **fields}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            {"request_timeout": 30},
            r"config\.request_timeout: 30 looks like seconds; a config counts milliseconds \(30000 for 30 s\)",
        ),
        ({"request_timeout": 0.5}, "looks like seconds"),
        ({"request_timeout": 99.9}, "looks like seconds"),
        (group(provider="openai"), r"config\.provider: ignored beside strategy and targets"),
        (group(api_key="sk-1"), r"config\.api_key: ignored"),
        (group(virtual_key="v"), r"config\.virtual_key: ignored"),
        (
            {"on_status_codes": [429]},
            r"config\.on_status_codes: no effect here; it belongs in strategy or in retry",
        ),
        (
            {"strategy": {"mode": "loadbalance", "on_status_codes": [429]}, "targets": [LEAF]},
            r"config\.strategy\.on_status_codes: no effect with mode 'loadbalance'; only fallback reads it",
        ),
        (
            {"strategy": {"mode": "single", "on_status_codes": []}, "targets": [LEAF]},
            "no effect with mode 'single'",
        ),
        (
            {
                "strategy": {"mode": "single", "sticky_session": {"hash_fields": ["metadata.a"]}},
                "targets": [LEAF],
            },
            r"config\.strategy\.sticky_session: no effect with mode 'single'; only loadbalance reads it",
        ),
        (
            {"strategy": {"mode": "single", "default": "a"}, "targets": [LEAF]},
            r"config\.strategy\.default: no effect with mode 'single'; only conditional reads it",
        ),
        (
            {
                "strategy": {"mode": "single", "conditions": [{"query": {}, "then": "zz"}]},
                "targets": [LEAF],
            },
            r"config\.strategy\.conditions: no effect with mode 'single'; only conditional",
        ),
        (
            {"strategy": {"mode": "fallback"}, "targets": [{**LEAF, "request_timeout": 5}]},
            r"config\.targets\[0\]\.request_timeout",
        ),
    ],
)
def test_an_odd_config_is_taken_with_a_warning(source, text):
    with pytest.warns(ConfigWarning, match=text) as caught:
        load(source)
    assert [warning.filename for warning in caught] == [__file__]
    assert "sk-1" not in str(caught[0].message)


@pytest.mark.parametrize(
    "source",
    [
        {},
        LEAF,
        {"request_timeout": 0},
        {"request_timeout": 100},
        group(request_timeout=1000, retry={"attempts": 1}, custom_host="http://h"),
        {"strategy": {"mode": "fallback", "on_status_codes": [429]}, "targets": [LEAF]},
    ],
)
def test_a_plain_config_gives_no_warning(source):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(source)


def test_a_refused_config_gives_no_warning():
    with warnings.catch_warnings(record=True) as caught, pytest.raises(ConfigError):
        load({"request_timeout": 5, "foo": 1})
    assert caught == []
