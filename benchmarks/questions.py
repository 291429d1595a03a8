"""The labelled questions a semantic cache is judged on, read from a folder of data sets.

The folder is laid out as its README says: pairs of questions, and sets of questions of which any
may be asked after all the others.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions, whether one answer serves both, and what the data set calls their kind.

    `key` tells which half the pair is in.
    """

    a: str
    b: str
    same: bool
    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question, and a label it shares with those that may have the same answer."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Conversations:
    """Two conversations, and whether the last messages have the same answer."""

    a: tuple[tuple[str, str], ...]
    b: tuple[tuple[str, str], ...]
    same: bool


def pairs(folder: Path) -> dict[str, list[Pair]]:
    """Return the sets of pairs."""
    return {
        "fow_cache": [
            Pair(row["a"], row["b"], row["same_answer"], row["category"], row["id"])
            for row in _lines(folder / "fow_cache" / "pairs.jsonl")
        ],
        "hard_pairs": [
            Pair(row["a"], row["b"], bool(row["label"]), row["kind"], row["a"])
            for row in _lines(folder / "hard_pairs.jsonl")
        ],
    }


def sets(folder: Path) -> dict[str, list[Labelled]]:
    """Return the sets of questions; where nothing is labelled, each has an answer of its own."""
    with (folder / "banking77" / "test.csv").open(encoding="utf-8", newline="") as file:
        banking = [Labelled(row["text"], row["category"]) for row in csv.DictReader(file)]
    clinc = json.loads((folder / "clinc150" / "val_test.json").read_text(encoding="utf-8"))
    instructions = folder / "self_instruct"
    return {
        "gsm8k": _unlike(row["question"] for row in _lines(folder / "gsm8k" / "test.jsonl")),
        "banking77": _once(banking),
        "clinc150": _once(Labelled(text, label) for text, label in clinc["test"]),
        "arena_hard": _unlike(
            row["prompt"] for row in _lines(folder / "arena_hard" / "prompts.jsonl")
        ),
        "mt_bench": _unlike(
            row["turns"][0] for row in _lines(folder / "mt_bench" / "question.jsonl")
        ),
        "self_instruct": _unlike(
            f"{row['instruction']}\n{row['instances'][0]['input']}".strip()
            for name in ("seed.jsonl", "user_oriented.jsonl")
            for row in _lines(instructions / name)
        ),
    }


def conversations(folder: Path) -> list[Conversations]:
    """Return pairs of conversations whose last messages are alike."""
    return [
        Conversations(_turns(row["a"]), _turns(row["b"]), row["same_answer"])
        for path in sorted((folder / "fow_cache" / "conversations").glob("*.jsonl"))
        for row in _lines(path)
    ]


def held_out(key: str) -> bool:
    """Tell whether a row belongs to the half that no list and no threshold was made on."""
    return hashlib.sha256(key.encode()).digest()[0] % 2 == 1


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


def _once(rows: Iterable[Labelled]) -> list[Labelled]:
    return list(dict.fromkeys(rows))


def _unlike(texts: Iterable[str]) -> list[Labelled]:
    return [Labelled(text, str(number)) for number, text in enumerate(dict.fromkeys(texts))]


def _turns(messages: list[dict[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((message["role"], message["content"]) for message in messages)
