"""What Anthropic publishes about a message request: its SDK's types, and the rules of its docs.

`wrong` gives every way in which a body breaks them. The types are those of the `anthropic` package,
closed to unknown keys; the sampling parameters, which newer models lost and with them the types,
are checked by hand.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import anthropic.types
from pydantic import TypeAdapter, ValidationError
from typing_extensions import is_typeddict

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")
SAMPLING = ("temperature", "top_p", "top_k")
UNBOUND = {  # what decoding cannot be bound to
    "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maximum", "minLength",
    "minimum", "multipleOf", "oneOf", "pattern", "patternProperties",
}  # fmt: skip


@cache
def adapter(streaming: bool) -> TypeAdapter[Any]:
    """The SDK's type of a request, closed to keys that it does not know."""
    for module in pkgutil.iter_modules(anthropic.types.__path__, "anthropic.types."):
        if module.ispkg:
            continue
        for kind in vars(importlib.import_module(module.name)).values():
            if is_typeddict(kind) and "__pydantic_config__" not in vars(kind):
                kind.__pydantic_config__ = {"extra": "forbid"}
    params = importlib.import_module("anthropic.types.message_create_params")
    name = "Streaming" if streaming else "NonStreaming"
    return TypeAdapter(getattr(params, f"MessageCreateParams{name}"))


