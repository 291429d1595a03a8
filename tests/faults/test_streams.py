"""Streams that are left early, cancelled, slow, cut or whole: each ends as what it is."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
import trio
from tests.faults.ways import (
    ASYNC_WAYS,
    MESSAGES,
    WAYS,
    Client,
    Outcome,
    Scenario,
    run,
    run_together,
    target,
)

from portkey_local import Connections, StreamInterrupted
from portkey_local.testing import Fault, Loopback, Step, chat_stream

each_way = pytest.mark.parametrize("way", WAYS)
each_async_way = pytest.mark.parametrize("way", ASYNC_WAYS)

ENDLESS = chat_stream([f"{number} " for number in range(200)], event_gap=0.02)


def config(provider: Loopback, step: Step, **fields: Any) -> dict[str, Any]:
    provider.reset({"primary": [step]})
    return target(provider.target("primary"), **fields)


def everywhere(scenario: Scenario, config: dict[str, Any]) -> None:
    """Run a scenario in all ways side by side."""
    run_together(lambda way: run(way, scenario, config=config), WAYS)


# -------------------------------------------------------------------------------- leaving early


@each_way
def test_break_and_close(way: str, provider: Loopback) -> None:
    """Leaving the loop and closing the stream closes the connection; the client stays usable."""

    async def scenario(client: Client) -> None:
        stream = await client.create(stream=True)
        assert (await client.next(stream)).choices[0].delta.content == "0 "
        assert provider.open_connections == 1
        await client.close(stream)
        assert await client.until(lambda: provider.open_connections == 0)
        await client.close(stream)  # once more is harmless
        provider.reset()
        assert (await client.call(stream=True)).text == "from primary"

    run(way, scenario, config=config(provider, ENDLESS))


@each_way
def test_context_manager(way: str, provider: Loopback) -> None:
    """Leaving the `with` block of a stream closes the connection, also by an exception."""

    async def scenario(client: Client) -> None:
        for error in (None, KeyError):
            stream = await client.create(stream=True)
            try:
                if way == "sync":
                    with stream as chunks:
                        next(chunks)
                        if error:
                            raise error
                else:
                    async with stream as chunks:
                        await anext(chunks)
                        if error:
                            raise error
            except KeyError:
                pass
            assert await client.until(lambda: provider.open_connections == 0)

    run(way, scenario, config=config(provider, ENDLESS))


@each_way
@pytest.mark.parametrize("read", [0, 1])
def test_abandoned(read: int, way: str, provider: Loopback) -> None:
    """A stream that is dropped unread or half read gives its connection up when it is collected."""

    async def scenario(client: Client) -> None:
        stream = await client.create(stream=True)
        for _ in range(read):
            await client.next(stream)
        del stream
        gc.collect()
        assert await client.until(lambda: provider.open_connections == 0)
        provider.reset()
        assert (await client.call(stream=True)).text == "from primary"

    run(way, scenario, tidy=False, config=config(provider, ENDLESS))


@each_way
def test_client_closed_under_a_stream(way: str, provider: Loopback) -> None:
    """Closing the client ends its open streams as broken, never as whole."""

    async def scenario(client: Client) -> None:
        stream = await client.create(stream=True)
        await client.next(stream)
        await client.close()
        outcome = Outcome()
        with pytest.raises(StreamInterrupted):
            await client.read(stream, outcome)
        assert len(outcome.texts) < 50
        assert await client.until(lambda: provider.open_connections == 0)

    run(way, scenario, config=config(provider, ENDLESS))


@each_way
def test_read_after_close(way: str, provider: Loopback) -> None:
    """A stream that its reader has closed gives nothing more, and does not wait."""

    async def scenario(client: Client) -> None:
        stream = await client.create(stream=True)
        await client.next(stream)
        await client.close(stream)
        assert await client.next(stream) is None

    run(way, scenario, config=config(provider, ENDLESS))


# ---------------------------------------------------------------------------------- cancellation


class Phase:
    """A moment of a call: what the provider does, and how a test knows that the moment has come."""

    def __init__(self, step: Step, *, stream: bool = False, secure: bool = False) -> None:
        self.step = step
        self.stream = stream
        self.secure = secure


PHASES = {
    "connecting": Phase(Step(), secure=True),  # the provider knows no TLS: the handshake never ends
    "head": Phase(Step(fault=Fault.SILENCE)),
    "dripping head": Phase(Step(fault=Fault.DRIP_HEADERS)),
    "body": Phase(Step(fault=Fault.HEADERS_THEN_SILENCE)),
    "dripping body": Phase(Step(fault=Fault.DRIP_BODY)),
    "first event": Phase(Step(fault=Fault.HEADERS_THEN_SILENCE), stream=True),
    "stream": Phase(Step(fault=Fault.STALL_STREAM), stream=True),
    "comments": Phase(Step(fault=Fault.COMMENTS_STREAM), stream=True),
}


async def cancelled(way: str, work: Callable[[], Any], reached: Callable[[], Any]) -> bool:
    """Begin the work, and cancel it once the phase is reached; say whether it was cancelled."""
    ended = []

    async def watched() -> None:
        try:
            await work()
            ended.append(False)
        except BaseException as error:
            ended.append(not isinstance(error, Exception))
            raise

    if way == "trio":
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watched)
            await reached()
            nursery.cancel_scope.cancel()
    else:
        task = asyncio.create_task(watched())
        await reached()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    return ended == [True]


@each_async_way
@pytest.mark.parametrize("name", PHASES)
def test_cancelled(name: str, way: str, provider: Loopback) -> None:
    """A call that is cancelled in any phase leaves no connection, no task, and a usable client."""
    phase = PHASES[name]
    address = config(provider, phase.step)
    if phase.secure:
        address["custom_host"] = address["custom_host"].replace("http:", "https:")

    async def scenario(client: Client) -> None:
        outcome = Outcome()

        async def work() -> None:
            result = await client.create(stream=phase.stream)
            await client.read(result, outcome)

        async def reached() -> None:
            assert await client.until(lambda: provider.open_connections == 1)
            if not phase.secure:
                assert await client.until(lambda: bool(provider.received))
            if name in ("stream", "comments"):
                assert await client.until(lambda: bool(outcome.texts))
            await client.sleep(0.03)

        assert await cancelled(way, work, reached)
        assert await client.until(lambda: provider.open_connections == 0)
        if not phase.secure:
            provider.reset()
            assert (await client.call()).text == "from primary"

    run(way, scenario, config=address, connections=Connections(verify=False))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
def test_move_on_after(stream: bool, provider: Loopback) -> None:
    """A time limit of trio's own ends a call and leaves no connection."""

    async def scenario(client: Client) -> None:
        outcome = Outcome()
        with trio.move_on_after(0.08) as scope:
            result = await client.create(stream=stream)
            await client.read(result, outcome)
        assert scope.cancelled_caught
        assert bool(outcome.texts) == stream
        assert await client.until(lambda: provider.open_connections == 0)

    run("trio", scenario, config=config(provider, Step(fault=Fault.STALL_STREAM)))


