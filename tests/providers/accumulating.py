"""What the OpenAI SDK makes of a run of chunks: the completion that its own accumulator builds."""

from __future__ import annotations

from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk


def accumulated(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The completion of which chunks are the stream; each must be a valid chunk."""
    state: Any = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    return state.current_completion_snapshot.model_dump(exclude_unset=True)
