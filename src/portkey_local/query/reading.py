"""Reading a query: everything wrong with it is found in one go, and what is right is compiled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from portkey_local.query.facts import GROUPS, Facts, Location, Look, WrongQuery, look
from portkey_local.query.operators import OPERATORS
from portkey_local.query.parts import Group, Row, Test, all_of, any_of, asked
from portkey_local.query.spelling import alike, nearest, one_slip

__all__ = ["Query", "compile_query"]

Problems = list[tuple[Location, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """A query that has been read.

    >>> query = compile_query({"metadata.plan": {"$in": ["pro", "team"]}})
    >>> query.matches(Facts({"plan": "pro"}, {}, "/v1/chat/completions"))
    True
    """

    parts: Group
    test: Test

    def matches(self, facts: Facts) -> bool:
        """Whether the query holds for a call."""
        return self.test(facts)

    def why(self, facts: Facts) -> str:
        """Say which row decided, without repeating what anybody wrote to a model."""
        return self.parts.why(facts)


def compile_query(query: Mapping[str, Any]) -> Query:
    """Read a query; raise WrongQuery with everything that is wrong with it."""
    problems: Problems = []
    parts = _every(query, (), problems)
    if problems:
        raise WrongQuery(problems)
    return Query(parts, parts.test)


def _every(query: Mapping[str, Any], location: Location, problems: Problems) -> Group:
    parts = tuple(
        part
        for key, value in query.items()
        for part in _parts(key, value, (*location, key), problems)
    )
    return Group(parts, all_of([part.test for part in parts]), every=True)


def _parts(key: str, value: Any, location: Location, problems: Problems) -> Iterator[Row | Group]:
    if key in GROUPS:
        yield from _group(key, value, location, problems)
        return
    if key.startswith("$"):
        problems.append((location, _not_a_group(key)))
    else:
        yield from _rows(key, value, location, problems)
    if isinstance(value, list) and any(alike(key, group) for group in GROUPS):
        yield from _group(key, value, location, problems)  # for what is wrong below


def _not_a_group(key: str) -> str:
    if key in OPERATORS:
        return f'stands under a path, as in {{"metadata.plan": {{"{key}": …}}}}'
    meant = nearest(key, GROUPS)
    guess = f"; did you mean '{meant}'?" if meant is not None else ""
    return f"not an operator that joins queries{guess} ({', '.join(GROUPS)})"


def _group(key: str, value: Any, location: Location, problems: Problems) -> Iterator[Group]:
    if not isinstance(value, list | tuple) or not value:
        problems.append((location, "must be a list of at least one query"))
        return
    parts: list[Group] = []
    for index, query in enumerate(value):
        place = (*location, index)
        if isinstance(query, Mapping):
            parts.append(_every(query, place, problems))
        else:
            problems.append((place, "not an object; a query is one"))
    tests = [part.test for part in parts]
    every = key == "$and"
    yield Group(tuple(parts), all_of(tests) if every else any_of(tests), every)


def _rows(path: str, value: Any, location: Location, problems: Problems) -> Iterator[Row]:
    try:
        find: Look | None = look(path)
    except WrongQuery as error:
        find = None
        problems.extend((location, message) for _, message in error.problems)
    for operator, operand, place in _comparisons(value, location, problems):
        try:
            predicate = OPERATORS[operator](operand)
        except ValueError as error:
            problems.append((place, str(error)))
        else:
            if find is not None:
                yield Row(path, operator, operand, find, asked(find, predicate))


def _comparisons(
    value: Any, location: Location, problems: Problems
) -> Iterator[tuple[str, Any, Location]]:
    if not isinstance(value, Mapping):
        yield "$eq", value, location
        return
    if not value:
        problems.append((location, "empty; write a value, or an operator such as $eq"))
    literal = not any(_means_operator(key) for key in value)
    if literal and value:
        yield "$eq", value, location
        return
    for operator, operand in value.items():
        place = (*location, operator)
        if operator in OPERATORS:
            yield operator, operand, place
        else:
            problems.append((place, _not_an_operator(operator)))


def _means_operator(key: str) -> bool:
    # An object without any operator is a value; one that only forgot its dollar sign is a slip.
    return key.startswith("$") or any(one_slip(key, operator) for operator in OPERATORS)


def _not_an_operator(key: str) -> str:
    if key in GROUPS:
        return f"stands beside paths, not under one; {key} joins whole queries"
    meant = nearest(key, OPERATORS)
    guess = f"; did you mean '{meant}'?" if meant is not None else ""
    if not key.startswith("$") and not guess:
        return "a plain name among operators; write an object to compare with as {'$eq': {…}}"
    return f"not an operator{guess} ({', '.join(OPERATORS)})"
