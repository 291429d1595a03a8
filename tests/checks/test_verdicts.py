"""Every check of the library: the texts it passes, and the parameters it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from portkey_local.checks import WrongCheck, known, prepare
from portkey_local.checks.table import CHECKS
from portkey_local.checks.tokens import age
from portkey_local.hooks import CheckContext, CheckResult, NoText


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
    ("regexMatch", {"rule": "/HELLO/i"}, "say hello", False),
    ("regexMatch", {"rule": "/api/"}, "just api", False),
    ("regexMatch", {"rule": "/api/"}, "see /api/v1", True),
    ("regexMatch", {"rule": r"^\d\w$"}, "٣a", False),
    ("regexMatch", {"rule": r"^\w+$"}, "straße", False),
    ("regexMatch", {"rule": r"\W"}, "é", True),
    ("regexMatch", {"rule": r"caf\b"}, "café", True),
    ("regexMatch", {"rule": "bye$"}, "bye\n", False),
    ("regexMatch", {"rule": r"(?<a>[a-z])\k<a>"}, "good", True),
    ("regexMatch", {"rule": "a[^]b"}, "a\nb", True),
    ("regexMatch", {"rule": "^[[a]+$"}, "[a", True),
    ("regexMatch", {"rule": r"^[\w.$]+$"}, "a.b$", True),
    ("regexMatch", {"rule": r"[^\d\]]"}, "1]", False),
    ("regexMatch", {"rule": "(?<year>20..)"}, "in 2026", True),
    ("sentenceCount", {"minSentences": 2, "maxSentences": 2}, "One. Two!", True),
    ("sentenceCount", {"minSentences": 1}, "no end", False),
    ("sentenceCount", {"maxSentences": 1}, "", True),
    ("wordCount", {"minWords": 2, "maxWords": 3}, " two  words ", True),
    ("wordCount", {"maxWords": 1}, "", True),
    ("characterCount", {"minCharacters": 4, "maxCharacters": 4}, "naïv", True),
    ("characterCount", {"maxCharacters": 3}, "naïv", False),
    ("characterCount", {"minCharacters": 3, "maxCharacters": 3}, "👍a", True),
    ("contains", {"words": ["a", "z"], "operator": "any"}, "abc", True),
    ("contains", {"words": ["a", "z"], "operator": "all"}, "abc", False),
    ("contains", {"words": ["x", "z"], "operator": "none"}, "abc", True),
    ("contains", {"words": ["A"]}, "abc", False),
    ("jsonSchema", {"schema": SCHEMA}, FENCED, True),
    ("jsonSchema", {"schema": SCHEMA}, '{"a": "x"}', False),
    ("jsonSchema", {"schema": SCHEMA}, 'bare {"b": 1} and {"a": {}} and {"a": 2} text', True),
    ("jsonSchema", {"schema": SCHEMA}, "no json at all {", False),
    ("jsonSchema", {"schema": SCHEMA}, '[{"b": 1}, {"a": 2}]', True),
    ("jsonSchema", {"schema": {"type": "array"}}, '[{"b": 1}]', True),
    ("jsonSchema", {"schema": {}}, '{"a": NaN}', False),
    ("jsonKeys", {"keys": ["a", "z"], "operator": "any"}, FENCED, True),
    ("jsonKeys", {"keys": ["a", "z"], "operator": "all"}, FENCED, False),
    ("jsonKeys", {"keys": ["y", "z"], "operator": "none"}, FENCED, True),
    ("jsonKeys", {"keys": ["a"]}, "text", False),
    ("jsonKeys", {"keys": ["a"]}, '[{"b": 1}, {"a": 2}]', True),
    ("jsonKeys", {"keys": ["z"]}, FENCED + ' and {"z": 1}', True),
    ("containsCode", {"format": "Python"}, CODE, True),
    ("containsCode", {"format": "Python"}, CODE.replace("py", "python", 1), True),
    ("containsCode", {"format": "TypeScript"}, CODE.replace("py", "tsx", 1), True),
    ("containsCode", {"format": "SQL"}, CODE, False),
    ("containsCode", {"format": "SQL"}, "select 1", False),
    ("alluppercase", {}, "ABC 1!", True),
    ("alluppercase", {}, "ABc", False),
    ("alluppercase", {}, "STRAßE ÉA", True),
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
    if "explanation" not in nothing_found and text:  # neither verdict would hold
        assert judged(id, {**parameters, "not": True}, text).verdict is not verdict


@pytest.mark.parametrize(
    ("id", "parameters"),
    [
        ("regexMatch", {"rule": "x"}),
        ("wordCount", {"minWords": 1}),
        ("characterCount", {"minCharacters": 1}),
        ("jsonKeys", {"keys": ["a"]}),
        ("containsCode", {"format": "SQL"}),
        ("endsWith", {"suffix": "."}),
        ("validUrls", {}),
    ],
)
def test_without_a_text_what_demands_something_cannot_be_judged(id, parameters):
    """As for an answer of tool calls alone; what forbids something passes it."""
    with pytest.raises(NoText):
        judged(id, parameters)
    if id not in ("validUrls", "jsonKeys"):
        assert judged(id, {**parameters, "not": True}).verdict


FORMATS = [
    ("email", "a@b.example", "a"),
    ("email", "a.b+c@mail.b.example", "a@b@c"),
    ("date", "2026-02-28", "2026-02-30"),
    ("date", "2026-02-28", "20260228"),
    ("time", "10:00:00Z", "10:61:00Z"),
    ("date-time", "2026-02-28T10:00:00Z", "2026-02-28"),
    ("date-time", "2026-02-28T10:00:00.5+01:00", "2026-02-30T10:00:00Z"),
    ("duration", "P1DT2H", "P"),
    ("hostname", "a-b.example", "-a.example"),
    ("ipv4", "127.0.0.1", "127.0.0.256"),
    ("ipv6", "::1", "::g"),
    ("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567"),
    ("uri", "https://a.example/x", "a.example/x y"),
    ("regex", "a+", "("),
]


@pytest.mark.parametrize(("format", "good", "bad"), FORMATS)
def test_formats_of_a_schema_are_looked_at(format, good, bad):
    """A `format` is no remark: the reference's validator refuses what is none."""
    schema = {"type": "object", "properties": {"a": {"format": format}}}
    for value, verdict in ((good, True), (bad, False), (5, True)):
        text = json.dumps({"a": value})
        assert judged("jsonSchema", {"schema": schema}, text).verdict is verdict


