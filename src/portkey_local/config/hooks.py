"""Guardrails and mutators as they are written: the short form and the long one, read into one.

Ground rules: the config keeps what was written; this file says what it means. In the short form
every name that is not a field of hooks is the id of a check. Whether a check of that id exists, and
takes these parameters, is for whoever knows the checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal

from portkey_local.config.hookfields import LONG, SHORT, Slot, feedback_of, wrong_fields, wrong_item
from portkey_local.config.models import Config
from portkey_local.config.problems import Location, Node, Problem, path_of
from portkey_local.hooks import Feedback

__all__ = [
    "DEFAULT_HOOKS",
    "OWN_HOOKS",
    "CheckSpec",
    "HookKind",
    "HookSpec",
    "Hooks",
    "OnStream",
    "hook_problems",
    "hooks_of",
]

HookKind = Literal["guardrail", "mutator"]
OnStream = Literal["skip", "buffer"]

# In the order in which hooks run; a node's own come before the defaults.
BEFORE: Final = (
    Slot("before_request_hooks", "before_request_hook", LONG),
    Slot("input_guardrails", "input_guardrail", SHORT),
    Slot("input_mutators", "input_mutator", SHORT, kind="mutator"),
    Slot("default_input_guardrails", "default_input_guardrail", SHORT),
)
AFTER: Final = (
    Slot("after_request_hooks", "after_request_hook", LONG, after=True),
    Slot("output_guardrails", "output_guardrail", SHORT, after=True),
    Slot("output_mutators", "output_mutator", SHORT, kind="mutator", after=True),
    Slot("default_output_guardrails", "default_output_guardrail", SHORT, after=True),
)
SLOTS: Final[Mapping[str, Slot]] = MappingProxyType({slot.field: slot for slot in BEFORE + AFTER})
DEFAULT_HOOKS: Final = ("default_input_guardrails", "default_output_guardrails")
# What replaces what, in inheritance: the hooks before a call, and those after it.
OWN_HOOKS: Final = tuple(
    frozenset(slot.field for slot in side if slot.field not in DEFAULT_HOOKS)
    for side in (BEFORE, AFTER)
)


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One check as it is written, with the JSON paths of the whole, its id and its parameters: in
    the short form all three are one.
    """

    id: str
    parameters: Mapping[str, Any]
    place: str
    id_place: str
    parameters_place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HookSpec:
    """One guardrail or mutator as it is written; `place` is its JSON path, `beside` is `async`."""

    place: str
    id: str
    kind: HookKind
    checks: tuple[CheckSpec, ...]
    deny: bool = False
    beside: bool = False
    sequential: bool = False
    on_stream: OnStream = "skip"
    on_success: Feedback | None = None
    on_fail: Feedback | None = None
    guardrail_version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Hooks:
    """All hooks of one target, in the order in which they run."""

    before: tuple[HookSpec, ...] = ()
    after: tuple[HookSpec, ...] = ()


def hooks_of(config: Config, path: str) -> Hooks:
    """Read the hooks of a loaded config that stands at `path`; inherit first, for a target's own.

    >>> config = Config(input_guardrails=({"default.contains": {"words": ["a"]}, "deny": True},))
    >>> [(hook.place, hook.id, hook.deny) for hook in hooks_of(config, "config").before]
    [('config.input_guardrails[0]', 'input_guardrail_0', True)]
    """
    before = (spec for slot in BEFORE for spec in _specs(config, slot, path))
    after = (spec for slot in AFTER for spec in _specs(config, slot, path))
    return Hooks(tuple(before), tuple(after))


def _specs(config: Config, slot: Slot, path: str) -> Iterator[HookSpec]:
    places = config.places(slot.field, path)
    for index, item in enumerate(getattr(config, slot.field) or ()):
        spec = _spec(item, slot, index, places[index])
        if spec.checks:
            yield spec


def _spec(item: Node, slot: Slot, index: int, place: str) -> HookSpec:
    return HookSpec(
        place=place,
        id=item.get("id", f"{slot.stem}_{index}"),
        kind=item.get("type", slot.kind),
        checks=tuple(_checks(item, slot, place)),
        deny=item.get("deny", False),
        beside=item.get("async", False),
        sequential=item.get("sequential", False),
        on_stream=item.get("on_stream", "skip"),
        on_success=feedback_of(item.get("on_success")),
        on_fail=feedback_of(item.get("on_fail")),
        guardrail_version_id=item.get("guardrail_version_id"),
    )


def _checks(item: Node, slot: Slot, place: str) -> Iterator[CheckSpec]:
    for below, check_id, parameters, enabled in _written(item, slot):
        if enabled:
            whole = place + path_of(below).removeprefix("config")
            own = (f"{whole}.id", f"{whole}.parameters") if slot.form is LONG else (whole, whole)
            yield CheckSpec(check_id, parameters, whole, *own)


def _written(item: Node, slot: Slot) -> Iterator[tuple[Location, str, Node, bool]]:
    if slot.form is LONG:
        for index, check in enumerate(item["checks"]):
            parameters = check.get("parameters", {})
            yield ("checks", index), check["id"], parameters, check.get("is_enabled", True)
        return
    for name, value in item.items():
        if name not in SHORT.fields:
            parameters = {key: each for key, each in value.items() if key != "is_enabled"}
            yield (name,), name, parameters, value.get("is_enabled", True)


def hook_problems(location: Location, node: Node) -> Iterator[Problem]:
    """Find what is wrong with the hooks of one node, as a rule of `rules`."""
    for field, slot in SLOTS.items():
        items = node.get(field)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            place = (*location, field, index)
            if isinstance(item, dict):
                yield from wrong_fields(item, slot, place)
            else:
                yield wrong_item(item, place)
