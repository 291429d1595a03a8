"""From a node's `cache` of mode semantic to its second tier: the model, the rules, the judges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from portkey_local.compile.conditions import looked_at
from portkey_local.config import Cache, Config, warn
from portkey_local.model import Target
from portkey_local.policies.shelf import Shelf
from portkey_local.policies.similar import Rules, Similar
from portkey_local.semantic.contract import Embedder
from portkey_local.semantic.deciding import threshold
from portkey_local.semantic.downloading import Downloading
from portkey_local.semantic.model import NoModel, OnnxEmbedder
from portkey_local.semantic.requests import unfit_fields

__all__ = ["similar"]

SAMPLE: Final = 0.05  # of would-be hits, where an error rate is to be held
WORDS: Final = "params.messages"


def similar(
    cache: Cache, node: Config, path: str, targets: Iterable[Target], shelf: Shelf
) -> Similar | None:
    """Return a node's semantic tier; None, after a warning, where there is no model for it."""
    recalls = shelf.recalls
    try:
        recall = recalls.of(cache.model, download=cache.download)
    except NoModel as error:
        _warn(shelf, f"{path}.cache.mode: only the very same request is answered again: {error}")
        return None
    if _uncalibrated(cache, recall.embedder):
        _warn(
            shelf,
            f"{path}.cache.mode: nobody has calibrated the model {recall.embedder.name!r}, so what"
            " it finds is reported (cache.shadowed) and not served; give min_similarity once you"
            " know which similarity it needs",
        )
    return Similar(
        recall,
        _rules(cache),
        shelf.judges,
        recalls.evidence,
        _never(node, targets),
        shelf.texts,
    )


def _uncalibrated(cache: Cache, embedder: Embedder) -> bool:
    """Whether nobody knows which similarity a model of the caller's own needs.

    One that is loaded from files is known by its vectors, when it is first used.
    """
    known = (
        cache.shadow
        or cache.min_similarity is not None
        or isinstance(embedder, OnnxEmbedder | Downloading)
    )
    return not known and threshold(embedder.fingerprint, cache.profile) is None


def _rules(cache: Cache) -> Rules:
    sample = cache.sample
    if sample is None:
        sample = 0.0 if cache.max_error is None else SAMPLE
    return Rules(cache.profile, cache.min_similarity, cache.shadow, sample, cache.max_error)


def _warn(shelf: Shelf, message: str) -> None:
    """Give a warning once for each client: its configs may be compiled many times."""
    if shelf.recalls.first(message):
        warn(message)


def _never(node: Config, targets: Iterable[Target]) -> str | None:
    """Return why no call of a node is for the tier, in a word or two."""
    if any(name.startswith(WORDS) for name in looked_at(node)):
        return "routed by its words"
    reasons = (unfit_fields(target.override) for target in targets)
    return next((reason for reason in reasons if reason is not None), None)
