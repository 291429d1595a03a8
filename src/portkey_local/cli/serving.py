"""`serve`: the router behind the gateway's HTTP face, for programs that are not Python."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from portkey_local.cli.saying import plainly, say

if TYPE_CHECKING:
    from portkey_local.serving.calls import Served

MEGABYTE = 2**20


def serve(  # noqa: PLR0913, PLR0917 - what the command line has
    config: Annotated[
        str | None, typer.Argument(help="A JSON file, or a config's id, for requests without one.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes any.", min=0, max=65535)] = 8787,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Let other machines in. They need no password.")
    ] = False,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="Let web pages of this origin in; repeat it.")
    ] = None,
    cache_dir: Annotated[Path | None, typer.Option(help="Keep the cache in this folder.")] = None,
    event_log: Annotated[Path | None, typer.Option(help="Append events to this file.")] = None,
    max_body: Annotated[int, typer.Option(help="Megabytes of a request's body.", min=1)] = 128,
    grace: Annotated[
        float, typer.Option(help="Seconds for calls in flight when it is stopped.", min=0)
    ] = 10.0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print no line for each call.")] = False,
) -> None:
    """Serve the router on this machine, by the gateway's HTTP interface."""
    with plainly():
        from portkey_local.report.findings import noted_warnings
        from portkey_local.serving import Guard, Settings, serve as run, service
        from portkey_local.serving.running import bind, missing

        if lacking := missing():
            say("error", f"serve needs {' and '.join(lacking)}: pip install 'portkey-local[serve]'")
            raise typer.Exit(1)
        settings = Settings(host, port, allow_remote, grace)
        given: dict[str, Any] = {"cache_dir": cache_dir, "event_log": event_log}
        with noted_warnings() as remarks:
            made = service(
                config,
                guard=Guard(allow_remote, tuple(allow_origin or ())),
                max_body=max_body * MEGABYTE,
                log=_nothing if quiet else _line,
                **{name: value for name, value in given.items() if value is not None},
            )
        for path, message in remarks:
            say("warning", f"{path}: {message}")
        with bind(settings) as listener:
            if allow_remote:
                say(
                    "warning",
                    "other machines may call, spend the keys of this one, and send them anywhere",
                )
            run(made, listener, settings, ready=lambda: _hello(listener.getsockname(), config))
        say("note", "stopped")


def _hello(address: Any, config: str | None) -> None:
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    routed = "x-portkey-* headers say who is asked" if config is None else f"routed by {config}"
    print(
        f"http://{host}:{address[1]}/v1 is the base URL for any SDK or curl, with any API key; "
        f"{routed} (Ctrl-C stops)",
        flush=True,
    )


def _line(served: Served) -> None:
    status = "-" if served.status is None else str(served.status)
    words = [served.method, served.path, status, f"{served.seconds:.3f} s", served.target]
    if served.note:
        words.append(f"({served.note})")
    print(" ".join(filter(None, words)), file=sys.stderr, flush=True)


def _nothing(_: Served) -> None:
    """Print nothing."""
