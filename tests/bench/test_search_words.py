"""What `--vary` and `--objective` say: read right, or refused with the nearest right word."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from portkey_local.bench.intervals import Estimate
from portkey_local.bench.naming import BenchError
from portkey_local.bench.search.objective import Limit, parse_objective
from portkey_local.bench.search.varying import Choice, applied, parse_vary

CONFIG: dict[str, Any] = {
    "strategy": {"mode": "fallback"},
    "cache": "simple",
    "targets": [
        {"provider": "openai", "override_params": {"model": "a"}, "weight": 0.5},
        {"provider": "groq", "retry": {"attempts": 1}},
    ],
}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("retry.attempts=0..4", (0, 1, 2, 3, 4)),
        ("targets[0].weight=0.1..0.9", (0.1, 0.3, 0.5, 0.7, 0.9)),
        ("config.targets[1].weight=0..1:3", (0, 1)),
        ("targets[0].weight=0..1.0:3", (0.0, 0.5, 1.0)),
        ("request_timeout=1000..100000:3", (1000, 10000, 100000)),
        ("strategy.mode=single,fallback", ("single", "fallback")),
        ("retry.on_status_codes=[429],[429, 500]", ([429], [429, 500])),
        ('targets[0].override_params.model=gpt-4o,"a,b"', ("gpt-4o", "a,b")),
        ("targets[0].retry.use_retry_after_header=true,false", (True, False)),
        ("cache.max_age=60,60,null", (60, None)),
        ("retry.attempts=2..2", (2,)),
    ],
)
def test_values_to_try(text: str, values: tuple[Any, ...]) -> None:
    vary = parse_vary(text, CONFIG)
    assert vary.values.grid() == values
    assert vary.values.at(0.0) == values[0]
    assert vary.values.at(0.999999) == values[-1] or not isinstance(vary.values, Choice)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("retry.atempts=0..4", "did you mean retry.attempts?"),
        ("attempts=0..4", "did you mean retry.attempts?"),
        ("target[0].weight=0..1", "did you mean targets?"),
        ("targets[2].weight=0..1", "targets has 2 entries"),
        ("targets[0].targets[0].weight=0..1", "the config has no targets[0].targets"),
        ("targets.weight=0..1", "say which one, as in targets[0]"),
        ("targets[0]=1", "name a field of it, as in targets[0].weight"),
        ("weight.heavy=1", "weight is a value and has no fields"),
        ("retry.attempts", "give FIELD=VALUES"),
        ("retry.attempts=4..0", "from the lower to the higher"),
        ("retry.attempts=a..b", "a range is two numbers"),
        ("retry.attempts=0..4:0", "between 1 and 1,000 values"),
        ("retry..attempts=0..4", "cannot be read"),
        ("quux=1", "this one has cache, strategy, targets"),
    ],
)
def test_a_wrong_vary_names_what_was_meant(text: str, says: str) -> None:
    with pytest.raises(BenchError) as refused:
        parse_vary(text, CONFIG)
    assert says in str(refused.value)


@given(st.text(max_size=80) | st.from_regex(r"[a-z_.\[\]0-9]{1,20}=[0-9.,:\[\]{}\"-]{1,20}"))
def test_no_vary_breaks_the_reader(text: str) -> None:
    """Whatever is written, it is read or refused; what was read can be put into the config."""
    with contextlib.suppress(BenchError):
        vary = parse_vary(text, CONFIG)
        for share in (0.0, 0.5, 1.0):
            applied(CONFIG, [(vary.place, vary.values.at(share))])


def test_a_value_is_put_where_it_belongs_and_the_config_is_left_alone() -> None:
    places = ["retry.attempts=3", "targets[1].retry.attempts=4", "cache.max_age=60"]
    values = [parse_vary(text, CONFIG) for text in places]
    changed = applied(CONFIG, [(each.place, each.values.at(0)) for each in values])
    assert changed["retry"] == {"attempts": 3}
    assert changed["targets"][1]["retry"] == {"attempts": 4}
    assert changed["cache"] == {"mode": "simple", "max_age": 60}
    assert CONFIG["cache"] == "simple"
    assert "retry" not in CONFIG


def test_an_objective_has_limits_and_a_goal() -> None:
    read = parse_objective("p99 < 8s, success >= 99.5% and minimise cost")
    assert read.limits == (Limit("p99", "<", 8.0), Limit("success", ">=", 0.995))
    assert (read.goal.metric, read.goal.way) == ("cost", -1)
    assert read.metrics() == ("cost", "p99", "success")
    assert parse_objective("ttft_p50 <= 350ms; maximize goodput").limits[0].value == 0.35


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("p95 < 8s, minimise cost", "'p95' is no metric; did you mean 'p9"),
        ("minimise costs", "did you mean 'cost'?"),
        ("minimse cost", "did you mean 'minimise cost'?"),
        ("p99 < 8 hours, minimise cost", "p99 is told in 's', 'ms', 'min'"),
        ("success > 99, minimise cost", "write '99%'"),
        ("p99 < 8s", "no goal; give one"),
        ("minimise cost, maximise success", "2 goals"),
        ("p99 is small, minimise cost", "give a limit"),
        ("", "no goal"),
    ],
)
def test_a_wrong_objective_names_what_was_meant(text: str, says: str) -> None:
    with pytest.raises(BenchError) as refused:
        parse_objective(text)
    assert says in str(refused.value)


@given(
    st.text(max_size=80) | st.from_regex(r"(min|max)[a-z]* (p99|cost)[,;] *p9?9 ?[<>]=? ?\d*[s%]?")
)
def test_no_objective_breaks_the_reader(text: str) -> None:
    with contextlib.suppress(BenchError):
        assert len(parse_objective(text).metrics()) >= 1


def test_the_best_keep_the_limits_first_and_then_are_best() -> None:
    """A config that breaks a limit ranks behind all that keep it, however cheap it is."""
    read = parse_objective("p99 < 8s, minimise cost")

    def figures(p99: float, cost: float) -> dict[str, Estimate]:
        told = {"p99": p99, "cost": cost}
        return {name: Estimate(each, None, None, "batch means") for name, each in told.items()}

    dear, cheap, slow, lost = (
        figures(7.9, 3.0),
        figures(2.0, 2.0),
        figures(8.0, 0.1),
        figures(math.nan, 0.0),
    )
    assert sorted([lost, slow, dear, cheap], key=read.rank) == [cheap, dear, slow, lost]


def test_a_limit_is_surely_kept_only_by_the_whole_interval() -> None:
    limit = Limit("p99", "<", 8.0)
    assert limit.surely_kept(Estimate(7.0, 6.5, 7.9, "block bootstrap"))
    assert not limit.surely_kept(Estimate(7.0, 6.5, 8.1, "block bootstrap"))
    assert not limit.surely_kept(Estimate(7.0, None, None, "block bootstrap"))
