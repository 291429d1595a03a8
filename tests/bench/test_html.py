"""The report as a file: well-formed, alone, and with every name for what it is."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from html import unescape
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings, strategies as st
from tests.bench.conftest import EVIL, PRIMARY

from portkey_local import bench
from portkey_local.bench.html.pareto import Spot, pareto_plot
from portkey_local.bench.html.scales import Scale, linear, log, nines, round_steps
from portkey_local.bench.html.svg import element, spread
from portkey_local.bench.intervals import Estimate
from portkey_local.bench.results import Results


def parsed(page: str) -> ET.Element:
    """Read the page as XML: every tag is closed and every text is escaped."""
    assert page.startswith("<!doctype html>\n")
    return ET.fromstring(page.removeprefix("<!doctype html>\n"))


def test_the_page_is_well_formed_and_alone(results: Results) -> None:
    page = results.to_html()
    tree = parsed(page)
    assert not list(tree.iter("script"))
    assert not list(tree.iter("img"))
    for each in tree.iter():
        for name, value in each.attrib.items():
            assert name not in {"src", "onload", "onclick"}
            assert not (name == "href" and not value.startswith(("#", "data:")))
    assert "url(" not in page
    assert "@import" not in page
    assert "nan" not in re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL).lower().replace(
        "finance", ""
    )


def test_a_name_is_text_wherever_it_stands(results: Results) -> None:
    page = results.to_html()
    assert EVIL not in page
    assert page.count("&lt;script&gt;") >= 6
    texts = [each.text or "" for each in parsed(page).iter()]
    assert EVIL in texts


def test_the_page_shows_no_key(results: Results) -> None:
    assert "sk-0123456789" not in results.to_html()
    assert "(hidden)" in results.to_html()


def test_every_chart_says_what_it_is_to_those_who_cannot_see_it(results: Results) -> None:
    charts = [each for each in parsed(results.to_html()).iter("svg") if each.get("role") == "img"]
    assert len(charts) == 9
    for chart in charts:
        told = {child.tag: child.text for child in chart}
        assert told["title"]
        assert told["desc"]


def test_the_best_comes_first(results: Results) -> None:
    page = results.to_html()
    lead = re.search(r'<p class="lead">calm: <b>(.*?)</b>', page)
    assert lead is not None
    assert unescape(lead[1]) == results["calm"].best
    assert "(stopped)" not in page


@pytest.mark.parametrize("calls", [1, 2, 7])
def test_few_calls_make_a_page_too(calls: int) -> None:
    found = bench.compare({"a": PRIMARY}, calls=calls, weather="calm")
    parsed(found.to_html())


def test_more_configs_than_colours_make_a_page_too() -> None:
    """The ninth config has the colour of the first one, and its own name beside every line."""
    found = bench.compare({f"config {n}": PRIMARY for n in range(10)}, calls=30, weather="calm")
    page = found.to_html()
    parsed(page)
    used = set(re.findall(r'class="label[^"]* (c\d+)"', page))
    assert used == {f"c{n}" for n in range(8)}


def test_nobody_answered_makes_a_page_too() -> None:
    """Everything fails for the first hour, and that is all there is."""
    out = {"errors": {"503": 1.0}}
    weather = {
        "providers": {
            "*": {
                "regimes": {"calm": {}, "blackout": out},
                "schedule": [[0, "blackout"], [3600, "calm"]],
            }
        }
    }
    found = bench.compare({"a": PRIMARY, "b": PRIMARY}, calls=30, weather=weather)
    assert found.comparisons[0]["a"].figures["success"].value == 0
    parsed(found.to_html())


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.floats(0, 1e6), st.floats(0, 1e6), st.text(max_size=30)),
        min_size=1,
        max_size=9,
    )
)
def test_any_spots_can_be_drawn(rows: list[tuple[float, float, str]]) -> None:
    """Names may hold anything but what XML itself has no words for."""
    spots = []
    for slot, (across, up, name) in enumerate(rows):
        plain = re.sub(r"[^\t\n\r -\ud7ff\ue000-\ufffd]", "?", name)
        estimates = [Estimate(each, each * 0.9, each * 1.1, "batch means") for each in (across, up)]
        spots.append(Spot(plain, *estimates, slot=slot % 8))
    ET.fromstring(pareto_plot(spots))


@given(st.lists(st.floats(0, 300), min_size=1, max_size=8))
def test_labels_keep_apart_and_in_order(wanted: list[float]) -> None:
    placed = spread(wanted, 15, 0, 300)
    ordered = sorted(zip(wanted, placed, strict=True))
    places = [place for _, place in ordered]
    assert all(after - before >= 15 - 1e-6 for before, after in pairwise(places))
    assert min(places) >= -1e-6
    assert max(places) <= 300 + 1e-6


@pytest.mark.parametrize("make", [linear, log])
@settings(max_examples=40)
@given(low=st.floats(1e-3, 1e3), width=st.floats(1e-3, 1e6))
def test_ticks_lie_within_and_places_are_in_order(
    make: Callable[[float, float, float, float], Scale], low: float, width: float
) -> None:
    scale = make(low, low + width, 10, 500)
    marks = scale.ticks()
    assert list(marks) == sorted(marks)
    places = [scale(mark) for mark in (low, *marks, low + width)]
    assert places == sorted(places)
    assert all(10 - 1e-6 <= place <= 500 + 1e-6 for place in places)


def test_round_ticks_and_nines() -> None:
    assert round_steps(0, 1, 5) == (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    scale = nines(0.999, 0, 300)
    assert [round(scale(share)) for share in (0, 0.9, 0.99, 0.999)] == [0, 100, 200, 300]
    assert math.isclose(scale(1.0), 300)


def test_text_and_attributes_are_escaped() -> None:
    assert element("text", x=1.0, class_='a"<b') == '<text x="1" class="a&quot;&lt;b"/>'
