"""The door of this floor: from whatever names a config to a `Config` that is right, or one full
refusal.

Ground rules: every problem of a config is found in one go, in the order of the document; a wrong
value is reported rather than that its field is not built yet; warnings are given only for a config
that is taken.
"""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from portkey_local.config.misspelt import Spelling, corrected
from portkey_local.config.models import Config
from portkey_local.config.problems import Node, Problem, listed, path_of
from portkey_local.config.remarks import remarks
from portkey_local.config.repair import repaired
from portkey_local.config.rules import broken_rules
from portkey_local.config.sources import find_named, plain, read_file, read_text
from portkey_local.config.unbuilt import NOT_BUILT_YET, unbuilt
from portkey_local.config.wording import in_words
from portkey_local.errors import ConfigError, ConfigWarning

__all__ = ["Examined", "Source", "examine", "load", "warn"]

Source = Config | Mapping[str, Any] | str | os.PathLike[str]

ROUNDS: Final = 8
_PACKAGE = str(Path(__file__).parents[1]) + os.sep


@dataclass(frozen=True, slots=True)
class Examined:
    """What came of reading a config: the config if it is right, and everything that is wrong.

    `rest` is the config itself, or what is left of a wrong one without its wrong parts: in it
    somebody who knows more (providers, keys, checks) may look for further problems. It may be None,
    and a leaf of it may lack its provider. `origin` is the file that was read, and `spelling` leads
    from the paths of the rest, whose fields are spelt right, to those that were written.
    """

    config: Config | None
    problems: tuple[tuple[str, str], ...] = ()
    rest: Config | None = None
    origin: Path | None = None
    spelling: Spelling = field(default_factory=Spelling)

    def error(self, others: Iterable[tuple[str, str]] = ()) -> ConfigError:
        """Make one error of all problems, and of those of others at places not named yet."""
        found = dict(self.problems)
        for path, message in others:
            found.setdefault(path, message)
        first, *further = found.items()
        error = ConfigError(*first, *further)
        if self.origin is not None:
            error.add_note(f"in {self.origin}")
        return error


def load(source: Source, *, configs_dir: Path | None = None, quiet: bool = False) -> Config:
    """Make a `Config` of a mapping, JSON text, a file or the id of a file in `configs_dir`.

    `quiet` leaves out the warnings, for fields that did not come from a config's text.

    >>> load('{"provider": "openai", "retry": {"attempts": 2}}')
    Config(provider='openai', retry=Retry(attempts=2))
    """
    examined = examine(source, configs_dir=configs_dir, quiet=quiet)
    if examined.config is None:
        raise examined.error()
    return examined.config


def examine(source: Source, *, configs_dir: Path | None = None, quiet: bool = False) -> Examined:
    """Read a config as `load` does, but return what is wrong with it instead of raising it."""
    origin: Path | None = None
    try:
        if isinstance(source, Config):
            # Built by hand, so its fields are right; what they mean together has not been looked
            # at.
            return _checked(source, *plain(source.model_dump(exclude_unset=True)), quiet=quiet)
        origin, content = _read(source, configs_dir)
        return _checked(None, *plain(content), origin=origin, quiet=quiet)
    except ConfigError as error:
        return Examined(None, error.problems, None, origin)


def _checked(
    config: Config | None,
    document: Node,
    problems: list[Problem],
    *,
    origin: Path | None = None,
    quiet: bool,
) -> Examined:
    findings: list[Problem] = []
    if config is None:
        config, findings = _validated(document)
    if config is None or problems or _wrong(document, findings):
        return _refused(document, problems, origin)
    for remark in () if quiet else remarks(document):
        warn(f"{path_of(remark.location)}: {remark.message}")
    return Examined(config, (), config, origin)


def _wrong(document: Node, findings: list[Problem]) -> list[Problem]:
    found = [*broken_rules(document), *findings]
    return found + _not_also_wrong(list(unbuilt(document)), found)


def _refused(document: Node, problems: list[Problem], origin: Path | None) -> Examined:
    fixed, slips, found, spelling = corrected(
        document, lambda each: _wrong(each, _validated(each)[1])
    )
    told = (replace(each, location=spelling.written(each.location)) for each in found)
    # Of several problems at one place the first counts: not JSON, then a slip, then our rules, then
    # a model's findings.
    said = listed([*problems, *slips, *told], document)
    # What is only not built yet is right as it stands, so it stays.
    wrong = [each for each in found if not each.message.startswith(NOT_BUILT_YET)]
    return Examined(None, said, _rest(fixed, [*problems, *wrong]), origin, spelling)


def _rest(document: Node, problems: list[Problem]) -> Config | None:
    # What is taken out may be missed elsewhere, so it takes a few rounds.
    for _ in range(ROUNDS):
        changed = repaired(document, problems)
        config, findings = _validated(changed)
        if config is not None and changed == document:
            return config
        document, problems = changed, [*broken_rules(changed), *findings]
    return None


def _read(source: Source, configs_dir: Path | None) -> tuple[Path | None, object]:
    if isinstance(source, str):
        text = source.lstrip("\ufeff \t\r\n")
        if text.startswith(("{", "[")):
            return None, read_text(text)
        # Not Path.is_file, which raises for a text too long to be a name.
        is_file = os.path.isfile(source)  # noqa: PTH113
        source = Path(source) if is_file else find_named(source, configs_dir)
    if isinstance(source, os.PathLike):
        path = Path(source)
        return path, read_file(path)
    return None, source


def _validated(document: Node) -> tuple[Config | None, list[Problem]]:
    try:
        return Config.model_validate(document), []
    except ValidationError as error:
        return None, [in_words(details) for details in error.errors(include_url=False)]


def _not_also_wrong(unbuilt_ones: list[Problem], wrong: list[Problem]) -> list[Problem]:
    places = [problem.location for problem in wrong]
    return [
        problem
        for problem in unbuilt_ones
        if not any(place[: len(problem.location)] == problem.location for place in places)
    ]


def warn(message: str) -> None:
    """Give a ConfigWarning that points to the user's own line."""
    warnings.warn(message, ConfigWarning, stacklevel=_first_level_outside())


def _first_level_outside() -> int:
    # The user's own line is what a warning should point to, however many of our rooms lie between.
    frame, level = inspect.currentframe(), 0
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    return level