def walked(value: Any) -> Any:
    """Walk what was validated: pydantic checks the items of an `Iterable` only then."""
    if isinstance(value, dict):
        return {key: walked(each) for key, each in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [walked(each) for each in value]
    return value


def wrong(body: dict[str, Any], version: tuple[int, int]) -> list[str]:
    """Return how a request breaks what Anthropic publishes, for a model of a version."""
    typed = {name: value for name, value in body.items() if name not in SAMPLING}
    found: list[str] = []
    try:
        walked(adapter(body.get("stream") is True).validate_python(typed, strict=False))
    except ValidationError as error:
        return [f"types: {error.errors()[:3]}"]
    for rule in (of_sampling, of_thinking, of_tools, of_turns, of_texts, of_schemas):
        found += rule(body, version)
    return found


def of_sampling(body: dict[str, Any], version: tuple[int, int]) -> Iterator[str]:
    told = [name for name in SAMPLING if name in body]
    if told and version >= (4, 7):
        yield f"{told} for a model that takes none"
    if version >= (4, 1) and {"temperature", "top_p"} <= set(told):
        yield "temperature beside top_p"
    for name in ("temperature", "top_p"):
        if not 0 <= body.get(name, 1) <= 1:
            yield f"{name} out of range"
    if body["max_tokens"] < 1:
        yield "no tokens"
    if not all(stop.strip() for stop in body.get("stop_sequences", ())):
        yield "a blank stop sequence"


def of_thinking(body: dict[str, Any], version: tuple[int, int]) -> Iterator[str]:
    told = body.get("thinking", {"type": "disabled"})
    if told["type"] == "enabled":
        yield from of_budget(body, told, version)
    if told["type"] == "adaptive" and version < (4, 6):
        yield "adaptive thinking for an older model"
    if told["type"] != "disabled" and any(name in body for name in SAMPLING):
        yield "sampling beside thinking"
    effort = body.get("output_config", {}).get("effort")
    if (effort and version < (4, 6)) or (effort == "xhigh" and version < (4, 7)):
        yield "an effort that the model does not have"


def of_budget(
    body: dict[str, Any], told: dict[str, Any], version: tuple[int, int]
) -> Iterator[str]:
    if version >= (4, 7) or version < (3, 7):
        yield "a budget for a model that takes none"
    if not 1024 <= told["budget_tokens"] < body["max_tokens"]:
        yield "a budget out of range"
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        yield "a forced tool beside a budget of thinking"
    turns = body["messages"]
    if turns[-1]["content"][0]["type"] == "tool_result":
        begun = turns[-2]["content"][0]["type"]
        if begun not in ("thinking", "redacted_thinking"):
            yield "a budget of thinking in a run of tools without thinking"


def of_tools(body: dict[str, Any], _: tuple[int, int]) -> Iterator[str]:
    names = [tool["name"] for tool in body.get("tools", ()) if "name" in tool]
    if len(names) != len(set(names)):
        yield "two tools of one name"
    if not all(TOOL_NAME.fullmatch(name) for name in names):
        yield "a tool's name"
    choice = body.get("tool_choice")
    if choice and not names:
        yield "a choice among no tools"
    if choice and choice["type"] == "tool" and choice["name"] not in names:
        yield "a choice of a tool that is not there"
    kinds = {block["type"] for turn in body["messages"] for block in turn["content"]}
    if kinds & {"tool_use", "tool_result"} and not names:
        yield "calls without tools"


def of_turns(body: dict[str, Any], _: tuple[int, int]) -> Iterator[str]:
    turns = body["messages"]
    if not turns or turns[0]["role"] != "user":
        yield "the user does not begin"
    if any(one["role"] == other["role"] for one, other in pairwise(turns)):
        yield "two turns of one role"
    if not all(turn["content"] for turn in turns):
        yield "an empty turn"
    used = [
        block["id"] for turn in turns for block in turn["content"] if block["type"] == "tool_use"
    ]
    if len(used) != len(set(used)):
        yield "an id used twice"
    if not all(TOOL_ID.fullmatch(each) for each in used):
        yield "an id's letters"
    for before, turn in pairwise([{"role": "user", "content": []}, *turns, {"content": []}]):
        yield from of_results(before, turn)


def of_results(before: dict[str, Any], turn: dict[str, Any]) -> Iterator[str]:
    calls = [block["id"] for block in before["content"] if block["type"] == "tool_use"]
    kinds = [block["type"] for block in turn["content"]]
    results = [block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"]
    if sorted(calls) != sorted(results):
        yield f"calls {calls} and results {results}"
    if kinds[: len(results)] != ["tool_result"] * len(results):
        yield "results that do not come first"
    thoughts = [kind in ("thinking", "redacted_thinking") for kind in kinds]
    if any(thoughts) and not thoughts[0]:
        yield "thinking that does not come first"


def of_texts(body: dict[str, Any], _: tuple[int, int]) -> Iterator[str]:
    blocks = [*body.get("system", ()), *(b for turn in body["messages"] for b in turn["content"])]
    for block in blocks:
        inner = block.get("content", ())
        texts = [block, *(inner if isinstance(inner, list) else ())]
        if any(each["type"] == "text" and not each["text"].strip() for each in texts):
            yield "a blank text"
    last = body["messages"][-1]
    if last["role"] == "assistant" and last["content"][-1].get("text", "x")[-1].isspace():
        yield "a blank at the end"


def of_schemas(body: dict[str, Any], version: tuple[int, int]) -> Iterator[str]:
    told = body.get("output_config", {}).get("format")
    bound = [told["schema"]] if told else []
    for tool in body.get("tools", ()):
        schema = tool.get("input_schema")
        if schema is None:
            continue
        if schema.get("type") != "object" or {"anyOf", "oneOf", "allOf"} & schema.keys():
            yield "a tool's schema that is no object"
        if tool.get("strict"):
            bound.append(schema)
    if bound and version < (4, 5):
        yield "a schema bound for an older model"
    for schema in bound:
        yield from of_bound(schema)


def of_bound(schema: Any) -> Iterator[str]:
    if not isinstance(schema, dict):
        yield "a schema that is none"
        return
    if schema.keys() & UNBOUND:
        yield f"{schema.keys() & UNBOUND} in a bound schema"
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        yield "an open object in a bound schema"
    for name in ("properties", "$defs", "definitions"):
        for inner in schema.get(name, {}).values():
            yield from of_bound(inner)
    for inner in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from of_bound(inner)
    if "items" in schema:
        yield from of_bound(schema["items"])
