"""Providers: what a target speaks, and the table of those who speak OpenAI's language."""
