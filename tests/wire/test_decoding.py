"""Content codings: however a coded body is cut into chunks, it is decoded or refused."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import openai
import pytest
from hypothesis import given, settings, strategies as st

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Loopback, Step, chat, error
from portkey_local.wire.contract import WireError
from portkey_local.wire.decoding import Decoder, is_coded

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
ANSWER = json.dumps(chat("decoded").json).encode()


def bare_deflate(data: bytes) -> bytes:
    """Deflate without zlib's header, as some servers send it."""
    press = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return press.compress(data) + press.flush()


FORMS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "bare deflate": ("deflate", bare_deflate),
}
few = settings(max_examples=40)
each_form = pytest.mark.parametrize("form", FORMS)


def target(provider: Loopback, name: str) -> dict[str, Any]:
    return {"provider": "openai", "api_key": "k", "custom_host": provider.target(name)}


def decoded(coding: str, chunks: list[bytes]) -> bytes:
    decoder = Decoder(coding)
    plain = b"".join([decoder.decode(chunk) for chunk in chunks])
    decoder.finish()
    return plain


@st.composite
def chunked(draw: Any, data: bytes) -> list[bytes]:
    """Cut data anywhere, empty chunks included."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    edges = zip([0, *cuts], [*cuts, len(data)], strict=True)
    return [data[begin:end] for begin, end in edges]


@each_form
@few
@given(data=st.data(), plain=st.binary(max_size=300))
def test_any_chunking_is_decoded(form: str, data: Any, plain: bytes) -> None:
    """How the body was cut on its way makes no difference."""
    coding, press = FORMS[form]
    assert decoded(coding, data.draw(chunked(press(plain)))) == plain


@each_form
@few
@given(plain=st.binary(max_size=300))
def test_a_body_byte_by_byte_is_decoded(form: str, plain: bytes) -> None:
    """The first byte alone does not tell whether a header will come."""
    coding, press = FORMS[form]
    assert decoded(coding, [bytes([byte]) for byte in press(plain)]) == plain


@each_form
@few
@given(data=st.data(), plain=st.binary(max_size=300))
def test_a_cut_body_is_refused(form: str, data: Any, plain: bytes) -> None:
    """A coded body that was begun and not ended is no answer."""
    coding, press = FORMS[form]
    coded = press(plain)
    kept = coded[: data.draw(st.integers(1, len(coded) - 1))]
    with pytest.raises(WireError):
        decoded(coding, data.draw(chunked(kept)))


@each_form
@few
@given(data=st.data(), tail=st.binary(max_size=40))
def test_garbage_is_refused(form: str, data: Any, tail: bytes) -> None:
    """Bytes that are not coded raise WireError and nothing else."""
    with pytest.raises(WireError):
        decoded(FORMS[form][0], data.draw(chunked(b"\xff" + tail)))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
@few
@given(data=st.data(), body=st.binary(max_size=60))
def test_whatever_comes_is_decoded_or_refused(coding: str, data: Any, body: bytes) -> None:
    """No bytes lead to another exception than WireError."""
    with suppress(WireError):
        decoded(coding, data.draw(chunked(body)))


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_an_empty_body_was_not_begun(coding: str) -> None:
    """An answer without a body may still name a coding."""
    assert decoded(coding, []) == b""
    assert decoded(coding, [b""]) == b""


def test_names_of_codings() -> None:
    """Names are read in any case; a coding that nobody asked for is refused."""
    assert decoded(" GZIP ", [gzip.compress(b"x")]) == b"x"
    assert [is_coded(name) for name in ("", " Identity ", "gzip")] == [False, False, True]
    with pytest.raises(WireError, match="'br', which was not asked for"):
        Decoder("br")


BROKEN = Step(body=b"\xff\xff\xff garbage", headers={"content-encoding": "deflate"})
each_unasked = pytest.mark.parametrize("coding", ["br", "zstd", "x-unheard-of"])


def limited(coding: str) -> Step:
    return Step(status=429, body=b"\x0b\x02", headers={"content-encoding": coding})


def fallback(provider: Loopback) -> dict[str, Any]:
    return {
        "strategy": {"mode": "fallback"},
        "targets": [target(provider, "a"), target(provider, "b")],
    }


def test_garbage_is_a_failed_attempt(provider: Loopback) -> None:
    """A body that cannot be decoded fails its target; the next one is asked."""
    provider.reset({"a": [BROKEN], "b": [chat("from b")]})
    with Portkey(config=fallback(provider)) as client:
        assert client.chat.completions.create(**ASK).choices[0].message.content == "from b"
    assert [each.target for each in provider.received] == ["a", "b"]


@pytest.mark.anyio
async def test_garbage_is_a_failed_attempt_async(provider: Loopback, anyio_backend: str) -> None:
    """The same on every event loop."""
    provider.reset({"a": [BROKEN], "b": [chat("from b")]})
    async with AsyncPortkey(config=fallback(provider)) as client:
        result = await client.chat.completions.create(**ASK)
    assert result.choices[0].message.content == "from b"


@each_unasked
def test_the_status_of_an_error_is_its_news(coding: str, provider: Loopback) -> None:
    """An error answer in a coding that nobody asked for is still that error."""
    provider.reset({"t": [limited(coding)]})
    with Portkey(config=target(provider, "t")) as client, pytest.raises(openai.RateLimitError):
        client.chat.completions.create(**ASK)


@pytest.mark.anyio
@each_unasked
async def test_the_status_of_an_error_is_its_news_async(
    coding: str, provider: Loopback, anyio_backend: str
) -> None:
    """The same on every event loop."""
    provider.reset({"t": [limited(coding)]})
    async with AsyncPortkey(config=target(provider, "t")) as client:
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(**ASK)


@each_form
def test_a_coded_answer_and_a_coded_error(form: str, provider: Loopback) -> None:
    """Answers and errors alike arrive decoded."""
    coding, press = FORMS[form]
    headers = {"content-encoding": coding}
    refusal = json.dumps(error(400, "decoded too").json).encode()
    provider.reset(
        {
            "t": [
                Step(body=press(ANSWER), headers=headers),
                Step(status=400, body=press(refusal), headers=headers),
            ]
        }
    )
    with Portkey(config=target(provider, "t")) as client:
        assert client.chat.completions.create(**ASK).choices[0].message.content == "decoded"
        with pytest.raises(openai.BadRequestError, match="decoded too"):
            client.chat.completions.create(**ASK)
