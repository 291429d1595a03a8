"""What the reference knows and this version does not do yet.

Ground rules: a field in this table is refused, never ignored, so nobody relies on what is not
there. Building a feature means deleting its rows; nothing else knows about them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from portkey_local.config.problems import Node, Problem, nodes
from portkey_local.config.vendors import VendorFields

__all__ = ["NOT_BUILT", "NOT_BUILT_YET", "unbuilt"]

NOT_BUILT_YET: Final = "known, but not built in this version yet"
_SIGNED = "an API key of OCI Generative AI signs in, as api_key"
_STORED = "files and batches in a bucket of yours are not made here"

# Field -> what holds meanwhile; a star stands for all provider fields that begin so.
NOT_BUILT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "prompt_id": "give the messages in the call",
        "aws_s3_*": _STORED,
        "aws_server_side_*": _STORED,
        "vertex_storage_bucket_name": _STORED,
        "fireworks_account_id": "chat, completions and embeddings work without it",
        "mistral_fim_completion": "chat and embeddings work without it",
        "oracle_api_version": _SIGNED,
        "oracle_compartment_id": _SIGNED,
        "oracle_serving_mode": _SIGNED,
        "oracle_tenancy": _SIGNED,
        "oracle_user": _SIGNED,
        "oracle_fingerprint": _SIGNED,
        "oracle_private_key": _SIGNED,
        "oracle_key_passphrase": _SIGNED,
    }
)


def _spelt_out(table: Mapping[str, str]) -> dict[str, str]:
    reasons: dict[str, str] = {}
    for row, reason in table.items():
        stem = row.removesuffix("*")
        names = (
            [row] if stem == row else [n for n in VendorFields.model_fields if n.startswith(stem)]
        )
        reasons.update(dict.fromkeys(names, reason))
    return reasons


_REASONS = _spelt_out(NOT_BUILT)


def unbuilt(document: Node) -> Iterator[Problem]:
    """Name every field of the config that is known but does nothing yet."""
    for location, node in nodes(document):
        for field in node:
            if field in _REASONS:
                yield _problem((*location, field), _REASONS[field])


def _problem(location: tuple[str | int, ...], reason: str) -> Problem:
    return Problem(location, f"{NOT_BUILT_YET}: {reason}")
