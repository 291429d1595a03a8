"""Tables of tries, for the scenes of the demonstration and for `ask --trace`.

Ground rules: colour only repeats what words say. A table fits into 80 columns, and text of
providers and users is never read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from rich.table import Table
from rich.text import Text

from portkey_local.report.story import Next, Try, came_back, what_next

__all__ = ["shares_table", "tries_table"]

COLOURS: Final[Mapping[Next, str]] = {
    Next.ANSWER: "green",
    Next.RETRY: "yellow",
    Next.FALLBACK: "yellow",
    Next.BREAK: "red",
    Next.ERROR: "red",
}
NARROW: Final = 26  # the least columns for a target: a long model's name stays whole
FRAME: Final = 19  # indent, number, time taken, and the gaps between columns


def tries_table(tries: Sequence[Try], *, room: int) -> Table:
    """Return the table of one call's tries, for a place of `room` columns."""
    table = _table(tries, room)
    for number, tried in enumerate(tries, 1):
        _add(table, str(number), tried)
    return table


def shares_table(calls: Iterable[Sequence[Try]], *, room: int) -> Table:
    """Return the table of many calls: a row for each way a try went, and the longest it took."""
    every = [*chain.from_iterable(calls)]
    table = _table(every, room)
    alike: dict[tuple[str, int, Next], list[Try]] = {}
    for tried in every:
        alike.setdefault((tried.target, tried.status, tried.next), []).append(tried)
    for _, tries in sorted(alike.items()):
        _add(table, f"{len(tries)}×", max(tries, key=lambda tried: tried.seconds))
    return table


def _add(table: Table, label: str, tried: Try) -> None:
    colour = COLOURS[tried.next]
    table.add_row(
        label,
        _target(tried),
        Text(came_back(tried), colour),
        f"{tried.seconds:.2f} s",
        Text(what_next(tried), colour),
    )


def _table(tries: Sequence[Try], room: int) -> Table:
    longest = max((_target(tried).cell_len for tried in tries), default=0)
    others = max((len(came_back(tried)) for tried in tries), default=0)
    others += max((len(what_next(tried)) for tried in tries), default=0)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", justify="right", no_wrap=True)
    table.add_column(
        "target", width=min(longest, max(min(NARROW, room // 3), room - FRAME - others))
    )
    table.add_column("came back")  # the one to wrap where there is too little room
    table.add_column("took", justify="right", no_wrap=True)
    table.add_column("then", no_wrap=True)
    return table


def _target(tried: Try) -> Text:
    # Without the maker's prefix that routers put before a model: it would not fit into a line.
    return Text.assemble((tried.provider, "bold"), f" {tried.model.rpartition('/')[2]}")
