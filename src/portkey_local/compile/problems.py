"""All that is wrong with a config, gathered over the stages of compiling it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from portkey_local.errors import ConfigError


class Problems:
    """What was found so far; one problem for each place, and none that a later stage finds below or
    above it.
    """

    def __init__(
        self,
        found: Iterable[tuple[str, str]] = (),
        *,
        origin: Path | None = None,
        written: Callable[[str], str] = str,
    ) -> None:
        """Begin with what an earlier stage found; `origin` is the config's file, and `written`
        leads from a path as it is spelt right to the one in the file.
        """
        self._found: dict[str, str] = dict(found)
        self._origin = origin
        self._written = written

    def add(self, found: Iterable[tuple[str, str]]) -> None:
        """Take problems, each a path and a message, whose places are new."""
        before = list(self._found)
        for right, message in found:
            # Below a misspelt field everything is looked at, so its right name is compared.
            if not any(_related(right, known) for known in before):
                self._found.setdefault(self._written(right), message)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Take the problems of a ConfigError that is raised in the block, and go on."""
        try:
            yield
        except ConfigError as error:
            self.add(error.problems)

    def refuse(self) -> None:
        """Raise them all as one ConfigError, if there are any."""
        if self._found:
            raise self.error()

    def error(self) -> ConfigError:
        """Return them all as one ConfigError; there must be one."""
        (path, message), *others = self._found.items()
        error = ConfigError(path, message, *others)
        if self._origin is not None:
            error.add_note(f"in {self._origin}")
        return error

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._found)


def _related(path: str, other: str) -> bool:
    """Whether two paths are the same, or one place lies within the other."""
    short, long = sorted((path, other), key=len)
    return long == short or (short != "config" and long.startswith((f"{short}.", f"{short}[")))
