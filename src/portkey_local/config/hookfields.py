"""The fields that a hook may have, and what is wrong with those it has.

Ground rules: everything here reads plain JSON, which may be wrong in any way; nothing raises. A
name that is no field is the id of a check in the short form, and a mistake in the long one; so a
check's parameters must be an object, and whatever is none was probably meant as a field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from portkey_local.config.problems import Location, Node, Problem, near, shown, slip
from portkey_local.hooks import Feedback
from portkey_local.query import alike

__all__ = ["LONG", "SHORT", "Form", "Slot", "feedback_of", "wrong_fields", "wrong_item"]

Look = Callable[[Any, Location], Iterator[Problem]]

HOSTED_PREFIX: Final = "pg-"
KINDS: Final = ("guardrail", "mutator")
ON_STREAM: Final = ("skip", "buffer")


def feedback_of(written: Any) -> Feedback | None:
    """Return the feedback of an `on_success` or `on_fail`, if it has one."""
    feedback = written.get("feedback") if isinstance(written, dict) else None
    return None if feedback is None else Feedback(**feedback)


def wrong_item(item: Any, location: Location) -> Problem:
    """Say why something that is no object cannot be a hook."""
    if isinstance(item, str):
        kept = "kept by the hosted product" if item.startswith(HOSTED_PREFIX) else "known by id"
        message = f"{shown(item, location)}: guardrails {kept} cannot be asked from here"
        return Problem(location, f"{message}; write the checks inline, as an object")
    return Problem(location, f"{shown(item, location)} is not an object of checks")


# --- values ---------------------------------------------------------------------------------------


def _a(kind: type | tuple[type, ...], words: str) -> Look:
    def wrong(value: Any, location: Location) -> Iterator[Problem]:
        right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not right:
            yield Problem(location, f"{shown(value, location)} is not {words}")

    return wrong


def _one_of(*names: str) -> Look:
    def wrong(value: Any, location: Location) -> Iterator[Problem]:
        if value in names:
            return
        meant = near(value, names) if isinstance(value, str) else None
        guess = f"; did you mean '{meant}'?" if meant is not None else ""
        yield Problem(location, f"{shown(value, location)} is none of {', '.join(names)}{guess}")

    return wrong


def _object_of(fields: Mapping[str, Look], *required: str) -> Look:
    def wrong(value: Any, location: Location) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(location, f"{shown(value, location)} is not an object")
            return
        for name, inner in value.items():
            place = (*location, name)
            yield from fields[name](inner, place) if name in fields else _unknown(place, fields)
        for name in required:
            if name not in value:
                yield Problem((*location, name), "required")

    return wrong


def _unknown(location: Location, fields: Mapping[str, Look]) -> Iterator[Problem]:
    name = str(location[-1])
    meant = near(name, fields)
    guess = f"; did you mean '{meant}'?" if meant is not None else f" ({', '.join(fields)})"
    yield Problem(location, f"unknown field{guess}", slip(name, fields))


def _checks(value: Any, location: Location) -> Iterator[Problem]:
    if not isinstance(value, list) or not value:
        yield Problem(location, "must be a list of at least one check")
        return
    for index, check in enumerate(value):
        yield from _CHECK(check, (*location, index))


def _check_id(value: Any, location: Location) -> Iterator[Problem]:
    if not isinstance(value, str) or not value:
        yield Problem(location, f"{shown(value, location)} is not the id of a check")


_BOOL = _a(bool, "true or false")
_TEXT = _a(str, "a string")
_NUMBER = _a((int, float), "a number")
_OBJECT = _a(dict, "an object")
_CHECK = _object_of({"id": _check_id, "parameters": _OBJECT, "is_enabled": _BOOL}, "id")
_OUTCOME = _object_of(
    {"feedback": _object_of({"value": _NUMBER, "weight": _NUMBER, "metadata": _OBJECT})}
)


# --- fields ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """A way of writing hooks: its fields, and what else an object must hold."""

    fields: Mapping[str, Look]


SHORT: Final = Form(
    {
        "id": _check_id,
        "type": _one_of(*KINDS),
        "deny": _BOOL,
        "async": _BOOL,
        "sequential": _BOOL,
        "on_stream": _one_of(*ON_STREAM),
        "on_success": _OUTCOME,
        "on_fail": _OUTCOME,
        "guardrail_version_id": _TEXT,
    }
)
LONG: Final = Form({**SHORT.fields, "checks": _checks})


@dataclass(frozen=True, slots=True, eq=False)
class Slot:
    """A field that holds hooks: `stem` begins the ids that its hooks are given."""

    field: str
    stem: str
    form: Form
    kind: Literal["guardrail", "mutator"] = "guardrail"
    after: bool = False


def wrong_fields(item: Node, slot: Slot, location: Location) -> Iterator[Problem]:
    """Find what is wrong with one hook."""
    fields = slot.form.fields
    for name, value in item.items():
        place = (*location, name)
        if name in fields:
            yield from fields[name](value, place)
        elif slot.form is LONG:
            yield from _unknown(place, fields)
        else:
            yield from _wrong_check(value, place)
    if slot.form is LONG and "checks" not in item:
        yield Problem((*location, "checks"), "required: a list of at least one check")
    if slot.form is SHORT and item.keys() <= fields.keys():
        yield Problem(location, 'no check; a hook names one, as in {"default.contains": {…}}')
    yield from _no_stream(item, slot, location)


def _wrong_check(value: Any, location: Location) -> Iterator[Problem]:
    name = str(location[-1])
    if isinstance(value, dict):
        meant = next((each for each in ("on_success", "on_fail") if alike(name, each)), None)
        if meant is not None:
            yield Problem(location, f"not a check; did you mean '{meant}'?", meant)
        elif not isinstance(value.get("is_enabled", True), bool):
            yield from _BOOL(value["is_enabled"], (*location, "is_enabled"))
        return
    meant = near(name, SHORT.fields)
    if meant is not None:
        yield from _unknown(location, SHORT.fields)
    else:
        what = f"{shown(value, location)} is not an object"
        yield Problem(location, f"{what}; a check's parameters are one ({{}} for none)")


def _no_stream(item: Node, slot: Slot, location: Location) -> Iterator[Problem]:
    judges = slot.after and item.get("type", slot.kind) == "guardrail"
    if "on_stream" in item and not judges:
        yield Problem((*location, "on_stream"), "no meaning here; only output guardrails read it")
