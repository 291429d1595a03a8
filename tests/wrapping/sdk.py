"""An SDK's public methods, found by looking, and arguments for each, made from its type hints."""

from __future__ import annotations

import collections.abc
import contextlib
import datetime as dt
import inspect
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import typing_extensions

NOT_ARGUMENTS = {"self", "extra_headers", "extra_query", "extra_body", "timeout", "kwargs", "args"}
SPECIAL = {  # where a hint allows what the method itself does not, or what would make it wait
    "poll_interval_ms": 1,
    "max_wait_seconds": 1,
    "poll_interval": 0.001,
    "response_format": None,
    "text_format": None,
    "output_format": None,
    "stream": None,
    "background": None,
    "max_concurrency": 1,
}
FILE = ("notes.txt", b"a file", "text/plain")


class Unmade(Exception):
    """No value can be made for a type."""


@dataclass(frozen=True)
class Method:
    """One method of a resource, and arguments for it."""

    path: tuple[str, ...]
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        return ".".join(self.path)

    def on(self, client: Any) -> Any:
        """Return the method of a client."""
        for name in self.path:
            client = getattr(client, name)
        return client


def methods(client: Any, *, with_optional: bool = True) -> Iterator[Method]:
    """Walk all public methods of all resources that a client has."""
    yield from _below(client, (), with_optional)


def _below(owner: Any, path: tuple[str, ...], with_optional: bool) -> Iterator[Method]:
    for name, value in sorted(_own(type(owner)).items()):
        if name.startswith(("_", "with_")):
            continue
        if type(value).__name__ == "cached_property":
            resource = getattr(owner, name)
            if any("APIResource" in base.__name__ for base in type(resource).__mro__):
                yield from _below(resource, (*path, name), with_optional)
        elif path and inspect.isfunction(value):
            yield _method(value, (*path, name), with_optional)


def _own(kind: type) -> dict[str, Any]:
    """Return what a class has of its own, and of its parents that are resources or clients."""
    found: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        if base is not object and not base.__name__.startswith(("Base", "SyncAPI", "AsyncAPI")):
            found.update(vars(base))
    return found


def _method(function: Any, path: tuple[str, ...], with_optional: bool) -> Method:
    plain = inspect.unwrap(function)
    try:
        hints = typing_extensions.get_type_hints(plain)
    except (NameError, TypeError):
        hints = {}
    arguments: dict[str, Any] = {}
    for name, parameter in inspect.signature(plain).parameters.items():
        needed = parameter.default is inspect.Parameter.empty
        variable = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if name in NOT_ARGUMENTS or variable or not (needed or with_optional):
            continue
        if name in SPECIAL:
            arguments[name] = SPECIAL[name]
            continue
        try:
            arguments[name] = made(hints.get(name, str))
        except Unmade:
            arguments[name] = "a" if needed else None  # both clients say what is wrong with it
    return Method(path, {name: value for name, value in arguments.items() if value is not None})


PLAIN: dict[Any, Any] = {
    str: "a",
    int: 1,
    float: 0.5,
    bool: True,
    bytes: b"bytes",
    object: "a",
    Any: "a",
    dict: {"a": "b"},
    dt.datetime: dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
    dt.date: dt.date(2026, 1, 2),
}
LISTS = (list, collections.abc.Iterable, collections.abc.Sequence, collections.abc.Set)


def made(hint: Any, depth: int = 0) -> Any:
    """Return a value of a type. Raises Unmade."""
    if depth > 9:
        raise Unmade
    if isinstance(hint, collections.abc.Hashable) and hint in PLAIN:
        return PLAIN[hint]
    if "FileTypes" in str(hint) or "IO[bytes]" in str(hint)[:120]:
        return FILE
    if typing_extensions.is_typeddict(hint):
        return _dict(hint, depth)
    return _generic(hint, depth)


@lru_cache(maxsize=4096)
def _fields(hint: Any) -> dict[str, Any]:
    return typing_extensions.get_type_hints(hint)


def _dict(hint: Any, depth: int) -> dict[str, Any]:
    try:
        fields = _fields(hint)
    except NameError as error:  # a hint of a package that is not there
        raise Unmade from error
    return {name: made(fields[name], depth + 1) for name in sorted(hint.__required_keys__)}


def _generic(hint: Any, depth: int) -> Any:
    origin, inside = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Literal, typing_extensions.Literal):
        return inside[0]
    if origin in (typing.Annotated, typing_extensions.Required):
        return made(inside[0], depth)
    if origin in (typing.Union, types.UnionType):
        return _one_of(inside, depth)
    if origin in LISTS:
        return [made(inside[0], depth + 1)]
    if origin in (dict, collections.abc.Mapping):
        return {"a": made(inside[1], depth + 1)}
    raise Unmade


def _one_of(hints: tuple[Any, ...], depth: int) -> Any:
    for hint in hints:
        if hint is type(None) or getattr(hint, "__name__", "") in ("Omit", "NotGiven"):
            continue
        with contextlib.suppress(Unmade):
            return made(hint, depth + 1)
    raise Unmade
