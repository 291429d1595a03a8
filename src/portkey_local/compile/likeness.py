"""What tells one function of the caller's from another, as JSON that is the same after a restart.

Ground rules: by what it is made of, never by where it lies in memory. Two functions of one name are
the same only where their code is, and the plain values that it closes over, is bound to or is given
by default. What is no plain value counts by its type alone, and so does what may grow (a list, a
dict): a check that collects what it has seen stays the same check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from re import Pattern
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any, Final

__all__ = ["likeness"]

PLAIN: Final = (str, int, float, bool, type(None))
DEPTH: Final = 6  # of functions that close over functions


def likeness(value: Any, depth: int = DEPTH) -> Any:
    """Return what a function, or a value in it, is made of.

    >>> likeness(lambda text: "a" in text) == likeness(lambda text: "b" in text)
    False
    """
    if isinstance(value, PLAIN):
        return [type(value).__name__, value]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, type):
        return _named(value)
    parts = _parts(value) if depth else ()
    return [_named(type(value)), [likeness(part, depth - 1) for part in parts]]


def _parts(value: Any) -> Iterable[Any]:
    """Return what a value is made of; nothing of one that is opaque, or that changes."""
    if isinstance(value, (tuple, frozenset)):
        return sorted(value, key=repr) if isinstance(value, frozenset) else value
    return next((of(value) for kind, of in PARTS.items() if isinstance(value, kind)), _held(value))


def _function(value: FunctionType) -> Iterable[Any]:
    defaults = (value.__defaults__, *sorted((value.__kwdefaults__ or {}).items()))
    name = (value.__module__, value.__qualname__)
    return (*name, value.__code__, *defaults, *(value.__closure__ or ()))


def _cell(value: CellType) -> Iterable[Any]:
    try:
        return (value.cell_contents,)
    except ValueError:  # it is empty
        return ()


def _held(value: Any) -> Iterable[Any]:
    """Return what an object does when it is called, and those of its attributes that stay."""
    held = sorted(getattr(value, "__dict__", {}).items())
    return (vars(type(value)).get("__call__"), *(each for each in held if _stays(each[1])))


def _stays(value: Any) -> bool:
    return isinstance(value, (*PLAIN, bytes, tuple, frozenset, *PARTS))


PARTS: Final[Mapping[type, Callable[[Any], Iterable[Any]]]] = {
    FunctionType: _function,
    CodeType: lambda code: (code.co_code, code.co_names, *code.co_consts),
    CellType: _cell,
    MethodType: lambda method: (method.__func__, method.__self__),
    Pattern: lambda pattern: (pattern.pattern, pattern.flags),
    partial: lambda part: (part.func, part.args, *sorted(part.keywords.items())),
}


def _named(kind: type) -> list[str]:
    return [kind.__module__, kind.__qualname__]
