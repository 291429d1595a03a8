"""The run of the demonstration, from the introduction to what to do next.

Ground rules: with `as_json` stdout is one JSON document and nothing else.
"""

from __future__ import annotations

import json
import time
from typing import Final

from rich.console import Console

from portkey_local.demo.judge import differences
from portkey_local.demo.scenes import scenes
from portkey_local.demo.show import facts, print_report
from portkey_local.demo.stage import Report, play

__all__ = ["run"]

INTRODUCTION: Final = (
    "No key, no network: the providers below run on 127.0.0.1, answer with recorded real exchanges,"
    " and misbehave on purpose. All the rest is the library as you would use it."
)
NEXT_STEPS: Final = (
    ("export OPENAI_API_KEY=…", "a key of yours, then"),
    ('portkey-local ask "Why is the sky blue?"', "a real call; --trace shows tries"),
    ("portkey-local check config.json", "what a config does, and its slips"),
    ("portkey-local providers", "who can be asked, and their keys"),
)


def run(console: Console, *, seed: int, as_json: bool = False) -> bool:
    """Play all scenes and print them; return whether every one went as it must."""
    began = time.perf_counter()
    if not as_json:
        console.print("portkey-local demo", style="bold")
        console.print(f"{INTRODUCTION}\n")
    reports = []
    for number, scene in enumerate(scenes(seed), 1):
        report = play(scene, seed)
        reports.append(report)
        if not as_json:
            print_report(console, number, report)
    wrong = [report.scene.title for report in reports if differences(report)]
    seconds = time.perf_counter() - began
    if as_json:
        _print_json(reports, seed, seconds)
    else:
        _print_end(console, len(reports), wrong, seconds)
    return not wrong


def _print_json(reports: list[Report], seed: int, seconds: float) -> None:
    every = [facts(report) for report in reports]
    result = {
        "as_expected": all(each["as_expected"] for each in every),
        "seed": seed,
        "seconds": round(seconds, 3),
        "scenes": every,
    }
    print(json.dumps(result, ensure_ascii=False, indent=2))


def _print_end(console: Console, count: int, wrong: list[str], seconds: float) -> None:
    for title in wrong:
        console.print(f"✗ Not as expected: {title}", style="bold red", markup=False)
    right = count - len(wrong)
    style = "bold red" if wrong else "bold green"
    console.print(f"{right} of {count} scenes went as expected, in {seconds:.1f} s.", style=style)
    console.print("\nNow you:")
    width = max(len(command) for command, _ in NEXT_STEPS)
    for command, note in NEXT_STEPS:
        console.print(f"  {command:{width}}  {note}", markup=False, highlight=False)
