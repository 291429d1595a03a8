"""Inheritance down to the leaves, and the check of their providers."""

import pytest

from portkey_local.config import check, inherit, leaves, load, provider_problems
from portkey_local.errors import ConfigError


def inherited(parent, *targets):
    """Return the leaves, each as it would be written."""
    source = {
        "strategy": {"mode": "fallback"},
        "targets": [{"provider": "p", **t} for t in targets],
        **parent,
    }
    return [leaf.model_dump(exclude_unset=True) for _, leaf in leaves(inherit(load(source)))]


def test_params_are_merged_shallowly_and_the_child_wins():
    parent = {"override_params": {"a": 1, "b": {"x": 1}, "c": None}}
    child = {"override_params": {"b": {"y": 2}, "a": None, "d": 4}}
    (leaf,) = inherited(parent, child)
    assert leaf["override_params"] == {"a": None, "b": {"y": 2}, "c": None, "d": 4}


def test_retry_is_replaced_entirely():
    parent = {"retry": {"attempts": 5, "on_status_codes": [418], "use_retry_after_header": True}}
    own, taken = inherited(parent, {"retry": {"attempts": 1}}, {})
    assert own["retry"] == {"attempts": 1}
    assert taken["retry"] == {
        "attempts": 5,
        "on_status_codes": (418,),
        "use_retry_after_header": True,
    }


@pytest.mark.parametrize(
    ("field", "above", "below"),
    [
        ("request_timeout", 500, 0),
        ("stream_idle_timeout", 500, 60_000),
        ("custom_host", "http://a", "http://b"),
        ("strict_open_ai_compliance", False, True),
    ],
)
def test_a_childs_own_value_wins_even_where_it_is_the_default(field, above, below):
    own, taken = inherited({field: above}, {field: below}, {})
    assert (own[field], taken[field]) == (below, above)


def test_nothing_else_is_inherited():
    config = {"name": "root", "weight": 3, "openai_project": "p"}
    assert inherited(config, {}) == [{"provider": "p"}]


@pytest.mark.filterwarnings("ignore::portkey_local.errors.ConfigWarning")
def test_keys_beside_targets_stay_where_they_are():
    assert inherited({"provider": "x", "api_key": "k", "virtual_key": "v"}, {}) == [
        {"provider": "p"}
    ]


def test_through_several_floors():
    source = {
        "strategy": {"mode": "fallback"},
        "request_timeout": 1000,
        "override_params": {"model": "m", "top_p": 1},
        "targets": [
            {
                "strategy": {"mode": "loadbalance"},
                "override_params": {"top_p": None},
                "targets": [{"provider": "a"}, {"provider": "b", "request_timeout": 0}],
            },
            {"provider": "c"},
        ],
    }
    config = load(source)
    complete = inherit(config)
    assert [
        (path, leaf.provider, leaf.request_timeout, leaf.override_params)
        for path, leaf in leaves(complete)
    ] == [
        ("config.targets[0].targets[0]", "a", 1000, {"model": "m", "top_p": None}),
        ("config.targets[0].targets[1]", "b", 0, {"model": "m", "top_p": None}),
        ("config.targets[1]", "c", 1000, {"model": "m", "top_p": 1}),
    ]
    assert inherit(complete) == complete
    assert config == load(source)


def test_a_leaf_alone_is_complete():
    config = load({"provider": "openai"})
    assert inherit(config) is config
    assert list(leaves(config)) == [("config", config)]


def checked(source):
    check(
        load(source),
        known={"openai", "groq"},
        closed={"palm": "it closed"},
        nearest={"opnai": "openai"}.get,
    )


@pytest.mark.parametrize(
    "leaf", [{"provider": "openai"}, {"provider": "@slug"}, {"virtual_key": "v"}, {}]
)
def test_providers_that_pass(leaf):
    checked(leaf)


def test_wrong_providers_are_listed_with_their_places():
    names = ["openai", "opnai", "palm", "zzz"]
    source = {"strategy": {"mode": "single"}, "targets": [{"provider": name} for name in names]}
    with pytest.raises(ConfigError) as caught:
        checked(source)
    assert caught.value.problems == (
        ("config.targets[1].provider", "'opnai' is not a known provider; did you mean 'openai'?"),
        (
            "config.targets[2].provider",
            "palm: it closed",
        ),
        ("config.targets[3].provider", "'zzz' is not a known provider"),
    )


def test_a_key_in_the_place_of_a_provider_is_not_shown():
    with pytest.raises(ConfigError) as caught:
        checked({"provider": "sk-live-12345678"})
    assert "12345678" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::portkey_local.errors.ConfigWarning")
def test_the_ignored_provider_of_a_group_is_not_checked():
    checked(
        {"strategy": {"mode": "single"}, "targets": [{"provider": "openai"}], "provider": "zzz"}
    )


BREAKER = {"failure_threshold": 3}


@pytest.mark.parametrize("spelling", ["cb_config", "strategy"])
def test_a_breaker_is_handed_down_under_either_spelling(spelling):
    """A target without a breaker of its own gets its group's, wherever that wrote it."""
    own = {"failure_threshold": 1}
    nested = {"strategy": {"mode": "single", "cb_config": own}, "targets": [{"provider": "p"}]}
    source = {
        "strategy": {"mode": "fallback"},
        "targets": [{"provider": "p"}, {"provider": "p", "cb_config": own}, nested],
    }
    (source if spelling == "cb_config" else source["strategy"])["cb_config"] = BREAKER
    config = inherit(load(source))
    thresholds = [leaf.cb_config.failure_threshold for _, leaf in leaves(config)]
    assert thresholds == [3, 1, 1]
    assert inherit(config) == config


def test_headers_to_forward_are_handed_down_and_replaced():
    """A target's own list replaces its group's, an empty one too."""
    taken, own = inherited({"forward_headers": ["x-a"]}, {}, {"forward_headers": []})
    assert (taken["forward_headers"], own["forward_headers"]) == (("x-a",), ())


def test_provider_problems_are_what_check_raises():
    """The list and the error say the same."""
    config = load({"strategy": {"mode": "single"}, "targets": [{"provider": "opnai"}]})
    asked = dict(known={"openai"}, closed={}, nearest=lambda _: "openai")
    found = provider_problems(config, **asked)
    with pytest.raises(ConfigError) as caught:
        check(config, **asked)
    assert tuple(found) == caught.value.problems
