"""Messages to AWS are signed as AWS verifies them, with credentials of every origin."""

from __future__ import annotations

import hashlib
import hmac
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import openai
import pytest

from portkey_local import AsyncPortkey, ConfigError, Portkey
from portkey_local.model import EMPTY, Failure, Fault, Packet, Target
from portkey_local.providers.bedrock import speak
from portkey_local.providers.languages import Settings
from portkey_local.signing import NoCredentials, signer_of
from portkey_local.testing import Loopback, Received, Step

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI-example-secret"
KEYS = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
REGION = {"aws_region": "eu-west-1"}
MODELS = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc",
]
ANSWER = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
}
ROLE = "arn:aws:iam::123456789012:role/demo"
ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><Credentials><AccessKeyId>ASIAROLE</AccessKeyId>
<SecretAccessKey>role-secret-key</SecretAccessKey><SessionToken>role-token</SessionToken>
<Expiration>{until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""
DENIED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>
<Type>Sender</Type><Code>AccessDenied</Code><Message>not yours</Message></Error></ErrorResponse>"""


@pytest.fixture(autouse=True)
def _nothing_of_the_machines(monkeypatch, tmp_path):
    """Hide the machine's own credentials, and its metadata service."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
                 "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_BEARER_TOKEN_BEDROCK"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def target(url: str = "https://bedrock.test") -> Target:
    spoken = speak(Settings("bedrock", url, custom=True))
    return Target("config", "bedrock", spoken.url, spoken.codec)


def message(url: str = "https://bedrock.test/model/a%3A0/converse") -> Packet:
    headers = {"content-type": "application/json", "x-caller": "b", "user-agent": "c"}
    return Packet("POST", url, headers, b'{"a":1}', 3.0, ("seed",))


def signature(got: Received, secret: str) -> str:
    """Compute the signature of a request that a server received, as AWS documents it."""
    told = got.headers["authorization"]
    fields = dict(part.split("=", 1) for part in told.partition(" ")[2].split(", "))
    scope = fields["Credential"].split("/", 1)[1]
    day, region, service, _ = scope.split("/")
    names = fields["SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            got.method,
            quote(f"/{got.target}{got.path}", safe="/-_.~"),
            got.query,
            *(f"{name}:{got.headers[name].strip()}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(got.body).hexdigest(),
        ]
    )
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", got.headers["x-amz-date"], scope, hashed])
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request", to_sign):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()


def verified(got: Received, key: str = KEY, secret: str = SECRET) -> None:
    told = got.headers["authorization"]
    assert told.startswith(f"AWS4-HMAC-SHA256 Credential={key}/")
    assert "/eu-west-1/bedrock/aws4_request" in told
    assert told.rpartition("Signature=")[2] == signature(got, secret)


def config(url: str, **more: Any) -> dict[str, Any]:
    return {"provider": "bedrock", "custom_host": url, **REGION, **more}


# --- what AWS receives


@pytest.mark.parametrize("model", MODELS)
def test_what_arrives_has_the_right_signature(provider, model):
    """Over the path with its escapes, the body as it is sent, the host as it is named."""
    provider.reset(lambda _: Step(json=ANSWER))
    with Portkey(config=config(provider.url, **KEYS)) as client:
        messages = [{"role": "user", "content": "Grüße"}]
        client.chat.completions.create(model=model, messages=messages, extra_headers={"x-a": "b"})
    verified(provider.received[0])
    assert (
        "SignedHeaders=content-type;host;x-amz-date,"
        in provider.received[0].headers["authorization"]
    )


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.anyio
async def test_asynchronous_calls_too(provider, model):
    provider.reset(lambda _: Step(json=ANSWER))
    async with AsyncPortkey(config=config(provider.url, **KEYS)) as client:
        messages = [{"role": "user", "content": "Hi"}]
        await client.chat.completions.create(model=model, messages=messages)
    verified(provider.received[0])


def test_native_calls_with_a_query_too(provider):
    provider.reset(lambda _: Step(json=ANSWER))
    with Portkey(config=config(provider.url, **KEYS)) as client:
        query = {"params": {"b": "2", "a": "1 2"}}
        client.post("/model/a%3A0/invoke", body={"x": 1}, cast_to=object, options=query)
    got = provider.received[0]
    got = Received(**{**got.__dict__, "query": "&".join(sorted(got.query.split("&")))})
    verified(got)


def test_a_session_token_is_signed(provider):
    provider.reset(lambda _: Step(json=ANSWER))
    keys = {**KEYS, "aws_session_token": "a-session-token"}
    with Portkey(config=config(provider.url, **keys)) as client:
        client.chat.completions.create(model="a.b", messages=[{"role": "user", "content": "x"}])
    got = provider.received[0]
    assert got.headers["x-amz-security-token"] == "a-session-token"
    assert "x-amz-security-token" in got.headers["authorization"]
    verified(got)


def test_an_api_key_is_a_bearer_and_needs_no_signer(provider):
    provider.reset(lambda _: Step(json=ANSWER))
    with Portkey(config={"provider": "bedrock", "custom_host": provider.url, "api_key": "bedrock-test-key"}) as client:  # fmt: skip
        client.chat.completions.create(model="a.b", messages=[{"role": "user", "content": "x"}])
    assert provider.received[0].headers["authorization"] == "Bearer bedrock-test-key"


def test_a_message_keeps_what_it_is():
    """Only headers are added; the caller's are neither signed nor touched."""
    sign = signer_of("bedrock", {**KEYS, **REGION}, EMPTY)
    assert sign is not None
    assert sign.ready(), "keys that are written down need nobody"
    signed = sign.sign(target(), message())
    assert isinstance(signed, Packet)
    added = {"authorization", "x-amz-date"}
    assert set(signed.headers) == {*message().headers, *added}
    assert (signed.content, signed.idle, signed.dropped) == (b'{"a":1}', 3.0, ("seed",))


# --- where credentials come from


def signed_by(fields: dict[str, Any], environment: dict[str, str] | None = None) -> str:
    sign = signer_of("bedrock", {**REGION, **fields}, environment or {})
    assert sign is not None
    signed = sign.sign(target(), message())
    assert isinstance(signed, Packet), signed
    return signed.headers["authorization"].partition("Credential=")[2].partition("/")[0]


def test_keys_of_the_config_come_before_those_of_the_environment():
    environment = {"AWS_ACCESS_KEY_ID": "AKIDENV", "AWS_SECRET_ACCESS_KEY": "environment-secret"}
    assert signed_by(KEYS, environment) == KEY
    assert signed_by({}, environment) == "AKIDENV"


def test_a_profile_of_the_chain_is_found(tmp_path):
    """Files are read when the first message is signed, and then no more."""
    written = "[default]\naws_access_key_id = AKIDFILE\naws_secret_access_key = of-the-file\n"
    (tmp_path / "credentials").write_text(written)
    sign = signer_of("bedrock", REGION, EMPTY)
    assert sign is not None
    assert not sign.ready()
    assert "AKIDFILE" in sign.sign(target(), message()).headers["authorization"]
    assert sign.ready()


def test_no_credentials_anywhere_are_a_failure():
    sign = signer_of("bedrock", REGION, EMPTY)
    failure = sign.sign(target(), message())
    assert isinstance(failure, Failure)
    assert (failure.fault, failure.status) == (Fault.SIGN_IN, 401)
    assert "no AWS credentials were found" in failure.message


def test_a_call_without_credentials_raises_an_authentication_error(provider):
    with Portkey(config=config(provider.url)) as client, pytest.raises(openai.AuthenticationError):
        client.chat.completions.create(model="a.b", messages=[{"role": "user", "content": "x"}])
    assert provider.received == []


def test_a_region_of_the_environment_will_do():
    keys = {"AWS_REGION": "eu-west-1"}
    sign = signer_of("bedrock", KEYS, keys)
    assert "/eu-west-1/" in sign.sign(target(), message()).headers["authorization"]


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        (KEYS, "aws_region", "AWS_REGION"),
        ({**REGION, "aws_access_key_id": KEY}, "aws_secret_access_key", "go together"),
        ({**REGION, "aws_secret_access_key": SECRET}, "aws_access_key_id", "go together"),
        ({**REGION, "aws_auth_type": "assumedRole"}, "aws_role_arn", "assume a role"),
        ({**REGION, **KEYS, "aws_auth_type": "magic"}, "aws_auth_type", "assumedRole"),
        ({**REGION, "aws_auth_type": "apiKey"}, "api_key", "not set"),
    ],
)
def test_what_is_missing_is_named_at_construction(fields, field, words):
    with pytest.raises(NoCredentials, match=words) as caught:
        signer_of("bedrock", fields, EMPTY)
    assert caught.value.field == field
    with pytest.raises(ConfigError, match=field):
        Portkey(config={"provider": "bedrock", "custom_host": "http://127.0.0.1:1", **fields})


