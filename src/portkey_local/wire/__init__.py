"""Wires carry bytes out of the process; the HTTP libraries are known here and nowhere below."""
