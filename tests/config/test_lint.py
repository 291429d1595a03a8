"""What a config is told that is right and may still surprise."""

import pytest

from portkey_local.config import Config, load
from portkey_local.config.lint import lint

pytestmark = pytest.mark.filterwarnings("ignore::portkey_local.errors.ConfigWarning")

A, B = {"provider": "a"}, {"provider": "b"}
TIMED = {**A, "request_timeout": 2000}
RETRIED = {**A, "retry": {"attempts": 2}}
BREAKER = {"failure_threshold": 3}
CHECK = {"default.contains": {}}


def group(mode, *targets, **strategy):
    return {"strategy": {"mode": mode, **strategy}, "targets": list(targets)}


def routed(*conditions, **strategy):
    rows = [{"query": query, "then": then} for query, then in conditions]
    targets = [{**A, "name": "a"}, {**B, "name": "b"}]
    return group("conditional", *targets, conditions=rows, **strategy)


def advice(source):
    return dict(lint(load(source)))


@pytest.mark.parametrize(
    ("source", "path", "words"),
    [
        # time limits
        (
            group("fallback", A, {**TIMED, "provider": "b"}, on_status_codes=[429]),
            "config.strategy.on_status_codes",
            "a request_timeout at config.targets[1] ends the call; add 408",
        ),
        (
            {**group("fallback", A, B, on_status_codes=[429]), "request_timeout": 5000},
            "config.strategy.on_status_codes",
            "a request_timeout at config.targets[0]",
        ),
        (
            group("fallback", A, B, on_status_codes=[429]),
            "config.strategy.on_status_codes",
            "leaves out 408, which a time limit counts as",
        ),
        # multiplied attempts
        (
            {**group("fallback", A, B), "retry": {"attempts": 2}},
            "config.strategy",
            "one call may make 6 attempts",
        ),
        (
            group("fallback", RETRIED, group("fallback", RETRIED, RETRIED)),
            "config.strategy",
            "9 attempts, because each target is retried before the next is asked; config.targets[0] and config.targets[1].targets[0] even ask the same host",
        ),
        (
            group("fallback", group("loadbalance", A, RETRIED), {**B, "retry": {"attempts": 4}}),
            "config.strategy",
            "8 attempts",
        ),
        (
            group("fallback", {**A, "retry": {"attempts": 1}}, {**B, "retry": {"attempts": 1}}),
            "config.strategy",
            "4 attempts",
        ),
        # semantic caches
        (
            {**A, "cache": "semantic", "override_params": {"tools": [{}]}},
            "config.cache",
            "no similar question is ever looked for: config overrides (tools)",
        ),
        (
            {**group("fallback", A, {**B, "override_params": {"n": 2}}), "cache": "semantic"},
            "config.cache",
            "config.targets[1] overrides (several answers)",
        ),
        (
            {**A, "cache": {"mode": "semantic", "min_similarity": 0.6}},
            "config.cache.min_similarity",
            "the profiles ask for more",
        ),
        (
            {**A, "cache": {"mode": "semantic", "shadow": True, "sample": 0.1}},
            "config.cache.shadow",
            "nothing is sampled or proven",
        ),
        # never asked, never read, never checked
        (group("single", A, B), "config.targets[1]", "mode 'single' asks the first target only"),
        (
            group("fallback", A, B, on_status_codes=[]),
            "config.strategy.on_status_codes",
            "only the first target is ever asked",
        ),
        (
            routed(({}, "a"), ({"metadata.x": 1}, "b")),
            "config.strategy.conditions[1]",
            "conditions[0] has an empty query",
        ),
        (
            routed(({"metadata.x": 1}, "a"), ({"metadata.x": 1}, "b"), default="a"),
            "config.strategy.conditions[1]",
            "conditions[0] has the same query",
        ),
        (
            routed(({"metadata.x": 1}, "a"), ({"metadata.x": 1}, "b"), default="a"),
            "config.targets[1]",
            "no condition that is looked at",
        ),
        (routed(({}, "a"), default="b"), "config.strategy.default", "an empty query"),
        (routed(({}, "a"), default="b"), "config.targets[1]", "no condition that is looked at"),
        (
            routed(({"metadata.x": 1}, "a"), default="a"),
            "config.targets[1]",
            "no condition that is looked at names it",
        ),
        (
            group("loadbalance", A, {**B, "weight": 0}),
            "config.targets[1].weight",
            "0, so this target is never chosen",
        ),
        (group("fallback", A, {**B, "weight": 2}), "config.targets[1].weight", "no effect"),
        ({**A, "weight": 1}, "config.weight", "no effect"),
        (
            {**group("fallback", A, B), "output_guardrails": [CHECK]},
            "config.output_guardrails[0]",
            "streams pass unchecked",
        ),
        # circuit breakers
        ({**A, "cb_config": BREAKER}, "config.cb_config", "there is no other target to ask"),
        (
            group("fallback", {**A, "cb_config": BREAKER}),
            "config.targets[0].cb_config",
            "no other target",
        ),
        (group("single", A, cb_config=BREAKER), "config.strategy.cb_config", "no other target"),
        (
            {**routed(({}, "a"), ({}, "b")), "cb_config": BREAKER},
            "config.cb_config",
            "conditions alone choose its calls",
        ),
        (
            group("fallback", A, B, cb_config={"failure_threshold_percentage": 50}),
            "config.strategy.cb_config.failure_threshold_percentage",
            "one failure is 100 %",
        ),
        (
            group("fallback", A, B, cb_config={**BREAKER, "cooldown_interval": 5000}),
            "config.strategy.cb_config.cooldown_interval",
            "5000 is taken as written here",
        ),
        (
            group("fallback", A, B, cb_config={**BREAKER, "cooldown_interval": 30}),
            "config.strategy.cb_config.cooldown_interval",
            "30 looks like seconds",
        ),
        (
            {
                **group("fallback", TIMED, B),
                "cb_config": {**BREAKER, "failure_status_codes": [500]},
            },
            "config.cb_config.failure_status_codes",
            "timeouts are not counted as failures (request_timeout at config.targets[0])",
        ),
        # units
        ({**A, "request_timeout": 900_000}, "config.request_timeout", "15 minutes"),
        (
            group(
                "loadbalance", A, B, sticky_session={"hash_fields": ["metadata.u"], "ttl": 3.6e6}
            ),
            "config.strategy.sticky_session.ttl",
            "3600000 looks like milliseconds",
        ),
    ],
)
def test_what_may_surprise_is_said(source, path, words):
    """Each surprise is said at the place that would have to change."""
    found = advice(source)
    assert path in found
    assert words in found[path]


