"""Where theory knows the answer, the simulation finds it, within three standard errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.bench.worlds import NO_TIME, quick, weather, workload

from portkey_local.bench import run

SINGLE = {"provider": "openai"}


def erlang_c(servers: int, load: float) -> float:
    """Return the probability that a customer of M/M/c waits; `load` is arrivals times service."""
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    return last / (sum(load**k / math.factorial(k) for k in range(servers)) + last)


def by_batches(values: np.ndarray, batches: int = 30) -> tuple[float, float]:
    """Return the mean of a series that depends on itself, and its standard error."""
    means = np.array([part.mean() for part in np.array_split(values, batches)])
    return float(means.mean()), float(means.std(ddof=1) / math.sqrt(batches))


@pytest.mark.parametrize(("servers", "rate"), [(1, 0.6), (3, 2.2)])
def test_a_provider_with_few_servers_makes_calls_wait_as_long_as_in_an_mmc_queue(servers, rate):
    """Poisson arrivals, exponential service of 1 s: the mean time is the wait of M/M/c and 1 s."""
    service = {"ttft": {"exponential": 1.0}, "per_token": NO_TIME, "concurrency": servers}
    calls = workload(24_000, rate=rate, tokens=1, stream=False)
    taken = run(SINGLE, calls, weather(latency=service), seed=5).calls
    assert taken.succeeded.all()
    mean, error = by_batches(taken.total_s[2000:])
    wait = erlang_c(servers, rate) / (servers - rate)
    assert abs(mean - (wait + 1.0)) <= 3 * error


@pytest.mark.parametrize("retries", [1, 3])
def test_retries_multiply_attempts_by_the_geometric_sum(retries):
    """At an error rate p, n retries make (1 - p^(n+1)) / (1 - p) attempts, and fail p^(n+1) calls."""
    share, count = 0.4, 10_000
    config = {**SINGLE, "retry": {"attempts": retries}}
    taken = run(config, workload(count, stream=False), quick(errors={"503": share}), seed=2).calls
    expected = (1 - share ** (retries + 1)) / (1 - share)
    error = taken.attempts.std() / math.sqrt(count)
    assert abs(taken.attempts.mean() - expected) <= 3 * error
    lost = share ** (retries + 1)
    assert abs((~taken.succeeded).mean() - lost) <= 3 * math.sqrt(lost * (1 - lost) / count)


def test_shares_of_a_balanced_group_are_its_weights():
    """Each target answers its share of the calls."""
    weights, count = (0.6, 0.3, 0.1), 10_000
    names = ("openai", "anthropic", "groq")
    targets = [{"provider": n, "weight": w} for n, w in zip(names, weights, strict=True)]
    config = {"strategy": {"mode": "loadbalance"}, "targets": targets}
    taken = run(config, workload(count, stream=False), quick(), seed=9).calls
    for place, weight in enumerate(weights):
        error = math.sqrt(weight * (1 - weight) / count)
        assert abs((taken.target == place).mean() - weight) <= 3 * error


def test_a_fallback_fails_where_both_providers_do():
    """Two providers whose luck is their own fail together as often as the product says."""
    share, count = 0.3, 10_000
    config = {
        "strategy": {"mode": "fallback"},
        "targets": [{"provider": "openai"}, {"provider": "groq"}],
    }
    taken = run(config, workload(count, stream=False), quick(errors={"500": share}), seed=4).calls
    lost = share * share
    error = math.sqrt(lost * (1 - lost) / count)
    assert abs((~taken.succeeded).mean() - lost) <= 3 * error


def test_a_full_bucket_lets_through_what_its_limit_says():
    """Calls beyond a limit get 429; those that pass are the limit's, and the bucket's first fill."""
    limits = {"requests_per_minute": 300, "burst_seconds": 2}
    latency = {"ttft": NO_TIME, "per_token": NO_TIME, "failing": NO_TIME}
    calls = workload(3000, rate=20, stream=False)
    taken = run(SINGLE, calls, weather(latency=latency, limits=limits), seed=1).calls
    span = taken.arrival_s[-1]
    assert set(taken.status) == {200, 429}
    assert taken.succeeded.sum() == pytest.approx(5 * span + 10, abs=5)
