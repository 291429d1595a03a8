"""What was measured, as a table and as JSON."""

from __future__ import annotations

import datetime as dt
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Comparison
from benchmarks.run import Run

PACKAGES = ("openai", "httpx", "httpx2", "aiohttp", "pydantic")
MARKS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}


def show(run: Run, console: Console) -> None:
    """Print a table; a ratio is ours through theirs."""
    table = Table(title="portkey-local: ours ÷ theirs, measured in turn", title_style="bold")
    for name in ("", "median", "best round", "ratio", "its quartiles", "goal"):
        table.add_column(name, justify="left" if name in ("", "goal") else "right", overflow="fold")
    for comparison in run.done:
        if comparison.series:
            _rows(table, comparison)
    console.print(table)
    for remark in run.remarks:
        console.print(remark, highlight=False)


def _rows(table: Table, comparison: Comparison) -> None:
    table.add_section()
    table.add_row(f"[bold]{comparison.name}[/]", "", "", "", "", _goal(comparison))
    for name in comparison.contenders:
        ratio, spread = comparison.ratio(name), comparison.spread(name)
        table.add_row(
            "  " + name,
            _figure(comparison, comparison.median(name)),
            _figure(comparison, comparison.best(name)),
            "" if ratio is None else f"{ratio:.2f}",
            f"{spread[0]:.2f} to {spread[1]:.2f}" if ratio is not None and spread else "",
            "",
        )


def _goal(comparison: Comparison) -> str:
    if comparison.goal is None:
        return ""
    sign = "≥" if comparison.unit == "1/s" else "≤"
    value = _figure(comparison, comparison.goal) if comparison.absolute else f"{comparison.goal:g}"
    return f"{sign} {value} {MARKS[comparison.met]}"


def _figure(comparison: Comparison, value: float) -> str:
    if comparison.unit == "1/s":
        return f"{value:,.0f}/s"
    return f"{value * 1e3:.2f} ms" if value >= 1e-3 else f"{value * 1e6:.1f} µs"


def to_dict(run: Run) -> dict[str, Any]:
    """Return the run for a JSON file."""
    return {
        "when": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "quick": run.quick,
        "remarks": run.remarks,
        "results": [comparison.to_dict() for comparison in run.done if comparison.series],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
