"""The command line: a demonstration, a check of configs, the providers, and one real question.

Ground rules: what a command is asked for goes to stdout, everything said about it to stderr. What
the user or a provider got wrong is one readable line and exit code 1, never a traceback; no key is
ever printed. Heavy libraries are loaded by the command that needs them, so that `--help` is quick.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from portkey_local import Event
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
        from portkey_local.demo.program import run

        if not run(_console(), seed=seed, as_json=as_json):
            raise typer.Exit(1)


@app.command()
def check(
    config: Annotated[str, typer.Argument(help="A JSON file, '-' for stdin, or a config's id.")],
    as_json: AsJson = False,
    no_keys: Annotated[bool, typer.Option("--no-keys", help="Do not look for keys.")] = False,
) -> None:
    """See what a config does, and what is wrong with it, before any call."""
    from portkey_local.report.findings import examine

    with _plainly():
        found = examine(sys.stdin.read() if config == "-" else config, with_keys=not no_keys)
    if as_json:
        print(json.dumps(found, ensure_ascii=False, indent=2))
    else:
        _print_findings("stdin" if config == "-" else config, found)
    if not found["ok"]:
        raise typer.Exit(1)


@app.command()
def providers(
    name: Annotated[str, typer.Argument(help="Show only ids that contain this.")] = "",
    as_json: AsJson = False,
) -> None:
    """See which providers can be asked, where they live, and which have a key here."""
    from portkey_local.providers.table import NATIVE, PROVIDERS

    rows = [row for key, row in PROVIDERS.items() if name.lower() in key]
    later = sorted(key for key in NATIVE if name.lower() in key)
    if not rows and not later:
        _unknown_provider(name)
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
        given: dict[str, Any] = {"config": config}
        if config is None:
            given = {"provider": provider or _provider_with_key()}
            model = model or _model_for(given["provider"])
        said = sys.stdin.read() if question == "-" else question
        call = {"messages": [{"role": "user", "content": said}], "stream": stream}
        _ask(call if model is None else {**call, "model": model}, given, trace=trace)


def _print_findings(title: str, found: Mapping[str, Any]) -> None:
    from portkey_local.report.outline import tree_of

    if found["config"]:
        _console().print(tree_of(title, found["config"]))
    for kind in ("warning", "error"):
        for remark in found[f"{kind}s"]:
            _say(kind, f"{remark['path']}: {remark['message']}")
    if found["ok"]:
        print("This config can be used." if found["warnings"] else "This config is good.")
    elif found["config"]:
        _say("hint", "only keys are missing; --no-keys checks without them")


def _print_providers(rows: Sequence[Provider]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for row in rows:
        address = row.base_url or "an address of yours, as custom_host"
        key = " or ".join(row.key_variables) or "no key needed"
        details = Text.assemble(
            address, f"\n{key}", (f"\n{', '.join(sorted(row.endpoints))}", "dim")
        )
        mark = "✓" if _has_key(row) else ""
        table.add_row(Text(mark, "bold green"), Text(row.id, "bold"), details)
    console = _console()
    console.print(table)
    ready = sum(map(_has_key, rows))
    console.print(f"\n✓ marks a key in the environment: {ready} of {len(rows)}.")


def _provider_facts(row: Provider) -> dict[str, Any]:
    return {
        "id": row.id,
        "base_url": row.base_url,
        "key_variables": row.key_variables,
        "key_set": _has_key(row),
        "key_optional": row.key_optional,
        "endpoints": sorted(row.endpoints),
    }


def _has_key(row: Provider) -> bool:
    return any(os.environ.get(variable) for variable in row.key_variables)


def _unknown_provider(name: str) -> NoReturn:
    from portkey_local.providers.table import nearest

    near = nearest(name)
    _say("error", f"no provider {name!r}{f'; did you mean {near!r}?' if near else ''}")
    raise typer.Exit(1)


def _provider_with_key() -> str:
    """Return the provider to ask when none was named: the first one whose key is here."""
    from portkey_local.providers.table import PROVIDERS

    for row in PROVIDERS.values():
        if row.base_url is not None and "chat" in row.endpoints and _has_key(row):
            return row.id
    some = ", ".join(PROVIDERS[name].key_variables[0] for name in MODELS)
    _say("error", "no provider's key is in the environment")
    _say("hint", f"set one of {some} (`portkey-local providers` has all), or give --config")
    raise typer.Exit(1)


def _model_for(provider: str) -> str:
    """Return the model to ask for when none was named."""
    from portkey_local.providers.table import NATIVE, PROVIDERS

    if provider in MODELS:
        return MODELS[provider]
    if provider not in PROVIDERS.keys() | NATIVE and not provider.startswith("@"):
        _unknown_provider(provider)
    _say("error", f"{provider} needs a model by name: give --model")
    raise typer.Exit(1)


def _ask(call: Mapping[str, Any], given: Mapping[str, Any], *, trace: bool) -> None:
    """Make the call and print the answer; show what was tried, however it ended."""
    from portkey_local import Portkey
    from portkey_local.report.findings import noted_warnings
    from portkey_local.report.story import tries_of
    from portkey_local.report.tables import tries_table

    events: list[Event] = []
    with noted_warnings() as remarks:
        client = Portkey(**given, on_event=events.append)
    for path, message in remarks:
        _say("warning", f"{path}: {message}")
    with client:
        try:
            _print_answer(client.chat.completions.create(**call))
        finally:
            if trace:
                console = _console(stderr=True)
                console.print(tries_table(tries_of(events), room=console.width))


def _print_answer(answer: Any) -> None:
    if hasattr(answer, "choices"):
        print(*(choice.message.content or "" for choice in answer.choices), sep="\n")
        return
    try:
        for chunk in answer:
            for choice in chunk.choices:
                print(choice.delta.content or "", end="", flush=True)
    finally:
        print()


@contextmanager
def _plainly() -> Iterator[None]:
    """Say what went wrong in a line of its own, and leave with the exit code for it."""
    from portkey_local.errors import ConfigError

    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except ConfigError as error:
        for path, message in error.problems:
            _say("error", f"{path}: {message}")
        raise typer.Exit(1) from None
    except Exception as error:
        openai = sys.modules.get("openai")  # whoever raises its errors has loaded it
        if openai is None or not isinstance(error, openai.OpenAIError):
            raise
        _say("error", str(error))
        raise typer.Exit(1) from None


def _say(kind: str, message: str) -> None:
    """Say something about a command on stderr, in a line that begins with what it is."""
    colours = {"error": "bold red", "warning": "bold yellow"}
    from rich.text import Text

    line = Text.assemble((f"{kind}: ", colours.get(kind, "bold")), " ".join(message.split()))
    _console(stderr=True).print(line, soft_wrap=True)


def _console(*, stderr: bool = False) -> Console:
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("portkey-local")
    except PackageNotFoundError:
        return "(not installed)"
