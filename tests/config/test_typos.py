"""One slip of the keyboard anywhere in a config is refused there, with the name that was meant."""

import copy
import json
import random
import re

import pytest

from portkey_local.config import Config, examine
from portkey_local.config.hookfields import LONG, SHORT
from portkey_local.config.models import (
    Cache,
    CircuitBreaker,
    Condition,
    Retry,
    StickySession,
    Strategy,
)
from portkey_local.config.problems import path_of
from portkey_local.query import one_slip

LETTERS = "abcdefghijklmnopqrstuvwxyz_"
OPERATORS = {"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$regex"}
ROOTS = {"metadata", "params", "url.pathname", "$and", "$or"}
FEEDBACK = {"feedback": {"value": 1, "weight": 1, "metadata": {}}}
BREAKER = {
    "failure_threshold": 3,
    "failure_threshold_percentage": 50,
    "minimum_requests": 10,
    "cooldown_interval": 60000,
    "failure_status_codes": [500],
}
HOOK = {
    "default.contains": {"words": ["a"]},
    "id": "g", "type": "guardrail", "deny": True, "async": False, "sequential": False,
    "on_stream": "buffer", "on_fail": FEEDBACK, "on_success": FEEDBACK, "guardrail_version_id": "v",
}  # fmt: skip
CHECK = {"id": "a.b", "parameters": {}, "is_enabled": True}
LONG_HOOK = {"type": "mutator", "id": "h", "checks": [CHECK], "deny": False, "on_fail": FEEDBACK}
QUERY = {
    "metadata.plan": {"$eq": 1, "$ne": 2, "$gt": 0, "$gte": 1, "$lt": 3, "$lte": 2},
    "params.model": {"$in": ["a"], "$nin": ["b"], "$regex": "a"},
    "url.pathname": "/v1/chat/completions",
    "$and": [{"metadata.a": 1}],
    "$or": [{"metadata.a": 1}],
}
LEAF = {
    "name": "cheap", "provider": "openai", "api_key": "k", "virtual_key": "v", "weight": 1,
    "custom_host": "http://h", "override_params": {}, "request_timeout": 1000,
    "stream_idle_timeout": 1000, "strict_open_ai_compliance": True, "forward_headers": ["x-a"],
    "openai_project": "p",
    "retry": {"attempts": 1, "on_status_codes": [429], "use_retry_after_header": True},
    "cache": {"mode": "simple", "max_age": 60}, "cb_config": BREAKER,
    "input_guardrails": [{"a.b": {}}], "output_guardrails": [HOOK], "input_mutators": [{"a.b": {}}],
    "before_request_hooks": [LONG_HOOK], "after_request_hooks": [{"checks": [CHECK]}],
    "default_input_guardrails": [{"a.b": {}}], "output_mutators": [],
}  # fmt: skip
BALANCED = {
    "name": "group",
    "strategy": {
        "mode": "loadbalance",
        "sticky_session": {"hash_fields": ["metadata.user", "url.pathname"], "ttl": 60},
        "cb_config": BREAKER,
    },
    "targets": [{"provider": "openai"}],
}
RICH = {
    "strategy": {
        "mode": "conditional",
        "conditions": [{"query": QUERY, "then": "cheap"}],
        "default": "group",
    },
    "targets": [LEAF, BALANCED, {"strategy": {"mode": "fallback"}, "targets": [{"provider": "a"}]}],
}

SHORT_FORMS = {
    f"{prefix}{moment}_guardrails" for prefix in ("", "default_") for moment in ("input", "output")
} | {"input_mutators", "output_mutators"}
# The last name on the way to an object -> the names that are valid in it; elsewhere it is a config.
VALID = {
    "strategy": set(Strategy.model_fields),
    "retry": set(Retry.model_fields),
    "cache": set(Cache.model_fields),
    "cb_config": set(CircuitBreaker.model_fields),
    "sticky_session": set(StickySession.model_fields),
    "conditions": set(Condition.model_fields),
    **dict.fromkeys(["query", "$and", "$or"], ROOTS),
    **dict.fromkeys(["metadata.plan", "params.model"], OPERATORS),
    **{name: {"feedback"} for name in ("on_fail", "on_success")},
    "feedback": set(FEEDBACK["feedback"]),
    "checks": set(CHECK),
    **{name: set(LONG.fields) for name in ("before_request_hooks", "after_request_hooks")},
    **{name: set(SHORT.fields) for name in SHORT_FORMS},
}
CONFIG = set(Config.model_fields)
VALUES = {
    "strategy.mode": {"single", "fallback", "loadbalance", "conditional"},
    "cache.mode": {"simple", "semantic"},
    "cache.profile": {"strict", "balanced", "loose"},
    "then": {"cheap", "group"},
    "default": {"cheap", "group"},
    "on_stream": {"skip", "buffer"},
    "type": {"guardrail", "mutator"},
}


def walk(value, place=()):
    yield place, value
    pairs = value.items() if isinstance(value, dict) else ()
    for key, part in enumerate(value) if isinstance(value, list) else pairs:
        yield from walk(part, (*place, key))


def keys(value, place, names):
    """List the keys of an object that could be misspelt: place, name, what is valid, is a key."""
    valid = VALID.get(names[-1], CONFIG) if names else CONFIG
    for key in value:
        name = key.partition(".")[0] if valid is ROOTS and key not in ROOTS else key
        if name in valid:
            yield (*place, key), name, valid, True


