"""Requests of OpenAI's shape are read as they are meant, and never raise."""

from __future__ import annotations

import pytest

from portkey_local.providers.chat import arguments_of


@pytest.mark.parametrize("told", ['{"x": NaN}', '{"x": Infinity}', '{"x": [-Infinity]}'])
def test_arguments_that_no_json_has_are_handed_on_as_text(told):
    """What could not be sent again as JSON does not pass for an object."""
    assert arguments_of(told) == {"arguments": told}
