"""What the embedding model computes, on every thread and after a fork, and what it imports when."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.semantic.folders import folder_of

from portkey_local.semantic.known import calibrated_as, golden
from portkey_local.semantic.resolve import INT8, embedder
from portkey_local.testing import HashingEmbedder


def vector(model, text: str) -> np.ndarray:
    return np.frombuffer(model.embed(text), dtype=np.float32)


def similarity(model, left: str, right: str) -> float:
    return float(vector(model, left) @ vector(model, right))


def test_the_vectors_are_those_of_the_model(minilm):
    assert len(golden()) >= 5
    for text, expected in golden().items():
        computed, known = vector(minilm, text), np.array(expected)
        assert computed @ known / np.linalg.norm(known) >= 0.999
        assert np.linalg.norm(computed) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("other", "expected"),
    [("Tell me France's capital", 0.937), ("What is the capital of Germany?", 0.661)],
)
def test_similarities_are_those_the_thresholds_were_found_with(minilm, other, expected):
    found = similarity(minilm, "What is the capital of France?", other)
    assert found == pytest.approx(expected, abs=0.01)


def test_the_same_model_in_another_file_is_known_by_its_vectors(minilm):
    class Renamed:
        fingerprint = "f" * 64
        embed = staticmethod(minilm.embed)

    assert calibrated_as(Renamed()) == calibrated_as(minilm) == INT8


def test_another_model_is_not(minilm):
    class Reversed:
        fingerprint = "f" * 64

        @staticmethod
        def embed(text: str) -> bytes:
            return vector(minilm, text)[::-1].tobytes()

    assert calibrated_as(Reversed()) == "f" * 64
    assert calibrated_as(HashingEmbedder()) == HashingEmbedder().fingerprint


def test_what_it_reads_and_what_it_would_cut_off(minilm):
    assert (minilm.dimensions, minilm.window) == (384, 512)
    assert minilm.tokens("What is the capital of France?") == 9
    assert minilm.tokens("word " * 600) == 602
    shared = "word " * 600
    assert similarity(minilm, shared + "red?", shared + "blue?") == pytest.approx(1.0, abs=1e-6)
    assert minilm.tokens("word " * 1_000_000) > minilm.window
    assert minilm.tokens("x" * 1_000_000) > minilm.window  # one word, which it does not know


@pytest.mark.parametrize(
    "text",
    ["", " \n", "\ud800", "\udc00 a \ud83d", "\x00", "x" * 300_000, "a b " * 100_000, "🦊" * 500],
    ids=["empty", "blank", "half", "halves", "null", "long word", "many words", "pictures"],
)
def test_no_text_is_too_strange(minilm, text):
    assert np.linalg.norm(vector(minilm, text)) == pytest.approx(1.0, abs=1e-5)
    assert minilm.tokens(text) >= 2


def test_threads_share_it_and_get_the_same_vectors(minilm):
    texts = [f"What is {number} and {number}?" for number in range(40)]
    alone = [minilm.embed(text) for text in texts]
    found: dict[str, bytes] = {}

    def work(part: list[str]) -> None:
        for text in part:
            found[text] = minilm.embed(text)

    threads = [threading.Thread(target=work, args=(texts[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[text] for text in texts] == alone


# --- forks, and what is imported when

FORKS = """
import os, signal, threading, time
from portkey_local.semantic.resolve import embedder
from portkey_local.semantic.index import FaissNeighbours

model, index = embedder(), FaissNeighbours(384)
question = model.embed("What is the capital of France?")
index.add([(1, question)])

def answers():
    signal.alarm(20)  # ends what hangs
    begin = time.process_time()  # of the processor, for other programs may need it as well
    same = model.embed("What is the capital of France?") == question
    near = index.nearest(model.embed("Tell me France's capital"), 1)
    return same and near[0][1] > 0.9 and time.process_time() - begin < 2

def child_answers():
    child = os.fork()
    if child == 0:
        os._exit(0 if answers() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

assert child_answers(), "forked while idle"

going = True
def work():
    while going:
        index.nearest(model.embed("something else"), 1)

threads = [threading.Thread(target=work, daemon=True) for _ in range(2)]
for thread in threads:
    thread.start()
assert child_answers(), "forked while at work"
going = False
for thread in threads:
    thread.join()
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_forked_from_one_that_has_answered_answers_soon(minilm):
    done = run(FORKS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


READ_ONLY = """
import sys
from portkey_local.semantic.resolve import embedder
heavy = {"fastembed", "onnxruntime", "faiss", "numpy", "huggingface_hub", "tokenizers"}
model = embedder()
assert not heavy & set(sys.modules), heavy & set(sys.modules)
assert len(model.embed("hello")) == 1536
assert "faiss" not in sys.modules
"""


def test_looking_imports_nothing_heavy_and_a_home_that_cannot_be_written_to_is_enough(
    minilm, place
):
    home = place / "home"
    home.mkdir(mode=0o500)
    done = run(READ_ONLY, HOME=str(home), XDG_CACHE_HOME=str(home / "cache"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(home.iterdir()) == []


def test_where_links_are_not_allowed_files_are_copied(place, onnx, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError("a required privilege is not held by the client")

    folder = folder_of(place / "copied", onnx)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    assert len(embedder(folder).embed("hello")) == 1536


def test_a_hashing_embedder_needs_no_model_and_tells_texts_apart(monkeypatch):
    real = builtins.__import__

    def no_numpy(name: str, *rest: object, **more: object) -> object:
        assert name.partition(".")[0] not in {"numpy", "fastembed"}
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", no_numpy)
    model = HashingEmbedder()
    same, other = model.embed("Open the  door, please"), model.embed("Close a window")
    assert same == model.embed("open the door please")
    monkeypatch.undo()
    assert np.linalg.norm(np.frombuffer(same, np.float32)) == pytest.approx(1.0, abs=1e-6)
    assert np.frombuffer(same, np.float32) @ np.frombuffer(other, np.float32) < 0.5
    assert np.linalg.norm(np.frombuffer(model.embed(""), np.float32)) == 1.0
    assert model.tokens("three words here") == 3
