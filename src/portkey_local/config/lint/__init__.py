"""What is right in a config and still surprises people, for those who ask.

Ground rules: everything here is advice, in one sentence that says what will happen. Nothing is
refused and nothing warns by itself. A lint reads one spot of the tree, with what it inherits and
what stands around it.
"""

from __future__ import annotations

from portkey_local.config.lint.attempts import ATTEMPTS
from portkey_local.config.lint.breakers import BREAKERS
from portkey_local.config.lint.endpoints import called_by_conditions, hooks_not_run
from portkey_local.config.lint.reach import REACH
from portkey_local.config.lint.spots import Advice, spots
from portkey_local.config.models import Config

__all__ = ["lint"]


def lint(config: Config, *, endpoint: str | None = None) -> list[Advice]:
    """List what may surprise in a loaded config, as (path, message), in the order of the tree.

    `endpoint` is the path that will be called, where it is known.

    >>> lint(Config(strategy={"mode": "single"}, targets=({"provider": "a"}, {"provider": "b"})))
    [('config.targets[1]', "never asked: mode 'single' asks the first target only")]
    """
    found: dict[Advice, None] = {}
    for spot in spots(config):
        for each in (*REACH, *BREAKERS, *ATTEMPTS, called_by_conditions):
            found.update(dict.fromkeys(each(spot)))
        if endpoint is not None:
            found.update(dict.fromkeys(hooks_not_run(spot, frozenset({endpoint}))))
    return list(found)
