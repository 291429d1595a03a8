"""Every check of the library: the texts it passes, and the parameters it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from portkey_local.checks import WrongCheck, known, prepare
from portkey_local.checks.table import CHECKS
from portkey_local.hooks import CheckContext, CheckResult


def judged(id: str, parameters: dict[str, Any], text: str = "", **context: Any) -> CheckResult:
    """Run a check that asks nobody."""
    given: dict[str, Any] = {"moment": "output", "text": text, "request": {"model": "gpt-4o"}}
    route = prepare(id, parameters, {}).run(CheckContext(**{**given, **context}))
    with pytest.raises(StopIteration) as stop:
        next(route)
    result: CheckResult = stop.value.value
    return result


FENCED = 'so:\n```json\n{"a": 1, "b": {"c": 2}}\n```'
SCHEMA = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
CODE = "```py\nprint(1)\n```"

TEXTS: list[tuple[str, dict[str, Any], str, bool]] = [
    ("regexMatch", {"rule": r"\d{3}"}, "call 555", True),
    ("regexMatch", {"rule": r"^\d{3}$"}, "call 555", False),
    ("regexMatch", {"rule": "/HELLO/i"}, "say hello", True),
    ("regexMatch", {"rule": "(?<year>20..)"}, "in 2026", True),
    ("regexMatch", {"rule": "x"}, "", False),
    ("sentenceCount", {"minSentences": 2, "maxSentences": 2}, "One. Two!", True),
    ("sentenceCount", {"minSentences": 1}, "no end", False),
    ("sentenceCount", {"maxSentences": 1}, "", True),
    ("wordCount", {"minWords": 2, "maxWords": 3}, " two  words ", True),
    ("wordCount", {"minWords": 1}, "", False),
    ("characterCount", {"minCharacters": 4, "maxCharacters": 4}, "naïv", True),
    ("characterCount", {"maxCharacters": 3}, "naïv", False),
    ("contains", {"words": ["a", "z"], "operator": "any"}, "abc", True),
    ("contains", {"words": ["a", "z"], "operator": "all"}, "abc", False),
    ("contains", {"words": ["x", "z"], "operator": "none"}, "abc", True),
    ("contains", {"words": ["A"]}, "abc", False),
    ("jsonSchema", {"schema": SCHEMA}, FENCED, True),
    ("jsonSchema", {"schema": SCHEMA}, '{"a": "x"}', False),
    ("jsonSchema", {"schema": SCHEMA}, 'bare {"b": 1} and {"a": {}} and {"a": 2} text', True),
    ("jsonSchema", {"schema": SCHEMA}, "no json at all {", False),
    ("jsonKeys", {"keys": ["a", "z"], "operator": "any"}, FENCED, True),
    ("jsonKeys", {"keys": ["a", "z"], "operator": "all"}, FENCED, False),
    ("jsonKeys", {"keys": ["y", "z"], "operator": "none"}, FENCED, True),
    ("jsonKeys", {"keys": ["a"]}, "text", False),
    ("containsCode", {"format": "Python"}, CODE, True),
    ("containsCode", {"format": "Python"}, CODE.replace("py", "python", 1), True),
    ("containsCode", {"format": "SQL"}, CODE, False),
    ("containsCode", {"format": "SQL"}, "select 1", False),
    ("alluppercase", {}, "ABC 1!", True),
    ("alluppercase", {}, "ABc", False),
    ("alllowercase", {}, "abc 1!", True),
    ("alllowercase", {}, "aBc", False),
    ("endsWith", {"suffix": "bye"}, "good bye.", True),
    ("endsWith", {"suffix": "bye"}, "bye now", False),
    ("notNull", {}, " x ", True),
    ("notNull", {}, "  \n", False),
]


@pytest.mark.parametrize(("id", "parameters", "text", "verdict"), TEXTS, ids=str)
def test_a_text(id, parameters, text, verdict):
    """The verdict is the reference's; `not` turns it round, and the prefix may be left out."""
    assert judged(id, parameters, text).verdict is verdict
    assert judged(f"default.{id}", parameters, text).verdict is verdict
    nothing_found = judged(id, parameters, text).data or {}
    if "explanation" not in nothing_found:  # no JSON in the text: neither verdict would hold
        assert judged(id, {**parameters, "not": True}, text).verdict is not verdict


