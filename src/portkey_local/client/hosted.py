"""What only the hosted product has: one error that names what to use instead."""

from __future__ import annotations

from typing import Any, NoReturn

import openai

INSTEAD = {
    "admin": "users and workspaces exist only on the hosted product",
    "analytics": "use event_log= or on_event= and any analysis tool",
    "api_keys": "no Portkey account is needed; provider keys come from virtual_keys=, keys.toml or "
    "the environment",
    "collections": "keep prompts in your own repository",
    "configs": "pass config= a dict or a file, or put it into configs/<id>.json of the home folder",
    "feedback": "record feedback by trace_id beside the events of event_log=",
    "generations": "use chat.completions.create",
    "guardrails": "guardrails are not built in this version yet",
    "integrations": "name the provider in the config",
    "labels": "keep prompts in your own repository",
    "logs": "use event_log= or on_event=",
    "mcp_integrations": "use an MCP client",
    "mcp_servers": "use an MCP client",
    "prompts": "keep prompt templates in your own code and call chat.completions.create",
    "providers": "`portkey-local providers` lists the providers",
    "virtual_keys": "pass virtual_keys=, or write them into keys.toml of the home directory",
}


class HostedOnlyError(openai.OpenAIError, NotImplementedError):
    """The resource exists only on Portkey's hosted product; the message says what to use
    instead.
    """


class HostedOnly:
    """Stands where a hosted resource would be; whatever is called on it raises."""

    def __init__(self, name: str) -> None:
        """Stand for the resource `name`, such as `prompts.completions`."""
        self._name = name

    def __getattr__(self, name: str) -> HostedOnly:
        """Go down the resource's own path, so that the error names what was called."""
        if name.startswith("__"):
            raise AttributeError(name)
        return HostedOnly(f"{self._name}.{name}")

    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        """Raise HostedOnlyError."""
        instead = INSTEAD[self._name.split(".")[0]]
        msg = f"client.{self._name} exists only on the hosted product: {instead}"
        raise HostedOnlyError(msg)

    def __repr__(self) -> str:
        """Say what this is."""
        return f"<{self._name}: on the hosted product only>"
