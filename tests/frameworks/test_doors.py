"""The other doors of the frameworks: a wrapped client, a transport, a URL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from tests.frameworks.models import Model
from tests.serving.running import running
from tests.staging import on_loopback

from portkey_local import async_transport, transport, wrap
from portkey_local.serving import service
from portkey_local.testing import Loopback

CONFIG: dict[str, Any] = {
    "strategy": {"mode": "fallback"},
    "targets": [{"provider": "self"}, {"provider": "groq", "override_params": {"model": "other"}}],
}
HELLO = "Hello from here"

pytestmark = pytest.mark.filterwarnings("ignore")  # of the frameworks, which are not ours to mend


@pytest.fixture(autouse=True)
def _first_down(provider: Loopback, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the client's own provider be down, so that what is said comes from another."""
    model = Model()
    model.down = {"openai"}
    provider.reset(model)
    with on_loopback(provider, monkeypatch):
        yield


def fell_over(provider: Loopback) -> bool:
    return [received.target for received in provider.received] == ["openai", "groq"]


def llamaindex(client: openai.OpenAI, _: openai.AsyncOpenAI) -> str:
    pytest.importorskip("llama_index.llms.openai_like")
    from llama_index.llms.openai_like import OpenAILike

    return str(OpenAILike(model="m", openai_client=client, is_chat_model=True).complete("Hello!"))


def instructor(client: openai.OpenAI, _: openai.AsyncOpenAI) -> str:
    made = pytest.importorskip("instructor").from_openai(client)
    ask = [{"role": "user", "content": "Hello!"}]
    whole = made.create(model="m", messages=ask, response_model=None)
    return str(whole.choices[0].message.content)


def strands(_: openai.OpenAI, client: openai.AsyncOpenAI) -> str:
    pytest.importorskip("strands")
    from strands import Agent
    from strands.models.openai import OpenAIModel

    agent = Agent(model=OpenAIModel(client=client, model_id="m"), callback_handler=None)
    return str(agent("Hello!")).strip()


def pydantic_ai(_: openai.OpenAI, client: openai.AsyncOpenAI) -> str:
    pytest.importorskip("pydantic_ai")
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("m", provider=OpenAIProvider(openai_client=client))
    return Agent(model).run_sync("Hello!").output


def agents(_: openai.OpenAI, client: openai.AsyncOpenAI) -> str:
    sdk = pytest.importorskip("agents")
    model = sdk.OpenAIChatCompletionsModel("m", openai_client=client)
    helper = sdk.Agent(name="helper", model=model)
    quiet = sdk.RunConfig(tracing_disabled=True)
    return str(sdk.Runner.run_sync(helper, "Hello!", run_config=quiet).final_output)


@pytest.mark.parametrize("ask", [llamaindex, instructor, strands, pydantic_ai, agents])
def test_a_wrapped_client(ask: Callable[..., str], provider: Loopback) -> None:
    """A client of the user's own is the first target, and groq the second."""
    client, asynchronous = wrap(openai.OpenAI(), CONFIG), wrap(openai.AsyncOpenAI(), CONFIG)
    assert ask(client, asynchronous) == HELLO
    assert fell_over(provider)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_langchain_over_a_transport(asynchronous: bool, provider: Loopback) -> None:
    chat_openai = pytest.importorskip("langchain_openai").ChatOpenAI
    model = chat_openai(
        model="m",
        max_retries=0,
        http_client=httpx.Client(transport=transport(CONFIG, library=httpx)),
        http_async_client=httpx.AsyncClient(transport=async_transport(CONFIG, library=httpx)),
    )

    async def stream() -> str:
        return "".join([chunk.text async for chunk in model.astream("Hello!")])

    assert (asyncio.run(stream()) if asynchronous else model.invoke("Hello!").text) == HELLO
    assert fell_over(provider)


def test_a_framework_that_takes_a_url(provider: Loopback) -> None:
    chat_openai = pytest.importorskip("langchain_openai").ChatOpenAI
    targets = [{"provider": "openai"}, CONFIG["targets"][1]]
    with running(service({**CONFIG, "targets": targets}).app) as url:
        model = chat_openai(model="m", base_url=f"{url}/v1", api_key="any", max_retries=0)
        assert model.invoke("Hello!").text == HELLO
    assert fell_over(provider)
