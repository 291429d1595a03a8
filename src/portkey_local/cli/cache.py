"""`cache`: what is in a cache directory, and what is to go."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from portkey_local.cli.saying import AsJson, console, plainly, say

if TYPE_CHECKING:
    from portkey_local.caches.disk import DiskCache
    from portkey_local.caches.upkeep import CacheEntry, CacheStats, Criteria

app = typer.Typer(
    help="Look at a cache directory, and delete from it, while others use it.", no_args_is_help=True
)
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "": 1}
AGE: Final = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
WAIT: Final = 5.0  # seconds for a database that others write
SHORT: Final = 12  # letters of a name that tell it from others
SHOWN: Final = ("model", "provider", "endpoint", "namespace", "writer")

Dir = Annotated[
    Path | None, typer.Option("--dir", help="The directory, as given to cache_dir=; it is needed.")
]
Names = Annotated[list[str] | None, typer.Argument(help="Names of entries, or their beginnings.")]
Namespace = Annotated[str | None, typer.Option(help="Of this namespace; '' is the one of none.")]
OlderThan = Annotated[str | None, typer.Option(help="Older than, as 90s, 30m, 12h or 7d.")]
Model = Annotated[str | None, typer.Option(help="Answers that this model was asked for.")]
Writer = Annotated[
    str | None, typer.Option(help="Caused by this user (a name of the metadata) or trace id.")
]


@app.command()
def stats(directory: Dir = None, as_json: AsJson = False) -> None:
    """Show a cache in numbers."""
    from portkey_local.caches import upkeep

    with _opened(directory) as cache:
        found = upkeep.stats(cache, time.time())
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        _show_stats(found)


@app.command("ls")
def list_entries(
    names: Names = None,
    directory: Dir = None,
    namespace: Namespace = None,
    older_than: OlderThan = None,
    model: Model = None,
    writer: Writer = None,
    as_json: AsJson = False,
) -> None:
    """List the entries, without their answers."""
    from portkey_local.caches import upkeep

    with _opened(directory) as cache:
        wanted = _criteria(names, namespace, older_than, model, writer)
        now = time.time()
        for _, entry in upkeep.entries(cache, now, wanted):
            if as_json:
                print(json.dumps(entry.to_dict()))
            else:
                _show(entry, now)


@app.command("rm")
def remove(
    names: Names = None,
    directory: Dir = None,
    namespace: Namespace = None,
    older_than: OlderThan = None,
    model: Model = None,
    writer: Writer = None,
) -> None:
    """Delete the entries that fit all that is given."""
    from portkey_local.caches import upkeep

    with _opened(directory) as cache:
        wanted = _criteria(names, namespace, older_than, model, writer)
        if not wanted:
            raise typer.BadParameter("say which: names, --namespace, --older-than, ...; or `clear`")
        count = upkeep.delete(cache, time.time(), wanted)
    print(f"{count} deleted")


@app.command()
def clear(
    directory: Dir = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete every entry; answers that were rejected stay so."""
    with _opened(directory) as cache:
        if not yes and not typer.confirm(f"Delete every entry of {cache.directory}?"):
            raise typer.Exit(1)
        count = cache.clear()
    print(f"{count} deleted")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The file to write; '-' is stdout.")],
    directory: Dir = None,
    bodies: Annotated[bool, typer.Option("--bodies", help="With the answers.")] = False,
    namespace: Namespace = None,
    older_than: OlderThan = None,
    model: Model = None,
    writer: Writer = None,
) -> None:
    """Write the entries as lines of JSON."""
    from portkey_local.caches import upkeep

    with _opened(directory) as cache:
        wanted = _criteria(None, namespace, older_than, model, writer)
        lines = upkeep.export(cache, time.time(), wanted, bodies=bodies)
        if str(file) == "-":
            for line in lines:
                print(line)
            return
        count = upkeep.export_to(file, lines)
    print(f"{count} written to {file}")


@contextmanager
def _opened(directory: Path | None) -> Iterator[DiskCache]:
    """Open a cache directory that is there, and say in a line what is wrong with it."""
    import sqlite3

    from portkey_local.caches.directory import FILES, is_ours, probe
    from portkey_local.caches.disk import DiskCache
    from portkey_local.errors import ConfigError

    with plainly():
        if directory is None:
            raise ConfigError(
                "--dir",
                "say which directory: answers are on a disk only where cache_dir= puts them",
            )
        folder = directory.expanduser()
        if not is_ours(folder):  # opening another one would change it
            raise ConfigError(
                str(directory), f"is no cache directory of ours; it has no {FILES[0]} with a secret"
            )
        cache = DiskCache(folder, wait=WAIT)
        try:
            probe(
                folder / FILES[0], WAIT
            )  # a cache that is broken would be begun anew, and nobody asked for it
            yield cache
        except sqlite3.Error as error:
            raise ConfigError(str(directory), f"cannot be read: {error}") from None
        finally:
            cache.close()


def _criteria(
    names: list[str] | None,
    namespace: str | None,
    older_than: str | None,
    model: str | None,
    writer: str | None,
) -> Criteria:
    from portkey_local.caches.upkeep import Criteria

    return Criteria(
        names=tuple(names or ()),
        namespace=namespace,
        older_than=None if older_than is None else _seconds(older_than),
        model=model,
        writer=writer,
    )


def _seconds(text: str) -> float:
    """Return a span as seconds. Raises ConfigError."""
    from portkey_local.errors import ConfigError

    found = AGE.fullmatch(text.strip().lower())
    if found is None:
        raise ConfigError("--older-than", f"{text!r} is no age; write 90s, 30m, 12h or 7d")
    return float(found[1]) * UNITS[found[2]]


def _show_stats(found: CacheStats) -> None:
    terminal = console()
    now = time.time()
    rows: list[tuple[str, Any]] = [
        ("entries", found.entries),
        ("size", f"{found.size:,} bytes"),
        ("oldest", None if found.oldest is None else _span(now - found.oldest)),
        ("newest", None if found.newest is None else _span(now - found.newest)),
        ("expired", found.expired),
        ("not read", found.wrong),
        ("rejected pairs", found.vetoes),
        ("models", _counts(found.models)),
        ("namespaces", _counts(found.namespaces)),
    ]
    for name, value in rows:
        if value not in (None, "", 0) or name == "entries":
            terminal.print(f"{name:<15}{value}", markup=False, soft_wrap=True)
    if found.wrong:
        say("warning", "something in the directory is no bytes of ours; `cache ls` names it")


def _counts(counts: Any) -> str:
    return ", ".join(f"{name or '(none)'} {count}" for name, count in counts.items())


def _show(entry: CacheEntry, now: float) -> None:
    told = [entry.name[:SHORT], _span(now - entry.created), f"{entry.size:,} bytes"]
    if entry.wrong is not None:
        told.append(entry.wrong)
    told += [f"{name}={value}" for name in SHOWN if (value := getattr(entry, name))]
    console().print("  ".join(told), markup=False, soft_wrap=True)


def _span(seconds: float) -> str:
    """Return a span in its largest unit."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f}{unit} ago"
    return f"{max(0.0, seconds):.0f}s ago"
