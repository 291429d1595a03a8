"""Pydantic's findings in our words: the place, the value if it may be shown, and what was probably
meant.

Ground rules: nothing of pydantic's own text is passed on, because it may quote the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from portkey_local.config.models import (
    MODES,
    RETRY_AFTER,
    RETRY_AFTER_PLURAL,
    Cache,
    CircuitBreaker,
    Condition,
    Config,
    Retry,
    StickySession,
    Strategy,
)
from portkey_local.config.problems import Location, Problem, near, shown, slip

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

__all__ = ["OWNERS", "in_words", "meant_field"]

# The model that owns the fields below a field of this name.
OWNERS: Final[Mapping[str, type[BaseModel]]] = {
    "strategy": Strategy,
    "conditions": Condition,
    "cb_config": CircuitBreaker,
    "sticky_session": StickySession,
    "retry": Retry,
    "cache": Cache,
}

# Names that other libraries use, or that sit one floor away, too unlike ours for a spelling guess.
ELSEWHERE: Final[Mapping[str, str]] = {
    "attempts": "retry.attempts",
    "base_url": "custom_host",
    "max_age": "cache.max_age",
    "max_retries": "retry.attempts",
    "max_tokens": "override_params.max_tokens",
    "mode": "strategy.mode",
    "model": "override_params.model",
    "params": "override_params",
    "temperature": "override_params.temperature",
    "timeout": "request_timeout",
}

EXPECTED: Final[Mapping[str, str]] = {
    "bool_type": "true or false",
    "dict_type": "an object",
    "float_type": "a number",
    "int_type": "a whole number",
    "model_type": "an object",
    "string_type": "a string",
    "tuple_type": "a list",
}

# In this order, because a bool is an int.
KINDS: Final[tuple[tuple[type, str], ...]] = (
    (bool, "a boolean"),
    (int, "a number"),
    (float, "a decimal number"),
    (str, "a string"),
    (list, "a list"),
    (type(None), "null"),
)

REQUIRED: Final[Mapping[str, str]] = {
    "hash_fields": "required: a list of what to look at, such as 'metadata.user_id'",
    "attempts": "required: how often to try again, a whole number of 0 or more",
    "query": "required: an object that says which calls match",
    "then": "required: the name of a target",
}

LIMITS: Final[Mapping[str, str]] = {
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
}


OTHERS: Final[Mapping[str, str]] = {
    "too_short": "empty; it needs at least one item",
    "string_too_short": "empty; leave the field out",
}


def in_words(error: ErrorDetails) -> Problem:
    """Say one of pydantic's errors as we would."""
    location = error["loc"]
    unknown = error["type"] == "extra_forbidden" and location[-1] != RETRY_AFTER_PLURAL
    return Problem(location, _message(error, location), _slip(location) if unknown else None)


def _message(error: ErrorDetails, location: Location) -> str:
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        return _unknown(location)
    if kind == "missing":
        return _missing(location)
    if kind == "literal_error":
        return _not_a_mode(value, location)
    if kind in EXPECTED:
        return _wrong_type(value, EXPECTED[kind], location)
    if kind in LIMITS:
        return f"{shown(value, location)} is out of range; it {LIMITS[kind].format(**error['ctx'])}"
    return OTHERS.get(kind, "not a value this field can hold")


def _unknown(location: Location) -> str:
    name = str(location[-1])
    if name == RETRY_AFTER_PLURAL:
        return f"contradicts {RETRY_AFTER}, which is another spelling of the same field"
    if name == "options":
        return "configs of the old form, with options, are not supported; use strategy and targets"
    owner, meant = _owner(location[:-1]), meant_field(location)
    if meant is None and owner is Config:
        meant = ELSEWHERE.get(name)
    if meant is not None:
        return f"unknown field; did you mean '{meant}'?"
    return (
        "unknown field" if owner is Config else f"unknown field ({', '.join(owner.model_fields)})"
    )


def meant_field(location: Location) -> str | None:
    """Find the field that was probably meant by an unknown one."""
    return near(str(location[-1]), _owner(location[:-1]).model_fields)


def _slip(location: Location) -> str | None:
    return slip(str(location[-1]), _owner(location[:-1]).model_fields)


def _owner(location: Location) -> type[BaseModel]:
    names = [part for part in location if isinstance(part, str)]
    return OWNERS.get(names[-1], Config) if names else Config


def _missing(location: Location) -> str:
    name = str(location[-1])
    if name == "mode":
        return f"required: one of {', '.join(_modes(location))}"
    return REQUIRED.get(name, "required")


def _not_a_mode(value: object, location: Location) -> str:
    modes = _modes(location)
    if not isinstance(value, str):
        return _wrong_type(value, "a string", location)
    meant = near(value, modes)
    guess = f"; did you mean '{meant}'?" if meant is not None else ""
    field = str(location[-1])
    return f"{shown(value, location)} is not a {field}{guess} ({', '.join(modes)})"


def _modes(location: Location) -> tuple[str, ...]:
    return MODES.get(str(location[-1])) or MODES[str(location[-2])]


def _wrong_type(value: object, expected: str, location: Location) -> str:
    quoted, kind = shown(value, location), _kind(value)
    if kind == quoted:
        return f"{kind}, not {expected}"
    if expected == "a number" and isinstance(value, int) and not isinstance(value, bool):
        return f"{quoted} is too large"
    hint = "; write it without quotes" if _is_quoted_number(value, expected) else ""
    return f"{quoted} is {kind}, not {expected}{hint}"


def _is_quoted_number(value: object, expected: str) -> bool:
    if not isinstance(value, str) or not expected.endswith("number"):
        return False
    return value.replace(".", "", 1).isdecimal()


def _kind(value: object) -> str:
    return next((words for kind, words in KINDS if isinstance(value, kind)), "an object")
