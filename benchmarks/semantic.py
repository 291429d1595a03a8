"""Whether the semantic cache can be trusted: `python -m benchmarks semantic`.

Pairs of questions are asked one after the other, and each question of a set after all the others.
Served are the profiles, each at the threshold it ships with and over a range of thresholds, and
plain cosine. `--held-out` judges only the half that no word list and no threshold was made on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import judging, lookups, plots, questions, report, semantic_hits
from benchmarks.judging import Decider, Score
from benchmarks.run import Run, bars
from benchmarks.vectors import Vectors, embedded
from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.deciding import PROFILES, Profile, threshold
from portkey_local.semantic.known import calibrated_as
from portkey_local.semantic.resolve import NoModel, embedder as installed

COSINES = (0.80, 0.85, 0.90, 0.95, 0.98)
RANGE = (0.75, 0.80, 0.85, 0.90, 0.95)
PLOTTED = ("fow_cache", "hard_pairs", "banking77")

Judge = Callable[[str, float, Decider], Score]
"""Judges a decider, by its name and threshold, on one data set."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a profile must reach on a data set, as rates."""

    most_wrong: float
    least_right: float = 0.0
    least_repeats: float = 0.0


GOALS = {
    ("fow_cache", "balanced"): Goal(0.02, 0.30),
    ("fow_cache", "strict"): Goal(0.007, least_repeats=0.48),
    ("hard_pairs", "balanced"): Goal(0.005, 0.85),
    ("gsm8k", "balanced"): Goal(0.0),
    ("banking77", "balanced"): Goal(0.025),
}


def main(asked: argparse.Namespace) -> int:
    """Measure, print, and write what was asked for; return 1 when a goal was missed."""
    console = Console(stderr=True)
    folder: Path = asked.data
    if not folder.is_dir():
        console.print(f"There is no data in {folder}: name its folder with --data.")
        return 2
    try:
        embedder = installed()
    except NoModel as error:
        console.print(f"No embedding model: {error}")
        return 2
    with bars(console) as progress:
        scores = measure(folder, embedder, progress, held_out=asked.held_out)
        run = Run("", quick=asked.quick, progress=progress)
        lookups.measure(run, embedder, [row.b for row in questions.pairs(folder)["fow_cache"]])
        semantic_hits.measure(run, embedder)
    run.remarks.append(conversations(folder))
    deliver(asked, run, scores, embedder.name)
    missed = any(met(score) is False for score in shipped(scores))
    return 1 if missed or any(comparison.met is False for comparison in run.done) else 0


def measure(
    folder: Path, embedder: Embedder, progress: Progress | None, *, held_out: bool
) -> list[Score]:
    """Judge every decider on every data set."""
    pairs, sets = questions.pairs(folder), questions.sets(folder)
    texts = [text for rows in pairs.values() for row in rows for text in (row.a, row.b)]
    texts += [row.text for rows in sets.values() for row in rows]
    vectors = embedded(embedder, texts, progress)
    deciders = list(_deciders(vectors))
    judges = {
        **dict(_pair_judges(pairs, vectors, held_out=held_out)),
        **dict(_set_judges(sets, vectors, held_out=held_out)),
    }
    work = [
        (judge, decider)
        for data, judge in judges.items()
        for decider, ships in deciders
        if ships or data in PLOTTED
    ]
    shown = progress.track(work, description="judging") if progress else work
    return [judge(*decider) for judge, decider in shown]


def _deciders(vectors: Vectors) -> Iterator[tuple[tuple[str, float, Decider], bool]]:
    """Yield the deciders, and whether each is one that ships, or that the others use."""
    fingerprint = calibrated_as(vectors.embedder)
    for profile in PROFILES:
        name: Profile = profile  # type: ignore[assignment]
        shipped = threshold(fingerprint, name)
        for at_least in sorted({*RANGE, *([shipped] if shipped is not None else [])}):
            if shipped is None or at_least >= shipped:
                decider = judging.ours(vectors, name, at_least)
                yield (profile, at_least, decider), at_least == (shipped or RANGE[0])
    for at_least in COSINES:
        yield ("cosine", at_least, judging.cosine(at_least)), True


def _pair_judges(
    pairs: dict[str, list[questions.Pair]], vectors: Vectors, *, held_out: bool
) -> Iterator[tuple[str, Judge]]:
    for data, every in pairs.items():
        rows = [row for row in every if not held_out or questions.held_out(row.key)]

        def judge(
            name: str,
            at_least: float,
            decider: Decider,
            data: str = data,
            rows: list[questions.Pair] = rows,
        ) -> Score:
            return judging.judge_pairs(Score(data, name, at_least), rows, vectors, decider)

        yield data, judge


