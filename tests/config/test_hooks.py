"""Guardrails and mutators: both forms are read into one, and every mistake in them is refused."""

import pytest

from portkey_local.config import load
from portkey_local.config.hooks import SLOTS, hooks_of
from portkey_local.config.tree import inherit, leaves
from portkey_local.errors import ConfigError
from portkey_local.hooks import Feedback

CONTAINS = {"default.contains": {"operator": "none", "words": ["bad"]}}


def hooks(source):
    return hooks_of(load(source), "config")


def problems(source):
    with pytest.raises(ConfigError) as caught:
        load(source)
    return dict(caught.value.problems)


def test_the_short_form():
    """Every name that is no field of hooks is a check, with its parameters."""
    written = {
        **CONTAINS, "mine": {}, "default.log": {"is_enabled": False, "url": "x"},
        "deny": True, "async": False, "sequential": True, "guardrail_version_id": "v",
        "on_fail": {"feedback": {"value": -5, "weight": 0.5, "metadata": {"a": 1}}},
        "on_success": {"feedback": {"value": 5}},
    }  # fmt: skip
    (hook,) = hooks({"input_guardrails": [written]}).before
    assert [(check.id, dict(check.parameters)) for check in hook.checks] == [
        ("default.contains", CONTAINS["default.contains"]),
        ("mine", {}),
    ]
    assert hook.checks[0].place == "config.input_guardrails[0]['default.contains']"
    assert hook.place == "config.input_guardrails[0]"
    assert (hook.id, hook.kind) == ("input_guardrail_0", "guardrail")
    assert (hook.deny, hook.beside, hook.sequential) == (True, False, True)
    assert (hook.on_stream, hook.guardrail_version_id) == ("skip", "v")
    assert hook.on_fail == Feedback(-5, 0.5, {"a": 1})
    assert hook.on_success == Feedback(5)


def test_the_long_form():
    """Checks of the long form may be switched off, and need no parameters."""
    checks = [
        {"id": "default.contains", "parameters": {"words": ["a"]}},
        {"id": "default.log", "is_enabled": False},
        {"id": "default.notNull", "is_enabled": True},
    ]
    written = {"type": "mutator", "id": "g", "checks": checks, "async": True, "on_fail": {}}
    (hook,) = hooks({"after_request_hooks": [written]}).after
    assert [(check.id, check.place) for check in hook.checks] == [
        ("default.contains", "config.after_request_hooks[0].checks[0]"),
        ("default.notNull", "config.after_request_hooks[0].checks[2]"),
    ]
    assert (hook.id, hook.kind, hook.beside, hook.on_fail) == ("g", "mutator", True, None)


def test_hooks_run_in_a_fixed_order_with_the_defaults_last():
    """Long form, guardrails, mutators, defaults: whatever the order they are written in."""
    source = {name: [CONTAINS, CONTAINS] for name in reversed(SLOTS) if not name.endswith("_hooks")}
    source |= {
        name: [{"checks": [{"id": "a"}]}]
        for name in ("before_request_hooks", "after_request_hooks")
    }
    found = hooks(source)
    assert [hook.id for hook in found.before] == [
        "before_request_hook_0", "input_guardrail_0", "input_guardrail_1", "input_mutator_0",
        "input_mutator_1", "default_input_guardrail_0", "default_input_guardrail_1",
    ]  # fmt: skip
    assert [hook.id for hook in found.after] == [
        each.id.replace("before", "after").replace("input", "output") for each in found.before
    ]
    assert {hook.kind for hook in found.before if "mutator" in hook.id} == {"mutator"}


def test_a_hook_whose_checks_are_all_off_is_none():
    """What checks nothing does not run, and the others keep their ids."""
    off = {"default.contains": {"is_enabled": False}}
    (hook,) = hooks({"output_guardrails": [off, {**CONTAINS, "on_stream": "buffer"}]}).after
    assert (hook.id, hook.on_stream) == ("output_guardrail_1", "buffer")


def test_the_dump_is_what_was_written():
    """A config with hooks gives its JSON back."""
    source = {"input_guardrails": [{**CONTAINS, "deny": True}], "output_mutators": [{"x.y": {}}]}
    assert load(load(source).model_dump_json(exclude_unset=True)) == load(source)


def tree(root, *targets):
    return load(
        {
            "strategy": {"mode": "fallback"},
            "targets": [{"provider": "p", **target} for target in targets],
            **root,
        }
    )


def ids_below(config):
    return {
        path: [hook.place for hook in (*found.before, *found.after)]
        for path, leaf in leaves(inherit(config))
        for found in (hooks_of(leaf, path),)
    }


def test_hooks_are_handed_down_with_the_place_they_were_written_at():
    """A target without hooks gets its group's, and their places still point to the group."""
    config = tree({"input_guardrails": [CONTAINS], "output_mutators": [{"x.y": {}}]}, {})
    assert ids_below(config) == {
        "config.targets[0]": ["config.input_guardrails[0]", "config.output_mutators[0]"]
    }


@pytest.mark.parametrize(
    "own", sorted(set(SLOTS) - {"default_input_guardrails", "default_output_guardrails"})
)
def test_one_hook_of_ones_own_replaces_all_of_the_groups_on_its_side(own):
    """A target that writes any of the fields has its own set, be it empty; the other side's stays.

    So a check of a target's answers does not take away its group's checks of requests.
    """
    before = ["input_guardrails", "input_mutators"]
    after = ["output_guardrails", "output_mutators"]
    root = {name: [CONTAINS] for name in before + after}
    left = after if own.startswith(("input", "before")) else before
    assert ids_below(tree(root, {own: []})) == {
        "config.targets[0]": [f"config.{name}[0]" for name in left]
    }


