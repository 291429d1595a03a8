"""Which config to ship: the very router, in virtual time, over modelled or recorded providers.

Ground rules: nothing here decides what a strategy or a policy does; the compiled router decides,
and the simulated driver performs. All chance comes from the seed, by call, target and attempt, so
that two configs meet the same luck. Nobody reads a clock.
"""

from portkey_local.bench.configs import EXAMPLES, example
from portkey_local.bench.door import compare
from portkey_local.bench.intervals import Estimate
from portkey_local.bench.metrics import METRICS, Metric
from portkey_local.bench.naming import BenchError
from portkey_local.bench.records import Attempts, Breakers, CacheUse, Calls, Ending, Regimes, Run
from portkey_local.bench.results import Comparison, Difference, Result, Results
from portkey_local.bench.running import run
from portkey_local.bench.search.tuning import Tuning, tune
from portkey_local.bench.weather import Weather, weather_of
from portkey_local.bench.workloads import Workload, workload_of

__all__ = [
    "EXAMPLES",
    "METRICS",
    "Attempts",
    "BenchError",
    "Breakers",
    "CacheUse",
    "Calls",
    "Comparison",
    "Difference",
    "Ending",
    "Estimate",
    "Metric",
    "Regimes",
    "Result",
    "Results",
    "Run",
    "Tuning",
    "Weather",
    "Workload",
    "compare",
    "example",
    "run",
    "tune",
    "weather_of",
    "workload_of",
]
