"""Weathers: what files may say, what they may not, and that presets are what they are cited for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st
from tests.bench.worlds import NO_TIME, fallback, quick, weather, workload

from portkey_local.bench import BenchError, run, weather_of
from portkey_local.bench.chance import key_of, uniform
from portkey_local.bench.prices import rate_of
from portkey_local.bench.standins import provider_in
from portkey_local.bench.weather.limits import BucketState, ServersState
from portkey_local.bench.weather.models import Distribution
from portkey_local.bench.weather.presets import PER_TOKEN, PRESETS, TTFT
from portkey_local.bench.weather.sampling import sampler
from portkey_local.errors import ConfigError

OPENAI = {"provider": "openai"}
DOWN = {"errors": {"503": 1}}
TURNS = {"up": {"mean_seconds": 5}, "down": {"mean_seconds": 5, "errors": {"503": 1}}}


def quantiles(distribution: Distribution, *at: float) -> list[float]:
    """Return quantiles of many values of a distribution."""
    draw = sampler(distribution)
    drawn = [draw(key_of(1, "test"), number) for number in range(25_000)]
    return [float(q) for q in np.quantile(drawn, at)]


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("openai", (0.536, 0.844, 4.461)),
        ("anthropic", (0.541, 1.591, 4.117)),
        ("google", (0.477, 0.776, 1.309)),
    ],
)
def test_presets_have_the_percentiles_they_cite(name, published):
    """Times to first token have the published p50, p95 and p99, within 8 %."""
    assert quantiles(TTFT[name], 0.5, 0.95, 0.99) == pytest.approx(published, rel=0.08)


def test_tokens_come_at_the_pace_the_presets_cite():
    """Times per token have the published p50, p90, p95 and p99, within 4 %."""
    published = (0.0153, 0.0177, 0.0193, 0.0230)
    assert quantiles(PER_TOKEN, 0.5, 0.9, 0.95, 0.99) == pytest.approx(published, rel=0.04)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_runs(name):
    """Each preset answers most calls of two providers, and does what its name says."""
    result = run(fallback("openai", "anthropic"), workload(300, rate=1), name, seed=1)
    assert result.weather == name
    assert result.calls.succeeded.mean() > 0.85
    assert result.warnings == () or "anthropic" in result.warnings[0]


def test_a_sample_is_read_as_its_quantiles():
    """Values between those of a sample come, and none outside."""
    low, middle, high = quantiles(Distribution(sample=(1.0, 2.0, 4.0)), 0.0, 0.5, 1.0)
    assert 1.0 <= low < 1.01
    assert middle == pytest.approx(2.0, abs=0.05)
    assert 3.99 < high <= 4.0


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("strmy", "did you mean 'stormy'"),
        ("nothing-like-it", "give a JSON file, an event log (.jsonl) or one of calm"),
        ({"providers": {"opennai": {}}}, "no such provider; did you mean 'openai'?"),
        ({"providers": {"*": {}, "config.target[0]": {}}}, "did you mean a place such as"),
        ({"provider": {}}, "'provider' is unknown; did you mean 'providers'?"),
        ({"providers": {"*": {"latncy": {}}}}, "did you mean 'latency'?"),
        ({"providers": {"*": {"latency": {"ttft": {}}}}}, "give one of lognormal, sample"),
        ({"providers": {"*": {"regimes": {"a": {"errors": {"200": 1}}}}}}, "neither a status"),
        (
            {"providers": {"*": {"regimes": {"a": {"errors": {"500": 0.6, "503": 0.6}}}}}},
            "add up to more than 1",
        ),
        (
            {"providers": {"*": {"regimes": {"calm": {"next": {"clam": 1}}}}}},
            "'clam' is none of the regimes; did you mean 'calm'?",
        ),
        ({"providers": {"*": {"schedule": [[5, "calm"]]}}}, "times begin at 0"),
        (
            {"providers": {"*": {"limits": {"share_of_load": 1, "requests_per_minute": 5}}}},
            "not both",
        ),
        ({"providers": {"*": {"script": [{}], "limits": {}}}}, "a script says all"),
        ({"providers": {"*": {"script": [{"staus": 500}]}}}, "did you mean 'status'?"),
    ],
)
def test_what_is_wrong_with_a_weather_is_said(told, said):
    """Every mistake names its place and the name that was probably meant."""
    with pytest.raises(BenchError) as caught:
        weather_of(told)
    assert said in str(caught.value)


def test_a_file_says_where_it_is_no_json(tmp_path):
    """A weather file that cannot be parsed is named with its line and column."""
    path = tmp_path / "sky.json"
    path.write_text('{"providers":\n  oops}')
    with pytest.raises(BenchError, match=r"sky\.json: is not JSON at line 2, column 3"):
        weather_of(path)
    with pytest.raises(BenchError, match=r"gone\.json: no such file"):
        weather_of(tmp_path / "gone.json")


def test_a_file_may_name_targets_by_place_model_and_provider(tmp_path):
    """The name that says most of a target counts."""
    sky = {
        name: {"script": [{"status": status}]}
        for name, status in {
            "config.targets[1]": 500,
            "openai/gpt-4o": 501,
            "openai": 502,
            "*": 503,
        }.items()
    }
    path = tmp_path / "sky.json"
    path.write_text(json.dumps({"providers": {**sky, "cohere": {}}}))
    targets = [
        {**OPENAI, "override_params": {"model": "gpt-4o"}},
        OPENAI,
        OPENAI,
        {"provider": "groq"},
        {"provider": "cohere"},
    ]
    result = run({"strategy": {"mode": "fallback"}, "targets": targets}, workload(1), path)
    assert result.attempts.status[:4].tolist() == [501, 500, 502, 503]
    assert result.calls.succeeded.all()


WEBHOOK = {"default.webhook": {"webhookURL": "https://a.test"}, "deny": True}


@pytest.mark.parametrize(
    ("config", "sky", "said"),
    [
        (OPENAI, quick(errors={"503": 0.7, "network": 0.3}), r"config \(openai/gpt-4o-mini\)"),
        (OPENAI, weather([{"status": 500}, {"fault": "silence"}]), "no target ever answers"),
        (
            fallback("openai", "groq"),
            weather(regimes={"a": {}, "b": {"errors": {"500": 1}, "next": {"b": 1}}}, start="b"),
            r"config.targets\[0\] \(openai/gpt-4o-mini\), config.targets\[1\]",
        ),
        ({}, "calm", "No target"),
        (OPENAI, weather(latency={"ttft": NO_TIME}, regimes={"a": DOWN}), "no target ever answers"),
        ({**OPENAI, "request_timeout": 999}, quick(), r"before its time limit .* config \(openai"),
        (fallback("openai", "groq", request_timeout=900), quick(slower=2), r"config.targets\[1\]"),
        (
            {**OPENAI, "request_timeout": 5000},
            weather(latency={"ttft": {"sample": [7, 6]}}),
            "before its time limit",
        ),
        (
            {
                "strategy": {
                    "mode": "conditional",
                    "conditions": [{"query": {"metadata.plan": "pro"}, "then": "a"}],
                },
                "targets": [{**OPENAI, "name": "a"}],
            },
            "calm",
            "did not resolve to any valid target",
        ),
        (OPENAI, {"providers": {"groq": {}}}, "says nothing of openai/gpt-4o-mini"),
        ({**OPENAI, "input_guardrails": [WEBHOOK]}, "calm", "denies every call: it asks a webhook"),
        (
            {**OPENAI, "input_guardrails": [{"jwt": {"jwksUri": "https://a.test"}, "deny": True}]},
            "calm",
            "denies every call: it asks for a token",
        ),
        (
            {
                "strategy": {"mode": "fallback", "on_status_codes": [429]},
                "targets": [{"provider": "groq"}, OPENAI],
            },
            {"providers": {"groq": {"regimes": {"a": DOWN}}, "openai": {}}},
            r"config.targets\[1\] is never asked .* \(429\) hold none .* can fail \(408, 503\)",
        ),
    ],
)
def test_a_config_that_can_never_succeed_is_refused_before_it_runs(config, sky, said):
    """Why no call can succeed is said at once, without a single attempt."""
    with pytest.raises(BenchError, match=said):
        run(config, workload(5000), sky)


@pytest.mark.parametrize(
    ("first", "codes", "stream", "said"),
    [
        ({"input_guardrails": [WEBHOOK]}, None, True, "config.targets[0]: default.webhook at"),
        ({"output_guardrails": [WEBHOOK]}, None, False, "config.targets[0]: default.webhook at"),
        ({"output_guardrails": [WEBHOOK]}, None, True, None),  # a stream passes it by
        ({"input_guardrails": [{**WEBHOOK, "deny": False}]}, None, True, None),
        ({}, [418], True, "config.targets[1] is never asked in this weather"),
        ({}, [418, 429], True, None),
        ({}, [500], True, None),
        ({}, [408], True, None),
        ({"input_guardrails": [WEBHOOK]}, [446], True, "config.targets[0]: default.webhook at"),
    ],
)
def test_what_is_of_no_use_in_a_weather_is_said(first, codes, stream, said):
    """A target that can answer nobody, or that nobody ever asks, is in the warnings."""
    strategy = {"mode": "fallback"} | ({} if codes is None else {"on_status_codes": codes})
    config = {"strategy": strategy, "targets": [{**OPENAI, **first}, {"provider": "groq"}]}
    result = run(config, {**workload(3), "stream": stream}, "rate-limited")
    found = [line for line in result.warnings if "no price" not in line]
    assert len(found) == (said is not None)
    assert all(line.startswith(said or "") for line in found)


def test_a_time_limit_that_one_target_keeps_is_no_reason_to_refuse():
    """Only where no attempt can be in time does a run say so before it begins."""
    targets = [{**OPENAI, "request_timeout": 900}, {"provider": "groq", "request_timeout": 1000}]
    config = {"strategy": {"mode": "fallback"}, "targets": targets}
    assert run(config, workload(3), quick()).calls.succeeded.all()


def test_a_config_with_weights_of_nothing_is_refused():
    """What compiling refuses, the bench refuses."""
    group = {"strategy": {"mode": "loadbalance"}, "targets": [{**OPENAI, "weight": 0}]}
    with pytest.raises(ConfigError, match="all weights are 0"):
        run(group, workload(1), "calm")


@pytest.mark.parametrize(
    "provider", ["openai", "azure-openai", "azure-ai", "bedrock", "vertex-ai", "google", "cohere"]
)
def test_no_provider_needs_a_key(provider):
    """Every vendor can be benched on a machine that has no account with it."""
    assert run({"provider": provider}, workload(3), quick()).calls.succeeded.all()


def test_a_virtual_key_need_not_be_known():
    """Its name's beginning tells the provider; else it is one of its own, and that is said."""
    targets = [{"virtual_key": name} for name in ("openai-prod", "@", "vk-a", "vk-b")]
    targets[1] = {"provider": "@anthropic-eu"}
    result = run(
        {"strategy": {"mode": "fallback"}, "targets": targets}, workload(50), "blackout", seed=1
    )
    assert [name.provider for name in result.targets] == ["openai", "anthropic", "openai", "openai"]
    assert "config.targets[2]: virtual key 'vk-a' is unknown" in result.warnings[0]
    result = run(
        {"strategy": {"mode": "fallback"}, "targets": targets[2:]},
        workload(3000, rate=5),
        "blackout",
    )
    own = [result.regimes.start_s[result.regimes.target == place].tolist() for place in (0, 1)]
    assert own[0] != own[1]
    assert provider_in("azure-openai-x") == "azure-openai"


