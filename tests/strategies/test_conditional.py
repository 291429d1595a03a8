"""Conditional routing through the clients: what conditions see, and what follows from them."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from portkey_local import ConfigError, Portkey
from portkey_local.testing import Loopback, Step

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def target(provider: Loopback, name: str, **fields: Any) -> dict[str, Any]:
    host = provider.target(name)
    return {"name": name, "provider": "openai", "api_key": "k", "custom_host": host, **fields}


def routes(provider: Loopback, *conditions: dict[str, Any], default: str | None = "d") -> Any:
    strategy = {
        "mode": "conditional",
        "conditions": [{"query": query, "then": "a"} for query in conditions],
        **({} if default is None else {"default": default}),
    }
    return {"strategy": strategy, "targets": [target(provider, "a"), target(provider, "d")]}


def asked(provider: Loopback) -> list[str]:
    return [received.target for received in provider.received]


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ({"metadata.tier": "pro"}, "a"),
        ({"metadata.tier": "pro", "metadata.n": {"$gt": 3, "$lte": 5}}, "a"),
        ({"metadata.tier": "pro", "metadata.n": {"$gt": 5}}, "d"),
        ({"metadata.nested.list.1": "y"}, "a"),
        ({"metadata.absent": {"$ne": 1}}, "a"),
        ({"metadata.absent": {"$regex": "."}}, "d"),
        ({"params.temperature": 0.5}, "a"),
        ({"params.messages.0.content": {"$regex": "^h"}}, "a"),
        ({"params.model": "overridden"}, "d"),
        ({"url.pathname": "/v1/chat/completions"}, "a"),
        ({"url.pathname": {"$regex": "embeddings"}}, "d"),
        ({"$or": [{"metadata.tier": "free"}, {"$and": [{"metadata.n": 5}]}]}, "a"),
        ({"$or": [{"metadata.n": 5}], "metadata.tier": "free"}, "d"),
    ],
    ids=str,
)
def test_conditions_see_metadata_parameters_and_the_path(provider, query, chosen):
    """The request is seen as the caller wrote it, before a target's overrides."""
    config = routes(provider, query)
    config["override_params"] = {"model": "overridden"}
    metadata = {"tier": "pro", "n": 5, "nested": {"list": ["x", "y"]}}
    with Portkey(config=config, metadata=metadata) as client:
        client.chat.completions.create(**ASK, temperature=0.5)
    assert asked(provider) == [chosen]
    assert provider.received[0].json["model"] == "overridden"


def test_metadata_of_a_copy_decides_for_its_calls(provider):
    """`with_options(metadata=...)` takes another branch of the same router."""
    with Portkey(config=routes(provider, {"metadata.tier": "pro"})) as client:
        client.chat.completions.create(**ASK)
        client.with_options(metadata={"tier": "pro"}).chat.completions.create(**ASK)
    assert asked(provider) == ["d", "a"]


@pytest.mark.parametrize("raw", [False, True])
def test_without_a_match_or_a_default_it_is_a_400(provider, raw):
    """The error is the reference's, and nobody is asked."""
    with Portkey(config=routes(provider, {"metadata.x": 1}, default=None)) as client:
        completions = client.chat.completions
        create = completions.with_raw_response.create if raw else completions.create
        with pytest.raises(openai.BadRequestError) as raised:
            create(**ASK)
    message = "Query router did not resolve to any valid target"
    assert raised.value.response.json() == {"status": "failure", "message": message}
    assert message in str(raised.value)
    assert provider.received == []


def test_inside_a_fallback_no_match_is_a_failed_attempt(provider):
    """The fallback goes on."""
    group = routes(provider, {"metadata.x": 1}, default=None)
    config = {"strategy": {"mode": "fallback"}, "targets": [group, target(provider, "c")]}
    with Portkey(config=config) as client:
        client.chat.completions.create(**ASK)
    assert asked(provider) == ["c"]


def test_the_chosen_target_is_the_only_one(provider):
    """Its failure is the call's: the default is no second choice."""
    provider.reset({"a": [Step(status=500)]})
    with Portkey(config=routes(provider, {})) as client, pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**ASK)
    assert asked(provider) == ["a"]


def test_every_mistake_of_the_conditions_is_said_at_once(provider):
    """Operators, patterns, paths, names and providers are all looked at when the client is made."""
    config = routes(
        provider,
        {"metadata.a": {"$gte": "x", "$exists": True}},
        {"metdata.a": 1},
        {"metadata.b": {"$regex": "("}},
        {"metadata.c": {"$in": "us"}},
        default="dd",
    )
    config["targets"][1]["provider"] = "opnai"
    with pytest.raises(ConfigError) as raised:
        Portkey(config=config)
    paths = [path for path, _ in raised.value.problems]
    for place in (
        "config.strategy.conditions[0].query",
        "config.strategy.conditions[1].query",
        "config.strategy.conditions[2].query",
        "config.strategy.conditions[3].query",
        "config.strategy.default",
        "config.targets[1].provider",
    ):
        assert any(path.startswith(place) for path in paths), (place, paths)
