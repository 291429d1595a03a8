"""What is refused, where, and in which words."""

import pickle

import pytest

from portkey_local.config import load
from portkey_local.errors import ConfigError

LEAF = {"provider": "openai"}


def group(*targets, mode="fallback", **fields):
    return {"strategy": {"mode": mode}, "targets": list(targets), **fields}


def sticky(**fields):
    return {"strategy": {"mode": "loadbalance", "sticky_session": fields}, "targets": [LEAF]}


def conditional(**fields):
    targets = [{**LEAF, "name": "cheap"}, {**LEAF, "name": "good"}]
    return {"strategy": {"mode": "conditional", **fields}, "targets": targets}


def problems(source):
    with pytest.raises(ConfigError) as caught:
        load(source)
    return dict(caught.value.problems)


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        # unknown names
        (
            group(LEAF, {**LEAF, "retry": {"attempts": 1, "attemps": 2}}),
            "config.targets[1].retry.attemps",
            "unknown field; did you mean 'attempts'?",
        ),
        ({"apiKey": "k"}, "config.apiKey", "unknown field; did you mean 'api_key'?"),
        (
            {"override-params": {}},
            "config['override-params']",
            "unknown field; did you mean 'override_params'?",
        ),
        ({"model": "gpt"}, "config.model", "unknown field; did you mean 'override_params.model'?"),
        ({"base_url": "http://x"}, "config.base_url", "unknown field; did you mean 'custom_host'?"),
        ({"foo": "bar"}, "config.foo", "unknown field"),
        (
            {"retry": {"attempts": 1, "zzz": 1}},
            "config.retry.zzz",
            "unknown field (attempts, on_status_codes, use_retry_after_header)",
        ),
        (
            {"options": []},
            "config.options",
            "configs of the old form, with options, are not supported; use strategy and targets",
        ),
        # semantic caches
        (
            {"cache": {"mode": "semantic", "profile": "balancd"}},
            "config.cache.profile",
            "'balancd' is not a profile; did you mean 'balanced'? (strict, balanced, loose)",
        ),
        (
            {"cache": {"mode": "simple", "profile": "strict"}},
            "config.cache.profile",
            "no effect with mode 'simple'; only mode 'semantic' reads it",
        ),
        (
            {"cache": {"mode": "semantic", "min_similarity": 90}},
            "config.cache.min_similarity",
            "90 is out of range; it must be 1 or less",
        ),
        (
            {"cache": {"mode": "semantic", "max_error": 1}},
            "config.cache.max_error",
            "1 is out of range; it must be less than 1",
        ),
        (
            {"cache": {"mode": "semantic", "model": ""}},
            "config.cache.model",
            "empty; leave the field out",
        ),
        # modes
        (
            {"strategy": {"mode": "falback"}, "targets": [LEAF]},
            "config.strategy.mode",
            "'falback' is not a mode; did you mean 'fallback'? (single, fallback, loadbalance, conditional)",
        ),
        (
            {"strategy": {"mode": "zzz"}, "targets": [LEAF]},
            "config.strategy.mode",
            "'zzz' is not a mode (single, fallback, loadbalance, conditional)",
        ),
        (
            {"strategy": {"mode": 7}, "targets": [LEAF]},
            "config.strategy.mode",
            "7 is a number, not a string",
        ),
        (
            {"strategy": {}, "targets": [LEAF]},
            "config.strategy.mode",
            "required: one of single, fallback, loadbalance, conditional",
        ),
        (
            {"cache": {"mode": "simpel"}},
            "config.cache.mode",
            "'simpel' is not a mode; did you mean 'simple'? (simple, semantic)",
        ),
        # types
        (
            {"retry": {"attempts": "3"}},
            "config.retry.attempts",
            "'3' is a string, not a whole number; write it without quotes",
        ),
        (
            {"retry": {"attempts": 1.5}},
            "config.retry.attempts",
            "1.5 is a decimal number, not a whole number",
        ),
        (
            {"retry": {"attempts": True}},
            "config.retry.attempts",
            "true is a boolean, not a whole number",
        ),
        (
            {"retry": {}},
            "config.retry.attempts",
            "required: how often to try again, a whole number of 0 or more",
        ),
        ({"retry": 3}, "config.retry", "3 is a number, not an object"),
        ({"retry": [3]}, "config.retry", "a list, not an object"),
        (
            {"retry": {"attempts": 1, "use_retry_after_header": "yes"}},
            "config.retry.use_retry_after_header",
            "'yes' is a string, not true or false",
        ),
        (
            {"weight": "1"},
            "config.weight",
            "'1' is a string, not a number; write it without quotes",
        ),
        ({"weight": True}, "config.weight", "true is a boolean, not a number"),
        ({"weight": 10**400}, "config.weight", "a number of many digits is too large"),
        ({"weight": {}}, "config.weight", "an object, not a number"),
        ({"name": 5}, "config.name", "5 is a number, not a string"),
        ({"name": "\ud800"}, "config.name", "a string that is not valid Unicode"),
        (
            {"targets": {}, "strategy": {"mode": "single"}},
            "config.targets",
            "an object, not a list",
        ),
        ({"override_params": []}, "config.override_params", "a list, not an object"),
        (
            {"retry": {"attempts": 1, "on_status_codes": ["429"]}},
            "config.retry.on_status_codes[0]",
            "'429' is a string, not a whole number; write it without quotes",
        ),
        (
            {"retry": {"attempts": 1, "on_status_codes": 429}},
            "config.retry.on_status_codes",
            "429 is a number, not a list",
        ),
        # ranges
        (
            {"retry": {"attempts": -1}},
            "config.retry.attempts",
            "-1 is out of range; it must be 0 or more",
        ),
        (
            {"retry": {"attempts": 1, "on_status_codes": [99]}},
            "config.retry.on_status_codes[0]",
            "99 is out of range; it must be 100 or more",
        ),
        (
            {"retry": {"attempts": 1, "on_status_codes": [1000]}},
            "config.retry.on_status_codes[0]",
            "1000 is out of range; it must be 999 or less",
        ),
        ({"weight": -0.5}, "config.weight", "-0.5 is out of range; it must be 0 or more"),
        ({"weight": float("nan")}, "config.weight", "nan is not a number that JSON knows"),
        (
            {"request_timeout": -1},
            "config.request_timeout",
            "-1 is out of range; it must be 0 or more",
        ),
        (
            {"stream_idle_timeout": -1},
            "config.stream_idle_timeout",
            "-1 is out of range; it must be 0 or more",
        ),
        (
            {"cache": {"mode": "simple", "max_age": 0}},
            "config.cache.max_age",
            "0 is out of range; it must be more than 0",
        ),
        # null
        ({"retry": None}, "config.retry", "null has no meaning here; leave the field out"),
        (
            {"retry": {"attempts": None}},
            "config.retry.attempts",
            "null has no meaning here; leave the field out",
        ),
        # groups
        (group(), "config.targets", "empty; a strategy needs at least one target"),
        (
            {"targets": [LEAF]},
            "config.strategy",
            "required beside targets, with a mode (single, fallback, loadbalance, conditional)",
        ),
        (
            {"strategy": {"mode": "single"}},
            "config.targets",
            "required beside strategy: a list of at least one target",
        ),
        (
            group(LEAF, {"name": "b"}),
            "config.targets[1].provider",
            "required: a target names a provider or a virtual_key",
        ),
        (
            group(group({})),
            "config.targets[0].targets[0].provider",
            "required: a target names a provider or a virtual_key",
        ),
        (
            group({**LEAF, "weight": 0}, {**LEAF, "weight": 0.0}, mode="loadbalance"),
            "config.targets",
            "all weights are 0, so no target could ever be chosen",
        ),
        (
            group({**LEAF, "weight": 1e308}, {**LEAF, "weight": 10**308}, mode="loadbalance"),
            "config.targets",
            "the weights add up to more than a number can hold",
        ),
        (
            group({**LEAF, "weight": -1}, LEAF, mode="loadbalance"),
            "config.targets[0].weight",
            "-1 is out of range; it must be 0 or more",
        ),
        # circuit breakers
        (
            {"cb_config": {"cooldown_interval": 30000}},
            "config.cb_config.failure_threshold",
            "required: failure_threshold or failure_threshold_percentage",
        ),
        (
            {"cb_config": {"failure_threshold": 0}},
            "config.cb_config.failure_threshold",
            "0 is out of range; it must be 1 or more",
        ),
        (
            {"cb_config": {"failure_threshold_percentage": 101}},
            "config.cb_config.failure_threshold_percentage",
            "101 is out of range; it must be 100 or less",
        ),
        (
            {"cb_config": {"failure_threshold": 1, "minimum_requests": None}},
            "config.cb_config.minimum_requests",
            "null has no meaning here; leave the field out",
        ),
        (
            {"cb_config": {"failure_threshold": 1, "cooldown_interval": 0}},
            "config.cb_config.cooldown_interval",
            "0 is out of range; it must be more than 0",
        ),
        (
            {
                "strategy": {"mode": "fallback", "cb_config": {"failure_threshold": 1}},
                "targets": [LEAF],
                "cb_config": {"failure_threshold": 2},
            },
            "config.cb_config",
            "contradicts strategy.cb_config, which is another spelling of the same field",
        ),
        # sticky sessions
        (
            sticky(hash_fields=[]),
            "config.strategy.sticky_session.hash_fields",
            "empty; it needs at least one item",
        ),
        (
            sticky(ttl=1),
            "config.strategy.sticky_session.hash_fields",
            "required: a list of what to look at, such as 'metadata.user_id'",
        ),
        (
            sticky(hash_fields=["metadata.a", "metdata.user"]),
            "config.strategy.sticky_session.hash_fields[1]",
            "a path begins with 'metadata.' or 'params.', or is 'url.pathname'; did you mean 'metadata.user'?",
        ),
        (
            sticky(hash_fields=["metadata.a"], ttl=0),
            "config.strategy.sticky_session.ttl",
            "0 is out of range; it must be more than 0",
        ),
        # headers
        (
            {"forward_headers": ["x-a", "X-Portkey-Forward-Headers"]},
            "config.forward_headers[1]",
            "x-portkey-forward-headers names headers; it cannot be forwarded itself",
        ),
        (
            {"forward_headers": ["x a"]},
            "config.forward_headers[0]",
            "'x a' is not the name of a header",
        ),
        # conditional routing
        (
            conditional(),
            "config.strategy.conditions",
            'required with mode \'conditional\': a list of at least one {"query": {…}, "then": "name of a target"}',
        ),
        (
            conditional(conditions=[]),
            "config.strategy.conditions",
            'empty; mode \'conditional\' needs a list of at least one {"query": {…}, "then": "name of a target"}',
        ),
        (
            conditional(conditions=[{"query": {}, "then": "chaep"}]),
            "config.strategy.conditions[0].then",
            "'chaep' is not the name of a target here; did you mean 'cheap'? ('cheap', 'good')",
        ),
        (
            conditional(conditions=[{"query": {}, "then": "good"}], default="zzz"),
            "config.strategy.default",
            "'zzz' is not the name of a target here ('cheap', 'good')",
        ),
        (
            {
                "strategy": {"mode": "conditional", "conditions": [{"query": {}, "then": "a"}]},
                "targets": [LEAF],
            },
            "config.strategy.conditions[0].then",
            "'a': none of the targets here has a name",
        ),
        (
            {
                "strategy": {"mode": "conditional", "conditions": [{"query": {}, "then": "a"}]},
                "targets": [{**LEAF, "name": "a"}, {**LEAF, "name": "a"}],
            },
            "config.targets[1].name",
            "'a' is the name of targets[0] too; conditions need different ones",
        ),
        (
            conditional(conditions=[{"then": "good"}]),
            "config.strategy.conditions[0].query",
            "required: an object that says which calls match",
        ),
        (
            conditional(
                conditions=[{"query": {"$or": [{"metadata.a": {"$regx": "x"}}]}, "then": "good"}]
            ),
            "config.strategy.conditions[0].query['$or'][0]['metadata.a']['$regx']",
            "not an operator; did you mean '$regex'? ($eq, $ne, $gt, $gte, $lt, $lte, $in, $nin, $regex)",
        ),
        # both spellings
        (
            {
                "retry": {
                    "attempts": 1,
                    "use_retry_after_header": True,
                    "use_retry_after_headers": False,
                }
            },
            "config.retry.use_retry_after_headers",
            "contradicts use_retry_after_header, which is another spelling of the same field",
        ),
    ],
)
def test_one_problem_gives_one_line(source, path, message):
    assert problems(source) == {path: message}


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "/v1",
        "ftp://example.com",
        "http://",
        "http://:80",
        "//h/x",
        "http://a b/",
        "http://h\n",
        "",
    ],
)
def test_a_host_is_an_absolute_url(host):
    assert (
        "is not an absolute http or https URL"
        in problems({"custom_host": host})["config.custom_host"]
    )


