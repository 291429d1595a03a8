"""An hour of production traffic through six strategies in three weathers: the long one."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from portkey_local.bench.configs import EXAMPLES
from portkey_local.cli import app


@pytest.mark.soak
def test_six_strategies_over_the_azure_arrivals(shared: Path, tmp_path: Path) -> None:
    traces = [shared / "traces" / f"azure_llm_{name}_2023.csv" for name in ("conv", "code")]
    report = tmp_path / "report.html"
    arguments = [f"--workload={trace}" for trace in traces]
    arguments += [f"--weather={name}" for name in ("calm", "blackout", "stormy")]
    told = CliRunner().invoke(
        app,
        ["bench", "examples", *arguments, "--repeats=0.7", "--paraphrases=0.3", f"--html={report}"],
    )
    assert told.exit_code == 0
    assert told.stdout.count("28,185 calls") == 3
    page = report.read_text("utf-8")
    assert all(name in page for name in EXAMPLES)
