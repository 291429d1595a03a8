"""What makes many clients cheap to have."""

from __future__ import annotations

from pathlib import Path

import certifi
import pytest

END = "-----END CERTIFICATE-----"


@pytest.fixture(scope="session")
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the first certificate of the usual ones."""
    first, _, _ = Path(certifi.where()).read_text(encoding="ascii").partition(END)
    file = tmp_path_factory.mktemp("tls") / "one.pem"
    file.write_text(f"{first}{END}\n", encoding="ascii")
    return file


@pytest.fixture(autouse=True)
def _little_to_trust(one_authority: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let clients that speak to loopback alone not load every authority: that takes 20 ms each."""
    monkeypatch.setenv("SSL_CERT_FILE", str(one_authority))