@pytest.mark.parametrize("way", ["aiohttp", "httpx"])
def test_wait_for(way: str, provider: Loopback) -> None:
    """A time limit of asyncio's own raises its own TimeoutError, not ours, and leaves no connection."""

    async def scenario(client: Client) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.create(), 0.08)
        assert await client.until(lambda: provider.open_connections == 0)

    run(way, scenario, config=config(provider, Step(fault=Fault.SILENCE)))


@each_async_way
def test_many_cancelled_at_once(way: str, provider: Loopback) -> None:
    """Twenty calls that are cancelled together leave no connection and no task."""

    async def scenario(client: Client) -> None:
        async def work() -> None:
            if way == "trio":
                async with trio.open_nursery() as nursery:
                    for _ in range(20):
                        nursery.start_soon(client.create)
            else:
                await asyncio.gather(*(client.create() for _ in range(20)))

        async def reached() -> None:
            assert await client.until(lambda: len(provider.received) == 20)

        assert await cancelled(way, work, reached)
        assert await client.until(lambda: provider.open_connections == 0)
        provider.reset()
        assert (await client.call()).text == "from primary"

    run(way, scenario, config=config(provider, Step(fault=Fault.SILENCE)))


@each_async_way
def test_cancelled_while_waiting_for_a_connection(way: str, provider: Loopback) -> None:
    """Calls that are cancelled in the queue for a connection do not keep their place in it."""

    async def scenario(client: Client) -> None:
        async def two() -> None:
            if way == "trio":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(client.create)
                    nursery.start_soon(client.create)
            else:
                await asyncio.gather(client.create(), client.create())

        async def reached() -> None:
            assert await client.until(lambda: len(provider.received) == 1)
            await client.sleep(0.03)

        assert await cancelled(way, two, reached)
        provider.reset()
        assert (await client.call()).text == "from primary"
        assert await client.until(lambda: provider.open_connections <= 1)

    limited = Connections(max_connections=1)
    address = config(provider, Step(fault=Fault.SILENCE), request_timeout=1000)
    run(way, scenario, config=address, connections=limited)


