"""The operators of a query: each makes a predicate of what a value is compared with.

Ground rules: what an operator cannot compare with is refused with a ValueError when it is built; a
predicate takes any value, MISSING too, and never raises. Equality is strict about types, as JSON
is: 1 equals 1.0, but neither true nor "1".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from operator import ge, gt, le, lt
from typing import Any, Final

from portkey_local.patterns import pattern

__all__ = ["OPERATORS", "Predicate", "text_of"]

Predicate = Callable[[Any], bool]

_NUMBER = re.compile(r"\s*([+-]?(?:Infinity|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))", re.ASCII)


def _equal(operand: Any) -> Predicate:
    if isinstance(operand, str):
        return lambda value: bool(value == operand)
    return lambda value: _same(value, operand)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, bool) or one is None:
        return one is other
    if isinstance(one, int | float):
        return isinstance(other, int | float) and not isinstance(other, bool) and one == other
    if isinstance(one, Mapping):
        alike = isinstance(other, Mapping) and one.keys() == other.keys()
        return alike and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple):
        alike = isinstance(other, list | tuple) and len(one) == len(other)
        return alike and all(map(_same, one, other))
    return bool(one == other)


def _not(build: Callable[[Any], Predicate]) -> Callable[[Any], Predicate]:
    def negated(operand: Any) -> Predicate:
        holds = build(operand)
        return lambda value: not holds(value)

    return negated


def _ordered(compare: Callable[[float, float], bool]) -> Callable[[Any], Predicate]:
    def build(operand: Any) -> Predicate:
        limit = _number(operand)
        if limit != limit:  # noqa: PLR0124 - NaN alone differs from itself
            raise ValueError("not a number, nor a text that begins with one; nothing would match")
        return lambda value: compare(_number(value), limit)

    return build


def _number(value: Any) -> float:
    # As JavaScript's parseFloat: the number a text begins with, else NaN.
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    found = _NUMBER.match(value) if isinstance(value, str) else None
    return float(found[1]) if found else float("nan")


def _among(operand: Any) -> Predicate:
    if not isinstance(operand, list | tuple):
        raise ValueError("must be a list of values")  # noqa: TRY004 - the caller reads ValueError
    if all(isinstance(each, str) for each in operand):
        texts = frozenset(operand)
        return lambda value: isinstance(value, str) and value in texts
    return lambda value: any(_same(value, each) for each in operand)


def _like(operand: Any) -> Predicate:
    search = pattern(operand).search

    def matches(value: Any) -> bool:
        text = text_of(value)
        return text is not None and search(text) is not None

    return matches


def text_of(value: Any) -> str | None:
    """Return a scalar as the text a pattern is tried on; None where there is none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    # Python does not spell out integers of thousands of digits.
    return str(value) if isinstance(value, int) and value.bit_length() < 10_000 else None


OPERATORS: Final[Mapping[str, Callable[[Any], Predicate]]] = {
    "$eq": _equal,
    "$ne": _not(_equal),
    "$gt": _ordered(gt),
    "$gte": _ordered(ge),
    "$lt": _ordered(lt),
    "$lte": _ordered(le),
    "$in": _among,
    "$nin": _not(_among),
    "$regex": _like,
}
