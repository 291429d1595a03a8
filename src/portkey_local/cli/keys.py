"""`keys`: the virtual keys of this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from portkey_local.cli.saying import AsJson, console, plainly, say

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(
    help="Keep, list and try the keys of providers, by a name of yours.", no_args_is_help=True
)
BEGINNING: Final = 20  # by its beginning a key is known; a long name alone is none
Name = Annotated[str, typer.Argument(help="The virtual key's name.")]


@app.command(context_settings={"allow_extra_args": True})
def add(  # noqa: PLR0913, PLR0917 - one for each thing that may be said
    context: typer.Context,
    name: Name,
    provider: Annotated[str, typer.Option(help="A provider's id; see `providers`.")],
    host: Annotated[str | None, typer.Option(help="The URL of a host of your own.")] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another field of a target, as field=value; repeat it."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a name that exists.")] = False,
    from_stdin: Annotated[
        bool, typer.Option("--stdin", help="Read the key from stdin, without asking.")
    ] = False,
    in_file: Annotated[bool, typer.Option("--file", help="Keep it in keys.toml.")] = False,
    in_keyring: Annotated[
        bool, typer.Option("--keyring", help="Keep it in the system's keyring, or fail.")
    ] = False,
) -> None:
    """Store a key. It is asked for, or read from stdin: arguments can be seen by other programs."""
    from portkey_local import keyrings
    from portkey_local.home import keys_file, read_keys

    with plainly():
        if context.args:  # click would repeat it, and it may be the key
            raise typer.BadParameter("a key is no argument: it is asked for, or read from stdin")
        if in_file and in_keyring:
            raise typer.BadParameter("give --file or --keyring, not both")
        path = keys_file()
        entry = _entry(name, provider, host, fields or [], path, replace=replace)
        secret = _secret(name, typed=not from_stdin and sys.stdin.isatty())
        place = "the system's keyring"
        if not in_file and (in_keyring or keyrings.available()):
            keyrings.remember(name, secret)
            entry["keyring"] = True
        else:
            entry["api_key"], place = secret, str(path)
        old = read_keys(path).get(name, {})
        _write(path, name, entry)
        if old.get("keyring") is True and "keyring" not in entry and keyrings.available():
            keyrings.forget(name)
    print(f"{name}: the key is kept in {place}. Use it: Portkey(virtual_key={name!r})")


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """Show the names, their providers, and where each key is kept: never a key."""
    from portkey_local.home import keys_file, read_keys

    with plainly():
        rows = [_facts(name, table) for name, table in read_keys(keys_file()).items()]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    if not rows:
        say("note", f"no keys in {keys_file()}; add one: portkey-local keys add NAME --provider ID")
    for row in rows:
        host = f"  {row['custom_host']}" if row["custom_host"] else ""
        console().print(
            f"{row['name']}  {row['provider']}  {row['key']}{host}", markup=False, soft_wrap=True
        )


@app.command()
def remove(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a key, wherever it is kept."""
    from portkey_local import keyrings
    from portkey_local.home import keys_file, read_keys
    from portkey_local.store import remove_key

    with plainly():
        path = keys_file()
        table = _known(read_keys(path), name, str(path))
        if not yes and not typer.confirm(f"Delete the key of {name}?"):
            raise typer.Exit(1)
        if table.get("keyring") is True:
            keyrings.forget(name)
        remove_key(path, name)
    print(f"{name}: deleted")


@app.command("test")
def try_key(
    name: Name,
    model: Annotated[
        str | None, typer.Option(help="Ask this model for one token, not for the models.")
    ] = None,
) -> None:
    """Ask the provider, once, whether it takes the key."""
    import openai

    from portkey_local import Portkey

    with plainly(), Portkey(virtual_key=name, timeout=30) as client:
        try:
            if model is None:
                client.get("/models")
            else:
                client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "Hi"}], max_tokens=1
                )
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            say("error", f"{name}: the provider refuses the key (status {error.status_code})")
            raise typer.Exit(1) from None
    print(f"{name}: the provider takes the key")


def _entry(
    name: str, provider: str, host: str | None, fields: list[str], path: Path, *, replace: bool
) -> dict[str, Any]:
    """Return the fields of a new table, checked like a target's. Raises ConfigError."""
    from portkey_local.config import load, provider_problems
    from portkey_local.config.sources import is_name
    from portkey_local.errors import ConfigError, looks_secret
    from portkey_local.home import read_keys
    from portkey_local.providers.table import CLOSED, PROVIDERS, nearest

    if not is_name(name):
        raise ConfigError("NAME", "letters, digits, '-', '_' and '.', with a letter or digit first")
    if looks_secret(name[:BEGINNING]):
        raise ConfigError("NAME", "looks like a key itself; choose a name that may be shown")
    if name in read_keys(path) and not replace:
        raise ConfigError(name, "exists; give --replace, or another name")
    entry: dict[str, Any] = {"provider": provider}
    if host is not None:
        entry["custom_host"] = host
    for field in fields:
        key, value = _further(field, path)
        entry[key] = value
    config = load(entry, quiet=True)
    if problems := provider_problems(config, known=PROVIDERS, closed=CLOSED, nearest=nearest):
        raise ConfigError("--provider", problems[0][1])
    return entry


def _further(field: str, path: Path) -> tuple[str, Any]:
    """Return the name and the value of a `--set`. Raises ConfigError, for a secret too."""
    from portkey_local.config import SECRET_FIELDS
    from portkey_local.errors import ConfigError

    key, equals, value = field.partition("=")
    if not equals or key in {"api_key", "keyring", "provider"}:
        raise ConfigError("--set", "takes field=value, for fields other than the key's own")
    if key in SECRET_FIELDS:
        raise ConfigError("--set", f"{key} is a secret: write it into {path} yourself")
    return key, _value(value)


def _value(text: str) -> Any:
    """Return a field's value: JSON where it is JSON, else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _secret(name: str, *, typed: bool) -> str:
    """Ask for the key, or read it from stdin. Raises ConfigError for what can be no key."""
    from portkey_local.errors import ConfigError

    asked = typer.prompt(f"Key of {name}", hide_input=True) if typed else sys.stdin.readline()
    secret = str(asked).strip()
    if not secret:
        raise ConfigError(name, "no key was given; type it, or pipe it to stdin")
    if not (secret.isascii() and secret.isprintable()):
        raise ConfigError(name, "the key has characters that no HTTP header can hold")
    return secret


def _write(path: Path, name: str, entry: Mapping[str, Any]) -> None:
    from portkey_local.store import add_key

    if path.exists() and path.stat().st_mode & 0o077:
        say("warning", f"{path} could be read by others; now only you can")
    add_key(path, name, entry)


def _facts(name: str, table: Mapping[str, Any]) -> dict[str, Any]:
    if table.get("keyring") is True:
        place = "in the keyring"
    else:
        place = "in keys.toml" if table.get("api_key") else "none"
    host = table.get("custom_host")
    return {"name": name, "provider": table["provider"], "key": place, "custom_host": host}


def _known(tables: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    from portkey_local.errors import ConfigError
    from portkey_local.query import nearest

    if name in tables:
        table: Mapping[str, Any] = tables[name]
        return table
    near = nearest(name, tables)
    hint = "" if near is None else f"; did you mean {near!r}?"
    raise ConfigError(name, f"is not in {path}{hint}")
