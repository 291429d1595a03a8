"""`python -m benchmarks [PART] [--json FILE] [--quick] [--peers]`: `--help` names the parts."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.run import Run

SRC = Path(__file__).parent.parent / "src"
DATA = Path(__file__).parent.parent.parent / "shared" / "data"
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def main() -> int:
    """Measure what was asked for; print it whatever happens."""
    asked = arguments()
    sys.path.insert(0, str(SRC))  # what is measured is this repository, installed or not
    surroundings = dict(os.environ)  # for what is installed from a network
    for name in list(os.environ):
        if name.lower() in PROXIES:  # the server is next door
            del os.environ[name]
    if asked.what == "semantic":
        from benchmarks import semantic

        return semantic.main(asked)
    return measure(asked, surroundings)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    what = ("overhead", "imports", "wrapped", "simulation", "all", "semantic")
    parser.add_argument("what", nargs="?", choices=what, default="all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a smoke test")
    parser.add_argument(
        "--peers", action="store_true", help="also LiteLLM and portkey_ai + gateway"
    )
    semantic = parser.add_argument_group("semantic")
    semantic.add_argument("--data", type=Path, metavar="FOLDER", default=DATA)
    semantic.add_argument("--plots", type=Path, metavar="FOLDER", help="draw pictures there")
    semantic.add_argument(
        "--held-out", action="store_true", help="only rows that nothing was developed on"
    )
    return parser.parse_args()


def measure(asked: argparse.Namespace, surroundings: dict[str, str]) -> int:
    """Run the benchmarks; return 1 when a goal was missed."""
    from rich.console import Console

    from benchmarks import server
    from benchmarks.run import Run, bars, cores

    free = cores()
    ours, theirs = (max(free), min(free)) if len(free) > 1 else (None, None)
    with ExitStack() as stack:
        address = stack.enter_context(server.running(theirs))
        run = Run(address, core=ours, cores=free, quick=asked.quick)
        run.progress = stack.enter_context(bars(Console(stderr=True)))
        if ours is not None:
            os.sched_setaffinity(0, {ours})
        try:
            measure_parts(run, asked, surroundings)
        except KeyboardInterrupt:
            run.remarks.append("interrupted: what was not finished is missing or has fewer rounds")
        finally:
            run.progress.stop()
            deliver(run, asked.json)
    return 1 if any(comparison.met is False for comparison in run.done if comparison.series) else 0


def measure_parts(run: Run, asked: argparse.Namespace, surroundings: dict[str, str]) -> None:
    """Measure the parts that were asked for."""
    from benchmarks import imports, overhead, peers, simulation, wrapped

    if asked.what in ("overhead", "all"):
        overhead.measure(run)
    if asked.what in ("imports", "all"):
        imports.measure(run)
    if asked.what in ("wrapped", "all"):
        wrapped.measure(run)
    if asked.what in ("simulation", "all"):
        simulation.measure(run)
    if asked.peers:
        peers.measure(run, surroundings)


def deliver(run: Run, file: Path | None) -> None:
    """Print what there is, and write it to a file."""
    from rich.console import Console

    from benchmarks import report

    console = Console()
    if not console.is_terminal:
        console.width = 120  # a file has no width of its own
    report.show(run, console)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report.to_dict(run), indent=2, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
