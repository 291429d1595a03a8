"""How tries and scenes look: on a terminal of 80 columns or more, in a pipe, and as JSON.

Ground rules: colour only repeats what words say. Text of providers and users is never read as
markup.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from portkey_local.demo.judge import differences
from portkey_local.demo.stage import Report
from portkey_local.report.outline import in_one_line
from portkey_local.report.story import Next, why
from portkey_local.report.tables import shares_table, tries_table

__all__ = ["facts", "print_report"]

FIRST_WORDS: Final = 120


def print_report(console: Console, number: int, report: Report) -> None:
    """Print what was asked, what was tried, and what came of it."""
    wrong = differences(report)
    console.print(_headline(number, report, wrong))
    console.print(Padding(_lines(report, wrong, console.width), (0, 0, 0, 2), expand=False))
    console.print()


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
    title = Text(f"{number}  {report.scene.title}", "bold")
    right = Text.assemble(f"{report.scene.manner} · {report.seconds:.2f} s ", verdict)
    line.add_column(no_wrap=True, min_width=right.cell_len)  # a long title gives way
    line.add_row(title, Rule(style="dim"), right)
    return line


def _lines(report: Report, wrong: Sequence[str], room: int) -> Group:
    before, after = _grid(), _grid()
    before.add_row("asked", Text(report.scene.recording.question))
    before.add_row("config", Text(in_one_line(report.scene.config)))
    for label, text in _outcome(report):
        after.add_row(label, text)
    for line in wrong:
        after.add_row(Text("wrong", "bold red"), Text(line, "red"))
    if report.scene.calls > 1:
        table = shares_table(report.calls, room=room)
    else:
        table = tries_table(report.calls[0], room=room)
    return Group(before, table, after)


def _grid() -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True, min_width=6)
    grid.add_column()
    return grid


def _outcome(report: Report) -> list[tuple[str, Text]]:
    """Return what the caller got, and the way there in plain words."""
    got, lines = report.got[0], []
    if got.text:
        label = "answer" if got.error is None else "so far"
        note = f"  ×{len(report.got)}" if len(report.got) > 1 else ""
        lines.append((label, Text.assemble((f"“{_first_words(got.text)}”", "bold"), note)))
    if got.error is not None:
        lines.append(("raised", Text(f"{type(got.error).__name__}: {got.error}", "red")))
    lines.append(("so", Text(_shares(report) if report.scene.calls > 1 else why(report.calls[0]))))
    return lines


def _shares(report: Report) -> str:
    lasts = [tries[-1] for tries in report.calls if tries]
    finals = Counter(last.provider for last in lasts if last.next is Next.ANSWER)
    shares = ", ".join(f"{provider} answered {count}" for provider, count in finals.most_common())
    return f"of {len(report.got)} calls, {shares or 'none was answered'}."


def _first_words(text: str) -> str:
    return textwrap.shorten(text, FIRST_WORDS, placeholder=" …")