@pytest.mark.parametrize(
    "host",
    [
        "http://user:hunter2@h/v1",
        "http://hunter2@h",
        "http://h/v1?key=hunter2",
        "http://h/#hunter2",
        "http://h:hunter2",
        "http://[hunter2",
    ],
)
def test_a_host_holds_no_credentials_and_shows_none(host):
    message = problems({"custom_host": host})["config.custom_host"]
    assert message.startswith("(value hidden)")
    assert "hunter2" not in message


@pytest.mark.parametrize(
    "host", ["http://127.0.0.1:8080/a", "https://h.example/v1/", "HTTPS://h", "http://[::1]:80"]
)
def test_a_host_may_be_anywhere(host):
    assert load({"custom_host": host}).custom_host == host


def test_all_problems_are_listed_in_the_order_of_the_document():
    source = {
        "strategy": {"mode": "falback"},
        "targets": [
            {"provider": "openai", "weight": "1"},
            {"vendor": "openai", "retry": {"attempts": -1}},
        ],
        "foo": 1,
    }
    with pytest.raises(ConfigError) as caught:
        load(source)
    error = caught.value
    assert error.path == "config.strategy.mode"
    assert [path for path, _ in error.problems] == [
        "config.strategy.mode",
        "config.targets[0].weight",
        "config.targets[1].vendor",
        "config.targets[1].retry.attempts",
        "config.targets[1].provider",
        "config.foo",
    ]
    assert (
        str(error).splitlines()[1]
        == "config.targets[0].weight: '1' is a string, not a number; write it without quotes"
    )


