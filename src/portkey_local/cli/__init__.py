"""The command line: a demonstration, a look at configs, the vault, caches, a bench, a server.

Ground rules: adding a command is one function and one line here. Heavy libraries are loaded by the
command that needs them, so that `--help` is quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from portkey_local.cli.asking import ask, demo
from portkey_local.cli.benching import app as bench
from portkey_local.cli.cache import app as cache
from portkey_local.cli.configs import app as configs
from portkey_local.cli.keys import app as keys
from portkey_local.cli.providers import providers
from portkey_local.cli.routes import check, explain
from portkey_local.cli.serving import serve

__all__ = ["app", "main"]

app = typer.Typer(
    name="portkey-local",
    help="Portkey's routing in your own process: fallback, balancing, breakers, guardrails.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (demo, check, explain, providers, ask, serve):
    app.command()(command)
app.add_typer(keys, name="keys")
app.add_typer(configs, name="configs")
app.add_typer(bench, name="bench")
app.add_typer(cache, name="cache")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a narrow encoding loses a sign, not the run
    app()


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"portkey-local {_version()}")
        raise typer.Exit


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("portkey-local")
    except PackageNotFoundError:
        return "(not installed)"
