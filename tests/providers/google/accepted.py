"""What Google accepts: the pydantic models of its own SDK, and what its documentation demands.

`check` raises for a body of generateContent that either would refuse.
"""

from __future__ import annotations

import base64
from typing import Any

from google.genai import types

MODELS: dict[str, Any] = {
    "systemInstruction": types.Content,
    "toolConfig": types.ToolConfig,
    "generationConfig": types.GenerationConfig,
}
LISTS: dict[str, Any] = {
    "contents": types.Content,
    "tools": types.Tool,
    "safetySettings": types.SafetySetting,
}
JSON_KEYWORDS = {
    "$anchor", "$defs", "$id", "$ref", "additionalProperties", "anyOf", "default", "description",
    "enum", "format", "items", "maxItems", "maxLength", "maximum", "minItems", "minLength",
    "minimum", "oneOf", "pattern", "prefixItems", "properties", "propertyOrdering", "required",
    "title", "type", "uniqueItems",
}  # fmt: skip


def check(body: dict[str, Any]) -> None:
    assert body["contents"]
    for name, value in body.items():
        if name in MODELS:
            MODELS[name].model_validate(value)
        elif name in LISTS:
            for each in value:
                LISTS[name].model_validate(each)
        else:
            assert name in ("cachedContent", "labels"), name
    check_turns(body["contents"])
    check_calls(body["contents"])
    for tool in body.get("tools", ()):
        for declared in tool.get("functionDeclarations", ()):
            check_schema(declared.get("parametersJsonSchema", {}))
    check_schema(body.get("generationConfig", {}).get("responseJsonSchema", {}))
    check_calling(body)


def check_turns(contents: list[dict[str, Any]]) -> None:
    roles = [content["role"] for content in contents]
    assert roles == [("user", "model")[place % 2] for place in range(len(roles))], roles
    for content in contents:
        assert content["parts"]
        for part in content["parts"]:
            assert part.get("text") != "" or "thoughtSignature" in part
            base64.b64decode(part.get("thoughtSignature", ""), validate=True)


def check_calls(contents: list[dict[str, Any]]) -> None:
    """Every call is answered in the very next turn, by its id and name."""
    for turn, following in zip(contents, [*contents[1:], None], strict=True):
        asked = [pair(part["functionCall"]) for part in turn["parts"] if "functionCall" in part]
        if asked:
            assert following is not None
            told = [
                part["functionResponse"]
                for part in following["parts"]
                if "functionResponse" in part
            ]
            assert sorted(map(pair, told)) == sorted(asked)


def pair(part: dict[str, Any]) -> tuple[str, str]:
    return part.get("id", ""), part["name"]


def check_schema(schema: Any) -> None:
    if isinstance(schema, bool) or not schema:
        return
    assert set(schema) <= JSON_KEYWORDS, set(schema) - JSON_KEYWORDS
    for name in ("properties", "$defs"):
        for inner in schema.get(name, {}).values():
            check_schema(inner)
    for name in ("anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(name, ()):
            check_schema(inner)
    for name in ("items", "additionalProperties"):
        check_schema(schema.get(name, {}))


def check_calling(body: dict[str, Any]) -> None:
    told = body.get("toolConfig", {}).get("functionCallingConfig", {})
    names = {
        declared["name"]
        for tool in body.get("tools", ())
        for declared in tool.get("functionDeclarations", ())
    }
    if "allowedFunctionNames" in told:
        assert told["mode"] in ("ANY", "VALIDATED")
        assert set(told["allowedFunctionNames"]) <= names
    if told:
        assert names