# ------------------------------------------------------------------------------- the idle limit


def test_each_event_resets_the_idle_limit(provider: Loopback) -> None:
    """A stream may take longer than either limit, as long as its events keep coming."""
    step = chat_stream(["a", "b", "c", "d"], event_gap=0.08)

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=True)
        assert (outcome.text, outcome.error) == ("abcd", None)
        assert outcome.seconds > 0.3

    limits = {"request_timeout": 200, "stream_idle_timeout": 200}
    everywhere(scenario, config(provider, step, **limits))


def test_comments_do_not_reset_the_idle_limit(provider: Loopback) -> None:
    """Keep-alive comments carry nothing: a stream of them breaks in time, and says which limit."""

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=True)
        assert type(outcome.error) is StreamInterrupted
        assert "stream_idle_timeout" in str(outcome.error)
        assert 0.15 < outcome.seconds < 2.7

    step = Step(fault=Fault.COMMENTS_STREAM)
    everywhere(scenario, config(provider, step, stream_idle_timeout=150))


def test_a_half_event_does_not_reset_the_idle_limit(provider: Loopback) -> None:
    """Bytes that never complete an event do not keep a stream alive."""
    first = b'data: {"choices": [{"index": 0, "delta": {"content": "one"}}]}\n\n'
    step = Step(events=[first, b'data: {"ch', *[b" "] * 200], event_gap=0.03)

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=True)
        assert type(outcome.error) is StreamInterrupted
        assert outcome.text == "one"
        assert outcome.seconds < 2.7  # all the bytes would take six seconds

    everywhere(scenario, config(provider, step, stream_idle_timeout=150))


def test_no_idle_limit(provider: Loopback) -> None:
    """`stream_idle_timeout` 0 takes the limit away; the request's own ends at the first event."""
    step = Step(events=[chunk("a"), chunk("b", finish="stop")], event_gap=0.35)

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=True)
        assert (outcome.text, outcome.error) == ("ab", None)

    limits = {"request_timeout": 250, "stream_idle_timeout": 0}
    everywhere(scenario, config(provider, step, **limits))


@pytest.mark.parametrize("gap", [0.0, 0.03], ids=["all at once", "event by event"])
def test_a_slow_reader_is_not_timed_out(gap: float, provider: Loopback) -> None:
    """Time that the reader spends on a chunk does not count: only waiting for the provider does."""
    step = chat_stream(["a", "b", "c"], event_gap=gap)

    async def scenario(client: Client) -> None:
        stream = await client.create(stream=True)
        texts = []
        while (chunk := await client.next(stream)) is not None:
            texts.append(chunk.choices[0].delta.content or "")
            if len(texts) < 3:
                await client.sleep(0.25)
        assert "".join(texts) == "abc"

    limits = {"request_timeout": 200, "stream_idle_timeout": 100}
    everywhere(scenario, config(provider, step, **limits))


def test_a_slow_reader_of_a_stalled_stream(provider: Loopback) -> None:
    """After a busy reader comes back, the provider has the whole idle limit, and no more than it."""

    async def scenario(client: Client) -> None:
        stream = await client.create(stream=True)
        await client.next(stream)
        await client.sleep(0.25)
        outcome = Outcome()
        with pytest.raises(StreamInterrupted):
            await client.read(stream, outcome)
        assert outcome.text == "two three "

    step = Step(fault=Fault.STALL_STREAM)
    everywhere(scenario, config(provider, step, stream_idle_timeout=100))


