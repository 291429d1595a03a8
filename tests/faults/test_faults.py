"""Whatever a provider does wrong, a call ends in time, with the right exception, and leaves nothing.

One table says what each fault must come to, for a plain call and for a stream; the tests go through it
with the synchronous client, both wires of asyncio, and trio.
"""

from __future__ import annotations

import email.utils
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import openai
import pytest
from tests.faults.ways import KEY, WAYS, Client, Outcome, fallback, run, run_together, target

from portkey_local import Connections, StreamInterrupted
from portkey_local.testing import Fault, Loopback, Step, chat, chat_stream, error, html

LIMIT = 200  # milliseconds, of a time limit that is met
AMPLE = 20_000  # of one that is not: a machine under load may bring anything late
SLACK = 2.5  # seconds that a machine under load may be late; what these limits end would never end

TIMEOUT = openai.APITimeoutError
NETWORK = openai.APIConnectionError
MALFORMED = openai.APIError
BROKEN = StreamInterrupted  # after the first event: only the reader can be told
GOOD = None


@dataclass(frozen=True)
class Row:
    """What a provider does, and what a plain call and a stream must come to."""

    step: Step | None
    plain: type[openai.APIError] | None
    stream: type[openai.APIError] | None
    status: int | None = None
    strict: bool = False
    """Whether aiohttp refuses the whole answer, where others read it as far as it goes."""


def faulty(
    fault: Fault, plain: type[openai.APIError] | None, stream: type[openai.APIError] | None
) -> Row:
    return Row(Step(fault=fault), plain, stream)


EVENTS = chat_stream(["one ", "two "]).events

TABLE = {
    "refused": Row(None, NETWORK, NETWORK),
    "reset": faulty(Fault.RESET, NETWORK, NETWORK),
    "no response": faulty(Fault.NO_RESPONSE, NETWORK, NETWORK),
    "silence": faulty(Fault.SILENCE, TIMEOUT, TIMEOUT),
    "headers then silence": faulty(Fault.HEADERS_THEN_SILENCE, TIMEOUT, TIMEOUT),
    "drip headers": faulty(Fault.DRIP_HEADERS, TIMEOUT, TIMEOUT),
    "drip body": faulty(Fault.DRIP_BODY, TIMEOUT, TIMEOUT),
    "cut body": faulty(Fault.CUT_BODY, NETWORK, BROKEN),
    "cut chunked": faulty(Fault.CUT_CHUNKED, NETWORK, BROKEN),
    "reset stream": faulty(Fault.RESET_STREAM, NETWORK, BROKEN),
    "stall": faulty(Fault.STALL_STREAM, TIMEOUT, BROKEN),
    "comments": faulty(Fault.COMMENTS_STREAM, TIMEOUT, BROKEN),
    "clean cut": faulty(Fault.CLEAN_CUT, MALFORMED, BROKEN),
    "short length": Row(Step(fault=Fault.SHORT_LENGTH), MALFORMED, BROKEN, strict=True),
    # A stream with its [DONE] is whole; what the head promised beyond it is nobody's loss.
    "long length": faulty(Fault.LONG_LENGTH, NETWORK, GOOD),
    "garbage status": faulty(Fault.GARBAGE_STATUS, NETWORK, NETWORK),
    "malformed event": faulty(Fault.MALFORMED_EVENT, MALFORMED, BROKEN),
    "empty 200": Row(Step(body=b""), MALFORMED, MALFORMED),
    "empty stream": Row(Step(events=[]), MALFORMED, MALFORMED),
    "only [DONE]": Row(Step(events=["[DONE]"]), MALFORMED, MALFORMED),
    "HTML 200": Row(html(200), MALFORMED, MALFORMED),
    "HTML 500": Row(html(500), openai.InternalServerError, openai.InternalServerError, 500),
    "JSON for a stream": Row(chat("hello"), GOOD, MALFORMED),
    "a stream for JSON": Row(Step(events=EVENTS), MALFORMED, GOOD),
    "204": Row(Step(status=204), MALFORMED, MALFORMED),
    "302": Row(
        Step(status=302, headers={"location": "/elsewhere"}),
        openai.APIStatusError,
        openai.APIStatusError,
        302,
    ),
    "JSON as text": Row(chat("hello", content_type="text/plain"), GOOD, MALFORMED),
    "events as JSON": Row(
        Step(events=EVENTS, content_type="application/json"), MALFORMED, MALFORMED
    ),
    "events as text": Row(Step(events=EVENTS, content_type="text/plain"), MALFORMED, GOOD),
    "JSON as events": Row(chat("hello", content_type="text/event-stream"), GOOD, MALFORMED),
}

