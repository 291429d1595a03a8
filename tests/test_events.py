"""Events: nobody who listens can fail a call, and nothing private is told."""

from __future__ import annotations

import json
import logging
import os
import stat
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import openai
import pytest

from portkey_local import AsyncPortkey, Event, Portkey
from portkey_local.events import EventLog, Guarded, listener_of
from portkey_local.testing import Fault, Step, chat, chat_stream, error

NAMES = {
    "attempt.started",
    "attempt.succeeded",
    "attempt.failed",
    "timeout",
    "retry.scheduled",
    "retry.exhausted",
    "fallback.moved",
    "fallback.stopped",
    "stream.completed",
    "stream.interrupted",
    "stream.closed",
}
KEY = "sk-event-secret-0123456789"
PROMPT = "what the user asked in private"
ANSWER = "what the model answered in private"
MESSAGES = [{"role": "user", "content": PROMPT}]


def event(name: str = "attempt.started", **facts: Any) -> Event:
    fields = {"trace_id": "t", "metadata": {}, "elapsed": 0.25, **facts}
    return Event(name=name, **fields)


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a log strictly: each line is one JSON object, without NaN."""

    def strict(constant: str) -> Any:
        raise AssertionError(f"{constant} is not JSON")

    text = path.read_bytes()
    assert text.endswith(b"\n")
    return [json.loads(line, parse_constant=strict) for line in text.split(b"\n")[:-1]]


# --- events as dicts


def test_an_event_is_a_flat_dict_of_what_is_set():
    """Unset fields are left out; the name comes first."""
    told = event(status=200, attempt=1).to_dict()
    expected = {"event": "attempt.started", "trace_id": "t", "metadata": {}, "elapsed": 0.25}
    assert told == {**expected, "status": 200, "attempt": 1}
    assert next(iter(told)) == "event"


def test_a_zero_is_not_unset():
    """A wait of nothing is told."""
    assert event(wait=0.0).to_dict()["wait"] == 0.0


# --- listeners


def test_nobody_listens():
    """Without a listener there is none, so that calls need not make events."""
    assert listener_of(None, None) is None


def test_a_listener_that_fails_is_complained_about_once(caplog):
    """The first failure is logged, with its traceback; later ones are not; every event is offered."""
    seen: list[Event] = []

    def listener(told: Event) -> None:
        seen.append(told)
        raise ValueError("bad listener")

    guarded = Guarded(listener)
    with caplog.at_level(logging.WARNING, logger="portkey_local"):
        for _ in range(3):
            guarded(event())
    assert len(seen) == 3
    assert len(caplog.records) == 1
    assert caplog.records[0].exc_info is not None


def test_one_failing_listener_does_not_silence_the_other(tmp_path, caplog):
    """The log gets every event although the listener raises."""
    log = EventLog(tmp_path / "events.jsonl")
    report = listener_of(lambda _: 1 / 0, log)
    report(event())
    log.close()
    assert len(lines(log.path)) == 1


def test_what_a_listener_must_not_stop_goes_through():
    """KeyboardInterrupt is not an exception of the listener's own."""

    def listener(told: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Guarded(listener)(event())


def test_bodies_are_told_only_when_they_were_asked_for():
    """Without `bodies` an event's request body is taken out."""
    seen: list[Event] = []
    listener_of(seen.append, None)(event(request_body={"messages": []}))
    listener_of(seen.append, None, bodies=True)(event(request_body={"messages": []}))
    assert [each.request_body for each in seen] == [None, {"messages": []}]


# --- the log


def test_a_line_for_each_event(tmp_path):
    """Each event is a line of JSON with the time of day; the folder is made, the file is private."""
    log = EventLog(tmp_path / "new" / "events.jsonl", wall=lambda: 1_750_000_000.1234567)
    log(event())
    log(event("retry.scheduled", wait=0.5))
    log.close()
    first, second = lines(log.path)
    assert first["time"] == 1_750_000_000.123457
    assert (second["event"], second["wait"]) == ("retry.scheduled", 0.5)
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_nothing_is_made_before_the_first_event(tmp_path):
    """A log that is told nothing makes no file."""
    EventLog(tmp_path / "events.jsonl").close()
    assert list(tmp_path.iterdir()) == []


def test_a_log_is_appended_to_and_may_be_opened_again(tmp_path):
    """Old lines stay; a closed log opens its file for the next event."""
    for _ in range(2):
        log = EventLog(tmp_path / "events.jsonl")
        log(event())
        log.close()
        log(event())
        log.close()
    assert len(lines(tmp_path / "events.jsonl")) == 4


@pytest.mark.parametrize(
    "metadata",
    [
        {"user": "Jürgen 😀\u2028\n"},
        {"path": Path("x"), "set": {1}},
        {"number": float("nan")},
        {"number": float("inf")},
        {1: "one", None: "none"},
        {("a", "b"): "a tuple"},
        {"text": "\ud800"},
        {"bytes": b"\xff"},
    ],
)
def test_any_metadata_makes_a_valid_line(tmp_path, metadata):
    """Whatever a user puts into metadata, the event is a line of strict JSON, and is not lost."""
    log = EventLog(tmp_path / "events.jsonl")
    log(event(metadata=metadata))
    log.close()
    (line,) = lines(log.path)
    assert line["event"] == "attempt.started"


WRITER = """
import sys
from portkey_local.events import EventLog
from portkey_local.model import Event

log, number = EventLog(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
for index in range(200):
    facts = {"process": number, "index": index, "text": "x" * (index * 37 % 5000)}
    log(Event(name="attempt.started", trace_id="t", metadata=facts, elapsed=0.0))
log.close()
"""


def test_several_processes_share_a_log(tmp_path):
    """Four processes write two hundred events each: every line is whole, and none is missing."""
    path = tmp_path / "events.jsonl"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdout.readline().strip() == b"ready"
    for process in processes:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=50)
        assert process.returncode == 0
    written = [(line["metadata"]["process"], line["metadata"]["index"]) for line in lines(path)]
    assert sorted(written) == [(number, index) for number in range(4) for index in range(200)]
    for number in range(4):
        own = [index for process, index in written if process == number]
        assert own == sorted(own)


