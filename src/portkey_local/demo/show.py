"""How tries and scenes look: on a terminal of 80 columns or more, in a pipe, and as JSON.

Ground rules: colour only repeats what words say. Text of providers and users is never read as markup.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from portkey_local.demo.judge import differences
from portkey_local.demo.stage import Report
from portkey_local.demo.story import Next, Try, came_back, what_next, why

__all__ = ["facts", "print_report", "tries_table"]

FIRST_WORDS: Final = 120
COLOURS: Final[Mapping[Next, str]] = {
    Next.ANSWER: "green",
    Next.RETRY: "yellow",
    Next.FALLBACK: "yellow",
    Next.BREAK: "red",
    Next.ERROR: "red",
}


def print_report(console: Console, number: int, report: Report) -> None:
    """Print what was asked, what was tried, and what came of it."""
    wrong = differences(report)
    console.print(_headline(number, report, wrong))
    console.print(Padding(_lines(report, wrong), (0, 0, 1, 2), expand=False))


def tries_table(tries: Sequence[Try]) -> Table:
    """Return the table of one call's tries."""
    table = _table("", "target", "came back", "took", "then")
    for number, tried in enumerate(tries, 1):
        colour = COLOURS[tried.next]
        table.add_row(
            str(number),
            _target(tried),
            Text(came_back(tried), colour),
            f"{tried.seconds:.2f} s",
            Text(what_next(tried), colour),
        )
    return table


def facts(report: Report) -> dict[str, Any]:
    """Return a scene as plain JSON."""
    wrong = differences(report)
    return {
        "scene": report.scene.title,
        "manner": report.scene.manner,
        "asked": report.scene.recording.question,
        "config": report.scene.config,
        "seconds": round(report.seconds, 3),
        "calls": [
            {"tries": [asdict(each) for each in tries], "in_words": why(tries)}
            for tries in report.calls
        ],
        "got": [
            {
                "text": got.text,
                "error": type(got.error).__name__ if got.error else None,
                "message": str(got.error) if got.error else None,
            }
            for got in report.got
        ],
        "as_expected": not wrong,
        "differences": wrong,
    }


def _headline(number: int, report: Report, wrong: Sequence[str]) -> RenderableType:
    verdict = ("✗ NOT as expected", "bold red") if wrong else ("✓ as expected", "green")
    line = Table.grid(padding=(0, 1), expand=True)
    line.add_column(no_wrap=True)
    line.add_column(ratio=1)
    line.add_column(no_wrap=True)
    title = Text(f"{number}  {report.scene.title}", "bold")
    right = Text.assemble(f"{report.scene.manner} · {report.seconds:.2f} s ", verdict)
    line.add_row(title, Rule(style="dim"), right)
    return line


def _lines(report: Report, wrong: Sequence[str]) -> Group:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column()
    grid.add_row("asked", Text(report.scene.recording.question))
    grid.add_row("config", Text(_in_words(report.scene.config)))
    after = Table.grid(padding=(0, 2))
    after.add_column(style="dim", no_wrap=True, min_width=6)
    after.add_column()
    for label, text in _outcome(report):
        after.add_row(label, text)
    for line in wrong:
        after.add_row(Text("wrong", "bold red"), Text(line, "red"))
    many = report.scene.calls > 1
    table = _shares_table(report) if many else tries_table(report.calls[0])
    return Group(grid, table, after)


def _outcome(report: Report) -> list[tuple[str, Text]]:
    """Return what the caller got, and the way there in plain words."""
    got, lines = report.got[0], []
    if got.text:
        note = f"  ×{len(report.got)}" if len(report.got) > 1 else ""
        lines.append(("answer", Text.assemble((f"“{_first_words(got.text)}”", "bold"), note)))
    if got.error is not None:
        message = f"{type(got.error).__name__}: {got.error}"
        lines.append(("raised", Text(message, "red")))
    lines.append(("so", Text(_shares(report) if report.scene.calls > 1 else why(report.calls[0]))))
    return lines


def _shares_table(report: Report) -> Table:
    """Return the table of many calls: a row for each way a try went."""
    table = _table("", "target", "came back", "took", "then")
    every = [*chain.from_iterable(report.calls)]
    for key, count in sorted(Counter(map(_kind, every)).items()):
        alike = [each for each in every if _kind(each) == key]
        colour = COLOURS[alike[0].next]
        longest = max(each.seconds for each in alike)
        table.add_row(
            f"{count}×",
            _target(alike[0]),
            Text(came_back(alike[0]), colour),
            f"{longest:.2f} s",
            Text(what_next(alike[0]), colour),
        )
    return table


def _shares(report: Report) -> str:
    finals = Counter(tries[-1].provider for tries in report.calls)
    shares = ", ".join(f"{provider} took {count}" for provider, count in finals.most_common())
    return f"of {len(report.calls)} calls, {shares}."


def _kind(tried: Try) -> tuple[str, int, str]:
    return tried.target, tried.status, tried.next.value


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        aligned: Any = "right" if name in {"", "took"} else "left"
        table.add_column(name, justify=aligned, no_wrap=name in {"took", "then"}, overflow="fold")
    return table


def _target(tried: Try) -> Text:
    return Text.assemble((tried.provider, "bold"), f" {tried.model}")


def _first_words(text: str) -> str:
    return textwrap.shorten(text, FIRST_WORDS, placeholder=" …")


def _in_words(config: Mapping[str, Any]) -> str:
    """Say a config in one line."""
    if "targets" in config:
        total = sum(target.get("weight", 1) for target in config["targets"])
        mode = config["strategy"]["mode"]
        names = [_in_words(target) for target in config["targets"]]
        if mode == "loadbalance":
            shares = [target.get("weight", 1) / total for target in config["targets"]]
            return f"{mode}: " + ", ".join(f"{n} {s:.0%}" for n, s in zip(names, shares, strict=True))
        return f"{mode}: " + ", then ".join(names)
    notes = []
    if retry := config.get("retry"):
        codes = ", ".join(map(str, retry["on_status_codes"]))
        notes.append(f"up to {retry['attempts']} retries on {codes}")
    if limit := config.get("request_timeout"):
        notes.append(f"at most {limit / 1000:g} s")
    said = f" ({', '.join(notes)})" if notes else ""
    return f"{config['provider']}{said}"
