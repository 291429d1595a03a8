"""Entra tokens: fetched once, kept until shortly before they expire, and never told."""

from __future__ import annotations

import builtins
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import openai
import pytest

from portkey_local import AsyncPortkey, Portkey
from portkey_local.errors import ConfigError
from portkey_local.model import Failure, Fault, Packet, Target
from portkey_local.providers.openai import OpenAICodec
from portkey_local.signing import NoCredentials, signer_of
from portkey_local.signing.azure import MARGIN, SCOPE, EntraSigner
from portkey_local.testing import Loopback, Step, chat

TARGET = Target("config", "azure-openai", "https://h.example", OpenAICodec())
ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}


class Fetching:
    """A credential that counts what is fetched from it, and may fail."""

    def __init__(self, *, lasts: float = 3600.0, error: Exception | None = None) -> None:
        self.scopes: list[str] = []
        self.now = 1000.0
        self._lasts = lasts
        self._error = error

    def get_token(self, *scopes: str) -> Any:
        self.scopes += scopes
        time.sleep(0.01)
        if self._error is not None:
            raise self._error
        return SimpleNamespace(token=f"t{len(self.scopes)}", expires_on=int(self.now + self._lasts))


def signer_with(credential: Fetching) -> EntraSigner:
    return EntraSigner(credential, wall=lambda: credential.now)


def signed(signer: EntraSigner) -> Packet | Failure:
    return signer.sign(TARGET, Packet("POST", "https://h.example", {"x": "1"}, b"{}"))


def test_a_token_is_kept_until_shortly_before_it_expires():
    credential = Fetching()
    signer = signer_with(credential)
    assert not signer.ready()
    first = signed(signer)
    assert first.headers == {"x": "1", "authorization": "Bearer t1"}
    assert signer.ready()
    credential.now += 3600 - MARGIN - 1
    assert signed(signer).headers["authorization"] == "Bearer t1"
    credential.now += 2
    assert not signer.ready()
    assert signed(signer).headers["authorization"] == "Bearer t2"
    assert credential.scopes == [SCOPE, SCOPE]


def test_threads_share_one_fetch():
    credential = Fetching()
    signer = signer_with(credential)
    threads = [threading.Thread(target=signed, args=(signer,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert credential.scopes == [SCOPE]


def test_a_sign_in_that_fails_is_a_failed_attempt():
    cause = ValueError("secret-of-mine is wrong")
    failure = signed(signer_with(Fetching(error=cause)))
    assert isinstance(failure, Failure)
    assert (failure.fault, failure.status, failure.cause) == (Fault.SIGN_IN, 401, cause)
    assert "secret-of-mine" not in failure.message


# --- which way is taken


def made(**fields: Any) -> Any:
    return signer_of("azure-openai", fields, {})


ENTRA = {
    "azure_auth_mode": "entra",
    "azure_entra_tenant_id": "11111111-1111-1111-1111-111111111111",
    "azure_entra_client_id": "id",
    "azure_entra_client_secret": "the-client-secret",
}


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        (ENTRA, "ClientSecretCredential"),
        (
            {"azure_auth_mode": "managed", "azure_managed_client_id": "id"},
            "ManagedIdentityCredential",
        ),
        ({"azure_auth_mode": "default"}, "DefaultAzureCredential"),
    ],
)
def test_each_mode_has_its_credential(fields, kind):
    assert type(made(**fields)._credential).__name__ == kind


def test_a_workload_has_its_token_file(monkeypatch, tmp_path):
    monkeypatch.setenv("AZURE_TENANT_ID", ENTRA["azure_entra_tenant_id"])
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "token"))
    signer = made(azure_auth_mode="workload", azure_workload_client_id="id")
    assert type(signer._credential).__name__ == "WorkloadIdentityCredential"


def test_a_workload_without_its_file_is_refused_when_compiled(monkeypatch):
    for name in ("AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(NoCredentials):
        made(azure_auth_mode="workload")


def test_a_scope_of_ones_own():
    assert (
        made(**ENTRA, azure_entra_scope="https://ai.azure.com/.default")._scope
        == "https://ai.azure.com/.default"
    )
    assert made(**ENTRA)._scope == SCOPE


@pytest.mark.parametrize(
    "missing", ["azure_entra_tenant_id", "azure_entra_client_id", "azure_entra_client_secret"]
)
def test_a_missing_part_is_named(missing):
    with pytest.raises(NoCredentials) as caught:
        made(**{name: value for name, value in ENTRA.items() if name != missing})
    assert caught.value.field == missing
    assert missing.removeprefix("azure_entra_").upper() in str(caught.value)
    assert "the-client-secret" not in str(caught.value)


def test_an_unknown_mode_is_refused():
    with pytest.raises(NoCredentials, match="entra, managed, workload, default"):
        made(azure_auth_mode="oauth")


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("azure"):
            raise ImportError(name)
        return real(name, *rest)

    for name in [
        name for name in sys.modules if name == "azure" or name.startswith("azure.identity")
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(NoCredentials, match=r'pip install "portkey-local\[azure\]"'):
        made(azure_auth_mode="default")


def test_who_stands_between_may_sign_in():
    """A proxy at a custom host, or the caller whose header is forwarded, needs no key of ours."""
    assert made(custom_host="http://127.0.0.1:1") is None
    assert made(forward_headers=["authorization"]) is None
    assert made(azure_ad_token="t") is None


# --- over loopback: the identity of a machine, whose token comes from a local address


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    """A machine of Azure's: its identity is served from loopback."""
    with Loopback() as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "machine")
        monkeypatch.setenv("NO_PROXY", "*")
        yield server


def token_step() -> Step:
    body = {"access_token": "machine-token", "expires_on": str(int(time.time()) + 3600),
            "resource": "r", "token_type": "Bearer"}  # fmt: skip
    return Step(json=body)


def config(server: Loopback) -> dict[str, Any]:
    return {
        "provider": "azure-openai", "custom_host": server.url, "deployment_id": "d",
        "azure_auth_mode": "managed",
    }  # fmt: skip


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_managed_identity_signs_in_before_a_key(provider, machine, monkeypatch):
    """The mode that a config names is taken, although the environment has a key."""
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "key-of-the-environment")
    machine.reset(lambda _: token_step())
    provider.reset(lambda _: chat("hello"))
    with Portkey(config=config(provider)) as client:
        for _ in range(3):
            client.chat.completions.create(**ASKED)
    assert len(machine.received) == 1
    assert {each.headers["authorization"] for each in provider.received} == {"Bearer machine-token"}
    assert all("api-key" not in each.headers for each in provider.received)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_a_managed_identity_signs_in_asynchronously(provider, machine):
    machine.reset(lambda _: token_step())
    provider.reset(lambda _: chat("hello"))
    async with AsyncPortkey(config=config(provider)) as client:
        told = await client.chat.completions.create(**ASKED)
    assert told.choices[0].message.content == "hello"
    assert provider.received[0].headers["authorization"] == "Bearer machine-token"


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_an_identity_that_is_refused_raises_as_a_401(provider, machine):
    machine.reset(lambda _: Step(status=400, json={"error": "invalid", "message": "no identity"}))
    with Portkey(config=config(provider)) as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(**ASKED)
    assert provider.received == []


def test_a_wrong_mode_is_refused_with_its_place():
    with pytest.raises(ConfigError) as caught:
        Portkey(config={"provider": "azure-openai", "resource_name": "c", "azure_auth_mode": "x"})
    assert caught.value.path == "config.azure_auth_mode"
