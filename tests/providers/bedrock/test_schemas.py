"""Schemas are closed without a change of what they mean, or not at all."""

from __future__ import annotations

import json
from copy import deepcopy

import jsonschema
import pytest
from hypothesis import given, settings, strategies as st
from tests.providers.conversations import schemas

from portkey_local.providers.bedrock.schemas import closed, is_object

CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}


def without(key: str, value: object) -> dict:
    return {"type": "object", "properties": {"a": {"type": "string", key: value}}}


@settings(max_examples=100)
@given(schemas())
def test_a_closed_schema_is_a_schema_and_nothing_given_is_changed(schema):
    before = deepcopy(schema)
    made = closed(schema)
    assert made is not None
    jsonschema.Draft202012Validator.check_schema(made)
    assert schema == before
    text = json.dumps(made)
    assert '"minLength"' not in text
    assert '"maximum":' not in text
    assert text.count('"type": "object"') == text.count('"additionalProperties": false')


def test_limits_move_into_the_description():
    assert closed(without("minLength", 1))["properties"]["a"] == {
        "type": "string",
        "description": "minLength: 1",
    }
    told = {"type": "string", "description": "who", "pattern": "x", "maxLength": 2}
    made = closed({"type": "object", "properties": {"a": told}})
    assert made["properties"]["a"]["description"] == "who (pattern: x, maxLength: 2)"
    kept = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    assert closed({"type": "object", "properties": {"a": kept}})["properties"]["a"] == kept


def test_choices_and_definitions_are_closed_too():
    inner = {"type": "object", "properties": {"x": {"type": "integer"}}}
    schema = {
        "type": "object",
        "properties": {"a": {"oneOf": [inner, {"type": "null"}]}, "b": {"$ref": "#/$defs/B"}},
        "$defs": {"B": inner},
    }
    made = closed(schema)
    assert made["properties"]["a"]["anyOf"][0]["additionalProperties"] is False
    assert made["$defs"]["B"]["additionalProperties"] is False
    assert made["properties"]["b"] == {"$ref": "#/$defs/B"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {**CLOSED, "additionalProperties": True},
        {**CLOSED, "additionalProperties": {"type": "string"}},
        {**CLOSED, "patternProperties": {}},
        {**CLOSED, "if": {}},
        {"type": "object", "properties": {"a": {"$ref": "#"}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"type": "array", "items": True}}},
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}},
            "$defs": {
                "A": {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]},
                "B": {"type": "array", "items": {"$ref": "#/$defs/A"}},
            },
        },
    ],
)
def test_what_would_mean_something_else_is_not_closed(schema):
    assert closed(schema) is None


def test_a_definition_used_twice_is_no_recursion():
    reference = {"$ref": "#/$defs/A"}
    schema = {**CLOSED, "properties": {"a": reference, "b": reference}, "$defs": {"A": CLOSED}}
    assert closed(schema) == schema


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "#", "#/$defs/a"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from([
            "type", "properties", "items", "anyOf", "$ref", "$defs", "definitions", "oneOf",
            "additionalProperties", "minItems", "description", "required", "a",
        ]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(["type", "properties", "$defs", "items", "a"]), ODD))
def test_odd_schemas_never_raise(schema):
    """A schema that is none is not closed, or closed into one that can be sent."""
    made = closed(schema)
    assert made is None or json.dumps(made)


def test_what_only_objects_fit():
    assert is_object({"properties": {}})
    assert not is_object({"type": "array"})
