"""Where a cache stands, and what its scope is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from portkey_local.caches.memory import MemoryCache
from portkey_local.compile import compile_config
from portkey_local.effects import Router
from portkey_local.policies.cached import MAX_AGE, Cached
from portkey_local.policies.shelf import Shelf

TARGET: dict[str, Any] = {"provider": "openai", "api_key": "sk-one", "custom_host": "http://a/v1"}
HOOK: dict[str, Any] = {"default.contains": {"words": ["a"]}}
EVERYTHING = {
    **TARGET,
    "cache": {"mode": "simple", "max_age": 60},
    "retry": {"attempts": 1},
    "request_timeout": 500,
    "input_guardrails": [HOOK],
    "output_guardrails": [HOOK],
}


def chain(router: Router | None) -> Iterator[str]:
    while router is not None:
        yield type(router).__name__
        router = getattr(router, "inner", None)


def cached_of(router: Any) -> Cached:
    while not isinstance(router, Cached):
        router = router.inner
    return router


def scope(config: dict[str, Any], **given: Any) -> bytes:
    return cached_of(compile_config(config, **given).root).scope.digest


def group(*targets: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "strategy": {"mode": "fallback"},
        "targets": list(targets),
        "cache": {"mode": "simple"},
        **fields,
    }


def test_the_order_around_a_target():
    names = list(chain(compile_config(EVERYTHING).root))
    assert names == [
        "InputGuard", "CachedInputs", "Cached", "Retry", "OutputGuard", "Timeout", "Single",
    ]  # fmt: skip


def test_the_order_around_a_group_and_its_targets():
    hooks = {"input_guardrails": [HOOK], "output_guardrails": [HOOK]}
    root = compile_config(group(TARGET, {**TARGET, "input_guardrails": [HOOK]}, **hooks)).root
    assert list(chain(root)) == ["InputGuard", "CachedInputs", "Cached", "Fallback"]
    first, second = cached_of(root).inner.targets
    assert list(chain(first)) == ["OutputGuard", "Single"]  # the group's input hooks ran before
    assert list(chain(second)) == ["InputGuard", "OutputGuard", "Single"]


def test_a_cache_is_not_inherited():
    root: Any = compile_config({**group(TARGET), "retry": {"attempts": 1}}).root
    assert list(chain(cached_of(root).inner.targets[0])) == ["Retry", "Single"]


def test_how_long_and_where():
    assert cached_of(compile_config(EVERYTHING).root).max_age == 60
    shelf = Shelf(MemoryCache())
    root = compile_config({**TARGET, "cache": "simple"}, shelf=shelf).root
    assert cached_of(root).max_age == MAX_AGE == 7 * 24 * 3600
    assert cached_of(root).shelf is shelf
    assert not compile_config(TARGET).caches
    assert compile_config(group(TARGET)).caches


@pytest.mark.parametrize(
    "change",
    [
        {"retry": {"attempts": 5}},
        {"request_timeout": 10_000},
        {"stream_idle_timeout": 10_000},
        {"name": "x"},
        {"weight": 2},
        {"cb_config": {"failure_threshold": 3}},
        {"cache": {"mode": "simple", "max_age": 1}},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.filterwarnings("ignore::portkey_local.errors.ConfigWarning")
def test_what_changes_no_answer_is_not_in_the_scope(change):
    one = {**TARGET, "cache": "simple"}
    assert scope({**one, **change}) == scope(one)
    assert scope(group({**TARGET, **change})) == scope(group(TARGET)) or "cache" in change


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": "sk-two"},
        {"custom_host": "http://b/v1"},
        {"provider": "groq"},
        {"override_params": {"model": "x"}},
        {"openai_project": "p"},
        {"forward_headers": ["authorization"]},
        {"strict_open_ai_compliance": False},
        {"strict_params": True},
        {"output_guardrails": [HOOK]},
        {"input_mutators": [{"default.addPrefix": {"prefix": "x"}}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_may_change_an_answer_is(change):
    one = {**TARGET, "cache": "simple"}
    assert scope({**one, **change}) != scope(one)
    assert scope(group(TARGET, {**TARGET, **change})) != scope(group(TARGET, TARGET))


def test_of_a_group_its_mode_and_its_targets_are():
    found = [
        scope(group(TARGET)),
        scope(group(TARGET, TARGET)),
        scope(group(TARGET, strategy={"mode": "loadbalance"})),
        scope(group(group(TARGET))),
        scope({**TARGET, "cache": "simple"}),
    ]
    assert len(set(found)) == len(found)


def test_a_check_of_the_caller_s_that_is_another_function_is():
    config = {**TARGET, "cache": "simple", "output_guardrails": [{"mine": {}}]}

    def one(context: Any) -> bool:
        return True

    def two(context: Any) -> bool:
        return False

    assert scope(config, checks={"mine": one}) == scope(config, checks={"mine": one})
    assert scope(config, checks={"mine": one}) != scope(config, checks={"mine": two})


def test_a_token_that_a_guardrail_inside_verifies_is_heard():
    hook = {"default.jwt": {"jwksUri": "https://example.com/keys", "headerKey": "X-Api-Key"}}
    guarded = {**TARGET, "input_guardrails": [hook]}
    inside, outside = group(guarded), {**guarded, "cache": "simple"}
    heard = [cached_of(compile_config(c).root).scope.forward for c in (inside, outside)]
    assert heard == [("x-api-key",), ()]


def test_what_runs_on_every_call_or_beside_it_keeps_no_answers_apart():
    """Of groups within groups, the inner one's input hooks are inside the outer one's cache."""
    own = {"mine": lambda context: "plan" in context.metadata}
    hook = {"mine": {}}
    configs = [
        {**TARGET, "cache": "simple", "input_guardrails": [hook]},
        {**TARGET, "cache": "simple", "output_guardrails": [{**hook, "async": True}]},
        {**TARGET, "cache": "simple", "output_guardrails": [{**HOOK, "on_stream": "buffer"}]},
        group(TARGET, input_guardrails=[hook]),
        group(group(TARGET, input_guardrails=[hook])),
    ]
    scopes = [cached_of(compile_config(c, checks=own).root).scope for c in configs]
    assert [scope.metadata for scope in scopes] == [False] * 4 + [True]
    assert not any(scope.streams_apart for scope in scopes)


def test_no_key_is_kept_in_clear():
    assert b"sk-one" not in scope({**TARGET, "cache": "simple"})
    assert "sk-one" not in repr(cached_of(compile_config({**TARGET, "cache": "simple"}).root))
