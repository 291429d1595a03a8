"""Commands that run something: the demonstration, and one real question."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from portkey_local.cli.providers import has_key, unknown_provider
from portkey_local.cli.saying import AsJson, console, plainly, say

if TYPE_CHECKING:
    from portkey_local import Event

# Only `ask` has default models, so that a first question needs nothing but a key.
MODELS: Final[Mapping[str, str]] = {
    "openai": "gpt-4o-mini",
    "mistral-ai": "mistral-small-latest",
    "groq": "llama-3.3-70b-versatile",
    "openrouter": "openai/gpt-4o-mini",
    "deepseek": "deepseek-chat",
}


def demo(
    seed: Annotated[int, typer.Option(help="The seed of all that is left to chance.")] = 1,
    as_json: AsJson = False,
) -> None:
    """See fallback, retries, timeouts and streams at work: no key, no network, a few seconds."""
    with plainly():
        from portkey_local.demo.program import run

        if not run(console(), seed=seed, as_json=as_json):
            raise typer.Exit(1)


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
    with plainly():
        given: dict[str, Any] = {"config": config}
        if config is None:
            given = {"provider": provider or _provider_with_key()}
            model = model or _model_for(given["provider"])
        said = sys.stdin.read() if question == "-" else question
        call = {"messages": [{"role": "user", "content": said}], "stream": stream}
        _ask(call if model is None else {**call, "model": model}, given, trace=trace)


def _provider_with_key() -> str:
    """Return the provider to ask when none was named: the first one whose key is here."""
    from portkey_local.providers.table import PROVIDERS

    for row in PROVIDERS.values():
        if row.base_url is not None and "chat" in row.endpoints and has_key(row):
            return row.id
    some = ", ".join(PROVIDERS[name].key_variables[0] for name in MODELS)
    say("error", "no provider's key is in the environment")
    say("hint", f"set one of {some} (`portkey-local providers` has all), or give --config")
    raise typer.Exit(1)


def _model_for(provider: str) -> str:
    """Return the model to ask for when none was named."""
    from portkey_local.providers.table import PROVIDERS

    if provider in MODELS:
        return MODELS[provider]
    if provider not in PROVIDERS and not provider.startswith("@"):
        unknown_provider(provider)
    say("error", f"{provider} needs a model by name: give --model")
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
        say("warning", f"{path}: {message}")
    with client:
        try:
            _print_answer(client.chat.completions.create(**call))
        finally:
            if trace:
                terminal = console(stderr=True)
                terminal.print(tries_table(tries_of(events), room=terminal.width))


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