def test_models_of_one_provider_share_its_weather():
    """A provider that is down is down for all its models, unless the weather says otherwise."""
    models = ("gpt-4o", "gpt-4o-mini")
    targets = [{**OPENAI, "override_params": {"model": model}} for model in models]
    config = {"strategy": {"mode": "fallback"}, "targets": targets}
    apart = weather_of({"providers": {f"openai/{m}": {"regimes": TURNS} for m in models}})
    for sky, alike in (({"providers": {"*": {"regimes": TURNS}}}, True), (apart, False)):
        regimes = run(config, workload(500), sky, seed=1).regimes
        one, other = (regimes.start_s[regimes.target == place].tolist() for place in (0, 1))
        assert (one == other) == alike


def test_a_model_without_a_price_costs_nothing_and_is_named():
    """Prices are genai-prices' own, or the user's; a model that has none is in the warnings."""
    known = run(OPENAI, workload(10), quick())
    assert known.warnings == ()
    assert known.calls.cost_usd.sum() == pytest.approx(10 * (100 * 0.15e-6 + 11 * 0.6e-6), rel=0.01)
    unknown = run(OPENAI, {**workload(10), "model": "my-own"}, quick())
    assert unknown.calls.cost_usd.sum() == 0
    assert "no price is known for openai/my-own" in unknown.warnings[0]
    sky = quick()
    sky["providers"]["*"]["price"] = {"input_per_million": 1, "output_per_million": 2}
    own = run(OPENAI, {**workload(10), "model": "my-own"}, sky)
    assert own.warnings == ()
    assert own.calls.cost_usd.sum() == pytest.approx(10 * (100e-6 + 22e-6))