each_fault = pytest.mark.parametrize("name", TABLE)
each_form = pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
each_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is bound, so that nobody else gets it, but not listened on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def expected(row: Row, way: str, *, stream: bool) -> type[openai.APIError] | None:
    if row.strict and way == "aiohttp":
        return NETWORK
    return row.stream if stream else row.plain


def limits(kind: type[openai.APIError] | None) -> dict[str, int]:
    """Return our two time limits, short where a fault may run into them."""
    return {
        "request_timeout": LIMIT if kind is TIMEOUT else AMPLE,
        "stream_idle_timeout": LIMIT if kind is BROKEN else AMPLE,
    }


def check_failed(outcome: Outcome, kind: type[openai.APIError], row: Row) -> Any:
    """Check what holds for every failure: its class, its time, and that it keeps the key."""
    failure: Any = outcome.error
    assert type(failure) is kind, repr(failure)
    assert outcome.seconds < LIMIT / 1000 + SLACK
    if row.status is not None:
        assert failure.status_code == row.status
    chain: BaseException | None = failure
    while chain is not None:
        assert KEY not in f"{chain} {chain!r}"
        chain = chain.__cause__
    return failure


@each_form
@each_fault
def test_alone(name: str, stream: bool, closed_port: int) -> None:
    """A fault ends in its exception, in time; the connection is closed and the client goes on."""
    row = TABLE[name]
    refused = f"http://127.0.0.1:{closed_port}"

    def check(way: str) -> None:
        kind = expected(row, way, stream=stream)

        async def scenario(client: Client) -> None:
            outcome = await client.call(stream=stream)
            if kind is GOOD:
                assert outcome.error is None
                assert outcome.text in ("hello", "one two ", "one two three four ")
            else:
                failure = check_failed(outcome, kind, row)
                assert bool(outcome.texts) == (kind is BROKEN)
                assert outcome.text in "one two three four "
                message = str(failure)
                assert ("(at config, openai)" if kind is BROKEN else "config openai: ") in message
                assert failure.response.headers["x-portkey-last-used-option-index"] == "config"
                assert failure.response.headers["x-portkey-provider"] == "openai"
            kept = 0 if kind in (TIMEOUT, NETWORK) else 1
            assert await client.until(lambda: provider.open_connections <= kept)
            if row.step is not None:
                after = await client.call(stream=stream)
                assert (after.text, after.error) == ("from primary", None)
            assert await client.until(lambda: provider.open_connections <= 1)

        with Loopback({"primary": [row.step or Step(), Step()]}) as provider:
            url = refused if row.step is None else provider.target("primary")
            run(way, scenario, config=target(url, **limits(kind)))
            assert provider.wait_closed()

    run_together(check, WAYS)


@each_form
@each_fault
def test_with_a_fallback(name: str, stream: bool, provider: Loopback, closed_port: int) -> None:
    """The next target answers what fails before its first event; a break after it is the reader's."""
    row = TABLE[name]
    provider.reset({f"{way}-primary": [row.step or Step()] for way in WAYS})

    def check(way: str) -> None:
        kind = expected(row, way, stream=stream)
        primary, backup = f"{way}-primary", f"{way}-backup"
        refused = f"http://127.0.0.1:{closed_port}"
        config = fallback(
            target(refused if row.step is None else provider.target(primary)),
            target(provider.target(backup)),
            **limits(kind),
        )

        async def scenario(client: Client) -> None:
            outcome = await client.call(stream=stream)
            asked = [r.target for r in provider.received if r.target in (primary, backup)]
            if kind in (GOOD, BROKEN):
                assert asked == [primary]
            else:
                assert asked == ([backup] if row.step is None else [primary, backup])
            if kind is BROKEN:
                failure = check_failed(outcome, kind, row)
                assert outcome.texts
                assert "config.targets[0], openai" in str(failure)
            else:
                assert outcome.error is None
                used = 0 if kind is GOOD else 1
                assert outcome.headers["last-used-option-index"] == f"config.targets[{used}]"
                assert outcome.text == f"from {backup}" or kind is GOOD
            assert outcome.seconds < LIMIT / 1000 + SLACK

        run(way, scenario, config=config)

    run_together(check, WAYS)
    assert provider.wait_closed()


