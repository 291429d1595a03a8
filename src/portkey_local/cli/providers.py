"""`providers`: who can be asked, where they live, and whose key is here."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from portkey_local.cli.saying import AsJson, console, say
from portkey_local.signing import SIGNERS

if TYPE_CHECKING:
    from portkey_local.providers.table import Provider

__all__ = ["has_key", "providers", "unknown_provider"]


def providers(
    name: Annotated[str, typer.Argument(help="Show only ids that contain this.")] = "",
    as_json: AsJson = False,
) -> None:
    """See which providers can be asked, where they live, and which have a key here."""
    from portkey_local.providers.table import PROVIDERS

    rows = [row for key, row in PROVIDERS.items() if name.lower() in key]
    if not rows:
        unknown_provider(name)
    if as_json:
        print(json.dumps([_provider_facts(row) for row in rows], indent=2))
        return
    _print_providers(rows)


def _print_providers(rows: Sequence[Provider]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for row in rows:
        address = row.base_url or "an address of yours, as custom_host"
        key = " or ".join(row.key_variables) or "no key needed"
        if row.id in SIGNERS:
            key += ", or the vendor's own credentials"
        details = Text.assemble(
            address, f"\n{key}", (f"\n{', '.join(sorted(row.endpoints))}", "dim")
        )
        mark = "✓" if has_key(row) else ""
        table.add_row(Text(mark, "bold green"), Text(row.id, "bold"), details)
    terminal = console()
    terminal.print(table)
    ready = sum(map(has_key, rows))
    terminal.print(f"\n✓ marks a key in the environment: {ready} of {len(rows)}.")


def _sign_in(row: Provider) -> str:
    """Return the form of the header that signs a call in."""
    if row.auth_header is None:
        return "signature"
    return f"{row.auth_header}: {row.auth_prefix}KEY"


def _provider_facts(row: Provider) -> dict[str, Any]:
    return {
        "id": row.id,
        "base_url": row.base_url,
        "key_variables": row.key_variables,
        "key_set": has_key(row),
        "key_optional": row.key_optional,
        "signs_in_by": _sign_in(row),
        "places": [*row.places, *(["custom_host"] if row.base_url is None else [])],
        "endpoints": sorted(row.endpoints),
    }


def has_key(row: Provider) -> bool:
    """Whether a key of the provider's is in the environment."""
    return any(os.environ.get(variable) for variable in row.key_variables)


def unknown_provider(name: str) -> NoReturn:
    """Say that nobody has this name, and leave."""
    from portkey_local.providers.table import nearest

    near = nearest(name)
    say("error", f"no provider {name!r}{f'; did you mean {near!r}?' if near else ''}")
    raise typer.Exit(1)
