"""From a config to a router: the order law, inheritance, targets, and what is refused."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from portkey_local.compile import Compiled, Nowhere, compile_config
from portkey_local.credentials import Vault
from portkey_local.drivers.simulated import Simulation
from portkey_local.effects import Send
from portkey_local.errors import ConfigError, ConfigWarning
from portkey_local.model import Call, Failure, Fault, Packet, Request, Target
from portkey_local.policies.retry import DEFAULT_STATUS_CODES, Retry
from portkey_local.policies.timeout import Timeout
from portkey_local.strategies.fallback import Fallback
from portkey_local.strategies.loadbalance import LoadBalance
from portkey_local.strategies.single import Single

A = {"provider": "openai", "api_key": "sk-a"}
B = {"provider": "groq", "api_key": "gsk-b"}
EMPTY_VAULT = Vault(environment={})


def compiled(config: Any, **options: Any) -> Compiled:
    return compile_config(config, vault=options.pop("vault", EMPTY_VAULT), **options)


def group(mode: str, *targets: Any, strategy: Any = None, **fields: Any) -> dict[str, Any]:
    return {"strategy": {"mode": mode, **(strategy or {})}, "targets": list(targets), **fields}


def call(body: Any = None, path: str = "/chat/completions") -> Call:
    body = {"model": "m", "messages": []} if body is None else body
    return Call(Request("POST", path, body), float("inf"), lambda: 0.0, random.Random(0))


def routed(router: Any, this: Call) -> Any:
    """Return a route's first effect, or its outcome when it asks for nothing."""
    try:
        return next(router.route(this))
    except StopIteration as stop:
        return stop.value


# --- the order law


def test_a_plain_target_is_a_single():
    """A config without policies is one leaf."""
    assert isinstance(compiled(A).root, Single)


def test_the_order_law():
    """Around a target, outside-in: retry, then timeout, then the target."""
    root = compiled({**A, "retry": {"attempts": 2}, "request_timeout": 1500}).root
    assert isinstance(root, Retry)
    assert isinstance(root.inner, Timeout)
    assert root.inner.seconds == 1.5
    assert isinstance(root.inner.inner, Single)


def test_policies_of_a_group_act_on_each_target():
    """A group's retry and timeout are its leaves', and never wrap the strategy."""
    root = compiled(group("fallback", A, B, retry={"attempts": 1}, request_timeout=500)).root
    assert isinstance(root, Fallback)
    assert all(isinstance(leaf, Retry) for leaf in root.targets)
    assert all(isinstance(leaf.inner, Timeout) for leaf in root.targets)


def test_attempts_are_calls_after_the_first():
    """`attempts: 2` is three calls at most, by the default codes unless some are given."""
    root = compiled({**A, "retry": {"attempts": 2}}).root
    assert root.stop.max_attempt_number == 3
    assert root.on_status_codes == DEFAULT_STATUS_CODES
    assert root.use_retry_after is False
    given = {"attempts": 1, "on_status_codes": [], "use_retry_after_headers": True}
    root = compiled({**A, "retry": given}).root
    assert root.on_status_codes == frozenset()
    assert root.use_retry_after is True


@pytest.mark.parametrize("off", [{"retry": {"attempts": 0}}, {"request_timeout": 0}])
def test_zero_is_off(off):
    """No attempts and no milliseconds make no policy."""
    assert isinstance(compiled({**A, **off}).root, Single)


def test_a_child_turns_its_parents_policy_off():
    """A target's own zero beats what its group says."""
    config = group("fallback", {**A, "retry": {"attempts": 0}}, B, retry={"attempts": 3})
    first, second = compiled(config).root.targets
    assert isinstance(first, Single)
    assert isinstance(second, Retry)


def test_a_childs_retry_replaces_its_parents_whole():
    """No field of the group's retry is mixed into the target's own."""
    parent = {"attempts": 3, "on_status_codes": [418], "use_retry_after_header": True}
    config = group("fallback", {**A, "retry": {"attempts": 1}}, retry=parent)
    (leaf,) = compiled(config).root.targets
    assert leaf.on_status_codes == DEFAULT_STATUS_CODES
    assert leaf.use_retry_after is False


# --- strategies


def test_single_takes_the_first_target():
    """`single` asks its first target; the others are compiled, so that they are checked."""
    made = compiled(group("single", A, B))
    assert [target.path for target in made.targets] == ["config.targets[0]"]
    assert isinstance(made.root, Single)
    with pytest.raises(ConfigError):
        compiled(group("single", A, {"provider": "nope", "api_key": "k"}))


