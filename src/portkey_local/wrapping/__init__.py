"""Keep your client: other SDKs' clients, routed in this process."""

from portkey_local.wrapping.clients import wrap
from portkey_local.wrapping.gateway import async_http_client, http_client
from portkey_local.wrapping.headers import PORTKEY_GATEWAY_URL, createHeaders
from portkey_local.wrapping.passing import async_transport, transport

__all__ = [
    "PORTKEY_GATEWAY_URL",
    "async_http_client",
    "async_transport",
    "createHeaders",
    "http_client",
    "transport",
    "wrap",
]
