"""What is known but not built is refused, and said to be so."""

import pytest

from portkey_local.config import NOT_BUILT, Cache, Config, Strategy, load
from portkey_local.errors import ConfigError

SAMPLES = {
    "cache": {"mode": "simple", "max_age": 60},
    "cb_config": {"failure_threshold": 3},
    "vertex_service_account_json": {"type": "x"},
    "forward_headers": ["x-a"],
    **{
        name: [{"default.contains": {}}]
        for name in Config.model_fields
        if name.endswith(("_guardrails", "_mutators", "_hooks"))
    },
}
BUILT = {
    "strategy", "targets", "name", "weight", "provider", "api_key", "virtual_key", "override_params", "retry",
    "request_timeout", "stream_idle_timeout", "custom_host", "strict_open_ai_compliance", "on_status_codes",
    "openai_organization", "openai_project", "openai_beta",
}  # fmt: skip
UNBUILT = sorted(Config.model_fields.keys() - BUILT)


def problems(source):
    with pytest.raises(ConfigError) as caught:
        load(source)
    return dict(caught.value.problems)


@pytest.mark.parametrize("field", UNBUILT)
def test_an_unbuilt_field_is_known(field):
    found = problems({"provider": "openai", field: SAMPLES.get(field, "x")})
    assert list(found) == [f"config.{field}"]
    assert found[f"config.{field}"].startswith("known, but not built in this version yet: ")


@pytest.mark.parametrize(
    ("strategy", "places"),
    [
        ({"mode": "conditional"}, ["mode"]),
        (
            {"mode": "conditional", "conditions": [{"query": {}, "then": "a"}], "default": "a"},
            ["mode", "conditions", "default"],
        ),
        ({"mode": "fallback", "cb_config": {}}, ["cb_config"]),
        ({"mode": "loadbalance", "sticky_session": {"hash_fields": []}}, ["sticky_session"]),
    ],
)
def test_unbuilt_parts_of_a_strategy(strategy, places):
    found = problems({"strategy": strategy, "targets": [{"provider": "openai", "name": "a"}]})
    assert list(found) == [f"config.strategy.{place}" for place in places]
    assert all("not built in this version yet" in message for message in found.values())


def test_a_wrong_value_is_reported_rather_than_unbuilt():
    assert list(problems({"cache": {"mode": "x"}})) == ["config.cache.mode"]
    assert list(problems({"cache": "simpel"})) == ["config.cache.mode"]
    assert list(problems({"cache": 3})) == ["config.cache"]
    conditions = [{"query": {}}]
    strategy = {"mode": "conditional", "conditions": conditions}
    found = problems({"strategy": strategy, "targets": [{"provider": "openai"}]})
    assert list(found) == ["config.strategy.mode", "config.strategy.conditions[0].then"]


def test_a_cache_may_be_written_as_its_mode():
    assert "every call goes to the provider" in problems({"cache": "simple"})["config.cache"]
    assert Config.model_validate({"cache": "simple"}).cache == Cache(mode="simple")


def test_unbuilt_fields_of_targets_are_found():
    target = {"provider": "openai", "aws_region": "eu"}
    source = {"strategy": {"mode": "single"}, "targets": [target]}
    assert list(problems(source)) == ["config.targets[0].aws_region"]


def test_every_row_of_the_table_names_a_field():
    for row in NOT_BUILT:
        field, _, _ = row.removeprefix("strategy.").partition("=")
        names = Strategy.model_fields if row.startswith("strategy.") else Config.model_fields
        stem = field.removesuffix("*")
        assert any(name.startswith(stem) if stem != field else name == field for name in names), row


def test_openai_fields_are_built():
    source = {"openai_organization": "o", "openai_project": "p", "openai_beta": "b"}
    assert load(source).model_dump(exclude_unset=True) == source
