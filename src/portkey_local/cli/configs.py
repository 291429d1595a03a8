"""`configs`: the named configs of this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from portkey_local.cli.saying import AsJson, OwnChecks, console, plainly, say

app = typer.Typer(help="Keep, list and show configs, by an id of yours.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(help="The config's id, as in Portkey(config=ID).")]


@app.command()
def add(
    id: Id,
    file: Annotated[str, typer.Argument(help="A JSON file, or '-' for stdin.")],
    replace: Annotated[bool, typer.Option("--replace", help="Replace an id that exists.")] = False,
    own_check: OwnChecks = None,
) -> None:
    """Store a config, once it is found to be right."""
    from portkey_local.config.sources import is_name, read_file, read_text
    from portkey_local.errors import ConfigError
    from portkey_local.report.findings import refuse_wrong
    from portkey_local.store import write_config

    with plainly():
        if not is_name(id):
            raise ConfigError(
                "ID", "letters, digits, '-', '_' and '.', with a letter or digit first"
            )
        path = _path(id)
        if path.exists() and not replace:
            raise ConfigError(id, "exists; give --replace, or another id")
        config = read_text(sys.stdin.read()) if file == "-" else read_file(Path(file))
        refuse_wrong(config, own_check or ())
        write_config(path, config)
    print(f"{id}: stored. Use it: Portkey(config={id!r})")


@app.command("list")
def list_configs(as_json: AsJson = False) -> None:
    """Show the ids, and what each config does, in a line."""
    from portkey_local.home import configs_dir

    with plainly():
        folder = configs_dir()
        rows = [_facts(path) for path in sorted(folder.glob("*.json"))]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    if not rows:
        say("note", f"no configs in {folder}; add one: portkey-local configs add ID FILE")
    for row in rows:
        console().print(f"{row['id']}  {row['what']}", markup=False, soft_wrap=True)


@app.command()
def show(id: Id) -> None:
    """Print a config's JSON, with everything hidden that may be a key."""
    from portkey_local.report.hiding import hidden

    with plainly():
        path = _known(id)
        print(json.dumps(hidden(_read(path)), ensure_ascii=False, indent=2))


@app.command()
def remove(
    id: Id,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a config."""
    from portkey_local.store import remove_config

    with plainly():
        path = _known(id)
        if not yes and not typer.confirm(f"Delete the config {id}?"):
            raise typer.Exit(1)
        remove_config(path)
    print(f"{id}: deleted")


def _path(id: str) -> Path:
    from portkey_local.home import configs_dir

    return configs_dir() / f"{id}.json"


def _known(id: str) -> Path:
    from portkey_local.config.sources import find_named
    from portkey_local.home import configs_dir

    return find_named(id, configs_dir())


def _read(path: Path) -> Any:
    from portkey_local.config.sources import read_file

    return read_file(path)


def _facts(path: Path) -> dict[str, Any]:
    from portkey_local.errors import ConfigError
    from portkey_local.report.outline import in_one_line

    try:
        what = in_one_line(_read(path))
    except (ConfigError, KeyError, TypeError, AttributeError):
        what = f"cannot be used; see: portkey-local check {path.stem}"
    return {"id": path.stem, "what": what}
