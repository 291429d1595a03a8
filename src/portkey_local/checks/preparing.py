"""From an id and parameters, as a config writes them, to a check that is ready to run."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Final

from portkey_local.checks.own import Own
from portkey_local.checks.parameters import Parameter, WrongCheck, flag, read
from portkey_local.checks.table import CHECKS
from portkey_local.hooks import Check, CheckContext

__all__ = ["known", "prepare"]

PREFIX: Final = "default."
OF_ALL: Final = {"failOnError": Parameter(flag, default=False)}  # the hook reads it, no check does


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
        raise WrongCheck([((), _unknown(id, own))])
    return row.make(read(parameters, {**row.takes, **OF_ALL}))


def known(own: Mapping[str, Any]) -> list[str]:
    """Return the ids that can be used, the user's own first."""
    return [*own, *(f"{PREFIX}{name}" for name in CHECKS)]


def _unknown(id: str, own: Mapping[str, Any]) -> str:
    near = _nearest(id.lower(), {name.lower(): name for name in known(own)}, 0.85) or _nearest(
        id.removeprefix(PREFIX).lower(),
        {name.removeprefix(PREFIX).lower(): name for name in known(own)},
        0.7,
    )
    hint = f"; did you mean '{near}'?" if near else "."
    return f"no check of this name{hint} Give your own to the client, as checks={{name: function}}"


def _nearest(asked: str, names: Mapping[str, str], cutoff: float) -> str | None:
    near = difflib.get_close_matches(asked, names, 1, cutoff)
    return names[near[0]] if near else None