@pytest.mark.parametrize(
    "source",
    [
        A,
        TIMED,
        {**A, "retry": {"attempts": 9}},
        group("fallback", TIMED, B),
        group("fallback", TIMED, B, on_status_codes=[408, 429]),
        group("fallback", RETRIED, B),
        group("loadbalance", {**A, "weight": 2}, {**B, "weight": 1}),
        group("fallback", A, B, cb_config={**BREAKER, "failure_threshold_percentage": 50, "minimum_requests": 5}),
        group("fallback", TIMED, B, cb_config={**BREAKER, "failure_status_codes": [408, 500]}),
        {**A, "output_guardrails": [{**CHECK, "on_stream": "buffer"}, {**CHECK, "async": True}]},
        routed(({"metadata.x": 1}, "a"), default="b"),
        routed(({"metadata.x": 1}, "a"), ({}, "b")),
    ],
)  # fmt: skip
def test_a_plain_config_is_told_nothing(source):
    """No advice for what does as it reads."""
    assert advice(source) == {}


def test_retries_of_other_statuses_do_not_multiply():
    """A retry multiplies only where the fallback would move on for the same statuses."""
    retry = {"attempts": 5, "on_status_codes": [409]}
    source = group("fallback", {**A, "retry": retry}, B, on_status_codes=[408, 429])
    assert advice(source) == {}


@pytest.mark.parametrize(
    "source",
    [
        {"cache": {"mode": "simple"}},
        {"cache": {"mode": "simple", "max_age": 10**8}},
        {"cache": {"mode": "simple", "stale_if_error": 10**8}},
    ],
)
def test_a_cache_is_asked_for_its_temperature_and_its_unit(source):
    """Answers that should vary are kept, and an age may be in the wrong unit."""
    config = Config.model_validate({**A, **source, "override_params": {"temperature": 0.7}})
    found = dict(lint(config))
    assert "variety (temperature 0.7)" in found["config.cache"]
    for name in ("max_age", "stale_if_error"):
        assert (f"config.cache.{name}" in found) is (name in source["cache"])


def test_one_surprise_is_said_once():
    """A guardrail that four targets inherit is one piece of advice."""
    source = {**group("fallback", A, B, A, B), "output_guardrails": [CHECK]}
    assert [path for path, _ in lint(load(source))] == ["config.output_guardrails[0]"]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("/v1/responses", True),
        ({"$in": ["/v1/responses", "/v1/images/generations"]}, True),
        ({"$eq": "/v1/chat/completions"}, False),
        ({"$in": ["/v1/responses", "/v1/chat/completions"]}, False),
        ({"$regex": "responses"}, False),
        (None, False),
    ],
    ids=str,
)
def test_a_guardrail_on_an_endpoint_it_does_not_run_on(condition, told):
    """A branch that only other endpoints come to leaves its guardrails idle."""
    query = {"metadata.x": 1} if condition is None else {"url.pathname": condition}
    strategy = {
        "mode": "conditional",
        "conditions": [{"query": query, "then": "a"}],
        "default": "b",
    }
    guarded = {**A, "name": "a", "input_guardrails": [CHECK]}
    found = dict(lint(load({"strategy": strategy, "targets": [guarded, {**B, "name": "b"}]})))
    place = "config.targets[0].input_guardrails[0]"
    assert ("not run on" in found.get(place, "")) is told


def test_the_endpoint_may_be_told():
    """Who knows the endpoint learns which hooks do not run there."""
    config = load({**A, "input_guardrails": [CHECK], "output_guardrails": [CHECK]})
    both = dict(lint(config, endpoint="/responses"))
    after = dict(lint(config, endpoint="/embeddings"))
    assert "not run on /responses" in both["config.input_guardrails[0]"]
    assert "config.input_guardrails[0]" not in after
    told = [text for path, text in lint(config, endpoint="/embeddings") if "output" in path]
    assert any("not run on /embeddings" in text for text in told)