def test_a_misspelt_mode_hides_nothing_of_its_conditions():
    source = conditional(conditions=[{"query": {"a": 1}, "then": "x"}], default="y")
    source["strategy"]["mode"] = "conditonal"
    assert list(problems(source)) == [
        "config.strategy.mode",
        "config.strategy.conditions[0].query.a",
        "config.strategy.conditions[0].then",
        "config.strategy.default",
    ]


@pytest.mark.parametrize("model", ["@slug/gpt", "@a/b/c"])
def test_a_model_that_names_its_provider_is_enough(model):
    named = {"override_params": {"model": model}}
    load(group(named))
    load({**group({}, group({})), **named})


@pytest.mark.parametrize("model", ["gpt", "@slug", "@/gpt", "@slug/", 5])
def test_a_model_of_any_other_form_names_no_provider(model):
    found = problems(group({"override_params": {"model": model}}))
    assert list(found) == ["config.targets[0].provider"]


def test_a_model_of_ones_own_replaces_the_one_handed_down():
    source = {**group({"override_params": {"model": "gpt"}}), "override_params": {"model": "@s/m"}}
    assert list(problems(source)) == ["config.targets[0].provider"]


def test_a_breaker_may_be_written_twice_alike():
    breaker = {"failure_threshold": 1}
    source = {"strategy": {"mode": "fallback", "cb_config": breaker}, "targets": [LEAF]}
    assert load({**source, "cb_config": breaker}).cb_config.failure_threshold == 1


