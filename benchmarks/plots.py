"""One picture per profile: what it serves rightly against what it serves wrongly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.judging import Score

PAIRS = {"fow_cache": "traps", "hard_pairs": "one-edit negatives"}


class NoMatplotlib(Exception):
    """The pictures need matplotlib."""

    def __str__(self) -> str:
        """Say what to do."""
        return "no pictures: matplotlib is not installed; pip install --group bench"


def draw(folder: Path, profile: str, scores: list[Score], model: str) -> Path:
    """Draw a profile's curves over its thresholds beside those of plain cosine.

    Raises NoMatplotlib.
    """
    figure, axes = _figure(len({score.data for score in scores}))
    for axis, data in zip(axes, dict.fromkeys(score.data for score in scores), strict=True):
        _panel(axis, data, profile, [score for score in scores if score.data == data])
    figure.suptitle(f"{profile}: served rightly against served wrongly, {model}")
    figure.tight_layout()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"semantic-{profile}.png"
    figure.savefig(path, dpi=110)
    return path


def _figure(panels: int) -> tuple[Any, list[Any]]:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise NoMatplotlib from None
    figure = Figure(figsize=(5.2 * panels, 4.6))
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])


def _panel(axis: Any, data: str, profile: str, scores: list[Score]) -> None:
    for decider, colour in (("cosine", "tab:gray"), (profile, "tab:blue")):
        points = sorted((score for score in scores if score.decider == decider), key=_place)
        wrong = [100 * score.wrong_rate for score in points]
        right = [100 * (score.hit_rate or 0) for score in points]
        axis.plot(wrong, right, marker="o", markersize=4, color=colour, label=_label(decider))
        for score, x, y in zip(points, wrong, right, strict=True):
            if decider == "cosine" or score is points[0]:
                axis.annotate(
                    f"{score.at_least:.2f}", (x, y), (5, -10), textcoords="offset points", size=8
                )
    axis.set_title(data)
    axis.set_xlabel(f"{PAIRS.get(data, 'questions')} served another's answer, %")
    axis.set_ylabel("served rightly, %")
    axis.set_xlim(left=-1)
    axis.set_ylim(0, 100 if data in PAIRS else None)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")


def _label(decider: str) -> str:
    return "plain cosine, by threshold" if decider == "cosine" else f"{decider}, by min_similarity"


def _place(score: Score) -> float:
    return score.at_least