def test_fallback_codes():
    """Absent codes are None, an empty list is an empty set."""
    assert compiled(group("fallback", A)).root.on_status_codes is None
    empty = compiled(group("fallback", A, strategy={"on_status_codes": []}))
    assert empty.root.on_status_codes == frozenset()
    some = compiled(group("fallback", A, strategy={"on_status_codes": [429, 429]}))
    assert some.root.on_status_codes == frozenset({429})


def test_weights():
    """A missing weight is 1; a weight of 0 makes a target that no call can reach."""
    made = compiled(group("loadbalance", {**A, "weight": 0}, B, {**A, "weight": 2.5}))
    assert isinstance(made.root, LoadBalance)
    assert made.root.weights == (0.0, 1.0, 2.5)
    assert [target.path for target in made.targets] == ["config.targets[1]", "config.targets[2]"]


def test_paths_are_the_configs_own():
    """Each leaf knows its place, to any depth."""
    config = group("fallback", group("loadbalance", A, group("single", B)), A)
    paths = [target.path for target in compiled(config).targets]
    assert paths == [
        "config.targets[0].targets[0]",
        "config.targets[0].targets[1].targets[0]",
        "config.targets[1]",
    ]


# --- targets


def only(config: Any, **options: Any) -> Target:
    (target,) = compiled(config, **options).targets
    return target


def test_a_target_signs_in_as_its_provider_does():
    """The key goes into the provider's own header, and is remembered as a secret."""
    target = only(A)
    assert target.headers["authorization"] == "Bearer sk-a"
    assert target.secrets == ()  # too short to be a secret, or to be found in a text safely
    assert only({**A, "api_key": "sk-long-enough"}).secrets == ("sk-long-enough",)
    azure = only(
        {"provider": "azure-openai", "api_key": "k1", "custom_host": "https://x.example/openai/v1"}
    )
    assert azure.headers == {"api-key": "k1"}


def test_where_a_target_is():
    """The provider's own host, or the custom one without its last slash."""
    assert only(A).url == "https://api.openai.com/v1"
    assert only({**A, "custom_host": "http://127.0.0.1:1/x/"}).url == "http://127.0.0.1:1/x"


def test_a_provider_without_a_host_must_be_given_one():
    """A provider whose host is the user's own names the field that is missing."""
    with pytest.raises(ConfigError) as caught:
        compiled({"provider": "azure-openai", "api_key": "k"})
    assert caught.value.path == "config.custom_host"


def test_organisation_headers():
    """OpenAI's organisation, project and beta fields are headers."""
    fields = {"openai_organization": "o", "openai_project": "p"}
    headers = only({**A, **fields}).headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("o", "p")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [({}, 60.0), ({"stream_idle_timeout": 1500}, 1.5), ({"stream_idle_timeout": 0}, float("inf"))],
)
def test_the_gap_between_events(given, seconds):
    """`stream_idle_timeout` is in milliseconds, a minute by default, and 0 is none."""
    assert only({**A, **given}).idle_timeout == seconds


def test_overrides_are_merged_shallowly_on_the_way_down():
    """A target's parameters beat its group's, name by name."""
    leaf = {**A, "override_params": {"model": "x", "metadata": {"a": 1}}}
    config = group(
        "fallback", leaf, override_params={"model": "root", "metadata": {"b": 2}, "seed": 1}
    )
    assert dict(only(config).override) == {"model": "x", "metadata": {"a": 1}, "seed": 1}


# --- a model must be named


def test_a_call_without_a_model_goes_nowhere():
    """Nobody is asked when a reachable target would need a model that nobody named."""
    outcome = routed(compiled(A), call({"messages": []}))
    assert isinstance(outcome, Failure)
    assert (outcome.fault, outcome.status, outcome.target) == (Fault.ROUTING, 400, None)


def test_targets_may_bring_the_model():
    """When every target that can be reached brings a model, the call needs none."""
    with_model = {**A, "override_params": {"model": "x"}}
    assert isinstance(routed(compiled(group("fallback", with_model, with_model)), call({})), Send)
    assert isinstance(routed(compiled(group("fallback", with_model, A)), call({})), Failure)
    unreached = group("loadbalance", with_model, {**A, "weight": 0})
    assert isinstance(routed(compiled(unreached), call({})), Send)


