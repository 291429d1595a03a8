"""The page: first what to ship and why, then what shows it, last how it was found out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from html import escape
from importlib.resources import files
from typing import Final

from portkey_local.bench.html.cells import figures_table, overview_table
from portkey_local.bench.html.curves import latency_curves
from portkey_local.bench.html.pareto import Spot, pareto_plot
from portkey_local.bench.html.svg import COLOURS
from portkey_local.bench.html.timeline import (
    attempts_over_time,
    breakers_over_time,
    shares_over_time,
    target_colours,
)
from portkey_local.bench.results import Comparison, Results
from portkey_local.bench.verdicts import AS_GOOD
from portkey_local.bench.wording import seconds

__all__ = ["document", "figure_of", "page"]

TITLE: Final = "Which config to ship"
METHOD: Final = """
<h3>How to read this</h3>
<p class="note">The configs were run by the library's own router, in virtual time, over modelled
providers. All met the same calls, the same weather and the same luck, so differences are the
configs'. ± is half of a 95 % interval: of shares, costs and attempts by the means of 30 batches of
consecutive calls (Student's t), of percentiles by resampling those batches (expanded percentile
bootstrap). A difference is called one only where its own interval, at 99 % and over paired
batches, leaves zero out. Percentiles are those of calls that got an answer; the curves count all
calls. In time means answered, and not wrongly by a cache, within the deadline. Intervals speak of
other stretches of this same traffic and weather; they do not say how well the models of the
providers fit yours.</p>
"""


def page(results: Results) -> str:
    """Return the report of a run as one HTML document."""
    comparisons = results.comparisons
    first = comparisons[0]
    several = len(comparisons) > 1
    body = [
        f"<header><h1>{TITLE}</h1>{_facts(first, several=several)}</header>",
        "" if results.complete else _stopped(first),
        _overview(comparisons) if several else "",
        *(_section(each, number, several=several) for number, each in enumerate(comparisons)),
        f"<footer>{METHOD}{_notes(results)}{_configs(first)}</footer>",
    ]
    return document(f"{TITLE}: {', '.join(each.name for each in first.results)}", body)


def document(title: str, body: Iterable[str]) -> str:
    """Return a whole document around its parts, with the style sheet inside."""
    style = files("portkey_local.bench.html").joinpath("style.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        '<meta http-equiv="Content-Security-Policy"'
        " content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"/>"
        f'<link rel="icon" href="data:,"/><title>{escape(title)}</title>'
        f"<style>{style}</style></head>\n<body>{''.join(body)}</body></html>\n"
    )


def figure_of(drawing: str, title: str, caption: str, *, long: bool = False) -> str:
    """Return a drawing with its heading and what to see in it; nothing for none."""
    if not drawing:
        return ""
    kind = ' class="long"' if long else ""
    return (
        f"<figure{kind}><h3>{escape(title)}</h3><figcaption>{caption}</figcaption>"
        f'<div class="wide">{drawing}</div></figure>'
    )


def _facts(first: Comparison, *, several: bool) -> str:
    weather = "" if several else f" · weather: {escape(first.weather)}"
    limit = f" · deadline {seconds(first.deadline)}" if first.deadline < float("inf") else ""
    return (
        f'<p class="facts">{first.calls:,} calls for each config · {escape(first.workload)}'
        f"{weather}{limit} · seed {first.seed}</p>"
    )


def _stopped(first: Comparison) -> str:
    return (
        f'<p class="lead"><b>The run was stopped.</b> What follows covers {first.calls:,} of'
        f" {first.asked:,} calls.</p>"
    )


def _overview(comparisons: Iterable[Comparison]) -> str:
    every = list(comparisons)
    leads = "".join(f'<p class="lead">{escape(each.weather)}: {_lead(each)}</p>' for each in every)
    links = "".join(
        f'<a href="#weather-{number}">{escape(each.weather)}</a>'
        for number, each in enumerate(every)
    )
    return f"{leads}{overview_table(every)}<nav>In detail: {links}</nav>"


def _lead(comparison: Comparison) -> str:
    name = comparison.best
    return f"<b>{escape(name)}</b>{escape(comparison.summary[0].removeprefix(name))}"


def _section(comparison: Comparison, number: int, *, several: bool) -> str:
    heading = f'<h2 id="weather-{number}">{escape(comparison.weather)}</h2>' if several else ""
    told = "".join(f"<li>{escape(line)}</li>" for line in comparison.summary[1:])
    return "".join(
        (
            f'<section>{heading}<p class="lead">{_lead(comparison)}</p>',
            f'<ul class="verdicts">{told}</ul>',
            figures_table(comparison),
            '<div class="pair">',
            *_plots(comparison),
            "</div>",
            *_timelines(comparison),
            _verdicts(comparison),
            "</section>",
        )
    )


def _plots(comparison: Comparison) -> Iterable[str]:
    yield figure_of(
        latency_curves(comparison),
        "How soon calls are answered",
        "Share of all calls answered within a time. A dotted level is where the rest failed;"
        " a dot is the p99 of the answered calls with its interval.",
    )
    behind = {
        each.worse
        for each in comparison.differences
        if each.metric == "goodput" and each.shown and each.amount.value > AS_GOOD
    }
    spots = [
        Spot(
            each.name,
            each.figures["cost"],
            each.figures["p99"],
            slot % COLOURS,
            eligible=each.name not in behind,
        )
        for slot, each in enumerate(comparison.results)
    ]
    yield figure_of(
        pareto_plot(spots),
        "What speed costs",
        "Crosses are 95 % intervals. Hollow dots are shown to answer fewer calls in time than"
        " another, by half a point or more; of the rest, none beats those on the line in both.",
    )


def _timelines(comparison: Comparison) -> Iterable[str]:
    yield figure_of(
        shares_over_time(comparison),
        "Who answered, over time",
        _key(comparison),
        long=True,
    )
    yield figure_of(
        breakers_over_time(comparison),
        "Circuits, over time",
        '<span class="key"><i style="background:var(--bad)"></i>open</span>'
        '<span class="key"><i style="background:var(--half)"></i>half-open</span>',
        long=True,
    )
    yield figure_of(
        attempts_over_time(comparison),
        "Attempts per call, over time",
        "How many requests a call became; the line in each row is one.",
        long=True,
    )


def _key(comparison: Comparison) -> str:
    colours = {name: f"t{slot % 6}" for name, slot in target_colours(comparison).items()}
    if any(name == "cache" for each in comparison.results for name, _ in each.overtime.answered):
        colours["cache"] = "cached"
    return "".join(
        f'<span class="key"><i style="background:var(--{colour})"></i>{escape(name)}</span>'
        for name, colour in [*colours.items(), ("failed", "bad")]
    )


def _verdicts(comparison: Comparison) -> str:
    rows = "".join(f"<li>{escape(each.sentence)}</li>" for each in comparison.differences)
    if not rows:
        return ""
    return f"<details><summary>Every pair, compared</summary><ul>{rows}</ul></details>"


def _notes(results: Results) -> str:
    every = dict.fromkeys(
        f"{each.name}: {warning}"
        for comparison in results.comparisons
        for each in comparison.results
        for warning in each.warnings
    )
    rows = "".join(f"<li>{escape(line)}</li>" for line in (*results.notes, *every))
    return f'<h3>Notes</h3><ul class="note">{rows}</ul>' if rows else ""


def _configs(first: Comparison) -> str:
    blocks = "".join(
        f"<h3>{escape(each.name)}</h3><pre>"
        f"{escape(json.dumps(each.config, indent=2, ensure_ascii=False))}</pre>"
        for each in first.results
    )
    return f"<details><summary>The configs</summary>{blocks}</details>"
