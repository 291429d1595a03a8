"""`python -m benchmarks [overhead|imports|all] [--json FILE] [--quick] [--peers]`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

SRC = Path(__file__).parent.parent / "src"
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


def main() -> int:
    """Measure what was asked for; print it whatever happens."""
    asked = arguments()
    sys.path.insert(0, str(SRC))  # what is measured is this repository, installed or not
    surroundings = dict(os.environ)  # for what is installed from a network
    for name in list(os.environ):
        if name.lower() in PROXIES:  # the server is next door
            del os.environ[name]
    return measure(asked, surroundings)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("overhead", "imports", "all"), default="all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a smoke test")
    parser.add_argument(
        "--peers", action="store_true", help="also LiteLLM and portkey_ai + gateway"
    )
    return parser.parse_args()


def measure(asked: argparse.Namespace, surroundings: dict[str, str]) -> int:
    """Run the benchmarks; return 1 when a goal was missed."""
    from rich.console import Console

    from benchmarks import imports, overhead, peers, report, server
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
            if asked.what in ("overhead", "all"):
                overhead.measure(run)
            if asked.what in ("imports", "all"):
                imports.measure(run)
            if asked.peers:
                peers.measure(run, surroundings)
        except KeyboardInterrupt:
            run.remarks.append("interrupted: what was not finished is missing or has fewer rounds")
    report.show(run, Console())
    if asked.json is not None:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(report.to_dict(run), indent=2, ensure_ascii=False)
        asked.json.write_text(text + "\n", encoding="utf-8")
    return 1 if any(comparison.met is False for comparison in run.done if comparison.series) else 0


if __name__ == "__main__":
    raise SystemExit(main())
