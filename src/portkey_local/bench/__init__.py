"""Which config to ship: the very router, in virtual time, over modelled or recorded providers.

Ground rules: nothing here decides what a strategy or a policy does; the compiled router decides,
and the simulated driver performs. All chance comes from the seed, by call, target and attempt, so
that two configs meet the same luck. Nobody reads a clock.
"""

from portkey_local.bench.records import Attempts, Breakers, CacheUse, Calls, Ending, Regimes, Run
from portkey_local.bench.running import run

__all__ = ["Attempts", "Breakers", "CacheUse", "Calls", "Ending", "Regimes", "Run", "run"]