def test_conditional_routing_is_taken():
    rows = [{"query": {"metadata.a": None, "params.n": {"$gt": 1}}, "then": "cheap"}]
    strategy = load(conditional(conditions=rows, default="good")).strategy
    assert strategy.conditions[0].query == rows[0]["query"]
    assert (strategy.conditions[0].then, strategy.default) == ("cheap", "good")


@pytest.mark.parametrize("mode", ["single", "fallback", "loadbalance"])
def test_modes_that_work(mode):
    assert load(group(LEAF, {"virtual_key": "v"}, mode=mode)).strategy.mode == mode


@pytest.mark.parametrize("spelling", ["use_retry_after_header", "use_retry_after_headers"])
def test_both_spellings_of_retry_after(spelling):
    retry = load({"retry": {"attempts": 1, spelling: True}}).retry
    assert retry.use_retry_after_header
    assert retry.model_dump(exclude_unset=True) == {"attempts": 1, "use_retry_after_header": True}


def test_both_spellings_may_agree():
    retry = {"attempts": 1, "use_retry_after_header": True, "use_retry_after_headers": True}
    assert load({"retry": retry}).retry.use_retry_after_header


def test_the_wrong_type_under_the_plural_spelling_is_reported():
    assert list(problems({"retry": {"attempts": 1, "use_retry_after_headers": "yes"}})) == [
        "config.retry.use_retry_after_header"
    ]


