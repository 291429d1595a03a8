"""Test doubles that belong to the product: use them in your own tests.

`Loopback` is a model provider on 127.0.0.1 that follows a script, misbehaviour included.
`HashingEmbedder` stands in for the model of a semantic cache.
"""

from portkey_local.testing.embedding import HashingEmbedder
from portkey_local.testing.loopback import Loopback
from portkey_local.testing.received import Received
from portkey_local.testing.steps import Fault, Step, chat, chat_stream, error, html

__all__ = [
    "Fault",
    "HashingEmbedder",
    "Loopback",
    "Received",
    "Step",
    "chat",
    "chat_stream",
    "error",
    "html",
]