def test_defaults_are_appended_on_every_target():
    """Defaults of the group come first, then the target's, all after the target's own hooks."""
    root = {"default_input_guardrails": [CONTAINS], "input_guardrails": [CONTAINS]}
    own = {"default_input_guardrails": [{"x.y": {}}], "input_guardrails": [{"z.z": {}}]}
    config = tree(root, {}, own)
    assert ids_below(config) == {
        "config.targets[0]": ["config.input_guardrails[0]", "config.default_input_guardrails[0]"],
        "config.targets[1]": [
            "config.targets[1].input_guardrails[0]",
            "config.default_input_guardrails[0]",
            "config.targets[1].default_input_guardrails[0]",
        ],
    }
    assert inherit(inherit(config)) == inherit(config)


@pytest.mark.parametrize(
    ("hook", "place", "words"),
    [
        ("pg-12ab", "", "kept by the hosted product cannot be asked from here; write the checks"),
        ("mine", "", "write the checks inline"),
        (3, "", "3 is not an object of checks"),
        ({}, "", "no check"),
        ({"deny": True}, "", "no check"),
        ({**CONTAINS, "denny": True}, ".denny", "did you mean 'deny'?"),
        ({**CONTAINS, "isAsync": True}, ".isAsync", "did you mean 'async'?"),
        ({**CONTAINS, "on_fial": {}}, ".on_fial", "did you mean 'on_fail'?"),
        ({**CONTAINS, "onFail": {}}, ".onFail", "did you mean 'on_fail'?"),
        ({**CONTAINS, "ON_SUCCESS": {}}, ".ON_SUCCESS", "did you mean 'on_success'?"),
        ({**CONTAINS, "deny": "true"}, ".deny", "'true' is not true or false"),
        ({**CONTAINS, "deny": 1}, ".deny", "1 is not true or false"),
        ({**CONTAINS, "async": None}, ".async", "is not true or false"),
        ({**CONTAINS, "id": ""}, ".id", "is not the id of a check"),
        ({**CONTAINS, "type": "guardrial"}, ".type", "did you mean 'guardrail'?"),
        ({**CONTAINS, "on_stream": "bufer"}, ".on_stream", "did you mean 'buffer'?"),
        ({**CONTAINS, "on_stream": []}, ".on_stream", "none of skip, buffer"),
        ({"default.contains": ["a"]}, "['default.contains']", "a check's parameters are one"),
        ({"a.b": {"is_enabled": 1}}, "['a.b'].is_enabled", "1 is not true or false"),
        ({**CONTAINS, "on_fail": []}, ".on_fail", "not an object"),
        ({**CONTAINS, "on_fail": {"feedbak": {}}}, ".on_fail.feedbak", "mean 'feedback'?"),
        (
            {**CONTAINS, "on_success": {"feedback": {"value": True}}},
            ".on_success.feedback.value",
            "true is not a number",
        ),
        (
            {**CONTAINS, "on_success": {"feedback": {"wieght": 1}}},
            ".on_success.feedback.wieght",
            "did you mean 'weight'?",
        ),
    ],
)
def test_mistakes_in_the_short_form(hook, place, words):
    """Each mistake is refused at its place."""
    found = problems({"output_guardrails": [hook]})
    assert list(found) == [f"config.output_guardrails[0]{place}"]
    assert words in next(iter(found.values()))


@pytest.mark.parametrize(
    ("hook", "place", "words"),
    [
        ({"type": "guardrail"}, ".checks", "required"),
        ({"checks": []}, ".checks", "at least one check"),
        ({"checks": {}}, ".checks", "at least one check"),
        ({"checks": [3]}, ".checks[0]", "not an object"),
        ({"checks": [{"parameters": {}}]}, ".checks[0].id", "required"),
        ({"checks": [{"id": 3}]}, ".checks[0].id", "not the id of a check"),
        ({"checks": [{"id": "a", "parameters": []}]}, ".checks[0].parameters", "not an object"),
        ({"checks": [{"id": "a", "paramters": {}}]}, ".checks[0].paramters", "'parameters'?"),
        ({"checks": [{"id": "a", "is_enabled": 0}]}, ".checks[0].is_enabled", "true or false"),
        ({"checks": [{"id": "a"}], "default.contains": {}}, "['default.contains']", "unknown"),
        ({"checks": [{"id": "a"}], "on_stream": "skip"}, ".on_stream", "only output guardrails"),
    ],
)
def test_mistakes_in_the_long_form(hook, place, words):
    """Each mistake is refused at its place."""
    found = problems({"before_request_hooks": [hook]})
    assert list(found) == [f"config.before_request_hooks[0]{place}"]
    assert words in next(iter(found.values()))


def test_all_mistakes_of_all_hooks_are_found_in_one_go():
    """Hooks of targets are looked at too, and none hides another."""
    source = {
        "strategy": {"mode": "fallback"},
        "targets": [{"provider": "p", "input_guardrails": ["pg-1", {"deny": 3, "asinc": True}]}],
        "default_output_guardrails": [{"a.b": 3}],
    }
    assert list(problems(source)) == [
        "config.targets[0].input_guardrails[0]",
        "config.targets[0].input_guardrails[1]",
        "config.targets[0].input_guardrails[1].deny",
        "config.targets[0].input_guardrails[1].asinc",
        "config.default_output_guardrails[0]['a.b']",
    ]
