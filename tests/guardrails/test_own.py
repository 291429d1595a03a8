"""Checks of a user's own, mutators, hooks beside the call, and checks that ask elsewhere."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import openai
import pytest

from portkey_local import AsyncPortkey, CheckContext, CheckResult, GuardrailDenied, Portkey
from portkey_local.testing import Loopback, Step, chat

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "call 555-1234"}]}


def target(provider: Loopback, where: str = "a", **fields: Any) -> dict[str, Any]:
    return {"provider": "openai", "api_key": "k", "custom_host": provider.target(where), **fields}


def says_no(context: CheckContext) -> bool:
    return "call" not in context.text


async def says_no_later(context: CheckContext) -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"verdict": "call" not in context.text, "data": {"seen": context.moment}}


def raises(context: CheckContext) -> bool:
    msg = f"cannot judge {context.text}"
    raise RuntimeError(msg)


CHECKS = {"says_no": says_no, "says_no_later": says_no_later, "raises": raises}


def config(provider: Loopback, check: str, **hook: Any) -> dict[str, Any]:
    return target(provider, input_guardrails=[{check: {}, **hook}])


@pytest.mark.parametrize("check", ["says_no", "says_no_later"])
def test_plain_and_asynchronous_functions_judge(provider, check):
    """Both kinds work under the blocking client, also where an event loop is running."""
    with Portkey(config=config(provider, check, deny=True), checks=CHECKS) as client:
        with pytest.raises(GuardrailDenied, match=check):
            client.chat.completions.create(**ASK)

        async def inside() -> None:
            client.chat.completions.create(**ASK)

        with pytest.raises(GuardrailDenied):
            asyncio.run(inside())
    assert provider.received == []


@pytest.mark.parametrize("check", ["says_no", "says_no_later"])
def test_they_judge_under_the_asynchronous_client(provider, check):
    """A plain function runs in a thread, so that it may wait."""

    async def main() -> None:
        settings = config(provider, check, deny=True)
        async with AsyncPortkey(config=settings, checks=CHECKS) as client:
            with pytest.raises(GuardrailDenied):
                await client.chat.completions.create(**ASK)

    asyncio.run(main())


def test_a_check_sees_the_call(provider):
    """Text, body after overrides, metadata, headers, endpoint, provider, parameters; then the answer."""
    seen: list[CheckContext] = []

    def note(context: CheckContext) -> bool:
        seen.append(context)
        return True

    settings = target(
        provider,
        input_guardrails=[{"note": {"limit": 3}}],
        output_guardrails=[{"note": {}}],
        override_params={"model": "other"},
    )
    with Portkey(config=settings, checks={"note": note}, metadata={"user": "u"}) as client:
        client.chat.completions.create(**ASK, extra_headers={"X-Team": "red"})
    before, after = seen
    assert (before.moment, before.text, before.parameters) == (
        "input",
        "call 555-1234",
        {"limit": 3},
    )
    assert (before.request["model"], before.response) == ("other", None)
    assert (before.metadata, before.headers["x-team"]) == ({"user": "u"}, "red")
    assert (before.endpoint, before.provider) == ("/chat/completions", "openai")
    assert (after.moment, after.text) == ("output", "from a")
    assert after.response["choices"][0]["message"]["content"] == "from a"


def test_a_check_that_raises_denies_only_where_it_may(provider):
    """With `deny` the call fails closed; else it goes on, and the failure is told by its class."""
    events: list[Any] = []
    options = {"checks": CHECKS, "on_event": events.append}
    with Portkey(config=config(provider, "raises", deny=True), **options) as client:
        with pytest.raises(GuardrailDenied) as raised:
            client.chat.completions.create(**ASK)
        open_one = client.with_options(config=config(provider, "raises"))
        result = open_one.chat.completions.create(**ASK)
    (told,) = result.hook_results["before_request_hooks"]
    assert (told["verdict"], told["checks"][0]["error"]) == (True, {"name": "RuntimeError"})
    assert [event.name for event in events].count("guardrail.error") == 2
    everything = str(raised.value) + str(events) + str(result.hook_results)
    assert "555-1234" not in everything  # the times in events may hold a 555


def test_what_is_no_verdict_is_an_error(provider):
    """None, or a word, is a slip of the check's, and so denies."""
    for wrong in (None, "yes", {"passed": True}):
        own = {"own": lambda _, told=wrong: told}
        client = Portkey(config=config(provider, "own", deny=True), checks=own)
        with client, pytest.raises(GuardrailDenied) as raised:
            client.chat.completions.create(**ASK)
        (hook,) = raised.value.hook_results["before_request_hooks"]
        assert hook["checks"][0]["error"] == {"name": "TypeError"}


