"""The calls of a simulated run: from a trace, from an event log, or drawn."""

from portkey_local.bench.workloads.models import WorkloadFile
from portkey_local.bench.workloads.reading import (
    DEFAULT,
    PRESETS,
    Workload,
    WorkloadSource,
    workload_of,
)

__all__ = ["DEFAULT", "PRESETS", "Workload", "WorkloadFile", "WorkloadSource", "workload_of"]
