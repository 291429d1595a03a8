"""One comparison that many tests look at: three configs in two weathers, a few hundred calls."""

from __future__ import annotations

from typing import Any

import pytest

from portkey_local.bench.door import compare
from portkey_local.bench.results import Results

PRIMARY = {"provider": "openai", "override_params": {"model": "gpt-4o-mini"}}
SECOND = {"provider": "anthropic", "override_params": {"model": "claude-haiku-4-5"}}
CIRCUIT = {"failure_threshold": 2, "cooldown_interval": 30000, "failure_status_codes": [500, 503]}
EVIL = "<script>alert(1)</script>"
# The primary is out for 20 s of a minute; nothing else ever fails.
OUTAGE: dict[str, Any] = {
    "name": "outage",
    "providers": {
        "openai": {
            "regimes": {"calm": {}, "blackout": {"errors": {"503": 1.0}}},
            "schedule": [[0, "calm"], [20, "blackout"], [40, "calm"]],
        },
        "*": {},
    },
}
CONFIGS: dict[str, Any] = {
    "single": {**PRIMARY, "api_key": "sk-0123456789abcdefghijklmnopqrstuvwx"},
    "fallback": {"strategy": {"mode": "fallback"}, "targets": [PRIMARY, SECOND]},
    EVIL: {
        "strategy": {"mode": "fallback", "cb_config": CIRCUIT},
        "cache": "simple",
        "targets": [PRIMARY, SECOND],
    },
}
WORKLOAD = {"poisson": {"rate": 8}, "questions": {"repeat_rate": 0.4}, "name": "test"}


@pytest.fixture(scope="session")
def results() -> Results:
    return compare(CONFIGS, workload=WORKLOAD, weather=["calm", OUTAGE], calls=500, seed=3)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have keys for the providers of the configs here."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-nobody")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-nobody")
