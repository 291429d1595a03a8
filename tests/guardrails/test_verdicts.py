"""Guardrails through the clients: what a failed check does to a call, and what is told of it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import openai
import pytest

from portkey_local import AsyncPortkey, ConfigError, GuardrailDenied, Portkey
from portkey_local.testing import Loopback, Step, chat

PROMPT = "my prompt says hi"
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": PROMPT}]}
NO_HI = {"default.contains": {"operator": "none", "words": ["hi"]}}
NO_FROM = {"default.contains": {"operator": "none", "words": ["from"]}}
PASSES = {"default.contains": {"operator": "any", "words": ["hi"]}}


def target(provider: Loopback, where: str = "a", **fields: Any) -> dict[str, Any]:
    return {"provider": "openai", "api_key": "k", "custom_host": provider.target(where), **fields}


def asked(provider: Loopback) -> list[str]:
    return [received.target for received in provider.received]


def names(events: list[Any]) -> list[str]:
    return [event.name for event in events if event.name.startswith("guardrail")]


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_denied_request_is_never_sent(provider, raw, stream):
    """It raises GuardrailDenied, an APIStatusError with 446, which says which check failed."""
    config = target(
        provider,
        input_guardrails=[{**NO_HI, "deny": True, "id": "no-hi"}],
        retry={"attempts": 3, "on_status_codes": [446]},
    )
    with Portkey(config=config) as client:
        completions = client.chat.completions
        create = completions.with_raw_response.create if raw else completions.create
        with pytest.raises(GuardrailDenied) as raised:
            create(**ASK, stream=stream)
    error = raised.value
    assert isinstance(error, openai.APIStatusError)
    assert (error.status_code, error.type) == (446, "hooks_failed")
    assert "'no-hi' denied the request: default.contains failed" in str(error)
    assert error.response.headers["x-portkey-last-used-option-index"] == "config"
    assert error.response.headers["x-portkey-retry-attempt-count"] == "0"
    assert "x-portkey-cache-status" not in error.response.headers
    (result,) = error.hook_results["before_request_hooks"]
    assert (result["id"], result["verdict"], result["deny"]) == ("no-hi", False, True)
    assert error.hook_results["after_request_hooks"] == []
    assert PROMPT not in str(error) + json.dumps(error.hook_results)
    assert provider.received == []


@pytest.mark.anyio
async def test_a_denied_request_is_never_sent_asynchronously(provider):
    """The same on asyncio and trio."""
    config = target(provider, input_guardrails=[{**NO_HI, "deny": True}])
    async with AsyncPortkey(config=config) as client:
        with pytest.raises(GuardrailDenied):
            await client.chat.completions.create(**ASK)
    assert provider.received == []


def test_a_soft_failure_answers_with_246(provider):
    """The answer comes, its status tells, and its hook_results say why."""
    with Portkey(config=target(provider, input_guardrails=[NO_HI])) as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
        plain = client.chat.completions.create(**ASK)
    assert raw.status_code == 246
    for result in (plain, raw.parse()):
        assert result.choices[0].message.content == "from a"
        (told,) = result.hook_results["before_request_hooks"]
        assert told["verdict"] is False
        assert told["checks"][0]["id"] == "default.contains"
    with Portkey(config=target(provider, input_guardrails=[NO_HI])) as client:
        stream = client.chat.completions.with_raw_response.create(**ASK, stream=True)
        assert stream.status_code == 246
        chunks = list(stream.parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "from a"


def test_a_passed_guardrail_is_told_too(provider):
    """The status stays 200, and hook_results has times, type and feedback."""
    hook = {**PASSES, "on_success": {"feedback": {"value": 5, "weight": 1, "metadata": {"x": "y"}}}}
    with Portkey(config=target(provider, input_guardrails=[hook])) as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
    assert raw.status_code == 200
    (told,) = raw.parse().hook_results["before_request_hooks"]
    assert told["verdict"] is True
    assert told["type"] == "guardrail"
    ids = {"successfulChecks": "default.contains", "failedChecks": "", "erroredChecks": ""}
    assert told["feedback"] == {"value": 5, "weight": 1, "metadata": {"x": "y", **ids}}
    assert told["deny"] is False
    assert told["created_at"].startswith("20")
    assert told["execution_time"] >= 0


@pytest.mark.parametrize(("deny", "status"), [(True, 446), (False, 246)])
def test_an_answer_is_looked_at(provider, deny, status):
    """A denied answer is replaced by a 446, a soft failure marks it."""
    config = target(provider, output_guardrails=[{**NO_FROM, "deny": deny}])
    with Portkey(config=config) as client:
        if deny:
            with pytest.raises(GuardrailDenied) as raised:
                client.chat.completions.create(**ASK)
            results, shown = raised.value.hook_results, str(raised.value)
            assert "from a" not in shown + raised.value.response.text
            assert "denied the answer" in shown
        else:
            raw = client.chat.completions.with_raw_response.create(**ASK)
            assert raw.status_code == status
            results = raw.parse().hook_results
    assert results["before_request_hooks"] == []
    assert results["after_request_hooks"][0]["verdict"] is False
    assert asked(provider) == ["a"]


@pytest.mark.parametrize("kind", [str, httpx.Response])
def test_an_answer_that_is_wanted_as_text_is_looked_at(provider, kind):
    """Guardrails are no matter of how the caller reads the answer."""
    config = target(provider, output_guardrails=[{**NO_FROM, "deny": True}])
    with Portkey(config=config) as client:
        with pytest.raises(GuardrailDenied):
            client.post("/chat/completions", cast_to=kind, body=ASK)
        soft = client.with_options(config=target(provider, input_guardrails=[NO_HI]))
        told = soft.post("/chat/completions", cast_to=kind, body=ASK)
        assert "before_request_hooks" in (told if kind is str else told.text)
        provider.reset({"a": [Step(body=b"no JSON", content_type="text/plain")]})
        with pytest.raises(openai.APIError, match="no guardrail can look at it"):
            client.post("/chat/completions", cast_to=kind, body=ASK)


def test_both_sides_are_told_together(provider):
    """Hooks before and after the call stand in one hook_results."""
    config = target(provider, input_guardrails=[PASSES], output_guardrails=[NO_FROM])
    with Portkey(config=config) as client:
        results = client.chat.completions.create(**ASK).hook_results
        assert [len(results[f"{side}_request_hooks"]) for side in ("before", "after")] == [1, 1]
        denying = {**NO_FROM, "deny": True}
        other = client.with_options(config={**config, "output_guardrails": [denying]})
        with pytest.raises(GuardrailDenied) as raised:
            other.chat.completions.create(**ASK)
        results = raised.value.hook_results
        assert [len(results[f"{side}_request_hooks"]) for side in ("before", "after")] == [1, 1]


def test_a_denied_answer_is_asked_for_again_where_446_is_listed(provider):
    """Output guardrails stand inside the retries."""
    provider.reset({"a": [chat("from here"), chat("a better one")]})
    config = target(
        provider,
        output_guardrails=[{**NO_FROM, "deny": True}],
        retry={"attempts": 1, "on_status_codes": [446]},
    )
    slept = []
    with Portkey(config=config) as client:
        client._driver._sleep = slept.append
        result = client.chat.completions.create(**ASK)
    assert not any(slept)  # the provider is in no trouble
    assert result.choices[0].message.content == "a better one"
    assert result.get_headers()["retry-attempt-count"] == "1"


@pytest.mark.parametrize(
    ("deny", "codes", "expected"),
    [
        (True, None, ["b"]),
        (True, [446], ["b"]),
        (False, [246, 446], ["a", "b"]),
        (False, None, "a"),
    ],
)
def test_a_fallback_may_move_on(provider, deny, codes, expected):
    """446 does by default or when listed, 246 when listed."""
    strategy = {"mode": "fallback", **({} if codes is None else {"on_status_codes": codes})}
    guarded = target(provider, "a", input_guardrails=[{**NO_HI, "deny": deny}])
    config = {"strategy": strategy, "targets": [guarded, target(provider, "b")]}
    with Portkey(config=config) as client:
        client.chat.completions.create(**ASK)
    assert asked(provider) == list(expected)


@pytest.mark.parametrize("failing", [False, True])
def test_an_answer_of_tool_calls_alone_breaks_no_rule_about_words(provider, failing):
    """As in the gateway: there is no text to judge, so `deny` denies nothing, unless told to."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    provider.reset(
        {"a": [Step(json={"id": "x", "object": "chat.completion", "choices": [choice]})]}
    )
    count = {"default.wordCount": {"minWords": 1, "failOnError": failing}, "deny": True}
    with Portkey(config=target(provider, output_guardrails=[count])) as client:
        if failing:
            with pytest.raises(GuardrailDenied):
                client.chat.completions.create(**ASK)
        else:
            told = client.chat.completions.create(**ASK)
            assert told.choices[0].message.tool_calls[0].id == "c"


