"""What the fields of a config mean together: the rules no single field can know.

Ground rules: a rule reads one node (the root or a target) as plain JSON, which may be wrong in any
way, and yields what it finds; it raises nothing and changes nothing. `RULES` refuse. What is only
odd is in `remarks`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import inf
from sys import float_info
from typing import Any, Final
from urllib.parse import urlsplit

from portkey_local.config.conditional import conditions_are_whole, names_exist, queries_are_right
from portkey_local.config.hooks import hook_problems
from portkey_local.config.models import MODES
from portkey_local.config.problems import Location, Node, Problem, nodes, shown
from portkey_local.query import PATHNAME, WrongQuery, look

__all__ = ["Rule", "broken_rules"]

Rule = Callable[[Location, Node], Iterator[Problem]]

# The places below a node that hold a model of their own.
MODELS: Final[tuple[tuple[str, ...], ...]] = (
    (),
    ("strategy",),
    ("strategy", "cb_config"),
    ("strategy", "sticky_session"),
    ("retry",),
    ("cache",),
    ("cb_config",),
)
THRESHOLDS: Final = {"failure_threshold", "failure_threshold_percentage"}
SEMANTIC_FIELDS: Final = frozenset(
    {"download", "max_error", "min_similarity", "model", "profile", "sample", "shadow"}
)
FORWARD_HEADERS: Final = "x-portkey-forward-headers"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SLUG = re.compile(r"@[^/]+/.")


def _no_nulls(location: Location, node: Node) -> Iterator[Problem]:
    # Only parameters give null a meaning; elsewhere nobody could say whether it means "off" or
    # "inherit".
    for place in MODELS:
        owner: Any = node
        for field in place:
            owner = owner.get(field) if isinstance(owner, dict) else None
        for field, value in owner.items() if isinstance(owner, dict) else ():
            if value is None:
                where = (*location, *place, field)
                yield Problem(where, "null has no meaning here; leave the field out")


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


def _targets_name_providers(location: Location, node: Node, model: Any) -> Iterator[Problem]:
    # A model of the form "@slug/model" names whom to ask, also where it is handed down.
    params = node.get("override_params")
    model = params.get("model", model) if isinstance(params, dict) else model
    named = {"strategy", "targets", "provider", "virtual_key"} & node.keys() or _has_slug(model)
    # The root may leave it out, because the client's own arguments can name the provider.
    if location and not named:
        yield Problem(
            (*location, "provider"), "required: a target names a provider or a virtual_key"
        )
    targets = node.get("targets")
    for index, target in enumerate(targets if isinstance(targets, list) else ()):
        if isinstance(target, dict):
            yield from _targets_name_providers((*location, "targets", index), target, model)


def _has_slug(model: Any) -> bool:
    return isinstance(model, str) and _SLUG.match(model) is not None


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
    numbers = [weight for weight in weights if isinstance(weight, int | float)]
    if sum(float(number) for number in numbers if 0 <= number <= float_info.max) == inf:
        yield Problem((*location, "targets"), "the weights add up to more than a number can hold")


def _semantic_fields(location: Location, node: Node) -> Iterator[Problem]:
    cache = node.get("cache")
    if not isinstance(cache, dict) or cache.get("mode") != "simple":
        return
    for field in sorted(SEMANTIC_FIELDS & cache.keys()):
        message = "no effect with mode 'simple'; only mode 'semantic' reads it"
        yield Problem((*location, "cache", field), message)


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


def _one_breaker(location: Location, node: Node) -> Iterator[Problem]:
    strategy = node.get("strategy")
    inner = strategy.get("cb_config") if isinstance(strategy, dict) else None
    outer = node.get("cb_config")
    for place, breaker in ((("strategy", "cb_config"), inner), (("cb_config",), outer)):
        if isinstance(breaker, dict) and not THRESHOLDS & breaker.keys():
            needed = "failure_threshold or failure_threshold_percentage"
            yield Problem((*location, *place, "failure_threshold"), f"required: {needed}")
    if isinstance(inner, dict) and isinstance(outer, dict) and inner != outer:
        message = "contradicts strategy.cb_config, which is another spelling of the same field"
        yield Problem((*location, "cb_config"), message)


def _sticky_paths(location: Location, node: Node) -> Iterator[Problem]:
    strategy = node.get("strategy")
    sticky = strategy.get("sticky_session") if isinstance(strategy, dict) else None
    fields = sticky.get("hash_fields") if isinstance(sticky, dict) else None
    for index, path in enumerate(fields if isinstance(fields, list) else ()):
        place = (*location, "strategy", "sticky_session", "hash_fields", index)
        try:
            look(path if isinstance(path, str) else PATHNAME)
        except WrongQuery as error:
            yield Problem(place, str(error))


def _headers_are_names(location: Location, node: Node) -> Iterator[Problem]:
    names = node.get("forward_headers")
    for index, name in enumerate(names if isinstance(names, list) else ()):
        place = (*location, "forward_headers", index)
        if not isinstance(name, str):
            continue
        if not _TOKEN.fullmatch(name):
            yield Problem(place, f"{shown(name)} is not the name of a header")
        elif name.lower() == FORWARD_HEADERS:
            yield Problem(place, f"{FORWARD_HEADERS} names headers; it cannot be forwarded itself")


RULES: Final[tuple[Rule, ...]] = (
    _no_nulls,
    _group_is_whole,
    _some_weight,
    _host_is_plain,
    _one_breaker,
    _sticky_paths,
    _headers_are_names,
    _semantic_fields,
    conditions_are_whole,
    names_exist,
    queries_are_right,
    hook_problems,
)


def broken_rules(document: Node) -> Iterator[Problem]:
    """Find what makes the config unusable."""
    for place, node in nodes(document):
        for rule in RULES:
            yield from rule(place, node)
    yield from _targets_name_providers((), document, None)
