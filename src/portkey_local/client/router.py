"""`client.router`: what the client's router would do, and how its targets are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from portkey_local.engine import Engine, Plan
from portkey_local.model import Request

if TYPE_CHECKING:
    from portkey_local.explain import Explanation

__all__ = ["RouterView"]


@dataclass(frozen=True, slots=True)
class RouterView:
    """Looks at a client's router; asks nobody and changes nothing."""

    _engine: Engine = field(repr=False)
    _plan: Plan = field(repr=False)

    def status(self) -> dict[str, dict[str, Any]]:
        """Return the circuit of each target that has one, by its path in the config.

        `state` is "closed", "open" or "half-open"; `failures` and `attempts` are what is counted;
        `retry_in` is the seconds until an open circuit lets a probe through, `probing` whether
        one is out.
        """
        now = self._engine.clock()
        return {
            breaker.target.path: {
                "provider": breaker.target.provider,
                **breaker.state.facts(now),
            }
            for breaker in self._plan.router.breakers
        }

    def explain(
        self,
        request: Mapping[str, Any] | None = None,
        *,
        endpoint: str = "/chat/completions",
        metadata: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Explanation:
        """Say which targets a request would go to, in which order, how likely, and why.

        `request` is the body (or its fields as keywords); `metadata` defaults to the client's.

        >>> from portkey_local import Portkey
        >>> client = Portkey(provider="openai", Authorization="Bearer none")
        >>> client.router.explain(model="gpt-4o").orders[0].targets
        ('config',)
        """
        from portkey_local.explain import explain

        body = {**(request or {}), **fields}
        path = f"/{endpoint.removeprefix('/v1').lstrip('/')}"
        asked = Request("POST", path, body, stream=body.get("stream") is True)
        plan = self._plan if metadata is None else replace(self._plan, metadata=dict(metadata))
        call, router = self._engine.begin(asked, plan, float("inf"))
        return explain(router, call)
