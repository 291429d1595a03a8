"""What is served of labelled questions, with the real model: the figures that are promised."""

import json
import random
from collections import Counter
from functools import cache

import pytest

from portkey_local.semantic.deciding import Candidate, decide, threshold
from portkey_local.semantic.eligibility import unfit


@pytest.fixture(scope="module")
def served(minilm):
    """Tell whether the answer to one text is served for another; vectors come last, being slow."""

    tokens = cache(minilm.tokens)
    vector = cache(lambda text: memoryview(minilm.embed(text)).cast("f"))

    def fit(text):
        return unfit(text, tokens=tokens(text), window=minilm.window) is None

    def asked(one, other, profile):
        at_least = threshold(minilm.fingerprint, profile)
        length = len(one.split())  # of words, till it is known that tokens must be counted
        if decide(one, [Candidate(other, 1.0)], profile, at_least, tokens=length).served is None:
            return False
        if not fit(one) or not fit(other):
            return False
        near = Candidate(other, sum(a * b for a, b in zip(vector(one), vector(other), strict=True)))
        return decide(one, [near], profile, at_least, tokens=tokens(one)).served is not None

    return asked


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("profile", "most_wrong", "least_right", "least_repeats"),
    [("strict", 0.007, 0.30, 0.65), ("balanced", 0.02, 0.40, 0.65), ("loose", 0.08, 0.40, 0.65)],
)
def test_traps_and_repeats(served, shared, profile, most_wrong, least_right, least_repeats):
    asked, hits = Counter(), Counter()
    for row in rows(shared / "data" / "fow_cache" / "pairs.jsonl"):
        hit = served(row["a"], row["b"], profile)
        for kind in (row["same_answer"], row["category"]):
            asked[kind] += 1
            hits[kind] += hit
    assert hits[False] / asked[False] <= most_wrong
    assert hits[True] / asked[True] >= least_right
    assert hits["near_repeat"] / asked["near_repeat"] >= least_repeats


def test_one_edit(served, shared):
    asked, hits = Counter(), Counter()
    for row in random.Random(7).sample(rows(shared / "data" / "hard_pairs.jsonl"), 250):
        asked[row["label"]] += 1
        hits[row["label"]] += served(row["a"], row["b"], "balanced")
    assert hits[0] / asked[0] <= 0.005
    assert hits[1] / asked[1] >= 0.85


@pytest.mark.parametrize("profile", ["strict", "balanced", "loose"])
def test_the_capital_of_france(served, profile):
    assert served("What is the capital of France?", "Tell me France's capital", profile)
    assert not served("What is the capital of France?", "What is the capital of Germany?", profile)
