"""Saying what is wrong with a file of the bench: where, what, and which name was probably meant."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError, model_validator

from portkey_local.query import nearest

__all__ = ["BenchError", "WithNearestName", "checked", "path_given", "read_json"]

M = TypeVar("M", bound=BaseModel)


class BenchError(ValueError):
    """A workload, a weather or a config that no run can be made of; the message says what to do."""


class WithNearestName(BaseModel):
    """A model that says which of its fields was meant by a name it does not have."""

    @model_validator(mode="before")
    @classmethod
    def _knows_names(cls, told: Any) -> Any:
        if isinstance(told, Mapping):
            for name in told:
                if name not in cls.model_fields:
                    near = nearest(str(name), cls.model_fields)
                    hint = f"did you mean {near!r}?" if near else f"known: {_listed(cls)}"
                    raise ValueError(f"{str(name)!r} is unknown; {hint}")
        return told


def _listed(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)


def checked(model: type[M], told: Any, origin: str) -> M:
    """Return JSON as a model. Raises BenchError with each problem and its place."""
    try:
        return model.model_validate(told)
    except ValidationError as error:
        problems = [
            f"{_place(problem['loc'])}{problem['msg'].removeprefix('Value error, ')}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
    raise BenchError(f"{origin}: " + "; ".join(problems))


def _place(location: tuple[int | str, ...]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return f"{text.removeprefix('.')}: " if text else ""


def path_given(source: object, what: str) -> Path:
    """Return the path, or the name, that somebody gave. Raises BenchError for what is none."""
    if not source or not isinstance(source, (str, os.PathLike)):
        raise BenchError(f"{what} {source!r}: give a name, a file, or JSON as a mapping")
    return Path(source)


def read_json(path: Path) -> Any:
    """Return the JSON of a file. Raises BenchError where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        message = "no such file"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        message = "is not UTF-8 text"
    except json.JSONDecodeError as error:
        message = f"is not JSON at line {error.lineno}, column {error.colno}: {error.msg}"
    raise BenchError(f"{path}: {message}")