@each_way
def test_a_tls_handshake_that_never_ends(way: str, provider: Loopback) -> None:
    """The limit holds while a connection is made, too, and the unfinished connection is closed."""
    address = provider.target("primary").replace("http:", "https:")

    async def scenario(client: Client) -> None:
        outcome = await client.call()
        failure = check_failed(outcome, TIMEOUT, TABLE["silence"])
        assert "[tried: config openai: timeout: " in str(failure)
        assert await client.until(lambda: provider.open_connections == 0)

    config = target(address, request_timeout=LIMIT)
    run(way, scenario, config=config, connections=Connections(verify=False))


@each_way
@each_form
def test_all_fail(stream: bool, way: str, provider: Loopback, closed_port: int) -> None:
    """When every target fails, the last failure is raised, and its message tells the whole trail."""
    provider.reset({"b": [html(500)], "c": [error(429, "slow down")]})
    config = fallback(
        target(f"http://127.0.0.1:{closed_port}"),
        target(provider.target("b"), provider="groq"),
        target(provider.target("c")),
    )

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=stream)
        failure: Any = outcome.error
        assert type(failure) is openai.RateLimitError
        message = str(failure)
        assert "slow down" in message
        places = [
            message.index(text)
            for text in (
                "config.targets[0] openai: network",
                "config.targets[1] groq: HTTP 500",
                "config.targets[2] openai: HTTP 429",
            )
        ]
        assert places == sorted(places)
        assert KEY not in message
        headers = failure.response.headers
        assert headers["x-portkey-last-used-option-index"] == "config.targets[2]"

    run(way, scenario, config=config)
    assert provider.wait_closed()


@each_way
def test_interrupted_after_a_fallback(way: str, provider: Loopback) -> None:
    """A stream that breaks at the second target names that target, and the failure of the first."""
    provider.reset({"a": [error(503)], "b": [Step(fault=Fault.CUT_CHUNKED)]})
    config = fallback(target(provider.target("a")), target(provider.target("b"), provider="groq"))

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=True)
        failure: Any = outcome.error
        assert type(failure) is StreamInterrupted
        assert "config.targets[0] openai: HTTP 503" in str(failure)
        headers = failure.response.headers
        assert headers["x-portkey-last-used-option-index"] == "config.targets[1]"
        assert "config.targets[1]" in str(failure)
        assert "groq" in str(failure)

    run(way, scenario, config=config)
    assert provider.wait_closed()


@each_way
@pytest.mark.parametrize("name", ["silence", "cut chunked", "malformed event"])
def test_many_failures_leave_no_connections(name: str, way: str, provider: Loopback) -> None:
    """Failure after failure, the open connections do not pile up."""
    row = TABLE[name]
    provider.reset({"primary": [row.step]})
    options = {"request_timeout": 100, "stream_idle_timeout": 100}

    async def scenario(client: Client) -> None:
        for _ in range(4):
            outcome = await client.call(stream=True)
            assert type(outcome.error) is row.stream
        assert await client.until(lambda: provider.open_connections <= 1)

    run(way, scenario, config=target(provider.target("primary"), **options))
    assert provider.wait_closed()


@each_way
def test_a_key_that_a_provider_echoes_is_hidden(way: str, provider: Loopback) -> None:
    """A provider that quotes the key in its error does not get it into our exception."""
    provider.reset({"primary": [error(401, f"Incorrect API key provided: {KEY}")]})

    async def scenario(client: Client) -> None:
        outcome = await client.call()
        failure: Any = outcome.error
        assert type(failure) is openai.AuthenticationError
        assert "Incorrect API key provided" in str(failure)
        assert KEY not in f"{failure} {failure!r} {failure.body} {failure.response.text}"

    run(way, scenario, config=target(provider.target("primary")))


class Half:
    """Random numbers for the shortest backoff: half of each step."""

    def random(self) -> float:
        return 0.0


def dates(moment: float) -> dict[str, str]:
    """Return the three forms of an HTTP date."""
    when = datetime.fromtimestamp(moment, UTC)
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    fixdate = email.utils.format_datetime(when, usegmt=True)
    _, day, month, *_ = fixdate.split()
    return {
        "IMF-fixdate": fixdate,
        "RFC 850": f"{days[when.weekday()]}, {day}-{month}-{when:%y %H:%M:%S} GMT",
        "asctime": f"{fixdate[:3]} {month} {when.day:2d} {when:%H:%M:%S %Y}",
    }


