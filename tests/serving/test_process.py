"""`portkey-local serve` as a process: what it prints, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from portkey_local.cli import app
from portkey_local.testing import Loopback, chat_stream

SOURCE = Path(__file__).resolve().parents[2] / "src"
START = "from portkey_local.cli import main; main()"
ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello!"}]}

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals")


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command; give the process and the base URL that it prints."""
    with subprocess.Popen(
        [sys.executable, "-c", START, "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split()[0]
        finally:
            process.kill()


@contextmanager
def stream(url: str, body: dict[str, Any]) -> Iterator[Iterator[bytes]]:
    """Ask for a stream; give what comes of it."""
    with httpx.stream("POST", f"{url}/chat/completions", json=body) as answer:
        yield answer.iter_bytes()


@pytest.fixture
def config(provider: Loopback, tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    only = {"provider": "openai", "api_key": "sk-of-nobody", "cache": {"mode": "simple"}}
    path.write_text(json.dumps({**only, "custom_host": provider.target("only")}))
    return path


def test_an_interrupt_gives_streams_a_bounded_time_and_keeps_what_was_cached(
    config: Path, provider: Loopback, tmp_path: Path
) -> None:
    endless = {**ASK, "model": "endless", "stream": True}
    short: dict[str, Any] = {**ASK, "stream": True}
    provider.reset(
        lambda received: (
            chat_stream(["a "] * 1000, event_gap=0.1)
            if received.json["model"] == "endless"
            else chat_stream(["a ", "b ", "c"], event_gap=0.3)
        )
    )
    cached = ["--cache-dir", str(tmp_path / "cache")]
    with serving(str(config), *cached, "--grace", "2") as (process, url):
        with stream(url, endless) as without_end, stream(url, short) as chunks:
            assert b"a " in next(without_end)
            first = next(chunks)
            process.send_signal(signal.SIGINT)
            rest = b"".join(chunks)
            with pytest.raises(httpx.RemoteProtocolError):
                list(without_end)
        assert process.wait(15) == 0
        assert b"[DONE]" in first + rest
        told = process.stderr.read() if process.stderr else ""
    assert "POST /v1/chat/completions 200" in told
    assert told.endswith("note: stopped\n")
    assert provider.wait_closed()
    with serving(str(config), *cached, "--quiet") as (process, url):
        again = httpx.post(f"{url}/chat/completions", json=short)
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == -signal.SIGTERM
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert again.headers["x-portkey-cache-status"] == "HIT"
    assert len(provider.received) == 2


def test_a_second_interrupt_waits_for_nobody(config: Path, provider: Loopback) -> None:
    provider.reset(lambda _: chat_stream(["a "] * 1000, event_gap=0.1))
    with serving(str(config), "--grace", "60") as (process, url):
        with stream(url, {**ASK, "stream": True}) as chunks:
            assert b"a " in next(chunks)
            process.send_signal(signal.SIGINT)
            wait_until_refused(url)
            process.send_signal(signal.SIGINT)
            with pytest.raises(httpx.TransportError):
                list(chunks)
        assert process.wait(15) == 0


def wait_until_refused(url: str) -> None:
    """Wait until nobody listens there: the first signal has been heard."""
    address = httpx.URL(url)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            socket.create_connection((address.host, address.port or 0), timeout=1).close()
        except OSError:
            return
        threading.Event().wait(0.05)
    pytest.fail("it goes on listening")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portkey_local.serving.running.missing", lambda: ["uvicorn"])
    ended = CliRunner().invoke(app, ["serve"])
    assert ended.exit_code == 1
    assert "pip install 'portkey-local[serve]'" in ended.stderr


def test_a_port_that_is_taken_and_a_host_that_is_open_are_refused() -> None:
    ended = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0"])
    assert (ended.exit_code, "--allow-remote" in ended.stderr) == (1, True)
    assert "no password" in ended.stderr
