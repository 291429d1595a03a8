"""Recorded answers of Anthropic come out as the completions that they are, plain and streamed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion
from tests.providers.anthropic.decoding import accumulated, plain, told
from tests.providers.anthropic.recorded import Row, expected, rows_of, seen
from tests.providers.anthropic.replies import streamed

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Loopback

KEY = "sk-ant-test-key"
# Kinds of rows that cannot come out whole, and why; a hundredth of the rows at most.
EXCEPTIONS: dict[str, Callable[[Row], bool]] = {}


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as server:
        yield server


@pytest.fixture
def rows(shared) -> tuple[Row, ...]:
    return rows_of(shared)


def client_arguments(server: Loopback) -> dict[str, Any]:
    return {"provider": "anthropic", "Authorization": KEY, "custom_host": f"{server.url}/v1"}


def good(rows: tuple[Row, ...]) -> list[Row]:
    """The rows with a message, less the exceptions, which must be few."""
    answered = [row for row in rows if row.status == 200]
    kept = [row for row in answered if not any(each(row) for each in EXCEPTIONS.values())]
    assert answered
    assert len(kept) >= 0.99 * len(answered)
    return kept


def differences(row: Row, completion: ChatCompletion) -> dict[str, Any]:
    ChatCompletion.model_validate(completion.to_dict(), strict=False)
    wanted, got = expected(row.message), seen(completion)
    return {name: (wanted[name], got[name]) for name in wanted if wanted[name] != got[name]}


def test_every_recorded_answer_comes_out_whole(rows, server):
    found = {}
    with Portkey(**client_arguments(server)) as client:
        for row in good(rows):
            server.reset(lambda _, row=row: row.step)
            result = client.chat.completions.create(**row.call)
            completion = gathered(result) if row.streams else result
            if wrong := differences(row, completion):
                found[row.place] = wrong
            assert server.received[0].headers["x-api-key"] == KEY
            assert (server.received[0].target, server.received[0].path) == ("v1", "/messages")
    assert found == {}


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_every_recorded_answer_comes_out_whole_asynchronously(rows, server):
    found = {}
    async with AsyncPortkey(**client_arguments(server)) as client:
        for row in good(rows):
            server.reset(lambda _, row=row: row.step)
            result = await client.chat.completions.create(**row.call)
            if row.streams:
                state = ChatCompletionStreamState()
                async for chunk in result:
                    state.handle_chunk(chunk)
                result = state.current_completion_snapshot
            if wrong := differences(row, result):
                found[row.place] = wrong
    assert found == {}


def gathered(stream: Any) -> ChatCompletion:
    state = ChatCompletionStreamState()
    for chunk in stream:
        state.handle_chunk(chunk)
    return state.current_completion_snapshot


def test_recorded_errors_raise_what_openai_raises(rows, server):
    classes = {400: openai.BadRequestError, 401: openai.AuthenticationError,
               403: openai.PermissionDeniedError, 404: openai.NotFoundError,
               413: openai.APIStatusError, 429: openai.RateLimitError}  # fmt: skip
    failed = [row for row in rows if row.status >= 400]
    assert failed
    with Portkey(**client_arguments(server)) as client:
        for row in failed:
            server.reset(lambda _, row=row: row.step)
            with pytest.raises(classes.get(row.status, openai.InternalServerError)) as raised:
                client.chat.completions.create(**row.call)
            error = row.body["error"]
            assert raised.value.status_code == row.status
            assert error["message"] in str(raised.value)
            assert raised.value.type == error["type"]
            assert raised.value.body["provider_error"] == row.body


def test_streams_say_what_plain_answers_say(rows):
    """Each recorded message, made into a stream, accumulates to the same completion."""
    found = []
    for number, row in enumerate(good(rows)):
        message = row.message
        one = told(plain(message))
        other = told(accumulated(streamed(message, 5 + number % 60), 17 + number * 7))
        found += [(row.place, one, other)] if one != other else []
    assert found == []


def test_recorded_streams_say_what_their_messages_say(rows):
    """The very bytes of each recorded stream, in pieces of one and of seven bytes."""
    streams = [row for row in rows if row.streams and row.status == 200]
    assert streams
    for row in streams:
        one = told(plain(row.message))
        for size in (7, 4096):
            assert told(accumulated(row.body.encode(), size)) == one, row.place
