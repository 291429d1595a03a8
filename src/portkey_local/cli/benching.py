"""`bench`: which config to ship, found out in virtual time; `bench tune`: with which values."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from typer.core import TyperGroup

from portkey_local.cli.saying import INTERRUPTED, AsJson, console, plainly, say

if TYPE_CHECKING:
    from portkey_local.bench.results import Results
    from portkey_local.bench.search.tuning import Tuning

__all__ = ["app"]

# Told here as well, so that `--help` need not load what knows them; a test compares.
WORKLOADS: Final = "conversation, poisson, bursty, diurnal, questions"
WEATHERS: Final = "calm, brownout, blackout, rate-limited, shaky-streams, stormy"
COMPARE: Final = "compare"


class _Group(TyperGroup):
    """A group in which `bench CONFIG ...` is `bench compare CONFIG ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Name the command where none is named."""
        first = args[0] if args else "--help"
        if first not in self.commands:
            args = [COMPARE, *(args or ["--help"])]
        return super().parse_args(ctx, args)


app = typer.Typer(cls=_Group, help="Which config to ship: compare them in virtual time.")

Workloads = Annotated[
    list[str],
    typer.Option(
        "--workload",
        help=f"The calls: {WORKLOADS}, a trace (.csv), an event log (.jsonl), or a JSON file."
        " Repeat it to lay one over the other.",
    ),
]
WEATHER_HELP: Final = f"What providers do: {WEATHERS}, an event log (.jsonl), or a JSON file."
Seed = Annotated[int, typer.Option(min=0, help="The seed of all that is left to chance.")]
Calls = Annotated[
    int | None, typer.Option(min=1, help="How many calls; by default as many as the workload has.")
]
Deadline = Annotated[
    float | None,
    typer.Option(
        min=0.001, help="Seconds an answer may take to be of use; by default the workload's, or 30."
    ),
]
Repeats = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="The share of calls that ask again what was asked before."),
]
Paraphrases = Annotated[
    float | None,
    typer.Option(min=0, max=1, help="The share of the repeated ones that use other words."),
]
Html = Annotated[Path | None, typer.Option(help="Write the report into this file, as one page.")]


@app.command(COMPARE)
def compare(  # noqa: PLR0913, PLR0917 - one for each thing that may be said
    configs: Annotated[
        list[str],
        typer.Argument(
            help="JSON files, ids of stored configs, or `examples`: six strategies to begin with."
        ),
    ],
    workload: Workloads = ["conversation"],  # noqa: B006 - typer copies it
    weather: Annotated[
        list[str], typer.Option(help=f"{WEATHER_HELP} Repeat it to compare in each.")
    ] = ["stormy"],  # noqa: B006 - typer copies it
    seed: Seed = 7,
    calls: Calls = None,
    deadline: Deadline = None,
    repeats: Repeats = None,
    paraphrases: Paraphrases = None,
    as_json: AsJson = False,
    csv: Annotated[
        Path | None, typer.Option(help="Write the tables into this folder, as CSV.")
    ] = None,
    html: Html = None,
) -> None:
    """Compare configs over the same calls, in the same weather, with the same luck: no key, no
    network, nothing is sent.

    `portkey-local bench CONFIG ...` is the same. `portkey-local bench tune` searches the values of
    a config's fields. Ctrl-C prints what is done so far.
    """
    with _plainly():
        from portkey_local.bench.configs import named_configs
        from portkey_local.bench.door import in_rounds
        from portkey_local.bench.traffic import traffic_of
        from portkey_local.home import configs_dir

        named = named_configs(configs, configs_dir())
        whole = traffic_of(
            workload, seed=seed, calls=calls, repeats=repeats, paraphrases=paraphrases
        )
        if calls is not None and calls > len(whole):
            say("note", f"{whole.name} has {len(whole):,} calls, not {calls:,}")
        with _progress() as progress:
            rounds = in_rounds(
                named, whole, weather, seed=seed, deadline=deadline, progress=progress
            )
            results, stopped = _last(rounds)
        _write(results, as_json=as_json, csv=csv, html=html)
    if stopped:
        _stopped(min(each.calls for each in results.comparisons), len(whole))


@app.command()
def tune(  # noqa: PLR0913, PLR0917 - one for each thing that may be said
    config: Annotated[str, typer.Argument(help="A JSON file, an id, or an example's name.")],
    vary: Annotated[
        list[str],
        typer.Option(
            help="A field and its values: 'retry.attempts=0..4', 'targets[0].weight=0.1..0.9',"
            " 'strategy.mode=single,fallback'. Repeat it."
        ),
    ],
    objective: Annotated[
        str, typer.Option(help="Limits and one goal: 'p99 < 8s, minimise cost'.")
    ] = "maximise goodput",
    workload: Workloads = ["conversation"],  # noqa: B006 - typer copies it
    weather: Annotated[str, typer.Option(help=WEATHER_HELP)] = "stormy",
    seed: Seed = 7,
    calls: Calls = None,
    deadline: Deadline = None,
    trials: Annotated[int, typer.Option(min=1, help="How many candidates are tried.")] = 64,
    as_json: AsJson = False,
    html: Html = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the best configs into this folder, as JSON.")
    ] = None,
) -> None:
    """Search the values of a config's fields that do best, every candidate with the same luck."""
    with _plainly():
        from portkey_local.bench.configs import named_configs
        from portkey_local.bench.search.tuning import tune as search
        from portkey_local.home import configs_dir

        (given, *others) = named_configs([config], configs_dir()).values()
        if others:
            raise typer.BadParameter("a search takes one config")
        with _progress() as progress:
            found = search(
                given,
                vary,
                objective=objective,
                workload=workload,
                weather=weather,
                seed=seed,
                calls=calls,
                deadline=deadline,
                trials=trials,
                progress=progress,
            )
        _show_tuning(found, as_json=as_json, html=html, out=out)
    if not found.complete:
        _stopped(found.calls, found.asked)
    if not found.best:
        say("error", f"no candidate keeps the limits: {objective}")
        raise typer.Exit(1)


@contextmanager
def _plainly() -> Iterator[None]:
    """Say what is wrong with a workload, a weather or a search in a line, and warnings once."""
    from portkey_local.bench.naming import BenchError
    from portkey_local.report.findings import noted_warnings

    with plainly():
        try:
            with noted_warnings() as remarks:
                yield
        except BenchError as error:
            say("error", str(error))
            raise typer.Exit(1) from None
        for path, message in remarks:
            say("warning", f"{path}: {message}")


def _last(rounds: Iterator[Results]) -> tuple[Results, bool]:
    """Return the last round's results, and whether somebody stopped before the end."""
    latest: Results | None = None
    try:
        for results in rounds:
            latest = results
    except KeyboardInterrupt:
        if latest is None:
            say("stopped", "no round of calls was over yet, so there is nothing to print")
            raise
    assert latest is not None  # noqa: S101 - there is at least one round
    return latest, not latest.complete


def _stopped(covered: int, asked: int) -> NoReturn:
    say("stopped", f"the results cover {covered:,} of {asked:,} calls")
    raise typer.Exit(INTERRUPTED)


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], object] | None]:
    """Show on stderr how far a run is: a bar on a terminal, else nothing."""
    terminal = console(stderr=True)
    if not terminal.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    shape = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} calls"),
    )
    with Progress(*shape, TimeElapsedColumn(), console=terminal, transient=True) as bar:
        task = bar.add_task("", total=None)
        yield lambda label, done, total: bar.update(
            task, description=label, completed=done, total=total
        )


def _write(results: Results, *, as_json: bool, csv: Path | None, html: Path | None) -> None:
    """Print the results, and then write what is to be written: a full disk loses nothing."""
    if as_json:
        _print_json(results.to_dict())
    else:
        from portkey_local.bench.terminal import results_view

        console().print(results_view(results))
    if csv is not None:
        results.write_csv(csv)
        say("written", str(csv))
    if html is not None:
        _write_page(html, results.to_html())


def _show_tuning(found: Tuning, *, as_json: bool, html: Path | None, out: Path | None) -> None:
    if as_json:
        _print_json(found.to_dict())
    else:
        from portkey_local.bench.terminal import tuning_view

        console().print(tuning_view(found))
    for path in () if out is None else found.write_configs(out):
        say("written", str(path))
    if html is not None:
        _write_page(html, found.to_html())


def _write_page(path: Path, page: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    say("written", str(path))


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")
