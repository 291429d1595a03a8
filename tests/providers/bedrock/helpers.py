"""What the tests of Bedrock share: event streams made by hand, and AWS's own validator.

The validator is botocore's, over the service model that AWS publishes; botocore leaves patterns,
enums and most limits to the server, so these are checked here against the same model. So are the
rules of Converse that no schema tells: turns that alternate, results that follow their calls.
"""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from botocore.session import Session
from botocore.validate import ParamValidator

from portkey_local.model import Failure, Packet, Request, Target
from portkey_local.providers.bedrock import speak
from portkey_local.providers.languages import Settings

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OLD_CLAUDE = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
NEW_CLAUDE = "us.anthropic.claude-sonnet-4-6"
NOVA = "us.amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama4-maverick-17b-instruct-v1:0"
MISTRAL = "us.mistral.pixtral-large-2502-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123"
MODELS = [
    CLAUDE, OLD_CLAUDE, NEW_CLAUDE, NOVA, LLAMA, MISTRAL, PROFILE, "openai.gpt-oss-120b-1:0",
    "qwen.qwen3-32b-v1:0", "us.amazon.nova-2-lite-v1:0", "deepseek.v3-v1:0",
]  # fmt: skip
EVENT_STREAM = "application/vnd.amazon.eventstream"


def target(url: str = "https://bedrock.test", *, fields: Any = None, **options: Any) -> Target:
    spoken = speak(Settings("bedrock", url, custom=True, fields=fields or {}))
    return Target("config", "bedrock", spoken.url, spoken.codec, spoken.headers, **options)


def request(body: dict[str, Any], path: str = "/chat/completions") -> Request:
    return Request("POST", path, body, stream=body.get("stream") is True)


def packet(body: dict[str, Any], **options: Any) -> Packet:
    to = target(**options)
    made = to.codec.encode(to, request(body))
    assert isinstance(made, Packet), made
    return made


def encoded(body: dict[str, Any], **options: Any) -> dict[str, Any]:
    return json.loads(packet(body, **options).content or b"")


def refusal(body: dict[str, Any], path: str = "/chat/completions", **options: Any) -> Failure:
    to = target(**options)
    failure = to.codec.encode(to, request(body, path))
    assert isinstance(failure, Failure)
    return failure


def ask(*messages: dict[str, Any], model: str = CLAUDE, **more: Any) -> dict[str, Any]:
    said = list(messages) or [{"role": "user", "content": "Hello"}]
    return {"model": model, "messages": said, **more}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def function(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **more}}


def called(id: str, name: str, arguments: Any) -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"id": id, "type": "function", "function": {"name": name, "arguments": text}}


# --- event streams


def frame(payload: bytes, **headers: str) -> bytes:
    """Return one message of AWS's event stream."""
    block = b"".join(
        struct.pack("!B", len(name)) + name + b"\x07" + struct.pack("!H", len(value)) + value
        for name, value in (
            (f":{key.replace('_', '-')}".encode(), told.encode()) for key, told in headers.items()
        )
    )
    prelude = struct.pack("!II", len(payload) + len(block) + 16, len(block))
    body = prelude + struct.pack("!I", zlib.crc32(prelude)) + block + payload
    return body + struct.pack("!I", zlib.crc32(body))


def event(name: str, data: Any) -> bytes:
    kind = {"event_type": name, "content_type": "application/json", "message_type": "event"}
    return frame(json.dumps(data).encode(), **kind)


def exception(name: str, data: Any) -> bytes:
    kind = {"exception_type": name, "content_type": "application/json"}
    return frame(json.dumps(data).encode(), message_type="exception", **kind)


def stream_of(answer: dict[str, Any], cut: int = 7) -> list[bytes]:
    """Return the stream by which Bedrock would give a plain answer, a few letters an event."""
    events = [event("messageStart", {"role": "assistant"})]
    for index, block in enumerate(answer["output"]["message"]["content"]):
        start, deltas = _pieces(block, cut)
        if start is not None:
            data = {"contentBlockIndex": index, "start": start}
            events.append(event("contentBlockStart", data))
        events += [
            event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
            for delta in deltas
        ]
        events.append(event("contentBlockStop", {"contentBlockIndex": index}))
    events.append(event("messageStop", {"stopReason": answer["stopReason"]}))
    events.append(event("metadata", {"usage": answer["usage"], "metrics": {"latencyMs": 1}}))
    return events


def _pieces(block: dict[str, Any], cut: int) -> tuple[dict[str, Any] | None, list[Any]]:
    def cuts(text: str) -> list[str]:
        return [text[at : at + cut] for at in range(0, len(text), cut)]

    match block:
        case {"text": text}:
            return None, [{"text": piece} for piece in cuts(text)]
        case {"toolUse": {"input": told, **use}}:
            pieces = cuts(json.dumps(told)) if told else []
            return {"toolUse": use}, [{"toolUse": {"input": piece}} for piece in pieces]
        case {"toolResult": {"content": content, **result}}:
            return {"toolResult": result}, [{"toolResult": content}]
        case {"reasoningContent": {"reasoningText": told}}:
            parts = [{"text": piece} for piece in cuts(told["text"])]
            if "signature" in told:
                parts.append({"signature": told["signature"]})
            return None, [{"reasoningContent": part} for part in parts]
        case {"reasoningContent": redacted}:
            return None, [{"reasoningContent": redacted}]
    raise AssertionError(block)


