"""How the commands speak: what was asked for on stdout, everything said about it on stderr.

Ground rules: what the user or a provider got wrong is one readable line and exit code 1, never a
traceback; no key is ever printed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["AsJson", "OwnChecks", "console", "plainly", "say"]

INTERRUPTED: Final = 130  # what a shell makes of Ctrl-C
OwnChecks = Annotated[
    list[str] | None,
    typer.Option("--own-check", help="A guardrail check that your code registers; repeat it."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on stdout.")]


@contextmanager
def plainly() -> Iterator[None]:
    """Say what went wrong in a line of its own, and leave with the exit code for it."""
    from portkey_local.errors import ConfigError

    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except ConfigError as error:
        for path, message in error.problems:
            say("error", f"{path}: {message}")
        raise typer.Exit(1) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say("error", f"{where}{error.strerror or type(error).__name__}")
        raise typer.Exit(1) from None
    except Exception as error:
        openai = sys.modules.get("openai")  # whoever raises its errors has loaded it
        if openai is None or not isinstance(error, openai.OpenAIError):
            raise
        say("error", str(error))
        raise typer.Exit(1) from None


def say(kind: str, message: str) -> None:
    """Say something about a command on stderr, in a line that begins with what it is."""
    colours = {"error": "bold red", "warning": "bold yellow"}
    from rich.text import Text

    line = Text.assemble((f"{kind}: ", colours.get(kind, "bold")), " ".join(message.split()))
    console(stderr=True).print(line, soft_wrap=True)


def console(*, stderr: bool = False) -> Console:
    """Return the terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False)