def test_other_endpoints_need_no_model():
    """Only chats, completions and embeddings are held up for a model."""
    assert isinstance(routed(compiled(A), call({"input": "x"}, "/moderations")), Send)


# --- defaults and overrides of the client


def test_no_config_and_no_provider_is_nowhere():
    """A client that was told no target can be made; its calls fail, and say what to do."""
    made = compiled(None)
    assert isinstance(made.root, Nowhere)
    outcome = routed(made, call())
    assert outcome.status == 400
    assert "provider=" in outcome.message


def test_defaults_make_a_target():
    """The client's provider and key are a config of their own."""
    target = only(None, defaults={"provider": "openai", "api_key": "sk-d"})
    assert target.headers["authorization"] == "Bearer sk-d"


def test_defaults_fill_a_config_without_a_target():
    """A config that only sets policies takes the client's provider."""
    made = compiled({"retry": {"attempts": 1}}, defaults=A)
    assert isinstance(made.root, Retry)
    assert made.targets[0].provider == "openai"


def test_a_configs_own_targets_beat_the_clients():
    """A provider beside a config that names its own is ignored, with a warning."""
    with pytest.warns(ConfigWarning, match="ignored"):
        target = only(B, defaults={"provider": "openai"})
    assert target.provider == "groq"


def test_overrides_beat_every_target():
    """The client's own time limit and host hold at every leaf, own fields or not."""
    config = group("fallback", {**A, "request_timeout": 9000}, B)
    beating = {"request_timeout": 2000.0, "custom_host": "http://127.0.0.1:1"}
    made = compiled(config, overrides=beating)
    assert [leaf.seconds for leaf in made.root.targets] == [2.0, 2.0]
    assert {target.url for target in made.targets} == {"http://127.0.0.1:1"}


# --- refusals


def test_every_missing_key_is_named():
    """All targets without a key are told in one go, each with its variable."""
    with pytest.raises(ConfigError) as caught:
        compiled(group("fallback", {"provider": "openai"}, {"provider": "groq"}))
    assert [path for path, _ in caught.value.problems] == [
        "config.targets[0].provider",
        "config.targets[1].provider",
    ]
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "GROQ_API_KEY" in str(caught.value)


@pytest.mark.parametrize("how", ["config", "defaults"])
@pytest.mark.parametrize("provider", ["nope", "opnai", "palm"])
def test_unknown_providers_are_refused_with_and_without_a_key(provider, how):
    """An unknown provider, and one that is not spoken, is a ConfigError wherever it is named."""
    for fields in ({"provider": provider}, {"provider": provider, "api_key": "k"}):
        options = {"defaults": fields} if how == "defaults" else {}
        with pytest.raises(ConfigError) as caught:
            compiled(None if how == "defaults" else fields, **options)
        assert caught.value.path == "config.provider"
        assert provider in str(caught.value)


def test_checks_are_named_where_they_are_written():
    """The long form has places of its own for the id and the parameters."""
    slip = {"id": "default.contians", "parameters": {"wrds": ["a"]}}
    hooks = [{"checks": [slip, {"id": "wordCount", "parameters": {"minWord": 1}}]}]
    with pytest.raises(ConfigError) as raised:
        compiled({**A, "before_request_hooks": hooks, "input_guardrails": [{"regexMach": {}}]})
    place = "config.before_request_hooks[0].checks"
    assert [path for path, _ in raised.value.problems] == [
        f"{place}[0].id",
        f"{place}[0].parameters.wrds",
        f"{place}[1].parameters.minWord",
        "config.input_guardrails[0].regexMach",
        "config.input_guardrails[0].regexMach.rule",
    ]


def test_later_stages_look_below_a_misspelt_field_too():
    """Providers and checks are told by the path that was written."""
    with pytest.raises(ConfigError) as raised:
        compiled(
            {
                "strategy": {"mode": "fallback"},
                "targts": [{"provider": "opnai"}, {**A, "input_guardrail": [{"wrdCount": {}}]}],
            }
        )
    assert [path for path, _ in raised.value.problems] == [
        "config.targts",
        "config.targts[1].input_guardrail",
        "config.targts[0].provider",
        "config.targts[1].input_guardrail[0].wrdCount",
    ]