def chunked(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    """Cut bytes in pieces of these sizes, over and over."""
    at = number = 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        yield data[at : at + size]
        at += size
        number += 1


# --- AWS's own model of a request


@cache
def shape(operation: str) -> Any:
    model = Session().get_service_model("bedrock-runtime")
    return model.operation_model(operation).input_shape


def problems(message: Packet) -> list[str]:
    """Say what AWS would not take of a request."""
    body = json.loads(message.content or b"")
    streams = message.url.endswith("/converse-stream")
    wanted = shape("ConverseStream" if streams else "Converse")
    told = with_bytes({**body, "modelId": "a.b"}, wanted)
    report = ParamValidator().validate(told, wanted)
    found = [report.generate_report()] if report.has_errors() else []
    return [*found, *limits(told, wanted, "body"), *turns(body)]


def with_bytes(value: Any, at: Any) -> Any:
    """Return JSON with its blobs decoded, as botocore is given them."""
    if at.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if getattr(at, "is_document_type", False):
        return value
    if at.type_name == "structure" and isinstance(value, dict):
        members = at.members
        return {
            name: with_bytes(each, members[name]) if name in members else each
            for name, each in value.items()
        }
    if at.type_name == "list" and isinstance(value, list):
        return [with_bytes(each, at.member) for each in value]
    return value


def limits(value: Any, at: Any, place: str) -> Iterator[str]:
    """Say where a value breaks the model's patterns, enums and limits."""
    if getattr(at, "is_document_type", False):
        return
    data = at.metadata
    size = len(value) if hasattr(value, "__len__") else value
    if size < data.get("min", size) or size > data.get("max", size):
        yield f"{place}: {value!r} is not from {data.get('min')} to {data.get('max')}"
    if not re.fullmatch(data.get("pattern", r"(?s).*"), str(value)):
        yield f"{place}: {value!r} does not match {data['pattern']}"
    if value not in data.get("enum", [value]):
        yield f"{place}: {value!r} is none of {data['enum']}"
    for each, inner, where in members(value, at, place):
        yield from limits(each, inner, where)


def members(value: Any, at: Any, place: str) -> Iterator[tuple[Any, Any, str]]:
    if at.type_name == "structure":
        yield from ((each, at.members[name], f"{place}.{name}") for name, each in value.items())
    elif at.type_name == "list":
        yield from ((each, at.member, f"{place}[{index}]") for index, each in enumerate(value))
    elif at.type_name == "map":
        yield from ((name, at.key, f"{place} key") for name in value)
        yield from ((each, at.value, f"{place}.{name}") for name, each in value.items())


def turns(body: dict[str, Any]) -> Iterator[str]:
    """Say which of Converse's own rules a conversation breaks."""
    roles = [message["role"] for message in body["messages"]]
    if any(role != ("user", "assistant")[at % 2] for at, role in enumerate(roles)):
        yield f"turns do not alternate: {roles}"
    open_calls: list[str] = []
    for message in body["messages"]:
        yield from results(message["content"], open_calls)
        yield from texts(message["content"])
        open_calls = [use["toolUseId"] for use in blocks(message, "toolUse")]
    ids = [use["toolUseId"] for each in body["messages"] for use in blocks(each, "toolUse")]
    documents = [told["name"] for each in body["messages"] for told in blocks(each, "document")]
    yield from unfit(ids, r"[a-zA-Z0-9_-]{1,64}")
    yield from unfit(documents, r"[\w()\[\]-]+( [\w()\[\]-]+)*")
    if ids and "toolConfig" not in body:
        yield "calls without tools"


def blocks(message: dict[str, Any], kind: str) -> list[Any]:
    return [block[kind] for block in message["content"] if kind in block]


def results(content: list[Any], calls: list[str]) -> Iterator[str]:
    found = [each["toolResult"]["toolUseId"] for each in content if "toolResult" in each]
    if sorted(found) != sorted(calls):
        yield f"calls {calls} are answered by {found}"
    if any("toolResult" not in each for each in content[: len(found)]):
        yield "results do not stand first"


def texts(content: list[Any]) -> Iterator[str]:
    said = [each["text"] for each in content if "text" in each]
    if not content or not all(text.strip() for text in said):
        yield "an empty message or text"
    if any("document" in each for each in content) and not said:
        yield "a document without a text"


def unfit(names: list[str], pattern: str) -> Iterator[str]:
    if len(set(names)) < len(names):
        yield f"not unique: {names}"
    if not all(re.fullmatch(pattern, name) for name in names):
        yield f"not all of {names} match {pattern}"