def test_prices_are_found_under_our_names_of_providers():
    """Providers whose id differs in the price list are translated."""
    for provider, model in (("mistral-ai", "mistral-large-latest"), ("x-ai", "grok-3")):
        assert rate_of(provider, model) is not None
    assert rate_of("triton", "gpt-4o") is None


def test_a_fee_for_each_request_is_no_price_of_tokens():
    """Where a request costs something by itself, that is paid once, whatever its size."""
    rate = rate_of("perplexity-ai", "sonar")
    assert rate is not None
    assert rate.prompt == pytest.approx(1e-6)
    assert rate.cost(100, 100) == pytest.approx(rate.request + 200e-6)
    assert rate.request > 0.001
    plain = rate_of("openai", "gpt-4o-mini")
    assert plain is not None
    assert plain.request == 0


# --- limits


@given(st.floats(1, 1000), st.floats(0.5, 60), st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_a_bucket_never_gives_more_than_it_got(per_minute, burst, gaps):
    """What passes until any moment is the first fill and what has come since, at most."""
    bucket = BucketState(per_minute, burst)
    now, passed = 0.0, 0
    for gap in gaps:
        now += gap
        wait = bucket.missing(1.0, now)
        if wait <= 0:
            bucket.take(1.0)
            passed += 1
        else:
            copy = BucketState(per_minute, burst)
            copy._held, copy._at = bucket._held, bucket._at
            assert copy.missing(1.0, now + wait + 1e-6) <= 1e-6
        assert passed <= bucket.capacity + per_minute / 60 * now + 1e-6


@given(st.integers(1, 3), st.lists(st.tuples(st.floats(0, 2), st.floats(0, 3)), max_size=40))
def test_servers_are_taken_first_come_first_served(count, customers):
    """Waits are those of a queue that is simulated step by step."""
    servers, free = ServersState(count), [0.0] * count
    now = 0.0
    for gap, service in customers:
        now += gap
        free.sort()
        begin = max(now, free[0])
        free[0] = begin + service
        assert servers.enter(now, service, 1e9) == pytest.approx(begin - now)


def test_who_hangs_up_in_the_line_takes_no_server():
    """A customer who leaves before his turn holds up nobody."""
    servers = ServersState(1)
    assert servers.enter(0.0, 10.0, 100.0) == 0.0
    assert servers.enter(1.0, 10.0, 5.0) == float("inf")
    assert servers.enter(2.0, 10.0, 100.0) == 8.0
    assert servers.enter(3.0, 10.0, 18.0) == 17.0
    assert servers.enter(4.0, 1.0, 100.0) == 17.0  # the one before left his server at 21


def test_a_provider_slows_down_under_load():
    """Each call in flight above the mark makes the next ones slower."""
    latency = {
        "ttft": {"constant": 1.0},
        "per_token": {"constant": 0.0},
        "slowdown": {"above": 5, "per_call": 0.1},
    }
    calm = run(OPENAI, workload(300, rate=2), weather(latency=latency)).calls
    busy = run(OPENAI, workload(300, rate=20), weather(latency=latency)).calls
    assert np.median(calm.total_s) == 1.0
    assert np.median(busy.total_s) > 2.0


@given(st.floats(0.001, 100), st.floats(0, 2))
def test_a_lognormal_has_its_median(median, sigma):
    """Half of a lognormal's values lie below its median."""
    draw = sampler(Distribution.model_validate({"lognormal": [{"median": median, "sigma": sigma}]}))
    for position in range(20):
        below = uniform(9, position) < 0.5
        assert (draw(9, position) <= median) == below or sigma < 1e-9
