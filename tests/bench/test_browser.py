"""The report in a real browser: it draws, it says nothing in the console, it fetches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.bench.browser import Page, installed
from tests.bench.conftest import CONFIGS

from portkey_local.bench.results import Results

SHAPES = "[...document.querySelectorAll('svg.chart')].map(s => s.querySelectorAll('%s').length)"
PAPER = "getComputedStyle(document.body).backgroundColor"


def test_the_report_in_chromium(results: Results, tmp_path: Path) -> None:
    browser = installed()
    if browser is None:
        pytest.skip("no Chromium is installed here")
    report = tmp_path / "report.html"
    report.write_text(results.to_html(), encoding="utf-8")
    with Page(browser, tmp_path / "profile") as page:
        page.ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "light"}],
        )
        page.open(report)
        # Two weathers; of each curves, the plane, shares, attempts, and circuits where they moved.
        charts = page.value("document.querySelectorAll('svg.chart').length")
        assert charts == 9
        curves = page.value("document.querySelectorAll('svg.chart path.curve').length")
        assert curves == 2 * len(CONFIGS)
        assert page.value("document.querySelectorAll('svg .frontier').length") == 2
        assert page.value("document.querySelectorAll('svg .layer.failed').length") >= 1
        assert page.value("document.querySelectorAll('svg rect.open').length") >= 1
        assert page.value("document.querySelectorAll('table tbody tr').length") == 5 * len(CONFIGS)
        drawn = "[...document.querySelectorAll('svg.chart')].every(s => s.getBBox().height > 50)"
        assert page.value(drawn)
        assert page.value(PAPER) == "rgb(255, 254, 251)"
        assert page.picture().startswith(b"\x89PNG")

        page.ask(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark"}],
        )
        assert page.value(PAPER) == "rgb(21, 22, 26)"
        page.ask("Emulation.setEmulatedMedia", media="print", features=[])
        assert page.value(PAPER) == "rgb(255, 255, 255)"
        page.ask("Emulation.setEmulatedMedia", media="screen", features=[])
        page.ask(
            "Emulation.setDeviceMetricsOverride",
            width=375,
            height=800,
            deviceScaleFactor=1,
            mobile=True,
        )
        assert page.value("document.documentElement.scrollWidth <= innerWidth")

        said = [each for each in page.events if each.get("method") in LOUD]
        assert said == []
        fetched = [
            each["params"]["request"]["url"]
            for each in page.events
            if each.get("method") == "Network.requestWillBeSent"
        ]
        assert [url for url in fetched if not url.startswith("data:")] == [report.as_uri()]


LOUD = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
