"""Where an answer's statements come from, as OpenAI cites the pages that a search has found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["citations_of"]


def citations_of(candidate: Mapping[str, Any], text: str) -> list[dict[str, Any]]:
    """Return the annotations of a candidate's text; Google counts its bytes, OpenAI characters."""
    grounding = candidate.get("groundingMetadata")
    supports = grounding.get("groundingSupports") if isinstance(grounding, Mapping) else None
    if not isinstance(grounding, Mapping) or not supports:
        return []
    pages = [chunk.get("web") for chunk in grounding.get("groundingChunks") or ()]
    spelt = text.encode("utf-8", "replace")
    cited = []
    for support in supports:
        segment = support.get("segment") or {}
        start, end = (
            len(spelt[: int(segment.get(name, 0))].decode("utf-8", "ignore"))
            for name in ("startIndex", "endIndex")
        )
        for place in support.get("groundingChunkIndices") or ():
            page = pages[place] if 0 <= place < len(pages) else None
            if page and page.get("uri"):
                told: dict[str, Any] = {"start_index": start, "end_index": end}
                told |= {"url": page["uri"], "title": page.get("title") or ""}
                cited.append({"type": "url_citation", "url_citation": told})
    return cited
