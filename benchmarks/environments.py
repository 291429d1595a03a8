"""Environments of their own for the peers, under the user's cache directory.

Made once, with the machine's own pip and npm and whatever registries those are configured for. What
cannot be made is `Absent`, with the reason.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from platformdirs import user_cache_path

INSTALL_LIMIT = 600  # seconds
START_LIMIT = 60
GATEWAY = "@portkey-ai/gateway"
MADE = "made"  # the file that says that an environment is whole


class Absent(Exception):
    """A peer that cannot be measured here; the message says why."""


def folder(name: str) -> Path:
    """Return the folder of an environment."""
    return user_cache_path("portkey-local") / "benchmarks" / name


def python(name: str, packages: Sequence[str], environment: Mapping[str, str]) -> Path:
    """Return the interpreter of an environment with `packages`, which is made if need be."""
    home = folder(f"{name}-{sys.version_info.major}.{sys.version_info.minor}")
    interpreter = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not (home / MADE).exists():
        _do([sys.executable, "-m", "venv", "--clear", str(home)], environment)
        _do([str(interpreter), "-m", "pip", "install", "--quiet", *packages], environment)
        (home / MADE).touch()
    return interpreter


def gateway_script(environment: Mapping[str, str]) -> Path:
    """Return the gateway's start script, which is installed if need be."""
    home = folder("gateway")
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise Absent("node and npm are needed")
    if not (home / MADE).exists():
        home.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-audit", "--no-fund", "--loglevel=error")
        _do([npm, "install", "--prefix", str(home), *quiet, GATEWAY], environment)
        (home / MADE).touch()
    return home / "node_modules" / GATEWAY / "build" / "start-server.js"


@contextmanager
def gateway(environment: Mapping[str, str]) -> Iterator[str]:
    """Run the gateway on a free port; give its address."""
    script = gateway_script(environment)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["node", str(script), "--headless", f"--port={port}"]
    with subprocess.Popen(  # noqa: S603 - the command is ours
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + START_LIMIT
    while time.monotonic() < limit and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own address
                return
        except OSError:
            time.sleep(0.1)
    raise Absent("the gateway did not start")


def _do(command: Sequence[str], environment: Mapping[str, str]) -> None:
    try:
        subprocess.run(  # noqa: S603 - the command is ours
            command,
            check=True,
            env=dict(environment),
            timeout=INSTALL_LIMIT,
            capture_output=True,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        last = (error.stderr or error.stdout or "").strip().splitlines()[-1:]
        raise Absent(f"not installed: {' '.join(last)}") from error
    except subprocess.TimeoutExpired as error:
        raise Absent(f"not installed within {INSTALL_LIMIT} s") from error