# ---------------------------------------------------------------------------- what ends a stream


def chunk(text: str = "", *, finish: str | None = None, index: int = 0, **more: Any) -> str:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return json.dumps({"object": "chat.completion.chunk", "choices": [choice], **more})


USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
ENDS: dict[str, tuple[list[str | bytes], bool]] = {
    "[DONE] alone": ([chunk("a"), "[DONE]"], True),
    "[DONE] without its blank line": ([chunk("a"), b"data: [DONE]"], True),
    "[DONE] without a space": ([chunk("a"), b"data:[DONE]\n\n"], True),
    "a finish reason, no [DONE]": ([chunk("a"), chunk(finish="stop")], True),
    "a finish reason with the last text": ([chunk("a", finish="length")], True),
    "neither": ([chunk("a")], False),
    "usage, but no finish reason": ([chunk("a", usage=USAGE)], False),
    "half an event": ([chunk("a"), b'data: {"choices'], False),
    "half a [DONE]": ([chunk("a"), b"data: [DO"], False),
    "text that says [DONE]": ([chunk("a[DONE]")], False),
}


@each_way
@pytest.mark.parametrize("name", ENDS)
def test_ends_of_chat_streams(name: str, way: str, provider: Loopback) -> None:
    """`[DONE]` or every choice's finish reason ends a chat stream; a clean end alone does not."""
    events, whole = ENDS[name]

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=True)
        assert outcome.text.startswith("a")
        if whole:
            assert outcome.error is None
            assert await client.until(lambda: provider.open_connections == 1)  # kept for the next
        else:
            assert type(outcome.error) is StreamInterrupted

    run(way, scenario, config=config(provider, Step(events=events)))


@pytest.mark.parametrize("end", ["clean end", "cut", "stall"])
def test_a_break_after_the_finish_reason(end: str, provider: Loopback) -> None:
    """Once the finish reason is there the answer is whole, however the connection ends."""
    events = [chunk("a", finish="stop"), ": and then nothing"]
    fault = {"clean end": None, "cut": Fault.CUT_CHUNKED, "stall": Fault.STALL_STREAM}[end]

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=True)
        assert (outcome.text, outcome.error) == ("a", None)

    step = Step(events=events if fault else events[:1], fault=fault)
    everywhere(scenario, config(provider, step, stream_idle_timeout=150))


@each_way
def test_usage_after_the_finish_reason(way: str, provider: Loopback) -> None:
    """The usage chunk comes after the finish reason and is delivered, with and without `[DONE]`."""
    for done in (True, False):
        step = chat_stream(["a", "b"], usage=True, done=done, event_gap=0.01)
        address = config(provider, step)

        async def scenario(client: Client) -> None:
            stream = await client.create(stream=True, stream_options={"include_usage": True})
            chunks = []
            while (got := await client.next(stream)) is not None:
                chunks.append(got)
            assert chunks[-1].usage.completion_tokens == 2
            assert chunks[-1].choices == []
            assert chunks[-2].choices[0].finish_reason == "stop"

        run(way, scenario, config=address)


@each_way
def test_two_choices(way: str, provider: Loopback) -> None:
    """With n=2 one finished choice is half of the answer; both together are all of it."""
    begun = [chunk("a", index=0), chunk("b", index=1), chunk(finish="stop", index=1)]

    async def whole(client: Client) -> None:
        outcome = await client.call(stream=True, n=2)
        assert (outcome.text, outcome.error) == ("ab", None)

    async def half(client: Client) -> None:
        outcome = await client.call(stream=True, n=2)
        assert type(outcome.error) is StreamInterrupted

    run(way, whole, config=config(provider, Step(events=[*begun, chunk(finish="stop", index=0)])))
    run(way, half, config=config(provider, Step(events=begun)))
    overridden = config(provider, Step(events=begun), override_params={"n": 2})

    async def half_by_override(client: Client) -> None:
        outcome = await client.call(stream=True)
        assert type(outcome.error) is StreamInterrupted

    run(way, half_by_override, config=overridden)


