"""When calls come, where no trace says it: exact draws of three arrival processes."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from portkey_local.bench.workloads.models import Bursty, Diurnal, Poisson, Sizes

__all__ = ["arrivals", "sizes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


def arrivals(process: Poisson | Bursty | Diurnal, calls: int, draws: Generator) -> Floats:
    """Return the times of so many calls, in seconds from 0, in order."""
    match process:
        case Poisson(rate=rate):
            return np.cumsum(draws.exponential(1 / rate, calls))
        case Bursty():
            return _bursty(process, calls, draws)
        case Diurnal():
            return _diurnal(process, calls, draws)


def _bursty(process: Bursty, calls: int, draws: Generator) -> Floats:
    """Draw a Poisson process whose rate is switched by an on/off Markov chain."""
    parts: list[Floats] = []
    begin, count, on = 0.0, 0, True
    while count < calls:
        mean = process.on_seconds if on else process.off_seconds
        rate = process.rate if on else process.off_rate
        lasts = float(draws.exponential(mean))
        number = int(draws.poisson(rate * lasts))
        parts.append(begin + np.sort(draws.uniform(0.0, lasts, number)))
        begin, count, on = begin + lasts, count + number, not on
    return np.concatenate(parts)[:calls]


def _diurnal(process: Diurnal, calls: int, draws: Generator) -> Floats:
    """Draw by thinning (Lewis and Shedler 1979); the quietest time is at 0."""
    parts: list[Floats] = []
    begin, count = 0.0, 0
    most = process.rate * (1 + process.swing)
    while count < calls:
        times = begin + np.cumsum(draws.exponential(1 / most, calls))
        phase = 2 * np.pi * times / process.period_seconds
        rate = process.rate * (1 - process.swing * np.cos(phase))
        kept = times[draws.uniform(0.0, most, calls) < rate]
        parts.append(kept)
        begin, count = float(times[-1]), count + len(kept)
    return np.concatenate(parts)[:calls]


def sizes(told: Sizes, calls: int, draws: Generator) -> tuple[Ints, Ints]:
    """Return the tokens of so many prompts and answers."""
    sides = (
        (told.prompt_median, told.prompt_sigma),
        (told.completion_median, told.completion_sigma),
    )
    drawn = [draws.lognormal(np.log(median), sigma, calls) for median, sigma in sides]
    prompts, answers = (np.clip(np.rint(side), 1, told.most).astype(np.int32) for side in drawn)
    return prompts, answers
