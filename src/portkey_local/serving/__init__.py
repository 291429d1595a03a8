"""`portkey-local serve`: the router behind the gateway's HTTP face, for programs of any language.

It is a convenience for one machine, not a gateway product: it knows no users and asks for no
password, so it listens on loopback, and refuses what a web page or another host sends it.
"""

from portkey_local.serving.app import Service, service
from portkey_local.serving.guards import Guard
from portkey_local.serving.running import Settings, serve

__all__ = ["Guard", "Service", "Settings", "serve", "service"]
