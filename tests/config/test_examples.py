"""The examples in docstrings run, and importing the floor stays light."""

import doctest
import importlib
import subprocess
import sys

import pytest

MODULES = ["load", "models", "tree", "problems", "sources"]


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples(module):
    results = doctest.testmod(importlib.import_module(f"portkey_local.config.{module}"))
    assert results.failed == 0


def test_only_pydantic_is_loaded():
    heavy = [
        "httpx",
        "openai",
        "aiohttp",
        "platformdirs",
        "difflib",
        "asyncio",
        "portkey_local.providers",
    ]
    code = f"import sys, portkey_local.config, portkey_local.home; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
