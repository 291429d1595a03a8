"""Which config to ship: the very router, in virtual time, over modelled or recorded providers.

Ground rules: nothing here decides what a strategy or a policy does; the compiled router decides,
and the simulated driver performs. All chance comes from the seed, by call, target and attempt, so
that two configs meet the same luck. Nobody reads a clock.
"""

from portkey_local.bench.naming import BenchError
from portkey_local.bench.records import Attempts, Breakers, CacheUse, Calls, Ending, Regimes, Run
from portkey_local.bench.running import run
from portkey_local.bench.weather import Weather, weather_of
from portkey_local.bench.workloads import Workload, workload_of

__all__ = [
    "Attempts",
    "BenchError",
    "Breakers",
    "CacheUse",
    "Calls",
    "Ending",
    "Regimes",
    "Run",
    "Weather",
    "Workload",
    "run",
    "weather_of",
    "workload_of",
]
