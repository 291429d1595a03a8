"""Commands that look at a config, and ask nobody: `check` and `explain`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from portkey_local.cli.saying import AsJson, OwnChecks, console, plainly, say

__all__ = ["check", "explain"]

Source = Annotated[str, typer.Argument(help="A JSON file, '-' for stdin, or a config's id.")]


def check(
    config: Source,
    as_json: AsJson = False,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Do not look for keys.")] = False,
    own_check: OwnChecks = None,
    endpoint: Annotated[
        str | None, typer.Option(help="The path you will call, as in /responses.")
    ] = None,
) -> None:
    """See what a config does, what is wrong with it, and what may surprise, before any call."""
    from portkey_local.report.findings import examine

    with plainly():
        source = sys.stdin.read() if config == "-" else config
        path = None if endpoint is None else f"/{endpoint.removeprefix('/v1').lstrip('/')}"
        found = examine(source, with_keys=not no_keys, checks=own_check or (), endpoint=path)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _print_findings("stdin" if config == "-" else config, found)
    if not found["ok"]:
        raise typer.Exit(1)


def explain(
    config: Source,
    request: Annotated[str, typer.Argument(help="A JSON file with the request's body, or '-'.")],
    metadata: Annotated[str, typer.Option(help="The call's metadata, as JSON.")] = "{}",
    endpoint: Annotated[str, typer.Option(help="The path that is called.")] = "/chat/completions",
    as_json: AsJson = False,
    own_check: OwnChecks = None,
) -> None:
    """See which targets a request would go to, in which order, how likely, and why: no call."""
    from portkey_local.report.explained import explained

    with plainly():
        source = sys.stdin.read() if config == "-" else config
        asked = sys.stdin.read() if request == "-" else request
        told = explained(
            source, asked, metadata=metadata, endpoint=endpoint, checks=own_check or ()
        )
    if as_json:
        print(json.dumps(told.to_dict(), ensure_ascii=False, indent=2))
    else:
        console().print(str(told), markup=False, soft_wrap=True)
    if not told.orders:
        raise typer.Exit(1)


def _print_findings(title: str, found: Mapping[str, Any]) -> None:
    from portkey_local.report.outline import tree_of

    if found["config"]:
        console().print(tree_of(title, found["config"]))
    for kind in ("warning", "error"):
        for remark in found[f"{kind}s"]:
            say(kind, f"{remark['path']}: {remark['message']}")
    if found["ok"]:
        print("This config can be used." if found["warnings"] else "This config is good.")
    elif found["config"]:
        say("hint", "only keys are missing; --no-keys checks without them")
