"""What a check takes: the kinds of parameters, and how a wrong one is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from portkey_local.query import alike, nearest

__all__ = [
    "Parameter",
    "WrongCheck",
    "any_object",
    "choice",
    "flag",
    "headers",
    "names",
    "names_or_text",
    "read",
    "rules",
    "schema",
    "seconds",
    "text",
    "unknown",
    "url",
    "whole",
]

MOST: Final = 2**53  # beyond it a number of JSON is no whole number everywhere
Location = tuple[str | int, ...]
Reader = Callable[[Any], Any]  # returns the value as the check takes it; raises ValueError


class WrongCheck(Exception):
    """A check that cannot be used as it is written.

    `problems` holds every (place below the check, message) pair found.
    """

    def __init__(self, problems: Iterable[tuple[Location, str]]) -> None:
        """Take every problem."""
        self.problems: tuple[tuple[Location, str], ...] = tuple(problems)
        super().__init__("; ".join(message for _, message in self.problems))


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a check; `default` is None where it may be left out without one."""

    read: Reader
    required: bool = False
    default: Any = None


def read(given: Mapping[str, Any], spec: Mapping[str, Parameter]) -> dict[str, Any]:
    """Return all parameters of a check as it takes them. Raises WrongCheck."""
    problems: list[tuple[Location, str]] = []
    values = {name: parameter.default for name, parameter in spec.items()}
    missing = {name for name, parameter in spec.items() if parameter.required} - given.keys()
    for name, value in given.items():
        right: str | None = name
        if name not in spec:
            problems.append(((name,), unknown("parameter", name, spec)))
            right = _slip(name, spec.keys() - given.keys())  # so that its value is looked at too
        if right is None:
            continue
        missing.discard(right)
        try:
            values[right] = spec[right].read(value)
        except WrongCheck as wrong:
            problems += [((name, *below), message) for below, message in wrong.problems]
        except ValueError as error:
            problems.append(((right,), str(error)))
    problems += [((name,), "required") for name in spec if name in missing]
    if problems:
        raise WrongCheck(problems)
    return values


def _slip(name: str, valid: Collection[str]) -> str | None:
    near = nearest(name, valid)
    return near if near is not None and alike(name, near) else None


def unknown(what: str, name: str, valid: Collection[str]) -> str:
    """Say that a parameter, or a field of one, is unknown; and which was probably meant."""
    if not valid:
        return f"unknown {what}; this check takes none"
    near = nearest(name, valid)
    hint = f" ({', '.join(valid)})" if near is None else f"; did you mean '{near}'?"
    return f"unknown {what}{hint}"


def _refuse(wanted: str) -> ValueError:
    return ValueError(f"must be {wanted}")


def text(value: Any) -> str:
    """Read a string that says something."""
    if not isinstance(value, str) or not value:
        raise _refuse("a string that is not empty")
    return value


def flag(value: Any) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise _refuse("true or false")
    return value


def whole(value: Any) -> int:
    """Read a whole number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _refuse("a whole number of 0 or more")
    return int(_moderate(value))


def seconds(value: Any) -> float:
    """Read a number of seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise _refuse("a number of seconds, 0 or more")
    return float(_moderate(value))


def _moderate(value: float) -> float:
    if value > MOST:
        raise ValueError("is too large")
    return value


def names(value: Any) -> list[str]:
    """Read a list of at least one string."""
    if not isinstance(value, list) or not value or not all(isinstance(n, str) and n for n in value):
        raise _refuse("a list of strings, with at least one")
    return value


def names_or_text(value: Any) -> list[str]:
    """Read a list of strings, or a string of them with commas between."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return names(value)


def choice(*valid: str) -> Reader:
    """Return what reads one of a few words."""

    def reader(value: Any) -> str:
        if value in valid:
            return str(value)
        near = nearest(value, valid) if isinstance(value, str) else None
        hint = "" if near is None else f"; did you mean '{near}'?"
        raise ValueError(f"must be one of {', '.join(valid)}{hint}")

    return reader


def any_object(value: Any) -> dict[str, Any]:
    """Read an object."""
    if not isinstance(value, dict):
        raise _refuse("an object")
    return value


def schema(value: Any) -> dict[str, Any]:
    """Read a JSON Schema, of draft 2020-12."""
    from jsonschema import Draft202012Validator, SchemaError

    written = any_object(value)
    try:
        Draft202012Validator.check_schema(written)
    except SchemaError as error:
        place = "/".join(map(str, error.absolute_path)) or "its root"
        raise ValueError(f"not a valid JSON Schema, at {place}") from None
    return written


def url(value: Any) -> str:
    """Read an absolute http or https URL."""
    written = text(value)
    try:
        parts = urlsplit(written)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _refuse("an absolute http or https URL")
    return written


def headers(value: Any) -> dict[str, str]:
    """Read HTTP headers: an object of strings, or the JSON text of one."""
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError:
            raise _refuse("an object of strings, or the JSON text of one") from None
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise _refuse("an object of strings")
    return {name.lower(): each for name, each in value.items()}


def rules(value: Any) -> dict[str, Any]:
    """Read the rules of `modelRules`: `defaults` and `metadata`."""
    written = any_object(value)
    fields = ("defaults", "metadata")
    if wrong := [name for name in written if name not in fields]:
        raise WrongCheck(((name,), unknown("field", name, fields)) for name in wrong)
    defaults, metadata = written.get("defaults", []), written.get("metadata", {})
    if not isinstance(defaults, list) or not isinstance(metadata, dict):
        msg = "defaults must be a list of models, metadata an object"
        raise ValueError(msg)  # noqa: TRY004 - the slip is the config's, not the code's
    for mapping in metadata.values():
        lists = mapping.values() if isinstance(mapping, dict) else [None]
        if not all(isinstance(models, list) for models in lists):
            raise ValueError("metadata maps each key to an object of values and lists of models")
    if not defaults and not metadata:
        raise ValueError("names no model")
    return {"defaults": defaults, "metadata": metadata}
