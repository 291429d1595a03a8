"""The engine: what the copies of one client share, and what each call is given."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portkey_local import Event
from portkey_local.credentials import Vault
from portkey_local.engine import COMPILED_KEPT, Engine, Options, facts
from portkey_local.errors import ConfigError
from portkey_local.model import Answer, Failure, Fault, Packet, Reply, Request

A = {"provider": "openai", "api_key": "sk-a"}
REQUEST = Request("POST", "/chat/completions", {"model": "m", "messages": []})


class Clock:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def engine(**options: Any) -> Engine:
    return Engine(vault=Vault(environment={}), **options)


# --- what a target may forward


def forwarded(request: Request = REQUEST, *names: str, **options: Any) -> dict[str, str]:
    """Return the headers by which a target that forwards `names` is asked, but for its own."""
    this = engine()
    plan = this.plan(Options(config={**A, "forward_headers": list(names)}, **options))
    call, router = this.begin(request, plan, 1.0)
    (target,) = router.targets
    packet = target.codec.encode(target, call.request)
    assert isinstance(packet, Packet)
    return {name: text for name, text in packet.headers.items() if text != "Bearer sk-a"}


def test_a_target_forwards_what_the_call_says_of_itself():
    """Trace id and metadata are the client's arguments, and forwarded like the headers they were."""
    names, said = (
        ("X-Portkey-Trace-Id", "x-portkey-metadata"),
        {"trace_id": "t", "metadata": {"a": 1}},
    )
    assert forwarded(REQUEST, *names, **said) == {
        "x-portkey-trace-id": "t",
        "x-portkey-metadata": '{"a": 1}',
    }
    assert forwarded(REQUEST, names[0]).keys() == {
        "x-portkey-trace-id"
    }  # one made up, as in events
    assert forwarded(REQUEST, names[1], trace_id="t") == {}
    assert forwarded(REQUEST, names[0], trace_id="no header can hold \u2028") == {}
    assert forwarded(REQUEST, "x-other", **said) == {}


def test_a_target_forwards_the_callers_credential_by_name():
    """It takes the place of the target's own; without the name it stays here."""
    request = replace(REQUEST, withheld={"authorization": "Bearer mine"})
    assert forwarded(request, "Authorization") == {"authorization": "Bearer mine"}
    assert forwarded(request) == {}


# --- plans


def test_equal_configs_are_compiled_once():
    """Dicts with the same contents, in any order, and options apart from the route, share a router."""
    this = engine()
    one = this.plan(Options(config=dict(A), trace_id="1"))
    two = this.plan(Options(config=dict(reversed(A.items())), trace_id="2", metadata={"x": 1}))
    assert one.router is two.router
    assert (one.trace_id, two.trace_id) == ("1", "2")


@pytest.mark.parametrize(
    "other",
    [
        {"config": {**A, "api_key": "sk-b"}},
        {"config": {**A, "request_timeout": 1000}},
        {"config": A, "overrides": {"request_timeout": 1000.0}},
        {"config": None, "defaults": A},
    ],
)
def test_other_configs_are_others(other):
    """Whatever decides the route makes another router: keys, time limits, defaults, overrides."""
    this = engine()
    assert this.plan(Options(config=A)).router is not this.plan(Options(**other)).router


def test_true_and_one_are_different_configs():
    """Values that Python takes for equal are told apart."""
    this = engine()
    one = this.plan(Options(config={**A, "override_params": {"logprobs": 1}}))
    true = this.plan(Options(config={**A, "override_params": {"logprobs": True}}))
    assert one.router.targets[0].override["logprobs"] is not True
    assert true.router.targets[0].override["logprobs"] is True


def test_a_wrong_config_is_refused_each_time():
    """A refusal is not remembered as a router, and is raised again."""
    this = engine()
    for _ in range(2):
        with pytest.raises(ConfigError):
            this.plan(Options(config={"provider": "nope", "api_key": "k"}))


def test_the_memory_is_bounded():
    """A client that meets many configs does not keep them all, and goes on working."""
    this = engine()
    for number in range(3 * COMPILED_KEPT):
        plan = this.plan(Options(config={**A, "override_params": {"seed": number}}))
        assert plan.router.targets[0].override["seed"] == number
    assert len(this._compiled) <= COMPILED_KEPT


def test_a_config_that_changed_is_compiled_anew():
    """A dict that the user changes between two copies is another config."""
    this, config = engine(), dict(A)
    first = this.plan(Options(config=config))
    config["request_timeout"] = 1000
    assert this.plan(Options(config=config)).router is not first.router


def test_a_named_file_that_changed_is_read_again(tmp_path):
    """A config from a file is what the file says when a client or copy is made."""
    path = tmp_path / "route.json"
    this = engine()
    path.write_text('{"provider": "openai", "api_key": "sk-number-one"}')
    one = this.plan(Options(config=str(path))).router.targets[0]
    path.write_text('{"provider": "openai", "api_key": "sk-number-two"}')
    two = this.plan(Options(config=path)).router.targets[0]
    assert (one.secrets, two.secrets) == (("sk-number-one",), ("sk-number-two",))


