"""What the benchmark of the semantic cache reads and shows: files as their README lists them."""

from __future__ import annotations

import io
import json

import pytest
from benchmarks import questions
from benchmarks.judging import Score
from benchmarks.semantic import conversations, table
from rich.console import Console


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def folder(tmp_path):
    """A folder of data with two rows of each kind."""
    files = {
        "fow_cache/pairs.jsonl": lines(
            {"id": "scope-1", "category": "scope", "a": "Fee?", "b": "Late fee?",
             "same_answer": False, "style": "minimal"},
        ),
        "fow_cache/conversations/gym.jsonl": lines(
            {"id": "c-1", "same_answer": False,
             "a": [{"role": "user", "content": "Gym."}, {"role": "user", "content": "Cancel it"}],
             "b": [{"role": "user", "content": "Film."}, {"role": "user", "content": "Cancel it"}]},
        ),
        "hard_pairs.jsonl": lines({"kind": "benign", "src": "bank", "a": "Hi", "b": "hi", "label": 1}),
        "gsm8k/test.jsonl": lines({"question": "1 + 1?", "answer": "2"}),
        "banking77/test.csv": 'text,category\nWhere is it?,card_arrival\n"My pin, please",get_pin\n',
        "clinc150/val_test.json": json.dumps({"val": [], "test": [["good night", "greeting"]]}),
        "arena_hard/prompts.jsonl": lines({"id": "1", "cluster": "x", "prompt": "Write a tune."}),
        "mt_bench/question.jsonl": lines({"question_id": 81, "turns": ["Write.", "Again."]}),
        "self_instruct/seed.jsonl": lines({"instruction": "Add", "instances": [{"input": "1, 2"}]}),
        "self_instruct/user_oriented.jsonl": lines(
            {"instruction": "Rest", "instances": [{"input": ""}]}
        ),
    }  # fmt: skip
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def test_pairs_are_read(folder):
    read = questions.pairs(folder)
    assert read["fow_cache"] == [questions.Pair("Fee?", "Late fee?", False, "scope", "scope-1")]
    assert [(row.a, row.b, row.same) for row in read["hard_pairs"]] == [("Hi", "hi", True)]


def test_sets_are_read(folder):
    read = questions.sets(folder)
    assert [(row.text, row.label) for row in read["banking77"]] == [
        ("Where is it?", "card_arrival"),
        ("My pin, please", "get_pin"),
    ]
    assert [row.text for row in read["clinc150"]] == ["good night"]
    assert [row.text for row in read["self_instruct"]] == ["Add\n1, 2", "Rest"]
    assert {name: len(rows) for name, rows in read.items()} == {
        "gsm8k": 1, "banking77": 2, "clinc150": 1, "arena_hard": 1, "mt_bench": 1, "self_instruct": 2
    }  # fmt: skip


def test_conversations_are_read(folder):
    assert conversations(folder).startswith("fow_cache conversations: 0 of 1 ")


def test_the_folder_of_measured_material_is_read(shared):
    read = questions.sets(shared / "data")
    assert all(read.values())
    assert all(questions.pairs(shared / "data").values())


@pytest.mark.parametrize("width", [140, 90])
def test_no_figure_is_cut(width):
    score = Score("fow_cache", "cosine", 0.8, 895, 895, 813, 813, {"near_repeat": [46, 50]})
    console = Console(file=io.StringIO(), width=width)
    console.print(table([score], "a model", held_out=False))
    shown = console.file.getvalue()
    assert "…" not in shown
    assert "92.65%" in shown  # the end of its interval