def test_messages_show_no_key():
    """What is refused does not quote a key that stands beside it."""
    with pytest.raises(ConfigError) as caught:
        compiled({"provider": "opnai", "api_key": "sk-very-secret-key"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_an_override_that_is_no_json_never_stops_a_fallback(number):
    """Such a parameter is refused with the config, or fails its target only; it never raises in a call."""
    config = group("fallback", {**A, "override_params": {"temperature": number}}, B)
    try:
        made = compiled(config)
    except ConfigError:
        return
    encoded = [target.codec.encode(target, call().request) for target in made.targets]
    assert isinstance(encoded[0], Failure)
    assert isinstance(encoded[1], Packet)


# --- sources


def test_json_text_and_dicts_are_the_same():
    """A config compiles alike from a dict and from its JSON text."""
    config = group("loadbalance", {**A, "weight": 3}, B, retry={"attempts": 1})
    one, two = compiled(config), compiled(json.dumps(config))
    assert one.config == two.config
    assert [target.path for target in one.targets] == [target.path for target in two.targets]


def test_compiling_changes_nothing_of_the_source():
    """The user's dict stays as it was."""
    config = group("fallback", dict(A), dict(B), override_params={"seed": 1})
    before = json.dumps(config)
    compiled(config)
    assert json.dumps(config) == before


def test_changing_the_source_afterwards_changes_nothing():
    """A compiled router does not look at the user's dict again."""
    params = {"model": "x"}
    target = only({**A, "override_params": params})
    params["model"] = "changed"
    assert target.override["model"] == "x"


def test_a_compiled_config_runs_in_the_simulation():
    """The very same router is routed in virtual time."""

    class World:
        def answer(self, target: Target, call: Call, now: float, rng: Any) -> tuple[float, Any]:
            return 1.0, Failure(target, Fault.STATUS, 503, "HTTP 503")

    made = compiled(group("fallback", A, B, retry={"attempts": 1}))
    simulation = Simulation(World(), seed=1)
    outcomes: list[Any] = []
    simulation.start(made, call().request, outcomes.append)
    simulation.run()
    (outcome,) = outcomes
    assert (outcome.target.path, outcome.retries) == ("config.targets[1]", -1)
    assert 5.0 <= simulation.now <= 6.0


def test_openais_own_hosts_have_a_codec_of_their_own():
    """Only there are other vendors' fields left out of messages: other hosts may want them."""
    own = only(A).codec
    assert only({**A, "custom_host": "https://eu.api.openai.com/v1"}).codec is own
    for host in ("http://127.0.0.1:1/v1", "https://openai.com.example/v1"):
        assert only({**A, "custom_host": host}).codec is not own
    assert only({"provider": "deepseek", "api_key": "k"}).codec is not own


@pytest.mark.parametrize(
    ("fields", "environment", "url"),
    [
        ({"provider": "workers-ai", "workers_ai_account_id": "acc"}, {}, "accounts/acc/ai/v1"),
        ({"provider": "workers-ai"}, {"CLOUDFLARE_ACCOUNT_ID": "env"}, "accounts/env/ai/v1"),
        ({"provider": "cortex", "snowflake_account": "org-1"}, {}, "https://org-1.snowflake"),
        ({"provider": "oracle", "oracle_region": "eu-x-1"}, {}, "generativeai.eu-x-1.oci."),
        ({"provider": "cortex", "custom_host": "http://h/v1"}, {}, "http://h/v1"),
    ],
)
def test_a_provider_whose_address_names_the_user(fields, environment, url):
    """What an address leaves open comes from the target, or else from the environment."""
    vault = Vault(environment=environment)
    made = compiled({**fields, "api_key": "k"}, vault=vault)
    assert url in made.targets[0].url


@pytest.mark.parametrize("value", [None, "a/b", "x.evil.example#"])
def test_an_address_that_cannot_be_made_is_refused(value):
    """A missing name says where it may be set; one that would lead elsewhere is refused."""
    named = {} if value is None else {"snowflake_account": value}
    with pytest.raises(ConfigError) as caught:
        compiled({"provider": "cortex", "api_key": "k"} | named)
    assert caught.value.path == "config.snowflake_account"
    assert value is not None or "SNOWFLAKE_ACCOUNT" in str(caught.value)


def test_a_field_of_another_provider_is_remarked_on():
    """It has no effect, and somebody thought that it had."""
    with pytest.warns(ConfigWarning, match=r"aws_region: no effect on openai"):
        compiled({**A, "aws_region": "eu"})