def test_a_missing_package_is_named_with_its_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(NoCredentials, match=r'pip install "portkey-local\[bedrock\]"'):
        signer_of("bedrock", {**KEYS, **REGION}, EMPTY)


# --- a role


def assuming(**more: Any) -> Any:
    fields = {**KEYS, **REGION, "aws_auth_type": "assumedRole", "aws_role_arn": ROLE, **more}
    sign = signer_of("bedrock", fields, EMPTY)
    assert sign is not None
    assert not sign.ready()
    return sign


def until(**span: int) -> str:
    return ASSUMED.format(until=(datetime.now(UTC) + timedelta(**span)).isoformat())


@pytest.fixture
def sts(monkeypatch):
    """A security token service on loopback."""
    with Loopback() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.target("sts"))
        yield server


def test_a_role_is_assumed_once_and_kept(sts):
    sts.reset(lambda _: Step(body=until(hours=1).encode(), content_type="text/xml"))
    sign = assuming(aws_external_id="ours")
    for _ in range(2):
        signed = sign.sign(target(), message())
        assert "Credential=ASIAROLE/" in signed.headers["authorization"]
        assert signed.headers["x-amz-security-token"] == "role-token"
        assert sign.ready()
    [asked] = sts.received
    assert b"Action=AssumeRole" in asked.body
    assert b"ExternalId=ours" in asked.body
    assert KEY in asked.headers["authorization"]


def test_a_role_is_renewed_before_its_end(sts):
    sts.reset(lambda _: Step(body=until(minutes=5).encode(), content_type="text/xml"))
    sign = assuming()
    sign.sign(target(), message())
    assert not sign.ready()
    sign.sign(target(), message())
    assert len(sts.received) == 2


def test_a_role_that_is_refused_is_a_failure_in_awss_own_code(sts):
    sts.reset(lambda _: Step(status=403, body=DENIED.encode(), content_type="text/xml"))
    failure = assuming().sign(target(), message())
    assert isinstance(failure, Failure)
    assert (failure.fault, failure.status) == (Fault.SIGN_IN, 401)
    assert "AccessDenied" in failure.message
    assert SECRET not in failure.message