def test_threads_share_a_log(tmp_path):
    """Threads of one process write whole lines too."""
    log = EventLog(tmp_path / "events.jsonl")
    threads = [
        threading.Thread(target=lambda: [log(event(model="m" * 3000)) for _ in range(50)])
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len(lines(log.path)) == 400


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_opens_the_log_anew(tmp_path):
    """A child that was forked with an open log writes its own lines; the parent goes on."""
    log = EventLog(tmp_path / "events.jsonl")
    log(event())
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # other tests' threads may still be there
        child = os.fork()
    if child == 0:
        try:
            log(event("attempt.failed"))
        finally:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    log(event())
    log.close()
    assert [line["event"] for line in lines(log.path)].count("attempt.failed") == 1
    assert len(lines(log.path)) == 3


# --- what calls tell


class Fast:
    """The least draws, so that waits are short."""

    def random(self) -> float:
        return 0.0


def target(provider: Any, name: str, **fields: Any) -> dict[str, Any]:
    return {"provider": "openai", "api_key": KEY, "custom_host": provider.target(name), **fields}


def client_of(provider: Any, config: Any, listener: Any, **options: Any) -> Portkey:
    return Portkey(config=config, on_event=listener, rng=Fast(), timeout=5, **options)


def ask(client: Portkey, **arguments: Any) -> Any:
    """Call, read a stream to its end, and swallow openai's errors."""
    try:
        answer = client.chat.completions.create(model="m", messages=MESSAGES, **arguments)
        if arguments.get("stream"):
            return list(answer)
        return answer
    except openai.APIError as failure:
        return failure


echo = f"{PROMPT} {ANSWER} {KEY}"
SCRIPTS: dict[str, tuple[list[Step], bool]] = {
    "answered": ([chat(ANSWER)], False),
    "refused": ([error(401, echo)], False),
    "retried": ([error(503, echo, headers={"retry-after": "0"}), chat(ANSWER)], False),
    "exhausted": ([error(503, echo, headers={"retry-after": "0"})], False),
    "garbage": ([Step(body=echo.encode())], False),
    "page": ([Step(body=f"<html>{echo}</html>".encode(), content_type="text/html")], False),
    "reset": ([Step(fault=Fault.RESET)], False),
    "not http": ([Step(fault=Fault.GARBAGE_STATUS)], False),
    "cut": ([chat(ANSWER, fault=Fault.CUT_BODY)], False),
    "silence": ([Step(fault=Fault.SILENCE)], False),
    "streamed": ([chat_stream(ANSWER.split())], True),
    "cut stream": ([chat_stream(ANSWER.split(), fault=Fault.CUT_CHUNKED)], True),
    "clean cut": ([chat_stream(ANSWER.split(), finish=False, done=False)], True),
    "malformed event": ([chat_stream(ANSWER.split(), fault=Fault.MALFORMED_EVENT)], True),
    "error event": ([Step(events=[json.dumps({"error": {"message": echo}})])], True),
    "not a stream": ([Step(body=echo.encode(), content_type="text/event-stream")], True),
}


@pytest.mark.parametrize("kind", SCRIPTS)
def test_events_are_from_the_table_and_hold_nothing_private(kind, provider, tmp_path):
    """Names are from the table; neither prompt nor answer nor key is in any event or its log."""
    script, stream = SCRIPTS[kind]
    provider.reset({"a": script, "b": [chat(ANSWER)]})
    retry = {"attempts": 1, "use_retry_after_header": True, "on_status_codes": [503]}
    first = target(provider, "a", retry=retry, request_timeout=400)
    config = {"strategy": {"mode": "fallback"}, "targets": [first, target(provider, "b")]}
    events: list[Event] = []
    path = tmp_path / "events.jsonl"
    with client_of(provider, config, events.append, event_log=path, trace_id="tr") as client:
        ask(client, stream=stream)
    assert events
    assert {told.name for told in events} <= NAMES
    assert {told.trace_id for told in events} == {"tr"}
    assert len(lines(path)) == len(events)
    everything = path.read_text() + "".join(map(repr, events))
    for private in (PROMPT, ANSWER, KEY, "in private"):
        assert private not in everything


def test_a_key_that_breaks_the_request_is_not_told(provider):
    """A key with a line break is trimmed or refused; no library's complaint that quotes it is told."""
    provider.reset({})
    events: list[Event] = []
    fields = {**target(provider, "a"), "api_key": KEY + "\n"}
    try:
        client = client_of(provider, fields, events.append)
    except ValueError as error:  # refused at once: better still
        failure: Any = error
    else:
        with client:
            failure = ask(client)
    assert events or isinstance(failure, ValueError)
    assert KEY not in "".join(map(repr, events))
    assert KEY not in str(failure)


def test_every_name_of_the_table_is_told(provider):
    """The table has no name that nobody tells."""
    names: set[str] = set()

    def listener(told: Event) -> None:
        names.add(told.name)

    provider.reset(
        {
            "a": [error(503, headers={"retry-after": "0"}), error(503), Step(fault=Fault.SILENCE)],
            "b": [chat("x"), chat_stream(["x"])],
            "c": [Step(fault=Fault.SILENCE)],
            "d": [chat_stream(list("abcd"), finish=False, done=False), chat_stream(list("abcd"))],
        }
    )
    retry = {"attempts": 1, "use_retry_after_header": True}
    first = target(provider, "a", retry=retry, request_timeout=200)
    fallback = {"strategy": {"mode": "fallback"}, "targets": [first, target(provider, "b")]}
    with client_of(provider, fallback, listener) as client:
        ask(client)
        ask(client, stream=True)
        late = {
            "strategy": {"mode": "fallback"},
            "targets": [target(provider, "c"), target(provider, "b")],
        }
        ask(client.with_options(config=late, timeout=0.2))
        streams = client.with_options(config=target(provider, "d"))
        ask(streams, stream=True)
        left = streams.chat.completions.create(model="m", messages=MESSAGES, stream=True)
        next(iter(left))
        left.close()
    assert names == NAMES


def test_a_failing_listener_fails_no_call(provider, caplog):
    """A call is answered although every event makes its listener raise."""
    provider.reset({"a": [error(503), chat("fine")]})

    def listener(told: Event) -> None:
        raise RuntimeError("bad listener")

    config = target(provider, "a", retry={"attempts": 1})
    with client_of(provider, config, listener) as client:
        assert ask(client).choices[0].message.content == "fine"
    assert len(caplog.records) == 1


def test_a_log_that_cannot_be_written_fails_no_call(provider, tmp_path, caplog):
    """A folder in the way of the log is complained about, and the call is answered."""
    provider.reset({"a": [chat("fine")]})
    with client_of(provider, target(provider, "a"), None, event_log=tmp_path) as client:
        assert ask(client).choices[0].message.content == "fine"
    assert len(caplog.records) == 1


@pytest.mark.anyio
async def test_a_failing_listener_fails_no_asynchronous_call(provider, caplog, anyio_backend):
    """The same holds for the asynchronous client, on both event loops."""
    provider.reset({"a": [chat("fine")]})

    def listener(told: Event) -> None:
        raise RuntimeError("bad listener")

    async with AsyncPortkey(config=target(provider, "a"), on_event=listener, timeout=5) as client:
        answer = await client.chat.completions.create(model="m", messages=MESSAGES)
    assert answer.choices[0].message.content == "fine"


def test_an_answered_call_tells_its_facts(provider):
    """Started and succeeded: target, provider, endpoint, model, attempt, status, tokens."""
    provider.reset({"a": [chat("one two")]})
    events: list[Event] = []
    with client_of(
        provider, target(provider, "a"), events.append, metadata={"user": "u1"}
    ) as client:
        ask(client)
    begun, done = events
    assert (begun.name, done.name) == ("attempt.started", "attempt.succeeded")
    assert (begun.target, begun.provider, begun.model) == ("config", "openai", "m")
    assert (begun.endpoint, begun.attempt) == ("/chat/completions", 1)
    assert (done.status, done.attempt) == (200, 1)
    assert done.input_tokens is not None
    assert done.output_tokens is not None
    assert done.duration is not None
    assert 0 <= done.duration <= done.elapsed
    assert done.metadata == {"user": "u1"}


def test_a_call_without_metadata_logs_an_empty_object(provider, tmp_path):
    """Metadata is an object in every line of the log, also when there is none."""
    provider.reset({"a": [chat("x")]})
    path = tmp_path / "events.jsonl"
    with client_of(provider, target(provider, "a"), None, event_log=path) as client:
        ask(client)
    assert [line["metadata"] for line in lines(path)] == [{}, {}]


def test_bodies_are_told_with_debug(provider):
    """With `debug=True` the request's body is in the event that begins an attempt, never a key."""
    provider.reset({"a": [chat("x")]})
    events: list[Event] = []
    with client_of(provider, target(provider, "a"), events.append, debug=True) as client:
        ask(client)
    assert events[0].request_body["messages"] == MESSAGES
    assert KEY not in json.dumps([told.to_dict() for told in events])


def test_attempts_are_numbered_through_the_call(provider):
    """The number of an attempt counts on over retries and targets."""
    provider.reset({"a": [error(503, headers={"retry-after": "0"})], "b": [chat("x")]})
    retry = {"attempts": 1, "use_retry_after_header": True}
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [target(provider, "a", retry=retry), target(provider, "b")],
    }
    events: list[Event] = []
    with client_of(provider, config, events.append) as client:
        ask(client)
    told = [(each.name, each.attempt) for each in events if each.attempt is not None]
    assert told == [
        ("attempt.started", 1),
        ("attempt.failed", 1),
        ("attempt.started", 2),
        ("attempt.failed", 2),
        ("attempt.started", 3),
        ("attempt.succeeded", 3),
    ]