def test_a_schema_is_never_fetched():
    """A reference to elsewhere is an error of the check."""
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    with pytest.raises(Exception, match="Unresolvable"):
        judged("jsonSchema", {"schema": schema}, "{}")


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
    (
        "modelRules",
        {"rules": {"metadata": {"v": {"true": ["gpt-4o"]}}}},
        {"metadata": {"v": True}},
        True,
    ),
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
    ("regexMatch", {"rule": "("}, ("rule",), "not a valid pattern"),
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
    ("jwt", {"jwksUri": "https://x.example/k", "maxTokenAge": "1 moon"}, ("maxTokenAge",), "age"),
    ("regexMatch", {"rule": "(?<=a+)b"}, ("rule",), "look-behind"),
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


def test_ages_are_written_as_the_reference_reads_them():
    """Units in full, with a space, and fractions."""
    wanted = {"12h": 43200, "1 hour": 3600, "2 weeks": 1209600, "1.5 days": 129600, "30 mins": 1800}
    assert {written: age(written) for written in wanted} == wanted


def test_every_check_may_fail_on_error():
    """`failOnError` is read by the hook, so no check refuses it; it is a boolean."""
    prepare("alluppercase", {"failOnError": True}, {})
    prepare("log", {"logURL": "http://l", "failOnError": False, "timeout": 500}, {})
    with pytest.raises(WrongCheck, match="true or false"):
        prepare("alluppercase", {"failOnError": "yes"}, {})


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
