"""What the fields of a config mean together: the rules no single field can know.

Ground rules: a rule reads one node (the root or a target) as plain JSON, which may be wrong in any
way, and yields what it finds; it raises nothing and changes nothing. `RULES` refuse, `REMARKS` only
warn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

from portkey_local.config.models import MODES
from portkey_local.config.problems import Location, Node, Problem, nodes, shown

__all__ = ["broken_rules", "remarks"]

Rule = Callable[[Location, Node], Iterator[Problem]]

MODEL_FIELDS: Final = ("strategy", "retry", "cache")
LOOKS_LIKE_SECONDS: Final = 100


def _no_nulls(location: Location, node: Node) -> Iterator[Problem]:
    # Only parameters give null a meaning; elsewhere nobody could say whether it means "off" or
    # "inherit".
    owners = [(location, node)]
    owners += [
        ((*location, field), node[field])
        for field in MODEL_FIELDS
        if isinstance(node.get(field), dict)
    ]
    for where, owner in owners:
        for field, value in owner.items():
            if value is None:
                yield Problem((*where, field), "null has no meaning here; leave the field out")


def _group_is_whole(location: Location, node: Node) -> Iterator[Problem]:
    if node.get("targets") == []:
        yield Problem((*location, "targets"), "empty; a strategy needs at least one target")
    if "targets" in node and "strategy" not in node:
        modes = ", ".join(MODES["strategy"])
        yield Problem((*location, "strategy"), f"required beside targets, with a mode ({modes})")
    if "strategy" in node and "targets" not in node:
        yield Problem(
            (*location, "targets"), "required beside strategy: a list of at least one target"
        )


def _target_names_provider(location: Location, node: Node) -> Iterator[Problem]:
    # The root may leave it out, because the client's own arguments can name the provider.
    if location and not {"strategy", "targets", "provider", "virtual_key"} & node.keys():
        yield Problem(
            (*location, "provider"), "required: a target names a provider or a virtual_key"
        )


def _some_weight(location: Location, node: Node) -> Iterator[Problem]:
    targets, strategy = node.get("targets"), node.get("strategy")
    if not isinstance(strategy, dict) or strategy.get("mode") != "loadbalance":
        return
    if not isinstance(targets, list) or not targets:
        return
    weights = [target.get("weight", 1) if isinstance(target, dict) else 1 for target in targets]
    if all(isinstance(weight, int | float) and weight == 0 for weight in weights):
        yield Problem(
            (*location, "targets"), "all weights are 0, so no target could ever be chosen"
        )


def _host_is_plain(location: Location, node: Node) -> Iterator[Problem]:
    host = node.get("custom_host")
    if not isinstance(host, str):
        return
    place = (*location, "custom_host")
    wrong = _wrong_with_host(host)
    if wrong is not None:
        yield Problem(place, wrong)


def _wrong_with_host(host: str) -> str | None:
    try:
        parts = urlsplit(host)
        _ = parts.port  # raises for a port that is no number
    except ValueError:
        return "(value hidden) is not a URL"
    if "@" in host:
        return "(value hidden) contains credentials; give them as api_key"
    if "?" in host or "#" in host:
        return "(value hidden) has a query or a fragment; give the address up to the path only"
    blank = any(character.isspace() or not character.isprintable() for character in host)
    if parts.scheme not in {"http", "https"} or not parts.hostname or blank:
        return (
            f"{shown(host)} is not an absolute http or https URL, such as 'https://host.example/v1'"
        )
    return None


def _milliseconds(location: Location, node: Node) -> Iterator[Problem]:
    for field in ("request_timeout", "stream_idle_timeout"):
        timeout = node.get(field)
        if isinstance(timeout, int | float) and 0 < timeout < LOOKS_LIKE_SECONDS:
            meant = f"{timeout * 1000:g} for {timeout} s"
            message = f"{timeout} looks like seconds; a config counts milliseconds ({meant})"
            yield Problem((*location, field), message)


def _ignored_beside_targets(location: Location, node: Node) -> Iterator[Problem]:
    if "strategy" in node and "targets" in node:
        for field in ("provider", "api_key", "virtual_key"):
            if field in node:
                message = "ignored beside strategy and targets; name it in each target instead"
                yield Problem((*location, field), message)


def _codes_without_effect(location: Location, node: Node) -> Iterator[Problem]:
    if "on_status_codes" in node:
        yield Problem(
            (*location, "on_status_codes"), "no effect here; it belongs in strategy or in retry"
        )
    strategy = node.get("strategy")
    if (
        isinstance(strategy, dict)
        and "on_status_codes" in strategy
        and strategy.get("mode") != "fallback"
    ):
        message = f"no effect with mode {shown(strategy.get('mode'))}; only fallback reads it"
        yield Problem((*location, "strategy", "on_status_codes"), message)


RULES: Final[tuple[Rule, ...]] = (
    _no_nulls,
    _group_is_whole,
    _target_names_provider,
    _some_weight,
    _host_is_plain,
)
REMARKS: Final[tuple[Rule, ...]] = (_milliseconds, _ignored_beside_targets, _codes_without_effect)


def broken_rules(document: Node) -> Iterator[Problem]:
    """Find what makes the config unusable."""
    return (
        problem
        for place, node in nodes(document)
        for rule in RULES
        for problem in rule(place, node)
    )


def remarks(document: Node) -> Iterator[Problem]:
    """Find what is allowed but odd."""
    return (
        remark
        for place, node in nodes(document)
        for rule in REMARKS
        for remark in rule(place, node)
    )
