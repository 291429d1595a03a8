"""Whether a scene went as it must.

Ground rules: three witnesses are heard, the caller, the library's events and the providers, and
they must agree with the promise and with each other. A difference is said in one plain line.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Final

from portkey_local.demo.stage import Got, Report
from portkey_local.report.story import Next

__all__ = ["differences"]

ROUNDING: Final = 0.001
LONGEST: Final = 10.0  # seconds; no scene takes a third of it, unless a limit does not hold


def differences(report: Report) -> list[str]:
    """Return how what happened differs from what had to happen; nothing if it does not."""
    checks = (_tries(report), _waits(report), _providers(report), _endings(report), _time(report))
    return [*chain.from_iterable(checks)]


def _tries(report: Report) -> Iterator[str]:
    expected = list(report.scene.expected.tries)
    tried = [(each.provider, each.status) for each in chain.from_iterable(report.calls)]
    if report.scene.calls > 1:  # side by side they have no order
        expected, tried = sorted(expected), sorted(tried)
    if tried != expected:
        yield f"expected the tries {_listed(expected)}, saw {_listed(tried)}"


def _waits(report: Report) -> Iterator[str]:
    waits = [each.wait for each in chain.from_iterable(report.calls) if each.wait is not None]
    limits = report.scene.expected.waits
    fits = len(waits) == len(limits) and all(
        least - ROUNDING <= wait <= most + ROUNDING
        for wait, (least, most) in zip(waits, limits, strict=True)
    )
    if not fits:
        yield f"expected waits within {list(limits)} seconds, saw {waits}"
    elif report.seconds + ROUNDING < sum(waits):
        yield f"waits of {sum(waits):.2f} s cannot fit into {report.seconds:.2f} s"


def _providers(report: Report) -> Iterator[str]:
    told = Counter((each.provider, each.model) for each in chain.from_iterable(report.calls))
    if told != Counter(report.received):
        told_of, received = sorted(told.elements()), sorted(report.received)
        yield f"the events tell of {_listed(told_of)}, the providers received {_listed(received)}"


def _endings(report: Report) -> Iterator[str]:
    if len(report.got) != report.scene.calls or len(report.calls) != report.scene.calls:
        yield f"expected {report.scene.calls} calls, saw {len(report.calls)}"
    for got in report.got:
        yield from _ending(report, got)
    for tries in report.calls:
        if not tries or tries[-1].next is not report.scene.expected.ending:
            ended = tries[-1].next.value if tries else "nothing"
            yield f"expected the ending {report.scene.expected.ending.value!r}, saw {ended!r}"


def _ending(report: Report, got: Got) -> Iterator[str]:
    expected, whole = report.scene.expected, report.scene.recording.answer
    raised = type(got.error).__name__ if got.error is not None else None
    if raised != expected.error:
        yield f"expected {expected.error or 'no error'}, the caller got {raised or 'none'}"
    if expected.ending is Next.BREAK:
        if not (got.text and got.text != whole and whole.startswith(got.text)):
            yield f"expected the beginning of {_short(whole)}, the caller got {_short(got.text)}"
    elif got.text != whole:
        yield f"expected the answer {_short(whole)}, the caller got {_short(got.text)}"
    if expected.ending is Next.ERROR:
        for provider, _ in expected.tries:
            if provider not in str(got.error):
                yield f"expected an error message that names {provider}"


def _time(report: Report) -> Iterator[str]:
    if report.seconds > LONGEST:
        yield f"took {report.seconds:.1f} s, more than {LONGEST:.0f} s"


def _short(text: str) -> str:
    return repr(textwrap.shorten(text, 50, placeholder=" …"))


def _listed(pairs: list[tuple[str, int]] | list[tuple[str, str]]) -> str:
    return ", ".join(f"{name} {value}" for name, value in pairs) or "none"
