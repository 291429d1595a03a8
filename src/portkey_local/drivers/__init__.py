"""Drivers do what a route asks for: synchronously, asynchronously, or in virtual time."""
