"""Signing in to Google Cloud: a service account's token, kept while it holds, fetched once."""

from __future__ import annotations

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import openai
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

from portkey_local import AsyncPortkey, ConfigError, Portkey
from portkey_local.model import Failure, Fault, Packet, Target
from portkey_local.providers.openai import OpenAICodec
from portkey_local.signing.google import signer
from portkey_local.testing import Step

PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = PRIVATE.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
TARGET = Target(path="config", provider="vertex-ai", url="https://v.test", codec=OpenAICodec())
PACKET = Packet("POST", "https://v.test/x", {"content-type": "application/json"}, b"{}")
GEMINI = {"candidates": [{"content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}]}
TOKEN = {"access_token": "ya29.fetched", "expires_in": 3600, "token_type": "Bearer"}


def account(server: Any) -> dict[str, str]:
    return {"type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": PEM,
            "client_email": "robot@p.test", "token_uri": f"{server.url}/token"}  # fmt: skip


def signer_at(server: Any) -> Any:
    return signer("vertex-ai", {"vertex_service_account_json": account(server)}, {})


def test_a_service_account_signs_for_a_token_and_keeps_it(provider):
    provider.reset(lambda _: Step(json=TOKEN))
    signs = signer_at(provider)
    assert not signs.ready()
    for _ in range(3):
        signed = signs.sign(TARGET, PACKET)
        assert signed.headers == {
            "content-type": "application/json",
            "authorization": "Bearer ya29.fetched",
        }
        assert signs.ready()
    (asked,) = provider.received
    told = jwt.decode(
        parse_qs(asked.body.decode())["assertion"][0],
        certs=PUBLIC,
        audience=None,
        clock_skew_in_seconds=60,
    )
    assert told["iss"] == "robot@p.test"
    assert told["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert PACKET.headers == {"content-type": "application/json"}


def test_a_token_about_to_expire_is_fetched_anew(provider):
    provider.reset(lambda _: Step(json={**TOKEN, "expires_in": 1}))
    signs = signer_at(provider)
    for _ in range(2):
        assert isinstance(signs.sign(TARGET, PACKET), Packet)
    assert len(provider.received) == 2


def test_many_threads_fetch_one_token(provider):
    arrived = threading.Barrier(8)
    provider.reset(lambda _: Step(json=TOKEN, delay=0.05))
    signs = signer_at(provider)

    def sign(_: int) -> Any:
        arrived.wait(5)
        return signs.sign(TARGET, PACKET)

    with ThreadPoolExecutor(8) as pool:
        assert all(isinstance(each, Packet) for each in pool.map(sign, range(8)))
    assert len(provider.received) == 1


@pytest.mark.parametrize(
    "step", [Step(status=400, json={"error": "invalid_grant", "error_description": "no"}),
             Step(body=b"<html>"), Step(json={"token": "elsewhere"})],
)  # fmt: skip
def test_a_token_that_cannot_be_had_is_a_failure(provider, step):
    provider.reset(lambda _: step)
    failure = signer_at(provider).sign(TARGET, PACKET)
    assert isinstance(failure, Failure)
    assert (failure.fault, failure.status) == (Fault.SIGN_IN, 401)
    assert "PRIVATE" not in failure.message


def test_a_token_server_that_is_gone_is_a_failure(provider):
    signs = signer(
        "vertex-ai",
        {"vertex_service_account_json": {**account(provider), "token_uri": "http://127.0.0.1:9/t"}},
        {},
    )
    failure = signs.sign(TARGET, PACKET)
    assert isinstance(failure, Failure)
    assert failure.fault is Fault.SIGN_IN


@pytest.mark.parametrize(
    "wrong", [{}, {"private_key": "no key"}, {"private_key": 7}, {"client_email": None}]
)
def test_a_wrong_account_is_refused_without_quoting_it(provider, wrong):
    told = {**account(provider), **wrong} if wrong else {"project_id": "p"}
    with pytest.raises(ConfigError, match="vertex_service_account_json") as caught:
        Portkey(
            config={
                "provider": "vertex-ai",
                "vertex_project_id": "p",
                "vertex_service_account_json": told,
            }
        )
    assert "BEGIN" not in str(caught.value)


def test_a_missing_package_is_named_with_its_extra(provider, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.oauth2.service_account", None)
    with pytest.raises(ConfigError, match=r"portkey-local\[vertex\]"):
        Portkey(config={"provider": "vertex-ai", "vertex_project_id": "p"})


def test_the_machines_own_key_file_is_used(provider, tmp_path, monkeypatch):
    provider.reset(lambda _: Step(json=TOKEN))
    path = tmp_path / "key.json"
    path.write_text(json.dumps(account(provider)))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    signs = signer("vertex-ai", {}, {})
    assert signs.sign(TARGET, PACKET).headers["authorization"] == "Bearer ya29.fetched"


def test_a_key_file_that_is_not_there_is_a_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "no"))
    failure = signer("vertex-ai", {}, {}).sign(TARGET, PACKET)
    assert isinstance(failure, Failure)
    assert failure.fault is Fault.SIGN_IN


def config_at(server: Any) -> dict[str, Any]:
    return {
        "provider": "vertex-ai",
        "custom_host": server.url,
        "vertex_service_account_json": account(server),
    }


def answers(seen: Any) -> Step:
    return Step(json=TOKEN if seen.target == "token" else GEMINI)


def test_a_call_is_signed_in(provider):
    provider.reset(answers)
    with Portkey(config=config_at(provider)) as portkey:
        for _ in range(2):
            told = portkey.chat.completions.create(
                model="gemini-2.5-flash", messages=[{"role": "user", "content": "x"}]
            )
            assert told.choices[0].message.content == "hello"
    assert [seen.target for seen in provider.received] == ["token", "v1", "v1"]
    assert provider.received[1].headers["authorization"] == "Bearer ya29.fetched"
    assert provider.received[1].path.startswith("/projects/p/locations/global/")


@pytest.mark.anyio
async def test_an_asynchronous_call_is_signed_in(provider):
    provider.reset(answers)
    async with AsyncPortkey(config=config_at(provider)) as portkey:
        told = await portkey.chat.completions.create(
            model="gemini-2.5-flash", messages=[{"role": "user", "content": "x"}]
        )
    assert told.choices[0].message.content == "hello"


def test_a_call_that_cannot_be_signed_in_is_an_authentication_error(provider):
    provider.reset(lambda _: Step(status=400, json={"error": "invalid_grant"}))
    with Portkey(config=config_at(provider)) as portkey, pytest.raises(openai.AuthenticationError):
        portkey.chat.completions.create(
            model="gemini-2.5-flash", messages=[{"role": "user", "content": "x"}]
        )
