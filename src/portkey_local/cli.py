"""The command line: a demonstration, a check of configs, the providers, and one real question.

Ground rules: what a command is asked for goes to stdout, everything said about it to stderr. What the
user or a provider got wrong is one readable line and exit code 1, never a traceback; no key is ever
printed. Heavy libraries are loaded by the command that needs them, so that `--help` is quick.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

    from portkey_local.config import Config
    from portkey_local.providers.table import Provider

__all__ = ["app", "main"]

INTERRUPTED: Final = 130  # what a shell makes of Ctrl-C
# Only `ask` has default models, so that a first question needs nothing but a key.
MODELS: Final[Mapping[str, str]] = {
    "openai": "gpt-4o-mini",
    "mistral-ai": "mistral-small-latest",
    "groq": "llama-3.3-70b-versatile",
    "openrouter": "openai/gpt-4o-mini",
    "deepseek": "deepseek-chat",
}

app = typer.Typer(
    name="portkey-local",
    help="Portkey's routing in your own process: fallback, load balancing, retries, timeouts.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a narrow encoding loses a sign, not the run
    app()


# --- the commands


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"portkey-local {_version()}")
        raise typer.Exit


@app.command()
def demo(
    seed: Annotated[int, typer.Option(help="The seed of all that is left to chance.")] = 1,
    as_json: AsJson = False,
) -> None:
    """See fallback, retries, timeouts and streams at work: no key, no network, a few seconds."""
    with _plainly():
        from portkey_local.demo import run

        if not run(_console(), seed=seed, as_json=as_json):
            raise typer.Exit(1)


@app.command()
def check(
    config: Annotated[str, typer.Argument(help="A JSON file, '-' for stdin, or a config's id.")],
    as_json: AsJson = False,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Do not look for keys.")] = False,
) -> None:
    """See what a config does, and what is wrong with it, before any call."""
    with _plainly():
        found = _outline(_stdin() if config == "-" else config, with_keys=not no_keys)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        if found["config"]:
            _console().print(_tree("stdin" if config == "-" else config, found["config"]))
        for kind in ("warning", "error"):
            for path, message in found[f"{kind}s"]:
                _say(kind, f"{path}: {message}")
        if found["ok"]:
            print("The config is good." if not found["warnings"] else "The config can be used.")
    if not found["ok"]:
        raise typer.Exit(1)


@app.command()
def providers(
    name: Annotated[str, typer.Argument(help="Show only ids that contain this.")] = "",
    as_json: AsJson = False,
) -> None:
    """See which providers can be asked, where they live, and which have a key here."""
    from portkey_local.providers.table import NATIVE, PROVIDERS, nearest

    rows = [row for id, row in PROVIDERS.items() if name.lower() in id]
    later = sorted(id for id in NATIVE if name.lower() in id)
    if not rows and not later:
        near = nearest(name)
        _say("error", f"no provider {name!r}{f'; did you mean {near!r}?' if near else ''}")
        raise typer.Exit(1)
    if as_json:
        print(json.dumps([_provider_facts(row) for row in rows], indent=2))
        return
    if rows:
        _print_providers(rows)
    if later:
        _say("note", f"known, but not spoken in this version yet: {', '.join(later)}")


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to ask; '-' reads it from stdin.")],
    config: Annotated[str | None, typer.Option(help="A JSON file, or a config's id.")] = None,
    provider: Annotated[str | None, typer.Option(help="A provider's id; see `providers`.")] = None,
    model: Annotated[str | None, typer.Option(help="The model to ask for.")] = None,
    stream: Annotated[bool, typer.Option(help="Print the answer as it comes.")] = True,
    trace: Annotated[bool, typer.Option("--trace", help="Show what was tried, on stderr.")] = False,
) -> None:
    """Ask one question, through the router, for real."""
    if config is not None and provider is not None:
        raise typer.BadParameter("give --config or --provider, not both")
    with _plainly():
        call: dict[str, Any] = {"config": config}
        if config is None:
            call = {"provider": provider or _provider_with_key()}
            model = model or _model_for(call["provider"])
        _ask(_stdin() if question == "-" else question, call, model, stream=stream, trace=trace)


# --- check


def _outline(source: str, *, with_keys: bool) -> dict[str, Any]:
    """Return what a config does, with everything wrong or odd about it, as plain JSON."""
    from portkey_local.config import check as check_providers, inherit, leaves, load
    from portkey_local.errors import ConfigError, ConfigWarning
    from portkey_local.home import configs_dir
    from portkey_local.providers.table import NATIVE, PROVIDERS, nearest

    errors: list[tuple[str, str]] = []
    tree: dict[str, Any] | None = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConfigWarning)
        try:
            config = load(source, configs_dir=configs_dir())
            check_providers(inherit(config), known=PROVIDERS, native=NATIVE, nearest=nearest)
            compiled = _compiled_without_keys(config)
            keys = {path: _key_of(leaf, path, errors) for path, leaf in leaves(config)} if with_keys else {}
            tree = _node(compiled, "config", keys)
        except ConfigError as error:
            errors.extend(error.problems)
    remarks = dict.fromkeys(str(warning.message) for warning in caught)
    return {
        "ok": not errors,
        "errors": errors,
        "warnings": [tuple(remark.split(": ", 1)) for remark in remarks],
        "config": tree,
    }
