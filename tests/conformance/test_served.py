"""The measured cases once more, through `portkey-local serve`: what counts is what goes over HTTP.

Each case has a server application of its own, with its own lots, behind one listener; what is
expected is what is expected of the library. The ordinary run plays a third of the cases, drawn by a
seed, without those that wait long; the soak run plays all.
"""

from __future__ import annotations

import json
import random
import threading
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import openai
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.conformance import test_cases as cases
from tests.conformance.test_cases import Ran, Story, expected
from tests.serving.running import running

from portkey_local.model import Event
from portkey_local.serving import service

WAY = "served"
WIDE = cases.WIDE_APART  # a busy machine may not even begin a case with a time limit
LONG = 3.0  # seconds of waiting
PLAYED = cases.RUNNABLE
SHORT = [case for case in PLAYED if cases.waits(case) < LONG]
SAMPLE = random.Random(7).sample(SHORT, len(PLAYED) // 3) if PLAYED else []
UNSIGNED = {"Authorization": openai.Omit()}  # the targets have keys of their own
KNOWN = ("model", "messages", "input", "stream")  # by every method that is called here
DENIED = ("ConfigError",)  # what the library raises at construction is a 400 of the server's

pytestmark = cases.pytestmark


class Served:
    """Plays cases through a server, each by an application of its own."""

    def __init__(self, fake: Any, url: str) -> None:
        self.fake = fake
        self.url = url
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.services: dict[str, Any] = {}
        self.stories: dict[str, Story | Exception] = {}

    def application(self, played: list[dict[str, Any]]) -> Starlette:
        """Return one application of all cases', each below its name."""

        @asynccontextmanager
        async def lifespan(_app: Any) -> Any:
            async with AsyncExitStack() as stack:
                for each in self.services.values():
                    stack.push_async_callback(each.aclose)
                yield

        for case in played:
            name = case["name"]
            self.services[name] = service(
                rng=random.Random(f"{name} {WAY}"), on_event=self.noting(name)
            )
        mounts = [Mount(f"/{name}", _Below(made.app)) for name, made in self.services.items()]
        return Starlette(routes=mounts, lifespan=lifespan)

    def noting(self, name: str) -> Any:
        """Return a listener that notes the waits before a case's retries."""

        def note(event: Event) -> None:
            if event.name == "retry.scheduled":
                self.waits[name].append(event.wait)

        return note

    def play_all(
        self, some: list[dict[str, Any]], server: str, pool: ThreadPoolExecutor, apart: float = 0.0
    ) -> None:
        """Play cases at the same time, each start so many seconds after the one before."""
        jobs = []
        for case in some:
            jobs.append(pool.submit(self.play, case, server))
            threading.Event().wait(apart)
        for job in jobs:
            job.result()

    def play(self, case: dict[str, Any], server: str) -> None:
        """Play one case."""
        name = f"{case['name']}--{WAY}"
        script = case.get("script", {})
        if case.get("path") == "/v1/embeddings":
            script = {target: [{"json": cases.VECTORS}] for target in "abcd"} | script
        self.fake.SCRIPTS[name] = script
        host = f"{self.url}/{name}"
        try:
            runs = self.asked(case, host, f"{server}/{case['name']}/v1")
            calls = self.fake.CALLS.get(name, [])
            self.stories[case["name"]] = Story(runs, calls, self.waits[case["name"]])
        except Exception as error:  # noqa: BLE001 - a test tells
            self.stories[case["name"]] = error

    def asked(self, case: dict[str, Any], host: str, base_url: str) -> list[Ran]:
        """Send a case's requests by the vendor's own client, with the gateway's headers."""
        runs = []
        with openai.OpenAI(
            base_url=base_url, api_key="X", max_retries=0, timeout=case.get("client_timeout", 25)
        ) as client:
            for request in case.get("requests", [{}]):
                threading.Event().wait(request.get("sleep", 0))
                headers = {**case.get("headers", {}), **request.get("headers", {})}
                config = self.fake.sub(request.get("config", case.get("config")), host)
                if config is not None:
                    headers["x-portkey-config"] = json.dumps(config)
                body = request.get("body") or case.get("body") or cases.DEFAULT_BODY
                path = case.get("path") or "/v1/chat/completions"
                runs.append(ran(client, path, with_extras(body, {**headers, **UNSIGNED})))
        return runs


def with_extras(body: dict[str, Any], headers: dict[str, Any]) -> dict[str, Any]:
    """Return a body as the SDK's arguments: what it may not know goes as it is."""
    known = {name: value for name, value in body.items() if name in KNOWN}
    rest = {name: value for name, value in body.items() if name not in KNOWN}
    return {**known, "extra_body": rest, "extra_headers": headers}


class _Below:
    """An application below a prefix, which it is not told of."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        root = scope["root_path"]
        raw = scope["raw_path"].removeprefix(root.encode())
        path = scope["path"].removeprefix(root)
        await self._app({**scope, "root_path": "", "path": path, "raw_path": raw}, receive, send)


def ran(client: openai.OpenAI, path: str, body: dict[str, Any]) -> Ran:
    """Send one request; return what came of it."""
    made = None
    try:
        made, result = cases.told(cases.method_of(client, path, raw=True)(**body), raw=True)
        if body.get("stream"):
            for chunk in result:
                made.words.append(cases.said(chunk))
    except openai.APIStatusError as error:
        made = made or cases.failed(error)
        made.error = error
    except openai.APIError as error:
        made = made or Ran()
        made.error = error
    return made


def played(some: list[dict[str, Any]], home: Any) -> Served:
    """Play cases, all at the same time."""
    fake = cases.provider()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PORTKEY_LOCAL_HOME", str(home))
        patch.delenv("OPENAI_API_KEY", raising=False)
        with cases.Server(("127.0.0.1", 0), fake.Fake) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            stage = Served(fake, f"http://127.0.0.1:{server.server_address[1]}")
            with running(stage.application(some)) as url, ThreadPoolExecutor(16) as pool:
                stage.play_all([case for case in some if not cases.limited(case)], url, pool)
                stage.play_all([case for case in some if cases.limited(case)], url, pool, WIDE)
            server.shutdown()
            thread.join()
    return stage


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The sample, played."""
    return played(SAMPLE, tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """All cases, played."""
    longest = sorted(PLAYED, key=cases.waits, reverse=True)
    return played(longest, tmp_path_factory.mktemp("home"))


@pytest.mark.parametrize("case", cases.named(SAMPLE))
def test_sample(case: dict[str, Any], sample: Served) -> None:
    check(case, sample.stories[case["name"]])


@pytest.mark.soak
@pytest.mark.parametrize("case", cases.named(PLAYED))
def test_every_case(case: dict[str, Any], everything: Served) -> None:
    check(case, everything.stories[case["name"]])


def check(case: dict[str, Any], story: Story | Exception) -> None:
    """Compare what came over HTTP with what is expected of the library."""
    if isinstance(story, Exception):
        raise story
    want = dict(expected(case))
    if want.get("raises") in DENIED:
        last = story.requests[-1]
        assert last.status == 400
        assert last.body["status"] == "failure"
        assert want.get("names", "") in last.body["message"]
        assert story.calls == []
        return
    if want.pop("stream_error", None):
        last = story.requests[-1]
        assert last.error.type == "stream_interrupted"
        assert last.words, "what came before the cut is handed over"
    cases.check_calls(want, story)
    cases.check_results(want, story)
    cases.check_gaps(case, want, story)
    if case.get("body", {}).get("stream") and story.requests[-1].error is None:
        assert "".join(story.requests[-1].words) == "from " + want["calls"][-1]
