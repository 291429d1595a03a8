"""Examining: every problem in one go, and a config of what is left for others to look at."""

import copy
import random

import pytest
from hypothesis import given, settings, strategies as st

from portkey_local.config import Config, examine, hooks_of, inherit, leaves, provider_problems
from portkey_local.errors import ConfigError

RIGHT = {
    "strategy": {
        "mode": "conditional",
        "conditions": [{"query": {"metadata.a": {"$gt": 1}}, "then": "b"}],
        "default": "a",
        "cb_config": {"failure_threshold": 2},
    },
    "targets": [
        {
            "name": "a",
            "provider": "openai",
            "api_key": "k",
            "retry": {"attempts": 2, "on_status_codes": [429, 500]},
            "input_guardrails": [{"a.b": {}}, {"c.d": {}, "deny": True}],
        },
        {
            "name": "b",
            "strategy": {"mode": "loadbalance", "sticky_session": {"hash_fields": ["metadata.u"]}},
            "targets": [{"provider": "groq", "weight": 2, "cache": {"mode": "simple"}}],
            "before_request_hooks": [{"checks": [{"id": "e.f"}, {"id": "g.h"}]}],
        },
    ],
    "forward_headers": ["x-a"],
    "override_params": {"model": "m"},
}


def rest_of(source):
    rest = examine(source).rest
    assert rest is not None
    return rest


def test_a_right_config_is_its_own_rest():
    """Nothing is wrong, nothing is taken out."""
    source = {"provider": "openai", "retry": {"attempts": 1}}
    examined = examine(source)
    assert examined.problems == ()
    assert examined.rest is examined.config
    assert examined.config == Config.model_validate(source)


def test_what_is_wrong_is_taken_out_and_the_rest_keeps_its_places():
    """A wrong target, hook or check leaves an empty one behind, so later paths stay right."""
    source = copy.deepcopy(RIGHT)
    source["targets"].insert(0, "nonsense")
    source["targets"][1]["input_guardrails"].insert(0, "pg-1")
    source["targets"][2]["before_request_hooks"][0]["checks"].insert(0, 3)
    source["targets"][2]["targets"][0]["provider"] = "gorq"
    rest = rest_of(source)
    found = provider_problems(rest, known={"openai", "groq"}, closed={}, nearest=lambda _: "groq")
    assert [path for path, _ in found] == ["config.targets[2].targets[0].provider"]
    places = [
        check.place
        for path, leaf in leaves(inherit(rest))
        for hook in hooks_of(leaf, path).before
        for check in hook.checks
    ]
    assert places == [
        "config.targets[1].input_guardrails[1]['a.b']",
        "config.targets[1].input_guardrails[2]['c.d']",
        "config.targets[2].before_request_hooks[0].checks[1]",
        "config.targets[2].before_request_hooks[0].checks[2]",
    ]


def test_a_misspelt_field_is_taken_for_the_one_that_was_meant():
    """So nobody is told in the same breath that the field is missing."""
    rest = rest_of({"providr": "opnai", "apikey": "k", "retry": {"atempts": 3}})
    assert (rest.provider, rest.api_key, rest.retry.attempts) == ("opnai", "k", 3)


@pytest.mark.parametrize(
    ("wrong", "mode"), [("falback", "fallback"), ("conditonal", "conditional"), (3, "fallback")]
)
def test_a_wrong_mode_becomes_the_one_that_was_meant(wrong, mode):
    """What stands below the group can still be looked at."""
    source = copy.deepcopy(RIGHT)
    source["strategy"]["mode"] = wrong
    assert rest_of(source).strategy.mode == mode


def test_a_key_of_the_wrong_type_is_not_missing():
    """Something stands in for it, for a key was given."""
    assert rest_of({"provider": "openai", "api_key": 12345678}).api_key


@pytest.mark.parametrize("source", ["{", "no-such-id", "[]", '{"a": 1, "a": 2}', {1: 2}])
def test_what_cannot_be_read_is_a_problem_too(source):
    """Examining raises nothing."""
    examined = examine(source)
    assert examined.config is None
    assert examined.problems[0][0] == "config"


def test_what_stands_below_a_misspelt_field_is_found_too():
    """By the path that was written; the field's own value, by the name that was meant."""
    source = {
        "strateggy": {"moed": "falback", "on_status_codes": ["429"]},
        "targts": [{"provider": "p", "retyr": {"atempts": "2"}, "input_guardrail": [{"a.b": 3}]}],
    }
    examined = examine(source)
    assert [path for path, _ in examined.problems] == [
        "config.strateggy",
        "config.strateggy.moed",
        "config.strateggy.on_status_codes[0]",
        "config.strateggy.mode",
        "config.targts",
        "config.targts[0].retyr",
        "config.targts[0].retyr.atempts",
        "config.targts[0].retyr.attempts",
        "config.targts[0].input_guardrail",
        "config.targts[0].input_guardrail[0]['a.b']",
    ]
    written = examined.spelling.written_path
    assert written("config.targets[0].retry.attempts") == "config.targts[0].retyr.attempts"
    assert written("config.targets[0].provider") == "config.targts[0].provider"


def test_a_misspelt_field_never_takes_the_place_of_another():
    """The one that is there counts, and of two misspelt ones the first is taken for it."""
    assert len(examine({"provider": "p", "provdier": 3}).problems) == 1
    paths = [path for path, _ in examine({"retyr": {}, "rtry": {}}).problems]
    assert paths == ["config.retyr", "config.retyr.attempts", "config.rtry"]


def test_an_error_names_the_file_and_takes_the_problems_of_others(tmp_path):
    """Whoever finds more adds it; a place that is known to be wrong keeps its first problem."""
    path = tmp_path / "c.json"
    path.write_text('{"provider": 3}')
    error = examine(path).error([("config.provider", "unknown"), ("config.api_key", "missing")])
    assert isinstance(error, ConfigError)
    assert dict(error.problems) == {
        "config.provider": "3 is a number, not a string",
        "config.api_key": "missing",
    }
    assert error.__notes__ == [f"in {path}"]


def places(value, place=()):
    if place:
        yield place
    pairs = value.items() if isinstance(value, dict) else ()
    for key, part in enumerate(value) if isinstance(value, list) else pairs:
        yield from places(part, (*place, key))


def planted(source, place, wrong):
    changed = copy.deepcopy(source)
    owner = changed
    for part in place[:-1]:
        owner = owner[part]
    owner[place[-1]] = wrong
    return changed


ALL_PLACES = list(places(RIGHT))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(ALL_PLACES),
            st.sampled_from([None, 3, -1, "x", [], {}, [3], {"x": 1}, True, ["x"]]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_something_is_left_of_every_wrong_config(mistakes):
    """Whatever is planted, a config is left whose hooks and leaves can be read."""
    source = RIGHT
    # The deepest first, so that every place is still there.
    for place, wrong in sorted(mistakes, key=lambda each: -len(each[0])):
        source = planted(source, place, wrong)
    examined = examine(source, quiet=True)
    assert (examined.config is None) is bool(examined.problems)
    assert examined.rest is not None
    for path, leaf in leaves(inherit(examined.rest)):
        hooks_of(leaf, path)


def test_all_of_many_mistakes_are_found():
    """Five mistakes at seeded places are five problems, in one go."""
    rng = random.Random(7)
    single = [place for place in ALL_PLACES if place[-1] in {"mode", "provider", "attempts"}]
    for _ in range(10):
        source = RIGHT
        chosen = rng.sample(single, 4)
        for place in chosen:
            source = planted(source, place, ["x"])
        source = {**source, "foo": 1}
        assert len(examine(source).problems) >= 5