def test_a_providers_error_is_not_looked_at(provider):
    """Only a 200 is; the provider's own words stay."""
    provider.reset({"a": [Step(status=500)]})
    config = target(provider, output_guardrails=[{**NO_FROM, "deny": True}])
    with Portkey(config=config) as client, pytest.raises(openai.InternalServerError) as raised:
        client.chat.completions.create(**ASK)
    assert "hook_results" not in raised.value.response.text


def test_the_long_form_and_what_is_switched_off(provider):
    """Hooks with checks of their own; a check that is not enabled does not run."""
    check = {"id": "default.contains", "parameters": NO_HI["default.contains"]}
    hook = {"type": "guardrail", "id": "g1", "deny": True, "checks": [check]}
    off = {**hook, "checks": [{**check, "is_enabled": False}, {"id": "notNull"}]}
    with Portkey(config=target(provider, before_request_hooks=[hook])) as client:
        with pytest.raises(GuardrailDenied, match="g1"):
            client.chat.completions.create(**ASK)
        copy = client.with_options(config=target(provider, before_request_hooks=[off]))
        (told,) = copy.chat.completions.create(**ASK).hook_results["before_request_hooks"]
    assert [check["id"] for check in told["checks"]] == ["default.notNull"]


def test_one_check_twice_in_the_short_form(provider):
    """A check's parameters may name it, so that its key is free; a user's own keep theirs."""
    hook = {
        "no hi": {"id": "default.contains", **NO_HI["default.contains"]},
        "no number": {"id": "regexMatch", "rule": r"\d", "not": True},
        "own": {"id": "mine"},
    }
    seen: list[Any] = []
    own = {"own": lambda context: seen.append(context.parameters) or True}
    with Portkey(config=target(provider, input_guardrails=[hook]), checks=own) as client:
        (told,) = client.chat.completions.create(**ASK).hook_results["before_request_hooks"]
    verdicts = [(check["id"], check["verdict"]) for check in told["checks"]]
    assert verdicts == [("default.contains", False), ("default.regexMatch", True), ("own", True)]
    assert seen == [{"id": "mine"}]


