"""Which answers are handed on as they arrive, and how they end."""

from __future__ import annotations

import pytest

from portkey_local.model import Answer, Request
from portkey_local.providers.piecemeal import Pieces, is_piecemeal


def asked(path: str = "/audio/speech", **more: bool) -> Request:
    return Request("POST", path, {}, **{"piecemeal": True, **more})


def test_it_is_so_for_a_caller_who_reads_it_so_where_it_may_be_no_json() -> None:
    audio = Answer(200, {"content-type": "audio/mpeg"})
    assert is_piecemeal(asked(), audio)
    assert is_piecemeal(asked("/files/f/content", json_expected=False), audio)
    assert not is_piecemeal(asked("/chat/completions"), audio)
    assert not is_piecemeal(asked(piecemeal=False), audio)
    assert not is_piecemeal(asked(stream=True), audio)


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "text/event-stream"])
def test_what_can_be_judged_is_read_and_judged(kind: str) -> None:
    assert not is_piecemeal(asked(json_expected=False), Answer(200, {"content-type": kind}))


def test_it_is_whole_when_http_says_so() -> None:
    pieces = Pieces()
    assert [event.raw for event in pieces.feed(b"a")] == [b"a"]
    assert pieces.feed(b"") == []
    assert not pieces.complete
    assert pieces.finish() == []
    assert pieces.complete
    assert pieces.ended


def test_nothing_is_an_answer_too_and_comes_once() -> None:
    pieces = Pieces()
    assert [event.raw for event in pieces.finish()] == [b""]
    assert pieces.ended
