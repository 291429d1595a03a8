"""The examples in the docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import portkey_local.bench


def test_examples_in_docstrings() -> None:
    found = pkgutil.walk_packages(portkey_local.bench.__path__, "portkey_local.bench.")
    results = [doctest.testmod(importlib.import_module(each.name)) for each in found]
    assert sum(each.failed for each in results) == 0
    assert sum(each.attempted for each in results) >= 10
