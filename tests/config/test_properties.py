"""What holds for every config: it loads back from its dump, and no mistake in it gives a secret away."""

import traceback
import warnings

import pytest
from hypothesis import given, settings, strategies as st

from portkey_local.config import Config, check, hooks_of, inherit, leaves, load
from portkey_local.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore::portkey_local.errors.ConfigWarning")

utf8 = st.text(st.characters(codec="utf-8"))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | utf8,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(utf8, inner, max_size=3),
    max_leaves=5,
)
milliseconds = st.integers(0, 10**6) | st.floats(0, 1e6)
codes = st.lists(st.integers(100, 999), max_size=4)
retries = st.fixed_dictionaries(
    {"attempts": st.integers(0, 20)},
    optional={
        "on_status_codes": codes,
        "use_retry_after_header": st.booleans(),
    },
) | st.fixed_dictionaries({"attempts": st.just(1), "use_retry_after_headers": st.booleans()})
breakers = st.fixed_dictionaries(
    {"failure_threshold": st.integers(1, 9)},
    optional={
        "failure_threshold_percentage": st.floats(1, 100),
        "minimum_requests": st.integers(1, 9),
        "cooldown_interval": st.integers(1, 10**6),
        "failure_status_codes": codes,
    },
)
checks = st.dictionaries(
    st.sampled_from(["default.contains", "a.b", "mine"]),
    st.dictionaries(utf8, json_values, max_size=2).filter(lambda each: "is_enabled" not in each),
    min_size=1,
    max_size=2,
)
hooks = st.lists(
    st.builds(
        lambda check, fields: {**check, **fields},
        checks,
        st.fixed_dictionaries({}, optional={"deny": st.booleans(), "async": st.booleans()}),
    ),
    max_size=2,
)
shared_fields = {
    "cb_config": breakers,
    "forward_headers": st.lists(st.sampled_from(["x-a", "X-B"])),
    "input_guardrails": hooks,
    "output_guardrails": hooks,
    "default_input_guardrails": hooks,
    "input_mutators": hooks,
    "name": utf8,
    "weight": st.integers(1, 9) | st.floats(0.1, 9),
    "override_params": st.dictionaries(utf8, json_values, max_size=3),
    "retry": retries,
    "request_timeout": milliseconds,
    "stream_idle_timeout": milliseconds,
    "custom_host": st.sampled_from(["http://127.0.0.1:1/a", "https://h.example"]),
    "strict_open_ai_compliance": st.booleans(),
    "openai_project": utf8,
}
targets = st.fixed_dictionaries(
    {"provider": utf8}, optional={**shared_fields, "api_key": utf8, "virtual_key": utf8}
)
strategies = st.fixed_dictionaries(
    {"mode": st.sampled_from(["single", "fallback", "loadbalance"])},
    optional={
        "on_status_codes": codes,
        "sticky_session": st.fixed_dictionaries(
            {"hash_fields": st.just(["metadata.user", "url.pathname"])},
            optional={"ttl": st.integers(1, 10**6)},
        ),
    },
)


def groups(inner):
    required = {"strategy": strategies, "targets": st.lists(inner, min_size=1, max_size=3)}
    return st.fixed_dictionaries(required, optional=shared_fields)


conditional = st.fixed_dictionaries(
    {
        "strategy": st.fixed_dictionaries(
            {
                "mode": st.just("conditional"),
                "conditions": st.lists(
                    st.fixed_dictionaries(
                        {
                            "query": st.dictionaries(
                                st.sampled_from(["metadata.a", "params.b.c"]),
                                json_values.filter(lambda each: not isinstance(each, dict)),
                                max_size=2,
                            ),
                            "then": st.just("a"),
                        }
                    ),
                    min_size=1,
                    max_size=2,
                ),
            },
            optional={"default": st.just("a")},
        ),
        "targets": st.just([{"name": "a", "provider": "p"}, {"provider": "q"}]),
    }
)
configs = st.recursive(targets | conditional, groups, max_leaves=5)


@settings(max_examples=80)
@given(configs)
def test_a_config_loads_back_from_its_dump(source):
    config = load(source)
    dump = config.model_dump(exclude_unset=True)
    again = load(dump)
    assert again == config
    assert again.model_fields_set == config.model_fields_set
    assert again.model_dump(exclude_unset=True) == dump
    assert load(config.model_dump_json(exclude_unset=True)) == config


@settings(max_examples=80)
@given(configs)
def test_inheritance_is_complete_after_one_pass(source):
    config = inherit(load(source))
    assert inherit(config) == config
    assert len(list(leaves(config))) == len(list(leaves(load(source))))
    for path, leaf in leaves(config):
        found = hooks_of(leaf, path)
        assert all(hook.place.startswith("config") for hook in (*found.before, *found.after))


SECRET = "sk-proj-Xyzzy0123456789"


def places(value, place=()):
    """Walk every place in a JSON value that something else could stand in."""
    yield place
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, part in inner:
        yield from places(part, (*place, key))


def planted(value, place, wrong):
    if not place:
        return wrong
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = planted(value[place[0]], place[1:], wrong)
    return copy


secrets = st.sampled_from(
    [
        SECRET,
        [SECRET],
        {SECRET: 1},
        {"apiKey": SECRET},
        {"foo": {"bar": SECRET}},
        f"Bearer {SECRET}",
        f"http://{SECRET}@h",
    ]
)


def refusal_of(source):
    try:
        check(load(source), known=set(), closed={}, nearest=lambda _: None)
    except ConfigError as error:
        return error
    return None


@settings(max_examples=200)
@given(configs, st.data())
def test_no_error_and_no_repr_gives_a_secret_away(source, data):
    place = data.draw(st.sampled_from(list(places(source))))
    wrong = planted(source, place, data.draw(secrets))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        error = refusal_of(wrong)
    if error is not None:
        assert "Xyzzy" not in "".join(traceback.format_exception(error))
        assert "Xyzzy" not in repr(error.args)
    assert "Xyzzy" not in str([str(each.message) for each in caught])


hidden_names = st.sampled_from(
    [
        "api_key",
        "virtual_key",
        "apiKey",
        "aws_secret_access_key",
        "azure_ad_token",
        "password",
        "Authorization",
        "my_credential",
    ]
)


@given(
    hidden_names,
    st.integers(10**8, 10**9)
    | st.floats(1e8, 1e9)
    | st.lists(st.integers(10**8, 10**9), min_size=1),
)
def test_wrong_values_of_secret_fields_are_hidden(name, value):
    with pytest.raises(ConfigError) as caught:
        load({name: value})
    digits = str(value[0] if isinstance(value, list) else value)
    assert digits not in str(caught.value)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(sorted(Config.model_fields)) | st.text(), inner, max_size=4
        )
    ),
)


@settings(max_examples=200)
@given(
    st.dictionaries(st.sampled_from(sorted(Config.model_fields)) | st.text(), anything, max_size=5)
)
def test_any_mapping_is_taken_or_refused_and_nothing_else(source):
    error = refusal_of(source)
    if error is not None:
        assert error.problems
        assert str(error).startswith(error.path)