RULES = {"defaults": ["gpt-4o"], "metadata": {"team": {"red": ["o1"], "blue": ["o3", "gpt-4o"]}}}
BY_TEAM = [{"metadataKey": "team", "values": ["red"], "models": ["o1"]}]

REQUESTS: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("modelWhitelist", {"models": ["gpt-4o"]}, {}, True),
    ("modelwhitelist", {"models": ["o1"]}, {}, False),
    ("modelWhitelist", {"models": ["o1"], "not": True}, {}, True),
    ("modelWhitelist", {"models": ["gpt-4o"], "metadataRules": BY_TEAM}, {}, True),
    (
        "modelWhitelist",
        {"models": ["gpt-4o"], "metadataRules": BY_TEAM},
        {"metadata": {"team": "red"}},
        False,
    ),
    ("modelRules", {"rules": RULES}, {}, True),
    ("modelRules", {"rules": RULES}, {"metadata": {"team": "red"}}, False),
    ("modelRules", {"rules": RULES}, {"metadata": {"team": ["red", "blue"]}}, True),
    ("requiredMetadataKeys", {"metadataKeys": ["a", "b"]}, {"metadata": {"a": 1}}, False),
    (
        "requiredMetadataKeys",
        {"metadataKeys": ["a", "b"], "operator": "any"},
        {"metadata": {"a": None}},
        True,
    ),
    ("requiredMetadataKeys", {"metadataKeys": ["a"], "operator": "none"}, {}, True),
    ("allowedRequestTypes", {}, {"endpoint": "/embeddings"}, True),
    ("allowedRequestTypes", {"allowedTypes": ["embed"]}, {"endpoint": "/embeddings"}, True),
    ("allowedRequestTypes", {"allowedTypes": "embed, x"}, {"endpoint": "/chat/completions"}, False),
    (
        "allowedRequestTypes",
        {"blockedTypes": ["/v1/chat/completions"]},
        {"endpoint": "/chat/completions"},
        False,
    ),
    (
        "allowedRequestTypes",
        {},
        {"endpoint": "/embeddings", "metadata": {"supported_endpoints": "chatComplete"}},
        False,
    ),
]


@pytest.mark.parametrize(("id", "parameters", "context", "verdict"), REQUESTS, ids=str)
def test_a_request(id, parameters, context, verdict):
    """Model, metadata and endpoint decide."""
    assert judged(id, parameters, **context).verdict is verdict


def test_a_request_without_a_model_cannot_be_judged():
    """That is an error of the call, so the hook decides what follows."""
    route = prepare("modelWhitelist", {"models": ["m"]}, {}).run(
        CheckContext(moment="input", text="", request={})
    )
    with pytest.raises(ValueError, match="no model"):
        next(route)


