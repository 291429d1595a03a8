"""Compiled construction gives what the SDK's own gives, for recorded answers and mutations of them."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai._models import construct_type
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent

from portkey_local.client.construct import construct

ODD = (None, 1, "3", 2.5, True, {}, [], {"type": "x"}, {"_fields_set": 1})


def difference(ours: Any, theirs: Any, path: str = "") -> str | None:
    """Return where two results differ, in type, value, order, extras or what counts as set."""
    if type(ours) is not type(theirs):
        return f"{path}: {type(ours).__name__} is not {type(theirs).__name__}"
    if hasattr(ours, "__pydantic_fields_set__"):
        for name in ("__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__"):
            if getattr(ours, name) != getattr(theirs, name):
                return f"{path}.{name}"
        return difference(ours.__dict__, theirs.__dict__, path)
    if isinstance(ours, dict):
        if list(ours) != list(theirs):
            return f"{path}: keys"
        pairs = [(ours[key], theirs[key], f"{path}.{key}") for key in ours]
    elif isinstance(ours, list) and len(ours) == len(theirs):
        rows = enumerate(zip(ours, theirs, strict=True))
        pairs = [(one, other, f"{path}[{index}]") for index, (one, other) in rows]
    else:
        return None if ours == theirs else path
    return next((found for pair in pairs if (found := difference(*pair))), None)


def recorded(shared: Path) -> Iterator[tuple[Any, Any]]:
    """Yield each recorded JSON answer and stream event with the type the SDK makes of it."""
    kinds = {
        "chat/completions": (ChatCompletion, ChatCompletionChunk),
        "responses": (Response, ResponseStreamEvent),
        "embeddings": (CreateEmbeddingResponse, None),
    }
    for file in sorted((shared / "recordings").glob("*.jsonl")):
        for row in map(json.loads, file.read_text().splitlines()):
            whole, event = next(
                (kinds[name] for name in kinds if name in row["path"]), (None, None)
            )
            if whole is not None and row["body_encoding"] == "json":
                yield whole, row["body"]
            elif event is not None and row["body_encoding"] == "text":
                lines = [line for line in row["body"].split("\n") if line.startswith("data: {")]
                for line in lines[:20]:
                    yield event, json.loads(line[6:])


def mutated(data: Any, rng: random.Random) -> Any:
    """Return a copy of decoded JSON with one place removed or made odd."""
    data = copy.deepcopy(data)
    places: list[tuple[Any, Any]] = []

    def walk(value: Any) -> None:
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            places.append((value, key))
            if isinstance(value[key], (dict, list)):
                walk(value[key])

    walk(data)
    owner, key = rng.choice(places)
    if isinstance(owner, dict) and rng.random() < 0.15:
        del owner[key]
    else:
        owner[key] = copy.deepcopy(rng.choice(ODD))
    return data


def check(shared: Path, mutations: int) -> int:
    rng, count = random.Random(7), 0
    for kind, data in recorded(shared):
        for value in [data, *(mutated(data, rng) for _ in range(mutations))]:
            found = difference(construct(kind, value), construct_type(type_=kind, value=value))
            assert found is None, f"{kind}: {found}: {json.dumps(value)[:500]}"
            count += 1
    return count


def test_recorded_answers_and_one_mutation_each(shared: Path) -> None:
    """Every recorded answer and event is the SDK's own object, field by field."""
    assert check(shared, 1) > 1000


@pytest.mark.soak
def test_many_mutations(shared: Path) -> None:
    """So are thousands of answers that stray from the schema."""
    assert check(shared, 40) > 20_000
