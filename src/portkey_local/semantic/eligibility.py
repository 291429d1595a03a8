"""Which texts the semantic tier leaves alone: those whose answer hangs on more than their words."""

from __future__ import annotations

import re
from typing import Final

from portkey_local.semantic.text import normal

__all__ = ["unfit"]

_TIME: Final = re.compile(
    r"""\b(?:
      today | tonight | tomorrow | yesterday | nowadays | latest | newest | recent | upcoming
    | right\ now | now (?=[\s?!.]*$) | these\ days | at\ the\ moment | at\ present | so\ far
    | currently (?=[^.]*\?) | as\ of | breaking\ news | up[- ]to[- ]date
    | current (?!\s+(?:account|address|card|employer|job|landlord|password|phone|provider)s?\b)
    | (?:this|next|last|past|coming)\ (?:second|minute|hour|morning|afternoon|evening|night
      |day|week|weekend|fortnight|month|quarter|season|semester|year|decade
      |monday|tuesday|wednesday|thursday|friday|saturday|sunday)
    | what\ (?:time|day|date)\ is\ it | what(?:'s|\ is)\ the\ (?:time|day|date)
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)
_CODE: Final = re.compile(
    r"""```
    | ^\s*(?:def|class|import|from|return|async|public|private|static|void|const|let|var|func|fn
        |\#include|package|using|namespace|SELECT|INSERT|UPDATE|DELETE|CREATE)\b.*[({:;=]
    | [;{]\s*$
    | </\w+>
    """,
    re.VERBOSE | re.MULTILINE,
)


def unfit(text: str, *, tokens: int, window: int) -> str | None:
    """Return why a text is not for the semantic tier, in a word or two; None where it is.

    `tokens` is its length for the model and `window` what the model reads: beyond that two texts
    would be the same vector, whatever their ends say.
    """
    if not any(letter.isalnum() for letter in text):
        return "empty"
    if tokens > window:
        return "too long"
    if _CODE.search(text):
        return "code"
    return "time word" if _TIME.search(normal(text)) else None