def texts(value, place, names):
    """List a text if it could be misspelt."""
    valid = VALUES.get(".".join(names[-2:])) or VALUES.get(names[-1])
    if valid is not None:
        yield place, value, valid, False
    if "hash_fields" in names:
        root = value if value in ROOTS else value.partition(".")[0]
        yield place, root, ROOTS, False


def sites():
    """List every key and every value that could be misspelt."""
    for place, value in walk(RICH):
        names = [part for part in place if isinstance(part, str)]
        if isinstance(value, dict):
            yield from keys(value, place, names)
        elif isinstance(value, str):
            yield from texts(value, place, names)


def deleted(name, rng):
    at = rng.randrange(len(name))
    return name[:at] + name[at + 1 :]


def inserted(name, rng):
    at = rng.randrange(len(name) + 1)
    return name[:at] + rng.choice(LETTERS) + name[at:]


def substituted(name, rng):
    at = rng.randrange(len(name))
    return name[:at] + rng.choice(LETTERS) + name[at + 1 :]


def swapped(name, rng):
    at = rng.randrange(len(name) - 1)
    return name[:at] + name[at : at + 2][::-1] + name[at + 2 :]


def misspelt(place, typo, right, *, is_key):
    """Return the config with the typo at a place, and the place where it then stands."""
    changed = copy.deepcopy(RICH)
    owner = changed
    for part in place[:-1]:
        owner = owner[part]
    if not is_key:
        owner[place[-1]] = owner[place[-1]].replace(right, typo, 1)
        return changed, place
    wrong = place[-1].replace(right, typo, 1)
    pairs = [(wrong if key == place[-1] else key, value) for key, value in owner.items()]
    owner.clear()
    owner.update(pairs)
    return changed, (*place[:-1], wrong)


def cases():
    rng = random.Random(20)
    for place, right, valid, is_key in sites():
        for slip in (deleted, inserted, substituted, swapped):
            typo = slip(right, rng)
            # A second spelling of a field is no typo.
            if typo and typo not in valid | {"use_retry_after_headers"}:
                yield pytest.param(place, typo, right, valid, is_key, id=f"{path_of(place)}-{typo}")


CASES = list(cases())


def test_the_config_is_right_before_it_is_misspelt():
    """Only what is not built yet may be refused in it."""
    assert all("not built" in message for _, message in examine(RICH, quiet=True).problems)


def test_there_are_many_cases_of_every_kind():
    """The generator has not run dry."""
    assert len(CASES) > 300
    assert len({case.values[2] for case in CASES}) > 60


@pytest.mark.parametrize(("place", "typo", "right", "valid", "is_key"), CASES)
def test_a_typo_is_refused_with_the_name_that_was_meant(place, typo, right, valid, is_key):
    """The error stands at the wrong field and names a valid one that is one slip away."""
    changed, where = misspelt(place, typo, right, is_key=is_key)
    problems = dict(examine(changed, quiet=True).problems)
    assert path_of(where) in problems
    message = problems[path_of(where)]
    guess = re.search(r"did you mean '([^']+)'", message)
    assert guess is not None, message
    likely = {name for name in valid if one_slip(typo, name)}
    named = guess[1] if guess[1] in valid else guess[1].partition(".")[0]
    assert named in likely
    assert named == right or len(likely) > 1


def capital(name):
    return name.upper()


def camel(name):
    first, *others = name.split("_")
    return first + "".join(map(str.title, others))


def hyphened(name):
    return name.replace("_", "-")


def spelt_otherwise():
    for place, right, valid, is_key in sites():
        for spelling in (capital, camel, hyphened):
            typo = spelling(right)
            if typo != right:
                yield pytest.param(place, typo, right, valid, is_key, id=f"{path_of(place)}-{typo}")


@pytest.mark.parametrize(("place", "typo", "right", "valid", "is_key"), list(spelt_otherwise()))
def test_capitals_and_hyphens_never_hide_the_name(place, typo, right, valid, is_key):
    """The right name alone is offered, however unlike its letters look."""
    changed, where = misspelt(place, typo, right, is_key=is_key)
    message = dict(examine(changed, quiet=True).problems)[path_of(where)]
    guess = re.search(r"did you mean '([^']+)'", message)
    assert guess is not None, message
    assert (guess[1] if guess[1] in valid else guess[1].partition(".")[0]) == right


def test_sixty_typos_at_once_are_sixty_problems():
    """None hides another, also below another, and none is told twice."""
    rng = random.Random(3)
    chosen = [site for site in sites() if site[3]]
    rng.shuffle(chosen)
    changed, places = json.loads(json.dumps(RICH)), {}  # without objects in two places
    # The deepest first, so that every place is still there.
    for place, right, valid, _ in sorted(chosen[:60], key=lambda site: -len(site[0])):
        typo = place[-1].replace(right, f"{right[:-1]}{right[-1].upper()}{right[-1]}", 1)
        if typo in valid:
            continue
        changed = renamed(changed, place, typo)
        places[place] = typo
    told = dict(examine(changed, quiet=True).problems)
    for place, typo in places.items():
        written = [places.get(place[: end + 1], place[end]) for end in range(len(place) - 1)]
        message = told.pop(path_of((*written, typo)))
        assert "did you mean" in message
    assert len(places) == 60
    assert all("not built" in message for message in told.values()), told


def renamed(config, place, name):
    """Return the config with the field at a place under another name."""
    changed = copy.deepcopy(config)
    owner = changed
    for part in place[:-1]:
        owner = owner[part]
    pairs = [(name if key == place[-1] else key, value) for key, value in owner.items()]
    owner.clear()
    owner.update(pairs)
    return changed
