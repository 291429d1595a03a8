"""Strategies choose among targets; each mode of a config's `strategy` is one module."""