def test_defaults_of_the_client_and_of_the_config_come_last(provider):
    """A target's own hooks run first, then the config's defaults, then the client's."""
    config = {
        "strategy": {"mode": "fallback"},
        "default_input_guardrails": [{"notNull": {}, "id": "of-the-config"}],
        "input_guardrails": [{"notNull": {}, "id": "of-the-group"}],
        "targets": [
            target(provider, "a", input_guardrails=[{"notNull": {}, "id": "of-the-target"}]),
            target(provider, "b"),
        ],
    }
    provider.reset({"a": [Step(status=500), Step()]})
    given = [{"notNull": {}, "id": "of-the-client"}]
    with Portkey(config=config, default_input_guardrails=given) as client:
        second = client.chat.completions.create(**ASK)
        first = client.chat.completions.create(**ASK)
    last = ["of-the-config", "of-the-client"]
    for result, own in ((first, "of-the-target"), (second, "of-the-group")):
        ran = [hook["id"] for hook in result.hook_results["before_request_hooks"]]
        assert ran == [own, *last]


def test_embeddings_are_looked_at_and_other_endpoints_are_not(provider):
    """Hooks run on the inputs of embeddings; on the responses endpoint they are skipped, aloud."""
    events: list[Any] = []
    config = target(provider, input_guardrails=[{**NO_HI, "deny": True}])
    with Portkey(config=config, on_event=events.append) as client:
        with pytest.raises(GuardrailDenied):
            client.embeddings.create(model="m", input=["ok", "hi"])
        client.responses.create(model="m", input="hi")
    assert names(events) == ["guardrail.denied", "guardrail.skipped"]
    assert asked(provider) == ["a"]


def test_events_tell_verdicts_and_no_text(provider):
    """Each hook reports once, by name and failed checks."""
    events: list[Any] = []
    config = target(provider, input_guardrails=[PASSES, NO_HI], output_guardrails=[NO_FROM])
    with Portkey(config=config, on_event=events.append) as client:
        client.chat.completions.create(**ASK)
    assert names(events) == ["guardrail.passed", "guardrail.failed", "guardrail.failed"]
    told = " ".join(str(event.to_dict()) for event in events)
    assert "default.contains" in told
    assert PROMPT not in told
    assert "from a" not in told


def test_every_mistake_is_said_at_once():
    """Unknown checks, wrong parameters, misspelt fields and other mistakes, with their places."""
    config = {
        "provider": "opnai",
        "input_guardrails": [
            {"default.contain": {"words": ["x"]}},
            {"default.wordCount": {"minWord": 1, "maxWords": "9"}, "deny": True},
            {"default.notNull": {}, "denny": True},
            "pg-123",
        ],
        "output_guardrails": [{"default.regexMatch": {"rule": "("}, "on_stream": "hold"}],
    }
    with pytest.raises(ConfigError) as raised:
        Portkey(config=config)
    problems = dict(raised.value.problems)
    wanted = {
        "config.provider": "openai",
        "config.input_guardrails[0]": "default.contains",
        "config.input_guardrails[1]": "minWords",
        "config.input_guardrails[2].denny": "deny",
        "config.input_guardrails[3]": "",
        "config.output_guardrails[0].on_stream": "buffer",
    }
    for place, words in wanted.items():
        assert any(path.startswith(place) and words in text for path, text in problems.items()), (
            place,
            problems,
        )
