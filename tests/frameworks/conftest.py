"""Which frameworks are here: their versions stand at the head of the run."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import pytest

PACKAGES = {  # by the name of their page
    "google-adk": "google-adk",
    "instructor": "instructor",
    "langchain": "langchain-openai",
    "llamaindex": "llama-index-llms-openai-like",
    "openai-agents": "openai-agents",
    "pydantic-ai": "pydantic-ai-slim",
    "strands": "strands-agents",
}


def version_of(package: str) -> str | None:
    """Return the version of a package that is installed, else None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def pytest_report_header() -> list[str]:
    """Name what is tested."""
    found = [f"{name} {number}" for name in PACKAGES.values() if (number := version_of(name))]
    return [f"frameworks: {', '.join(found) or 'none is installed; `nox -s frameworks` has all'}"]


@pytest.fixture(autouse=True, scope="module")
def _collected() -> Iterator[None]:
    """Let the collector find what these tests leave open here, and not in somebody else's.

    Frameworks make event loops and leave them, and a script closes no client.
    """
    yield
    asyncio.set_event_loop(None)
    gc.collect()
