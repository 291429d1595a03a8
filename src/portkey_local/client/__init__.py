"""The clients: openai's own classes, routed in this process."""

from portkey_local.client.failures import StreamInterrupted
from portkey_local.client.hosted import HostedOnlyError
from portkey_local.client.portkey import AsyncPortkey, Portkey

__all__ = ["AsyncPortkey", "HostedOnlyError", "Portkey", "StreamInterrupted"]