@pytest.mark.parametrize("codes", [[], [100, 999], [200, 200]])
def test_status_codes_that_are_fine(codes):
    assert load(
        {"retry": {"attempts": 0, "on_status_codes": codes}}
    ).retry.on_status_codes == tuple(codes)


def test_zero_switches_a_timeout_off():
    config = load({"request_timeout": 0, "stream_idle_timeout": 0})
    assert (config.request_timeout, config.stream_idle_timeout) == (0, 0)


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ({"api_key": 12345678}, "config.api_key"),
        ({"virtual_key": 12345678}, "config.virtual_key"),
        ({"my_token": 12345678, "retry": {"attempts": "password 12345678"}}, "config.my_token"),
        ({"weight": "sk-12345678"}, "config.weight"),
        ({"weight": "Bearer 12345678"}, "config.weight"),
        ({"weight": "0123456789abcdef12345678abcdef01"}, "config.weight"),
        ({"weight": ["12345678"]}, "config.weight"),
        ({"sk-12345678": 1}, "config.(name hidden)"),
        ({"retry": {"attempts": {"api_key": "12345678"}}}, "config.retry.attempts"),
    ],
)
def test_secrets_are_never_quoted(source, path):
    found = problems(source)
    assert path in found
    assert "12345678" not in str(found).replace("password 12345678", "")


def test_strange_field_names_are_quoted_and_cut():
    assert list(problems({"a b": 1})) == ["config['a b']"]
    assert len(next(iter(problems({"x y" * 99: 1})))) < 80


def test_the_error_is_a_value_error_and_survives_pickling():
    with pytest.raises(ValueError, match="foo") as caught:
        load({"foo": 1, "bar": 2})
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.path, again.problems, str(again)) == (
        caught.value.path,
        caught.value.problems,
        str(caught.value),
    )


def test_pydantics_own_error_never_hangs_on_ours():
    with pytest.raises(ConfigError) as caught:
        load({"api_key": ["hunter2"]})
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
