"""Checks that ask elsewhere, driven by hand: what they send, and what they make of the answer."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import jwt as pyjwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from portkey_local.checks import prepare
from portkey_local.checks.remote import NoAnswer
from portkey_local.effects import Fetch, Raised, Run
from portkey_local.hooks import Check, CheckContext, CheckResult
from portkey_local.model import Answer, Failure, Fault

OFFLINE = Failure(None, Fault.NETWORK, 500, "no answer")


def drive(check: Check, *answers: Any, **context: Any) -> tuple[CheckResult, list[Any]]:
    """Give a check the answers in their order; return its result and what it asked for."""
    given: dict[str, Any] = {"moment": "input", "text": "", "request": {"model": "m"}}
    route = check.run(CheckContext(**{**given, **context}))
    asked, send = [], iter((None, *answers))
    try:
        while True:
            asked.append(route.send(next(send)))
    except StopIteration as stop:
        return stop.value, asked


def told(value: Any, status: int = 200) -> Answer:
    return Answer(status, {}, json.dumps(value).encode())


def test_a_webhook_is_told_the_call_and_no_credential():
    """It gets the request's JSON and text, never the caller's headers; three seconds it has."""
    check = prepare("webhook", {"webhookURL": "https://h.example/x", "headers": '{"A": "b"}'}, {})
    headers = {"authorization": "Bearer top-secret-token"}
    answer = told({"verdict": True, "data": {"k": 1}})
    result, (fetch,) = drive(
        check,
        answer,
        text="hi",
        headers=headers,
        request={"model": "m", "prompt": "hi"},
        endpoint="/completions",
    )
    assert (result.verdict, result.data) == (True, {"k": 1})
    assert isinstance(fetch, Fetch)
    assert (fetch.packet.method, fetch.packet.url, fetch.seconds) == (
        "POST",
        "https://h.example/x",
        3.0,
    )
    assert fetch.packet.headers["a"] == "b"
    assert b"top-secret" not in fetch.packet.content
    told_it = json.loads(fetch.packet.content)
    assert told_it["request"] == {
        "json": {"model": "m", "prompt": "hi"},
        "text": "hi",
        "isStreamingRequest": False,
    }
    assert told_it["requestType"] == "complete"


def test_a_webhook_may_change_the_body():
    """Its `transformedData` is the body of a mutator."""
    body = {"model": "m", "messages": []}
    answer = told({"verdict": True, "transformedData": {"request": {"json": body}}})
    result, _ = drive(prepare("webhook", {"webhookURL": "http://h"}, {}), answer)
    assert result.body == body


@pytest.mark.parametrize(
    "answer",
    [OFFLINE, told({}, 500), Answer(200, {}, b"ok"), told({"verdict": "yes"}), told([])],
    ids=str,
)
def test_a_webhook_without_a_verdict_raises(answer):
    """Which of the ways it failed is told, nothing else."""
    with pytest.raises(NoAnswer):
        drive(prepare("webhook", {"webhookURL": "http://h"}, {}), answer)


def test_a_log_passes_once_it_is_told():
    """An error there is an error of the check."""
    check = prepare("log", {"logURL": "http://l"}, {})
    assert drive(check, Answer(204, {}))[0].verdict
    with pytest.raises(NoAnswer):
        drive(check, OFFLINE)


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [([told(1), told(1)], True), ([told(1), told(1, 404)], False), ([OFFLINE], False)],
)
def test_urls_are_visited(answers, verdict):
    """Each address in its turn, the first bad one ends it."""
    text = "see https://a.example/x, and (http://b.example)."
    result, asked = drive(prepare("validUrls", {}, {}), *answers, text=text)
    assert result.verdict is verdict
    assert [fetch.packet.url for fetch in asked] == [
        "https://a.example/x",
        "http://b.example",
    ][: len(answers)]


MOVED = Answer(301, {"location": "/there"})


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [([MOVED, told(1)], True), ([MOVED] * 6, False), ([Answer(301, {})], False)],
    ids=["moved", "round and round", "nowhere"],
)
def test_urls_that_have_moved_are_followed(answers, verdict):
    """Nothing is downloaded: what counts is the answer's head."""
    result, asked = drive(prepare("validUrls", {}, {}), *answers, text="http://a.example/x")
    assert (result.verdict, len(asked)) == (verdict, len(answers))
    assert {fetch.packet.method for fetch in asked} == {"HEAD"}
    assert [fetch.packet.url for fetch in asked[1:2]] == ["http://a.example/there"] * (
        len(answers) > 1
    )


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("http://a.example/x,http://b.example", ["http://a.example/x", "http://b.example"]),
        ("see http://a.example/Foo_(bar).", ["http://a.example/Foo_(bar)"]),
        ("[a](http://a.example), b", ["http://a.example"]),
        ('{"u": "http://a.example"}', ["http://a.example"]),
    ],
)
def test_urls_end_where_their_sentence_goes_on(text, urls):
    """Commas, brackets and full stops around an address are no part of it."""
    _, asked = drive(prepare("validUrls", {}, {}), *[told(1)] * len(urls), text=text)
    assert [fetch.packet.url for fetch in asked] == urls