RESPONSE = {"id": "resp_1", "object": "response", "output": [], "model": "m"}


def response_events(*kinds: str) -> Step:
    events = []
    for number, kind in enumerate(kinds):
        data: dict[str, Any] = {"type": kind, "sequence_number": number}
        if kind == "response.output_text.delta":
            data |= {"delta": "a", "item_id": "i", "output_index": 0, "content_index": 0}
        else:
            data["response"] = {**RESPONSE, "status": kind.removeprefix("response.")}
        events.append(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())
    return Step(events=events)


@each_way
@pytest.mark.parametrize("last", ["completed", "failed", "incomplete", "output_text.delta"])
def test_ends_of_responses_streams(last: str, way: str, provider: Loopback) -> None:
    """A stream of responses ends with its completed, failed or incomplete event, and only so."""
    kinds = ("response.created", "response.output_text.delta", f"response.{last}")

    async def scenario(client: Client) -> None:
        stream = client.inner.responses.create(model="m", input="hello", stream=True)
        stream = stream if way == "sync" else await stream
        seen = []
        try:
            while (event := await client.next(stream)) is not None:
                seen.append(event.type)
            error = None
        except openai.APIError as broken:
            error = broken
        assert tuple(seen) == kinds
        if last == "output_text.delta":
            assert type(error) is StreamInterrupted
        else:
            assert error is None

    run(way, scenario, config=config(provider, response_events(*kinds)))


# -------------------------------------------------------------------------------- error events


@each_way
def test_an_error_event_in_the_middle(way: str, provider: Loopback) -> None:
    """An error event after the first chunk raises the SDK's APIError with the provider's words."""
    problem = {"message": "the model fell over", "type": "server_error", "code": "oops"}
    step = Step(events=[chunk("a"), json.dumps({"error": problem}), chunk("b"), "[DONE]"])

    async def scenario(client: Client) -> None:
        outcome = await client.call(stream=True)
        failure: Any = outcome.error
        assert type(failure) is openai.APIError
        assert outcome.text == "a"
        assert "the model fell over" in str(failure)
        assert failure.body == problem
        assert (failure.code, failure.type) == ("oops", "server_error")
        assert await client.until(lambda: provider.open_connections <= 1)

    run(way, scenario, config=config(provider, step))
    with openai.OpenAI(base_url=provider.target("primary"), api_key="k", max_retries=0) as bare:
        provider.reset({"primary": [step]})
        with pytest.raises(openai.APIError) as raised:
            list(bare.chat.completions.create(model="m", messages=MESSAGES, stream=True))
        assert type(raised.value) is openai.APIError
        assert raised.value.body == problem


@each_way
def test_an_error_event_at_the_beginning(way: str, provider: Loopback) -> None:
    """An error as the very first event fails the call itself, so that a fallback could act."""
    step = Step(events=[json.dumps({"error": {"message": "overloaded", "code": 529}}), "[DONE]"])

    async def scenario(client: Client) -> None:
        with pytest.raises(openai.APIError, match="overloaded") as raised:
            await client.create(stream=True)
        assert type(raised.value) is openai.APIError

    run(way, scenario, config=config(provider, step))


@each_way
def test_raw_bytes_of_a_broken_stream(way: str, provider: Loopback) -> None:
    """`with_raw_response` streams break as StreamInterrupted too, with the target and its headers."""

    async def scenario(client: Client) -> None:
        raw = client.inner.chat.completions.with_raw_response.create(
            model="m", messages=MESSAGES, stream=True
        )
        raw = raw if way == "sync" else await raw
        outcome = Outcome()
        with pytest.raises(StreamInterrupted) as raised:
            await client.read(raw.parse(), outcome)
        assert outcome.text == "one two three "
        assert "config, openai" in str(raised.value)
        headers = raised.value.response.headers
        assert headers["x-portkey-last-used-option-index"] == "config"
        assert await client.until(lambda: provider.open_connections == 0)

    run(way, scenario, config=config(provider, Step(fault=Fault.CUT_CHUNKED)))