def test_mutators_change_what_is_sent_and_what_comes_back(provider):
    """In their order, each on what the one before it left, which may be a guardrail."""
    provider.reset({"a": [chat("your number is 555-1234")]})

    def shout(context: CheckContext) -> CheckResult:
        return CheckResult(verdict=True, text=context.text.upper())

    hide = {"default.regexReplace": {"rule": r"\d{3}-\d{4}", "redactText": "[number]"}}
    settings = target(
        provider,
        input_mutators=[hide, {"shout": {}}, {"default.addPrefix": {"prefix": "Please: "}}],
        output_mutators=[hide],
        input_guardrails=[{"shout": {}}],
    )
    with Portkey(config=settings, checks={"shout": shout}) as client:
        result = client.chat.completions.create(**ASK)
        raw = client.chat.completions.with_raw_response.create(**ASK)
    assert provider.received[0].json["messages"][0]["content"] == "Please: CALL [NUMBER]"
    assert result.choices[0].message.content == "your number is [number]"
    assert raw.parse().choices[0].message.content == "your number is [number]"
    kinds = [
        (hook["type"], hook["transformed"]) for hook in result.hook_results["before_request_hooks"]
    ]
    assert kinds == [("guardrail", True), *[("mutator", True)] * 3]


HIDE = {"default.regexReplace": {"rule": "secret", "redactText": "[X]"}}
NO_SECRET = {"default.contains": {"operator": "none", "words": ["secret"]}}


def test_a_guardrail_changes_what_it_looks_at(provider):
    """A redacting check works in a guardrail, too, before the call and after it."""
    provider.reset({"a": [chat("my secret")]})
    settings = target(provider, input_guardrails=[HIDE], output_guardrails=[HIDE])
    with Portkey(config=settings) as client:
        told = {"role": "user", "content": "a secret"}
        result = client.chat.completions.create(model="m", messages=[told])
    assert provider.received[0].json["messages"][0]["content"] == "a [X]"
    assert result.choices[0].message.content == "my [X]"
    for side in ("before_request_hooks", "after_request_hooks"):
        (hook,) = result.hook_results[side]
        assert (hook["type"], hook["transformed"], hook["checks"][0]["transformed"]) == (
            "guardrail",
            True,
            True,
        )


@pytest.mark.parametrize(
    ("hooks", "status"),
    [
        ([{**HIDE, **NO_SECRET}], 246),
        ([{**HIDE, **NO_SECRET, "sequential": True}], 200),
        ([HIDE, NO_SECRET], 246),
        ([HIDE, {**NO_SECRET, "sequential": True}], 246),
    ],
    ids=["one hook", "sequential", "two hooks", "two hooks, the second sequential"],
)
def test_guardrails_judge_what_was_given(provider, hooks, status):
    """No check hides a text from another, unless their guardrail is sequential."""
    with Portkey(config=target(provider, input_guardrails=hooks)) as client:
        told = {"role": "user", "content": "a secret"}
        raw = client.chat.completions.with_raw_response.create(model="m", messages=[told])
    assert raw.status_code == status
    assert provider.received[0].json["messages"][0]["content"] == "a [X]"


def test_no_change_of_a_guardrail_undoes_another(provider):
    """Both redact, though both have looked at what was given."""
    other = {"default.regexReplace": {"rule": "number", "redactText": "[Y]"}}
    with Portkey(config=target(provider, input_guardrails=[HIDE, other])) as client:
        told = {"role": "user", "content": "a secret number"}
        client.chat.completions.create(model="m", messages=[told])
    assert provider.received[0].json["messages"][0]["content"] == "a [X] [Y]"


def test_a_check_that_raises_may_fail_without_denying(provider):
    """`failOnError` is a parameter of every check; without it the hook passes, the check has not."""
    events: list[Any] = []
    for fails, status in ((True, 246), (False, 200)):
        settings = target(provider, input_guardrails=[{"raises": {"failOnError": fails}}])
        with Portkey(config=settings, checks=CHECKS, on_event=events.append) as client:
            raw = client.chat.completions.with_raw_response.create(**ASK)
        (told,) = raw.parse().hook_results["before_request_hooks"]
        assert (raw.status_code, told["verdict"]) == (status, not fails)
        assert (told["checks"][0]["verdict"], told["checks"][0]["fail_on_error"]) == (False, fails)
    settings = target(provider, input_guardrails=[{"notNull": {"failOnError": True}}])
    with Portkey(config=settings) as client:
        client.chat.completions.create(**ASK)


def test_texts_of_several_inputs_are_changed_one_by_one(provider):
    """Embeddings keep their number."""
    hide = {"default.regexReplace": {"rule": "secret", "redactText": "x"}}
    vectors = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}]}
    provider.reset({"a": [Step(json=vectors)]})
    with Portkey(config=target(provider, input_mutators=[hide])) as client:
        client.embeddings.create(model="m", input=["a secret", "another secret", "none"])
    assert provider.received[0].json["input"] == ["a x", "another x", "none"]


