"""Which embedding model is found, and what is said without one."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.semantic.folders import folder_of

from portkey_local.semantic import resolve
from portkey_local.semantic.model import DATA_FILES, MINILM
from portkey_local.semantic.resolve import INT8, TOKENIZER, NoModel, embedder
from portkey_local.testing import HashingEmbedder


@pytest.fixture
def nothing_found(monkeypatch, place):
    """A machine without the package and with an empty cache."""
    monkeypatch.setattr(resolve, "PACKAGE", "no_such_package_of_a_model")
    monkeypatch.setenv("FASTEMBED_CACHE_PATH", str(place / "cache"))
    return place / "cache"


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
    for name in DATA_FILES:
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