def test_threads_may_plan_at_once():
    """Many threads that meet many configs get each its own router."""
    this = engine()
    wrong: list[int] = []

    def plan(number: int) -> None:
        for round_ in range(20):
            seed = (number * 7 + round_) % 200
            made = this.plan(Options(config={**A, "override_params": {"seed": seed}}))
            if made.router.targets[0].override["seed"] != seed:
                wrong.append(seed)

    threads = [threading.Thread(target=plan, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- calls


def test_a_call_begins_now():
    """Deadline and beginning are on the engine's clock; no limit is infinity."""
    this = engine(clock=Clock())
    plan = this.plan(Options(config=A))
    call = this.begin(REQUEST, plan, 2.5)[0]
    assert (call.started, call.deadline) == (100.0, 102.5)
    assert this.begin(REQUEST, plan, float("inf"))[0].deadline == float("inf")


def test_a_call_carries_the_plans_facts():
    """Trace id and metadata go along; the trail is the call's own."""
    this = engine()
    plan = this.plan(Options(config=A, trace_id="tr", metadata={"user": "u"}))
    one, two = this.begin(REQUEST, plan, 1)[0], this.begin(REQUEST, plan, 1)[0]
    assert (one.trace_id, one.metadata) == ("tr", {"user": "u"})
    assert one.trail is not two.trail


def test_every_call_has_a_trace_id():
    """Without a trace id each call gets one of its own."""
    this = engine()
    plan = this.plan(Options(config=A))
    made = {this.begin(REQUEST, plan, 1)[0].trace_id for _ in range(100)}
    assert len(made) == 100
    assert all(len(each) == 32 for each in made)


def test_trace_ids_do_not_come_from_the_clients_dice():
    """A seeded client makes the same choices, and still distinct trace ids."""
    one, two = (engine(rng=random.Random(1)) for _ in range(2))
    calls = [this.begin(REQUEST, this.plan(Options(config=A)), 1)[0] for this in (one, two)]
    assert calls[0].trace_id != calls[1].trace_id
    assert calls[0].rng.random() == calls[1].rng.random()


def test_calls_report_to_the_listener():
    """What a call reports has its own time, trace id and metadata."""
    events: list[Event] = []
    clock = Clock()
    this = engine(on_event=events.append, clock=clock)
    call = this.begin(REQUEST, this.plan(Options(config=A, trace_id="tr")), 1)[0]
    clock.now = 100.75
    call.report("attempt.started")
    (told,) = events
    assert (told.elapsed, told.trace_id) == (0.75, "tr")
    assert engine().begin(REQUEST, this.plan(Options(config=A)), 1)[0].emit is None


def test_a_closed_engine_takes_no_calls(tmp_path: Path):
    """After `close` a call is refused in plain words; closing twice is harmless."""
    this = engine(event_log=tmp_path / "events.jsonl")
    plan = this.plan(Options(config=A))
    this.close()
    this.close()
    assert this.closed
    with pytest.raises(RuntimeError, match="closed"):
        this.begin(REQUEST, plan, 1)


# --- facts


def test_the_facts_of_a_reply():
    """The x-portkey headers name the target, the provider, the retries, and the trace."""
    this = engine()
    plan = this.plan(Options(config=A, trace_id="tr"))
    call = this.begin(REQUEST, plan, 1)[0]
    reply = Reply(plan.router.targets[0], Answer(200, {}), retries=2)
    assert facts(call, reply) == {
        "x-portkey-trace-id": "tr",
        "x-portkey-last-used-option-index": "config",
        "x-portkey-provider": "openai",
        "x-portkey-retry-attempt-count": "2",
        "x-portkey-cache-status": "DISABLED",
    }


def test_the_facts_of_a_call_that_went_nowhere():
    """A failure without a target has a trace id and nothing else to tell."""
    this = engine()
    call = this.begin(REQUEST, this.plan(Options(trace_id="tr")), 1)[0]
    assert facts(call, Failure(None, Fault.ROUTING, 400, "x")) == {"x-portkey-trace-id": "tr"}


def test_nothing_shows_a_key():
    """Options and plans hide what they hold of configs."""
    this = engine()
    options = Options(config=A, defaults=A, overrides=A)
    assert "sk-a" not in repr(options)
    assert "sk-a" not in repr(this.plan(Options(config=A)))
    assert "sk-a" not in repr(this.begin(REQUEST, this.plan(Options(config=A)), 1)[0])


# --- what a call's own headers say


def test_a_calls_own_headers_name_its_trace_and_its_metadata():
    """They beat the client's, and reach no provider that is not to have them."""
    this = engine()
    plan = this.plan(Options(config=A, trace_id="client", metadata={"a": 1}))
    said = {"x-portkey-trace-id": "call", "x-portkey-metadata": '{"b": 2}'}
    call, _ = this.begin(replace(REQUEST, withheld=said), plan, 1.0)
    assert (call.trace_id, call.metadata) == ("call", {"b": 2})


@pytest.mark.parametrize("text", ["no json", "[1]", ""])
def test_metadata_that_is_no_object_counts_as_none(text):
    """As in the gateway."""
    this = engine()
    plan = this.plan(Options(config=A, metadata={"a": 1}))
    call, _ = this.begin(replace(REQUEST, withheld={"x-portkey-metadata": text}), plan, 1.0)
    assert call.metadata == {}