def test_a_hook_beside_the_call_changes_nothing(provider):
    """It runs, is waited for when the client closes, and its verdict is only reported."""
    ran, may_end = threading.Event(), threading.Event()

    def slow(context: CheckContext) -> bool:
        may_end.wait(5)
        ran.set()
        return False

    events: list[Any] = []
    settings = target(provider, input_guardrails=[{"slow": {}, "async": True, "deny": True}])
    with Portkey(config=settings, checks={"slow": slow}, on_event=events.append) as client:
        raw = client.chat.completions.with_raw_response.create(**ASK)
        assert raw.status_code == 200
        assert not ran.is_set()
        may_end.set()
    assert ran.is_set()
    assert "guardrail.failed" in [event.name for event in events]


@pytest.mark.anyio
async def test_a_hook_beside_an_asynchronous_call(provider):
    """The same for tasks."""
    ran = threading.Event()
    settings = target(provider, input_guardrails=[{"own": {}, "async": True}])
    own = {"own": lambda _: ran.set() or True}
    async with AsyncPortkey(config=settings, checks=own) as client:
        await client.chat.completions.create(**ASK)
    assert ran.wait(5)


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (Step(json={"verdict": True}), 200),
        (Step(json={"verdict": False, "data": {"why": "no"}}), 446),
        (Step(json={"fine": True}), 446),
        (Step(status=500), 446),
    ],
)
def test_a_webhook_judges(provider, step, status):
    """Its verdict counts; no verdict, or an error, denies where `deny` is set."""
    provider.reset({"hook": [step]})
    hook = {"default.webhook": {"webhookURL": provider.target("hook"), "headers": {"X-Key": "v"}}}
    settings = target(provider, input_guardrails=[{**hook, "deny": True}])
    with Portkey(config=settings, metadata={"user": "u"}) as client:
        if status == 200:
            client.chat.completions.create(**ASK)
        else:
            with pytest.raises(GuardrailDenied):
                client.chat.completions.create(**ASK)
    asked = provider.received[0]
    assert (asked.target, asked.headers["x-key"]) == ("hook", "v")
    assert asked.json["request"]["text"] == "call 555-1234"
    assert (asked.json["metadata"], asked.json["eventType"]) == ({"user": "u"}, "beforeRequestHook")


@pytest.mark.anyio
async def test_a_log_is_told(provider):
    """It takes the call, and always passes."""
    hook = {"default.log": {"logURL": provider.target("log")}}
    async with AsyncPortkey(config=target(provider, output_guardrails=[hook])) as client:
        await client.chat.completions.create(**ASK)
    assert [received.target for received in provider.received] == ["a", "log"]
    assert provider.received[1].json["response"]["text"] == "from a"


def test_a_webhooks_headers_are_in_no_repr(provider):
    """They may hold a token."""
    token = "hush-hush-token"
    hook = {"default.webhook": {"webhookURL": "http://h", "headers": {"X-Key": token}}}
    with Portkey(config=target(provider, input_guardrails=[hook])) as client:
        shown = repr(client) + repr(client.router) + repr(client._plan)
    assert token not in shown


HOLDS = {"slow": {}}


async def slow(_: CheckContext) -> bool:
    await asyncio.sleep(20)
    return True


@pytest.mark.parametrize("deny", [True, False])
def test_a_check_keeps_the_time_limit_of_the_call(provider, deny):
    """One that takes longer has failed: an asynchronous function, and an address that is asked."""
    provider.reset({"hook": [Step(json={"verdict": True}, delay=20)]})
    hook = {"default.webhook": {"webhookURL": provider.target("hook"), "timeout": 20000}}
    expected = GuardrailDenied if deny else openai.APITimeoutError
    began = time.monotonic()
    for check in (HOLDS, hook):
        settings = target(provider, input_guardrails=[{**check, "deny": deny}])
        options = {"config": settings, "checks": {"slow": slow}, "timeout": 0.2}
        with Portkey(**options) as client, pytest.raises(expected):
            client.chat.completions.create(**ASK)

        async def main(options: dict[str, Any] = options) -> None:
            async with AsyncPortkey(**options) as client:
                with pytest.raises(expected):
                    await client.chat.completions.create(**ASK)

        asyncio.run(main())
    assert time.monotonic() - began < 10


def test_a_call_that_is_cancelled_does_not_wait_for_a_check(provider):
    """A plain function goes on in its thread; nobody waits for it."""
    may_end = threading.Event()

    async def main() -> None:
        settings = config(provider, "slow")
        own = {"slow": lambda _: may_end.wait(20)}
        async with AsyncPortkey(config=settings, checks=own) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.chat.completions.create(**ASK), 0.1)
        may_end.set()

    began = threading.Timer(10, may_end.set)
    began.start()
    asyncio.run(main())
    assert began.is_alive()
    began.cancel()
