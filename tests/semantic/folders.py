"""Folders with a model in them."""

from __future__ import annotations

import shutil
from pathlib import Path

from portkey_local.semantic.model import DATA_FILES
from portkey_local.semantic.resolve import TOKENIZER


def folder_of(path: Path, onnx: Path) -> Path:
    """Make a folder with the tokenizer's files and a link to an ONNX file."""
    path.mkdir(parents=True)
    for name in DATA_FILES:
        shutil.copyfile(TOKENIZER / name, path / name)
    (path / "model.onnx").symlink_to(onnx)
    return path
