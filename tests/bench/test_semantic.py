"""Semantic caches in a bench: the very tier, each text embedded once, and nothing downloaded."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from tests.bench.worlds import quick, workload

from portkey_local.bench import CacheUse, run
from portkey_local.semantic import resolve
from portkey_local.semantic.resolve import INT8

SEMANTIC = {"provider": "openai", "cache": {"mode": "semantic", "download": True}}
EXACT = {"provider": "openai", "cache": {"mode": "simple"}}
ASKED = workload(150, rate=1.0, questions={"repeat_rate": 0.6, "paraphrase_rate": 0.5})


class Embedder:
    """A model that finds texts of one number alike, so that words decide among them."""

    name = "numbers"
    fingerprint = INT8  # so that its threshold is known
    dimensions = 64
    window = 256

    def __init__(self) -> None:
        """Begin with no text embedded."""
        self.embedded = Counter[str]()

    def tokens(self, text: str, /) -> int:
        """Return a few."""
        return len(text.split())

    def embed(self, text: str, /) -> bytes:
        """Return a direction for each number, and count."""
        self.embedded[text] += 1
        number = int(re.findall(r"\d+|$", text)[0] or 0)
        return np.eye(self.dimensions, dtype="float32")[number % self.dimensions].tobytes()


@pytest.fixture
def no_model(monkeypatch):
    """A machine without a model, on which a download would be a mistake."""
    monkeypatch.setattr(resolve, "_installed", lambda: None)
    monkeypatch.setattr(resolve, "_in_cache", lambda: None)
    monkeypatch.setattr(resolve, "_downloaded", lambda: pytest.fail("downloaded"))


def test_a_text_is_embedded_once_for_all_runs(monkeypatch):
    """Other words for what was asked are hits, and no later run embeds a text again."""
    model = Embedder()
    monkeypatch.setattr(resolve, "_installed", lambda: model)
    runs = [run(SEMANTIC, ASKED, quick(), seed=seed).calls for seed in (1, 1)]
    assert model.embedded
    assert set(model.embedded.values()) == {1}
    assert (runs[0].cache == CacheUse.SEMANTIC_HIT).any()
    assert (runs[0].cache == runs[1].cache).all()


@pytest.mark.usefixtures("no_model")
def test_without_a_model_the_exact_cache_is_measured_and_the_run_says_so():
    """No model is needed and none is downloaded, also where the config would allow it."""
    measured = run(SEMANTIC, ASKED, quick(), seed=1)
    (remark,) = measured.warnings
    assert "the semantic tier was not measured, for there is no embedding model" in remark
    exact = run(EXACT, ASKED, quick(), seed=1)
    assert ((measured.calls.cache == CacheUse.HIT) == (exact.calls.cache == CacheUse.HIT)).all()
