"""Shared fixtures: a loopback provider, the measured material beside the repo, and anyio's back ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import certifi
import httpx
import openai
import pytest
from hypothesis import HealthCheck, settings
from tests.leaks import LeakWatch

from portkey_local.testing import Loopback

SHARED = Path(__file__).resolve().parents[2] / "shared"

settings.register_profile(
    "gate", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("gate")


def pytest_report_header() -> list[str]:
    """Say which libraries the run is about, and whether the measured material is there."""
    found = "found" if SHARED.is_dir() else "absent: tests that read it skip"
    return [f"openai {openai.__version__}, httpx {httpx.__version__}; measured material {found}"]


@pytest.fixture(scope="session", autouse=True)
def _no_key_in_the_clear(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Look for the keys of the whole run wherever the library may have told one."""
    watch = LeakWatch()
    with watch.watching():
        yield
    watch.look_at_files(tmp_path_factory.getbasetemp())
    assert watch.leaks == []


@pytest.fixture(scope="session", autouse=True)
def _one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let HTTP clients trust one authority: to read the usual 140 takes each of them 20 ms of CPU."""
    end = "-----END CERTIFICATE-----\n"
    one = tmp_path_factory.mktemp("authority") / "one.pem"
    one.write_text(certifi.contents().partition(end)[0] + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(one))
        yield


@pytest.fixture
def shared() -> Path:
    """The folder of measured material; tests that need it skip without it."""
    if not SHARED.is_dir():
        pytest.skip("the folder with the measured material is not beside this checkout")
    return SHARED


@pytest.fixture
def provider() -> Iterator[Loopback]:
    """A scripted provider on loopback that answers everything; `reset` gives it a script."""
    with Loopback() as server:
        yield server


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own keys, configs and proxies out of every test."""
    monkeypatch.setenv("PORTKEY_LOCAL_HOME", str(tmp_path / "home"))
    for name in ("OPENAI_API_KEY", "PORTKEY_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """Run asynchronous tests on both event loops."""
    name: str = request.param
    return name