def _set_judges(
    sets: dict[str, list[questions.Labelled]], vectors: Vectors, *, held_out: bool
) -> Iterator[tuple[str, Judge]]:
    for data, rows in sets.items():
        near = judging.neighbours(rows, vectors)
        asked = [
            place for place, row in enumerate(rows) if not held_out or questions.held_out(row.text)
        ]

        def judge(
            name: str,
            at_least: float,
            decider: Decider,
            data: str = data,
            rows: list[questions.Labelled] = rows,
            asked: list[int] = asked,
            near: judging.Neighbours = near,
        ) -> Score:
            return judging.judge_set(Score(data, name, at_least), rows, asked, near, decider)

        yield data, judge


def conversations(folder: Path) -> str:
    """Tell how many conversations with another answer could meet in one scope."""
    rows = questions.conversations(folder)
    met_in_scope = sum(row.a[:-1] == row.b[:-1] for row in rows if not row.same)
    traps = sum(not row.same for row in rows)
    return (
        f"fow_cache conversations: {met_in_scope} of {traps} with another answer share the turns"
        " before the last, and so a scope"
    )


def shipped(scores: list[Score]) -> list[Score]:
    """Return the scores of the profiles as they ship, and of plain cosine."""
    first: dict[tuple[str, str], Score] = {}
    for score in scores:
        first.setdefault((score.data, score.decider), score)
    return [
        score
        for score in scores
        if score.decider == "cosine" or first[score.data, score.decider] is score
    ]


def met(score: Score) -> bool | None:
    """Tell whether a profile reaches its goal; None where it has none."""
    goal = GOALS.get((score.data, score.decider))
    if goal is None:
        return None
    repeats, of = score.kinds.get("near_repeat", (0, 0))
    return (
        score.wrong_rate <= goal.most_wrong
        and (score.hit_rate or 0.0) >= goal.least_right
        and repeats >= goal.least_repeats * of
    )


def deliver(asked: argparse.Namespace, run: Run, scores: list[Score], model: str) -> None:
    """Print the tables, write the file, draw the pictures."""
    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(table(shipped(scores), model, held_out=asked.held_out))
    report.show(run, console)
    if asked.json is not None:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(to_dict(run, scores, model, held_out=asked.held_out), indent=2)
        asked.json.write_text(text + "\n", encoding="utf-8")
    if asked.plots is not None:
        _draw(asked.plots, scores, model, console)


def _draw(folder: Path, scores: list[Score], model: str, console: Console) -> None:
    try:
        for profile in PROFILES:
            shown = [
                score
                for score in scores
                if score.data in PLOTTED and score.decider in (profile, "cosine")
            ]
            console.print(f"drawn: {plots.draw(folder, profile, shown, model)}")
    except plots.NoMatplotlib as error:
        console.print(str(error))


def to_dict(run: Run, scores: list[Score], model: str, *, held_out: bool) -> dict[str, Any]:
    """Return everything for a JSON file."""
    rows = [
        {**score.to_dict(), "shipped": ships, "met": met(score) if ships else None}
        for score in scores
        for ships in [any(score is each for each in shipped(scores))]
    ]
    return {**report.to_dict(run), "model": model, "held_out": held_out, "scores": rows}


def table(scores: list[Score], model: str, *, held_out: bool) -> Table:
    """Return the figures of each decider on each data set; in a narrow terminal they wrap."""
    half = ", held-out half" if held_out else ""
    shown = Table(title=f"What is served, {model}{half}", title_style="bold")
    for name in ("", "at least", "served rightly", "served wrongly", "95 %", "precision", "goal"):
        side = "left" if name in ("", "goal") else "right"
        shown.add_column(name, justify=side)
    data = ""
    for score in scores:
        if score.data != data:
            data = score.data
            shown.add_section()
            shown.add_row(f"[bold]{data}[/]", *[""] * 6)
        shown.add_row(*_row(score))
    return shown


def _row(score: Score) -> tuple[str, ...]:
    low, high = judging.interval(score.wrong, score.traps)
    kinds = score.kinds.get("near_repeat")
    repeats = f" (repeats {kinds[0] / kinds[1]:.0%})" if kinds else ""
    goal = GOALS.get((score.data, score.decider))
    return (
        "  " + score.decider,
        f"{score.at_least:.2f}",
        f"{score.hit_rate:.1%}{repeats}" if score.hit_rate is not None else "",
        f"{score.wrong}/{score.traps} {score.wrong_rate:.2%}",
        f"{low:.2%} to {high:.2%}",
        f"{score.precision:.1%}" if score.precision is not None else "",
        f"{_goal(goal)} {report.MARKS[met(score)]}" if goal else "",
    )


def _goal(goal: Goal) -> str:
    right = f", ≥ {goal.least_right:.0%}" if goal.least_right else ""
    repeats = f", repeats ≥ {goal.least_repeats:.0%}" if goal.least_repeats else ""
    return f"≤ {goal.most_wrong:.1%}{right}{repeats}"
