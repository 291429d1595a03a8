"""Tables of tries, for the scenes of the demonstration and for `ask --trace`.

Ground rules: colour only repeats what words say. A table fits into 80 columns, and text of
providers and users is never read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from portkey_local.demo.story import Next, Try, came_back, what_next

__all__ = ["shares_table", "tries_table"]

COLOURS: Final[Mapping[Next, str]] = {
    Next.ANSWER: "green",
    Next.RETRY: "yellow",
    Next.FALLBACK: "yellow",
    Next.BREAK: "red",
    Next.ERROR: "red",
}
# A long model's name, and a wait, are kept whole; where there is too little room, a status wraps.
LEAST_WIDTHS: Final[Mapping[str, int]] = {"target": 26, "took": 6, "then": 16}


def tries_table(tries: Sequence[Try]) -> Table:
    """Return the table of one call's tries."""
    table = _table("", "target", "came back", "took", "then")
    for number, tried in enumerate(tries, 1):
        _add(table, str(number), tried)
    return table


def shares_table(calls: Iterable[Sequence[Try]]) -> Table:
    """Return the table of many calls: a row for each way a try went, and the longest it took."""
    table = _table("", "target", "came back", "took", "then")
    alike: dict[tuple[str, int, Next], list[Try]] = {}
    for tried in chain.from_iterable(calls):
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


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        aligned: Any = "right" if name in {"", "took"} else "left"
        width = LEAST_WIDTHS.get(name)
        table.add_column(
            name, justify=aligned, no_wrap=name in {"", "took", "then"}, min_width=width
        )
    return table


def _target(tried: Try) -> Text:
    # Without the maker's prefix that routers put before a model: it would not fit into a line.
    return Text.assemble((tried.provider, "bold"), f" {tried.model.rpartition('/')[2]}")
