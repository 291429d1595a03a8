"""The simulation against reality: the live client, real connections, the same luck."""

from __future__ import annotations

import pytest
from benchmarks.fidelity import compare


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("config", "weather"),
    [("fallback", "brownout"), ("loadbalance", "rate-limited"), ("fallback, breaker", "blackout")],
)
def test_live_and_simulated_runs_agree(config, weather):
    """Success within a point, p50 and p95 within 10 %, in runs of 800 calls."""
    pair = compare(config, weather, 800)
    assert pair.agrees, str(pair)
