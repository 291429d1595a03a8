"""Requests of OpenAI's shape are read as they are meant."""

from __future__ import annotations

import pytest

from portkey_local.providers.chat import Inexpressible, arguments_of, calls_of


@pytest.mark.parametrize(
    "told", ['{"x": NaN}', '{"x": Infinity}', '{"x": [-Infinity]}', "{bad", "[1]", "7", "null", 7]
)
def test_arguments_that_are_no_json_object_cannot_be_said(told):
    """Something else in their place would mislead the model."""
    with pytest.raises(Inexpressible):
        arguments_of(told)


@pytest.mark.parametrize(
    ("told", "read"),
    [('{"x": [1, null]}', {"x": [1, None]}), ("", {}), (None, {}), ({"x": 1}, {"x": 1})],
)
def test_arguments_are_an_object(told, read):
    """Also where a host gave them as one, or said nothing."""
    assert arguments_of(told) == read


def test_a_custom_tools_input_is_plain_text():
    """It is no JSON, and none is looked for in it."""
    call = {"id": "c", "type": "custom", "custom": {"name": "shell", "input": "ls {"}}
    (read,) = calls_of({"tool_calls": [call]})
    assert (read.name, read.arguments) == ("shell", {"input": "ls {"})


def test_the_old_form_of_a_call_counts_too():
    """A message has it where its tool_calls are missing."""
    (read,) = calls_of({"function_call": {"name": "f", "arguments": '{"a": 1}'}})
    assert (read.id, read.name, read.arguments) == ("call_f", "f", {"a": 1})
