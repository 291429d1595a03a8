"""Policies wrap one route: they may repeat it or narrow its deadline."""