PAST = {f"past {form}": ("retry-after", text) for form, text in dates(time.time() - 5000).items()}
FUTURE = dates(time.time() + 5000)
WAITS = {
    "seconds": ("retry-after", "0", 0.0),
    "float": ("retry-after", "0.125", 0.125),
    "retry-after-ms": ("retry-after-ms", "50", 0.05),
    "x-ms-retry-after-ms": ("x-ms-retry-after-ms", "50", 0.05),
    "garbage": ("retry-after", "soon", 0.5),
    "negative": ("retry-after", "-1", 0.5),
    "garbage ms": ("retry-after-ms", "soon", 0.5),
    "infinite": ("retry-after", "inf", 0.5),
    **{name: (*header, 0.0) for name, header in PAST.items()},
}
RETRY = {"attempts": 1, "use_retry_after_header": True}


def without_waiting(client: Client) -> None:
    """Let the retries of a client follow each other at once; the waits are seen in its events."""

    async def no_time(_: float) -> None:
        return

    client.inner._driver._sleep = (lambda _: None) if client.way == "sync" else no_time


@pytest.mark.parametrize("way", ["sync", "aiohttp"])
@pytest.mark.parametrize("form", WAITS)
def test_retry_after(form: str, way: str, provider: Loopback) -> None:
    """Every form of Retry-After is waited for; one that cannot be read leaves the backoff's wait."""
    header, value, seconds = WAITS[form]
    provider.reset({"primary": [Step(status=429, headers={header: value}), Step()]})
    events: list[Any] = []

    async def scenario(client: Client) -> None:
        without_waiting(client)
        outcome = await client.call()
        assert outcome.text == "from primary"
        assert outcome.headers["retry-attempt-count"] == "1"
        waits = [event.wait for event in events if event.name == "retry.scheduled"]
        assert waits == [pytest.approx(seconds)]

    config = target(provider.target("primary"), retry=RETRY)
    run(way, scenario, config=config, rng=Half(), on_event=events.append)


@pytest.mark.parametrize("way", ["sync", "aiohttp"])
def test_retry_after_is_really_waited(way: str, provider: Loopback) -> None:
    """The second request leaves as late as the provider asked."""
    provider.reset({"primary": [Step(status=429, headers={"retry-after-ms": "120"}), Step()]})

    async def scenario(client: Client) -> None:
        await client.call()
        first, second = provider.received
        assert 0.11 < second.at - first.at < 0.12 + SLACK

    run(way, scenario, config=target(provider.target("primary"), retry=RETRY))


TOO_LONG = {
    "a minute": ("retry-after", "60"),
    "a minute of milliseconds": ("retry-after-ms", "60000"),
    **{form: ("retry-after", text) for form, text in FUTURE.items()},
}


@pytest.mark.parametrize("way", ["sync", "aiohttp"])
@pytest.mark.parametrize("form", TOO_LONG)
def test_retry_after_that_is_too_long(form: str, way: str, provider: Loopback) -> None:
    """A wait of a minute or more gives up at once, with the count -1."""
    header, value = TOO_LONG[form]
    provider.reset({"primary": [Step(status=429, headers={header: value}), Step()]})

    async def scenario(client: Client) -> None:
        outcome = await client.call()
        failure: Any = outcome.error
        assert type(failure) is openai.RateLimitError
        assert outcome.seconds < SLACK
        assert failure.response.headers["x-portkey-retry-attempt-count"] == "-1"
        assert len(provider.received) == 1

    run(way, scenario, config=target(provider.target("primary"), retry=RETRY))


@pytest.mark.parametrize("way", ["sync", "aiohttp"])
def test_retry_after_is_not_read_unless_asked_for(way: str, provider: Loopback) -> None:
    """Without `use_retry_after_header` a long Retry-After changes nothing: the backoff is waited."""
    provider.reset({"primary": [Step(status=429, headers={"retry-after": "3600"}), Step()]})
    events: list[Any] = []

    async def scenario(client: Client) -> None:
        without_waiting(client)
        outcome = await client.call()
        assert outcome.text == "from primary"
        waits = [event.wait for event in events if event.name == "retry.scheduled"]
        assert waits == [0.5]

    config = target(provider.target("primary"), retry={"attempts": 1})
    run(way, scenario, config=config, rng=Half(), on_event=events.append)
