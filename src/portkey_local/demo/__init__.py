"""The demonstration: the library's main job shown without a key and without the network.

Providers on 127.0.0.1 answer with recorded real exchanges and misbehave on purpose.

Ground rules: what is shown is read off the library's own events and what the caller got, never off
the script. What had to happen is checked against it, and a scene that goes another way fails the
whole run.
"""