WRONG: list[tuple[str, dict[str, Any], tuple[str, ...], str]] = [
    ("regexMatch", {}, ("rule",), "required"),
    ("regexMatch", {"rule": "("}, ("rule",), "regular expression"),
    ("regexMatch", {"rul": "x"}, ("rul",), "did you mean 'rule'"),
    ("wordCount", {"minWords": "2"}, ("minWords",), "whole number"),
    ("wordCount", {"minWords": 5, "maxWords": 2}, ("minWords",), "not be more"),
    ("contains", {"words": []}, ("words",), "at least one"),
    ("contains", {"words": ["a"], "operator": "anny"}, ("operator",), "did you mean 'any'"),
    ("jsonSchema", {"schema": {"type": "strin"}}, ("schema",), "JSON Schema"),
    ("containsCode", {"format": "python"}, ("format",), "Python"),
    ("alluppercase", {"nott": True}, ("nott",), "did you mean 'not'"),
    ("alllowercase", {"not": 1}, ("not",), "true or false"),
    ("modelWhitelist", {}, ("models",), "required"),
    (
        "modelWhitelist",
        {"metadataRules": [{"values": ["a"], "models": ["b"], "metadatKey": "k"}, {"models": []}]},
        ("metadataRules", 0, "metadatKey"),
        "did you mean 'metadataKey'",
    ),
    (
        "modelWhitelist",
        {"metadataRules": [{"values": ["a"], "models": []}]},
        ("metadataRules", 0, "metadataKey"),
        "required",
    ),
    ("modelRules", {"rules": {"defalts": ["m"]}}, ("rules", "defalts"), "did you mean 'defaults'"),
    ("modelWitelist", {}, (), "did you mean 'default.modelWhitelist'"),
    ("default.MODELWHITELIST", {}, (), "did you mean 'default.modelWhitelist'"),
    ("lgo", {}, (), "did you mean 'default.log'"),
    ("defaultjwt", {}, (), "did you mean 'default.jwt'"),
    ("alluppercase", {"NOT": True}, ("NOT",), "did you mean 'not'"),
    ("contains", {"words": ["a"], "operator": "ALL"}, ("operator",), "did you mean 'all'"),
    ("modelRules", {"rules": {"defaults": []}}, ("rules",), "no model"),
    ("modelRules", {"rules": {"metadata": {"a": ["x"]}}}, ("rules",), "lists of models"),
    ("jwt", {"jwksUri": "keys"}, ("jwksUri",), "URL"),
    ("jwt", {"jwksUri": "https://x.example/k", "maxTokenAge": "1y"}, ("maxTokenAge",), "age"),
    ("jwt", {"jwksUri": "https://x", "clockTolerance": 10**400}, ("clockTolerance",), "too large"),
    ("jwt", {"jwksUri": "https://x", "maxTokenAge": 10**400}, ("maxTokenAge",), "too large"),
    ("webhook", {"webhookURL": "https://x", "timeout": 10**400}, ("timeout",), "too large"),
    ("webhook", {"webhookURL": "ftp://x"}, ("webhookURL",), "http"),
    ("webhook", {"webhookURL": "http://x", "headers": "[]"}, ("headers",), "object"),
    ("addPrefix", {"prefix": ""}, ("prefix",), "not empty"),
    ("regexReplace", {"rule": 5}, ("rule",), "string"),
    ("default.contain", {}, (), "did you mean 'default.contains'"),
    ("Contains", {}, (), "did you mean 'default.contains'"),
    ("defalt.contains", {}, (), "did you mean 'default.contains'"),
    ("wordcont", {}, (), "did you mean 'default.wordCount'"),
]


@pytest.mark.parametrize(("id", "parameters", "place", "words"), WRONG, ids=str)
def test_wrong_parameters_are_named(id, parameters, place, words):
    """The place and what would be right."""
    with pytest.raises(WrongCheck) as raised:
        prepare(id, parameters, {})
    problems = dict(raised.value.problems)
    assert words in problems[place]


def test_all_that_is_wrong_with_a_check_is_said_at_once():
    """Unknown, wrong and missing parameters together."""
    with pytest.raises(WrongCheck) as raised:
        prepare("contains", {"colour": ["a"], "not": "no"}, {})
    assert [place for place, _ in raised.value.problems] == [("colour",), ("not",), ("words",)]


def test_a_misspelt_parameter_is_not_missing_too():
    """One slip is one problem."""
    with pytest.raises(WrongCheck) as raised:
        prepare("contains", {"wrods": ["a"]}, {})
    assert [place for place, _ in raised.value.problems] == [("wrods",)]


def test_every_check_refuses_what_it_does_not_know():
    """No parameter is ignored, whatever the check."""
    for name in CHECKS:
        with pytest.raises(WrongCheck) as raised:
            prepare(name, {"surely_not_known": 1}, {})
        assert ("surely_not_known",) in dict(raised.value.problems)


def test_own_names_come_first():
    """A user's check of a built-in name takes its place, and is offered for a typo."""
    own = {"default.notNull": lambda _: True, "house_rules": lambda _: True}
    assert type(prepare("default.notNull", {"anything": 1}, own)).__name__ == "Own"
    assert known(own)[:2] == list(own)
    with pytest.raises(WrongCheck, match="did you mean 'house_rules'"):
        prepare("house_rule", {}, own)
