"""The clients: openai's own classes, routed in this process."""

from portkey_local.client.failures import GuardrailDenied, StreamInterrupted
from portkey_local.client.hosted import HostedOnlyError
from portkey_local.client.portkey import AsyncPortkey, Portkey

__all__ = ["AsyncPortkey", "GuardrailDenied", "HostedOnlyError", "Portkey", "StreamInterrupted"]