def test_names_of_urls_are_resolved(monkeypatch):
    """With onlyDNS a function is run, where waiting is allowed."""
    looked: list[str] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, _port: looked.append(host))
    check = prepare("validUrls", {"onlyDNS": True}, {})
    result, (run,) = drive(check, [], text="https://a.example/x")
    assert isinstance(run, Run)
    run.function()
    assert (result.verdict, looked) == (True, ["a.example"])
    assert not drive(check, Raised(OSError()), text="https://a.example")[0].verdict
    assert not drive(check, text="http://[bad")[0].verdict
    assert not drive(check, text="no address")[0].verdict


KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
URI = "https://issuer.example/keys"


def keys(**named: Any) -> Answer:
    listed = [
        {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": name, "alg": "RS256"}
        for name, key in named.items()
    ]
    return told({"keys": listed})


def token(key: Any = KEY, kid: str | None = "k1", **claims: Any) -> dict[str, str]:
    now = int(time.time())
    headers = {} if kid is None else {"kid": kid}
    written = pyjwt.encode({"iat": now, **claims}, key, "RS256", headers=headers)
    return {"authorization": f"Bearer {written}"}


def test_a_good_token_passes_and_its_keys_are_kept():
    """The issuer is asked once, and again when the keys are old or the token names another."""
    check = prepare("jwt", {"jwksUri": URI, "cacheMaxAge": 60}, {})
    result, (fetch,) = drive(check, keys(k1=KEY), headers=token(), now=0.0)
    assert result.verdict
    assert (fetch.packet.url, fetch.packet.method) == (URI, "GET")
    assert drive(check, headers=token(), now=59.0)[1] == []
    assert len(drive(check, keys(k1=KEY), headers=token(), now=61.0)[1]) == 1
    rotated = token(OTHER, "k2")
    result, asked = drive(check, keys(k1=KEY, k2=OTHER), headers=rotated, now=62.0)
    assert (result.verdict, len(asked)) == (True, 1)


def test_a_subject_may_be_a_number():
    """Claims that only the caller understands are not judged."""
    check = prepare("jwt", {"jwksUri": URI}, {})
    assert drive(check, keys(k1=KEY), headers=token(sub=5, jti=7))[0].verdict


@pytest.mark.parametrize(
    "headers",
    [
        token(OTHER),
        token(kid=None),
        token(kid="unknown"),
        token(exp=int(time.time()) - 60),
        token(iat=int(time.time()) - 2 * 86400),
        {"authorization": "Bearer not.a.token"},
        {},
    ],
    ids=["wrong key", "no kid", "unknown kid", "expired", "too old", "garbage", "no header"],
)
def test_a_bad_token_fails(headers):
    """Why is told, of the token nothing."""
    check = prepare("jwt", {"jwksUri": URI}, {})
    result, _ = drive(check, keys(k1=KEY), headers=headers)
    assert not result.verdict
    assert headers.get("authorization", "-")[7:40] not in str(result.data) or not headers


def test_a_token_of_another_algorithm_fails():
    """A token signed with the public key as a shared secret is no good."""
    forged = pyjwt.encode({"iat": 1}, "x" * 40, "HS256", headers={"kid": "k1"})
    check = prepare("jwt", {"jwksUri": URI, "headerKey": "X-Token"}, {})
    assert not drive(check, keys(k1=KEY), headers={"x-token": forged})[0].verdict


@pytest.mark.parametrize("answer", [OFFLINE, told({}), Answer(200, {}, b"<html>"), told({}, 503)])
def test_without_keys_no_verdict(answer):
    """Then the hook decides: it fails closed where it denies."""
    with pytest.raises(NoAnswer):
        drive(prepare("jwt", {"jwksUri": URI}, {}), answer, headers=token())
