"""Recorded exchanges with Google, as calls of OpenAI's shape and as what they must come to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from portkey_local.testing import Step

FILTERED = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR",
            "IMAGE_SAFETY", "LANGUAGE"}  # fmt: skip


@dataclass(frozen=True)
class Expected:
    """What the vendor's own body holds."""

    text: str
    thoughts: str
    calls: list[tuple[str, Any]]
    finish: str
    tokens: tuple[int, int, int]


@dataclass(frozen=True)
class Row:
    """One recorded exchange."""

    provider: str
    place: str
    path: str
    request: dict[str, Any]
    status: int
    content_type: str
    body: bytes

    @property
    def method(self) -> str:
        return self.path.rpartition(":")[2]

    @property
    def model(self) -> str:
        return self.path.rpartition("/")[2].partition(":")[0]

    @property
    def streams(self) -> bool:
        return self.method == "streamGenerateContent"

    @property
    def is_chat(self) -> bool:
        return self.method in ("generateContent", "streamGenerateContent")

    @property
    def step(self) -> Step:
        return Step(status=self.status, content_type=self.content_type, body=self.body)

    @property
    def pieces(self) -> list[dict[str, Any]]:
        """The answer's JSON, or that of each of its events."""
        if not self.streams:
            return [json.loads(self.body)]
        lines = self.body.decode().splitlines()
        return [json.loads(line[5:]) for line in lines if line.startswith("data:")]


@cache
def rows_of(folder: Path, name: str) -> tuple[Row, ...]:
    """Return the recorded exchanges of `google` or `vertex`."""
    provider = {"google": "google", "vertex": "vertex-ai"}[name]
    rows = []
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        told = json.loads(line)
        body = told["body"]
        content = json.dumps(body).encode() if told["body_encoding"] == "json" else body.encode()
        rows.append(
            Row(provider, f"{name} {number}", told["path"], told["request"], told["status"],
                told["content_type"], content)
        )  # fmt: skip
    return tuple(rows)


def expected(row: Row) -> Expected:
    """Return what an exchange comes to, read off the vendor's own words."""
    candidates = [c for piece in row.pieces for c in piece.get("candidates", ())]
    parts = [part for c in candidates for part in c.get("content", {}).get("parts", ())]
    spoken = [(part["text"], part.get("thought", False)) for part in parts if "text" in part]
    calls = [(part["functionCall"]["name"], part["functionCall"].get("args", {}))
             for part in parts if "functionCall" in part]  # fmt: skip
    reasons = [c["finishReason"] for c in candidates if "finishReason" in c]
    usage = row.pieces[-1]["usageMetadata"]
    prompt = usage.get("promptTokenCount", 0) + usage.get("toolUsePromptTokenCount", 0)
    spent = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    return Expected(
        "".join(text for text, thought in spoken if not thought),
        "".join(text for text, thought in spoken if thought),
        calls,
        finish(reasons[-1] if reasons else "SAFETY", calls),
        (prompt, spent, prompt + spent),
    )


def finish(reason: str, calls: list[Any]) -> str:
    if reason == "MAX_TOKENS":
        return "length"
    if calls:
        return "tool_calls"
    return "content_filter" if reason in FILTERED else "stop"


# --- the request, as an OpenAI SDK would have made it


def either(mapping: dict[str, Any], name: str) -> Any:
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return mapping.get(name, mapping.get(snake))


def call_of(row: Row) -> dict[str, Any]:
    """Return a recorded request as arguments of `chat.completions.create`."""
    request = row.request
    system = (request.get("systemInstruction") or {}).get("parts", ())
    messages = [{"role": "system", "content": part["text"]} for part in system]
    for content in request["contents"]:
        messages += said_by(content)
    told: dict[str, Any] = {"model": row.model, "messages": messages}
    if tools := tools_of(request):
        told["tools"] = tools
    config = request.get("generationConfig") or {}
    if config.get("responseLogprobs"):
        told |= {"logprobs": True, "top_logprobs": config.get("logprobs")}
    if row.streams:
        told |= {"stream": True, "stream_options": {"include_usage": True}}
    return told


def tools_of(request: dict[str, Any]) -> list[dict[str, Any]]:
    tools = request.get("tools") or []
    made = []
    for tool in tools if isinstance(tools, list) else [tools]:
        for each in either(tool, "functionDeclarations") or ():
            schema = either(each, "parametersJsonSchema")
            function = {"name": each["name"], "description": each.get("description")}
            made.append(
                {
                    "type": "function",
                    "function": function | ({"parameters": schema} if schema else {}),
                }
            )
        made += [
            {key: value} for key, value in tool.items() if key in ("googleSearch", "codeExecution")
        ]
    return made


def said_by(content: dict[str, Any]) -> list[dict[str, Any]]:
    texts, calls, results = [], [], []
    for part in content["parts"]:
        if "text" in part and not part.get("thought"):
            texts.append(part["text"])
        elif call := either(part, "functionCall"):
            function = {"name": call["name"], "arguments": json.dumps(call.get("args", {}))}
            calls.append(
                {"id": call.get("id", call["name"]), "type": "function", "function": function}
            )
        elif result := either(part, "functionResponse"):
            told = json.dumps(result.get("response"))
            results.append(
                {"role": "tool", "tool_call_id": result.get("id", result["name"]), "content": told}
            )
    if content["role"] == "model":
        return [
            {"role": "assistant", "content": "".join(texts) or None}
            | ({"tool_calls": calls} if calls else {})
        ]
    said = [{"role": "user", "content": "\n".join(texts)}] if texts else []
    return results + said
