"""5. Translation: a conversation of 20 messages with tools, into each vendor's words and back.

*Encode* is the whole of `codec.encode`: overrides, translation, JSON, headers; *decode* the whole
of `codec.decode`: JSON, translation, usage. No socket is touched. The peer is OpenAI's own codec,
which translates nothing: what a vendor costs beside it is the translation.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.measure import Comparison, Round, per_call
from benchmarks.run import Run
from benchmarks.server import COMPLETION
from portkey_local.compile import compile_config
from portkey_local.model import Answer, Packet, Reply, Request, Target
from portkey_local.providers.anthropic import message_request

ENCODE: Final = 150e-6  # seconds
DECODE: Final = 60e-6
CHAT: Final = "/chat/completions"
MESSAGES: Final = "/messages"  # from Anthropic's words to OpenAI's, and back
PLAIN: Final = "openai (no translation)"
WALL: Final = 1_790_000_000.0
MODELS: Final[Mapping[str, str]] = {
    "anthropic": "claude-sonnet-4-5",
    "google": "gemini-2.5-flash",
    "vertex-ai": "gemini-2.5-flash",
    "bedrock": "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere": "command-a-03-2025",
}
PLACES: Final[Mapping[str, dict[str, str]]] = {
    "vertex-ai": {"vertex_project_id": "p", "vertex_region": "us-central1"},
    "bedrock": {"aws_region": "us-east-1"},
}
TEXT: Final = "It is four degrees below zero in Oslo, and snow is expected in the afternoon."
INPUT: Final = {"city": "Oslo", "days": 3}


def conversation() -> dict[str, Any]:
    """Return a request of 20 messages: a system's, and questions with calls and their results."""
    messages: list[dict[str, Any]] = [{"role": "system", "content": "You know the weather."}]
    number = 0
    while len(messages) < 19:
        number += 1
        function = {"name": "weather", "arguments": json.dumps(INPUT)}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        messages += [
            {"role": "user", "content": "How cold is it in Oslo, and for how long?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": f"call_{number}", "content": '{"celsius": -4}'},
        ]
    messages.append({"role": "user", "content": "And tomorrow?"})
    parameters = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    }
    tools = [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": f"Look up the {name}.",
                "parameters": parameters,
            },
        }
        for name in ("weather", "tides", "trains", "news")
    ]
    return {"messages": messages, "tools": tools, "temperature": 0.2, "max_tokens": 800}


USE: Final = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": INPUT}
GEMINI: Final = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [{"text": TEXT}, {"functionCall": {"name": "weather", "args": INPUT}}],
            },
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 400, "candidatesTokenCount": 40, "totalTokenCount": 440},
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r1",
}
ANSWERS: Final[Mapping[str, Any]] = {
    "openai": COMPLETION,
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": TEXT}, USE],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 400, "output_tokens": 40},
    },
    "google": GEMINI,
    "vertex-ai": GEMINI,
    "bedrock": {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"text": TEXT},
                    {"toolUse": {"toolUseId": "t1", "name": "weather", "input": INPUT}},
                ],
            }
        },
        "stopReason": "tool_use",
        "usage": {"inputTokens": 400, "outputTokens": 40, "totalTokens": 440},
    },
    "cohere": {
        "id": "c1",
        "finish_reason": "TOOL_CALL",
        "message": {
            "role": "assistant",
            "tool_plan": TEXT,
            "tool_calls": [
                {
                    "id": "weather_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": json.dumps(INPUT)},
                }
            ],
        },
        "usage": {"tokens": {"input_tokens": 400, "output_tokens": 40}},
    },
}


def measure(run: Run) -> None:
    """Measure every vendor's codec."""
    encoding, decoding = {PLAIN: _encode("openai")}, {PLAIN: _decode("openai")}
    for vendor in MODELS:
        encoding[vendor], decoding[vendor] = _encode(vendor), _decode(vendor)
    count = run.samples(400)
    for what, calls, goal in (("encode", encoding, ENCODE), ("decode", decoding, DECODE)):
        comparisons = [
            Comparison(f"{what}, {vendor}", vendor, PLAIN, goal=goal, absolute=True, note=NOTE)
            for vendor in MODELS
        ]
        names = {vendor: f"{what}, {vendor}" for vendor in MODELS}
        contenders = {name: _round(call, count, name, names) for name, call in calls.items()}
        run.compare(f"translation, {what}", comparisons, contenders, run.rounds(12))
    for what, messages, chat, goal in (
        ("encode", _encode("openai", MESSAGES), encoding[PLAIN], ENCODE),
        ("decode", _decode("openai", MESSAGES), decoding[PLAIN], DECODE),
    ):
        name = f"{what}, {MESSAGES}"
        comparison = Comparison(name, MESSAGES, PLAIN, goal=goal, absolute=True, note=NOTE)
        calls = {PLAIN: chat, MESSAGES: messages}
        contenders = {
            each: _round(call, count, each, {MESSAGES: name}) for each, call in calls.items()
        }
        run.compare(f"translation, {name}", [comparison], contenders, run.rounds(12))


NOTE: Final = "20 messages, 4 tools; an answer of a text and a tool call; no socket"


def _round(call: Callable[[], object], count: int, name: str, names: Mapping[str, str]) -> Round:
    def turn() -> dict[str, list[float]]:
        taken = [per_call(call, count)]
        shown = names.values() if name == PLAIN else [names[name]]
        return dict.fromkeys(shown, taken)

    return turn


def _target(vendor: str) -> Target:
    config = {"provider": vendor, "api_key": "key-of-nobody", **PLACES.get(vendor, {})}
    return compile_config(config).targets[0]


def _request(vendor: str, path: str) -> Request:
    body = {**conversation(), "model": MODELS.get(vendor, "gpt-4o-mini")}
    return Request("POST", path, message_request(body)[0] if path == MESSAGES else body)


def _encode(vendor: str, path: str = CHAT) -> Callable[[], object]:
    target, request = _target(vendor), _request(vendor, path)
    made = target.codec.encode(target, request)
    assert isinstance(made, Packet), made
    return lambda: target.codec.encode(target, request)


def _decode(vendor: str, path: str = CHAT) -> Callable[[], object]:
    target, request = _target(vendor), _request(vendor, path)
    answer = Answer(200, {"content-type": "application/json"}, json.dumps(ANSWERS[vendor]).encode())
    made = target.codec.decode(target, request, answer, WALL)
    assert isinstance(made, Reply), made
    return lambda: target.codec.decode(target, request, answer, WALL)
