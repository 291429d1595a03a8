"""From an id and parameters, as a config writes them, to a check that is ready to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from portkey_local.checks.own import Own
from portkey_local.checks.parameters import Parameter, WrongCheck, flag, read
from portkey_local.checks.table import CHECKS
from portkey_local.hooks import Check, CheckContext
from portkey_local.query import alike, nearest, one_slip

__all__ = ["known", "prepare"]

PREFIX: Final = "default."
OF_ALL: Final = {"failOnError": Parameter(flag, default=False)}  # the hook reads it, no check does
SECOND_SPELLING: Final = "modelwhitelist"


def prepare(
    id: str,
    parameters: Mapping[str, Any],
    own: Mapping[str, Callable[[CheckContext], Any]],
) -> Check:
    """Return the check of an id, ready to run. Raises WrongCheck.

    `own` are the user's checks by name, which come before those of the library; an id without a
    prefix means one of the library's, too.
    """
    if id in own:
        return Own(id, own[id], dict(parameters))
    row = CHECKS.get(id.removeprefix(PREFIX))
    if row is None:
        raise _unknown(id, parameters, own)
    return row.make(read(parameters, {**row.takes, **OF_ALL}))


def known(own: Mapping[str, Any]) -> list[str]:
    """Return the ids that can be used, the user's own first."""
    return [*own, *(f"{PREFIX}{name}" for name in CHECKS)]


def _unknown(id: str, parameters: Mapping[str, Any], own: Mapping[str, Any]) -> WrongCheck:
    """Return the refusal of an id, with what is wrong with its parameters where it is a slip."""
    meant = _meant(id, own)
    hint = "." if meant is None else f"; did you mean '{meant}'?"
    message = (
        f"no check of this name{hint} Give your own to the client, as checks={{name: function}}"
    )
    problems: list[tuple[tuple[str | int, ...], str]] = [((), message)]
    if meant is not None and (alike(id, meant) or alike(f"{PREFIX}{id}", meant)):
        try:
            prepare(meant, parameters, own)
        except WrongCheck as wrong:
            problems += wrong.problems
    return WrongCheck(problems)


def _meant(id: str, own: Mapping[str, Any]) -> str | None:
    names = {name: f"{PREFIX}{name}" for name in CHECKS if name != SECOND_SPELLING}
    names |= {name: name for name in own}
    # The prefix may be what is misspelt; what is written before a dot says nothing else.
    near = nearest(id.removeprefix(PREFIX), names) or nearest(id.rpartition(".")[2], names)
    near = near or next((name for name, full in names.items() if one_slip(id, full)), None)
    return None if near is None else names[near]
