"""How sure it is that the semantic tier errs less often than it may: counts, and a bound on them.

Where a would-be hit goes to the model after all, the two answers are compared. Proven is what the
exact (Clopper-Pearson) bound at 95 % allows: with `wrong` of `n` compared answers, an error rate of
`limit` is refuted when so few wrong ones would come of it in less than 5 % of such samples. So 59
answers without a wrong one prove 5 %, and 299 prove 1 %. What is not known of a scope yet is taken
from wider ones: the namespace, then everything.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from portkey_local.semantic.forking import survive

__all__ = ["CONFIDENCE", "EvidenceState", "at_most"]

CONFIDENCE: Final = 0.95
LEVELS: Final = 10_000  # scopes whose counts are kept


def at_most(wrong: int, n: int, rate: float) -> float:
    """Return how likely at most so many wrong ones of `n` are, where each is wrong at `rate`.

    >>> round(at_most(0, 59, 0.05), 4), round(at_most(0, 58, 0.05), 4)
    (0.0485, 0.051)
    """
    if wrong >= n or rate <= 0:
        return 1.0
    if rate >= 1:
        return 0.0
    likely, unlikely = math.log(rate), math.log1p(-rate)
    ways = math.lgamma(n + 1)
    terms = (
        ways - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * likely + (n - k) * unlikely
        for k in range(wrong + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


class EvidenceState:
    """Counts of compared answers by level, the right ones and the wrong; safe across threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self.lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, ...], tuple[int, int]] = OrderedDict()
        survive(self)

    def renew(self, *, whole: bool) -> None:
        """Take a new lock in a forked process."""
        self.lock = threading.Lock()
        if not whole:
            self._counts = OrderedDict()

    def note(self, levels: Sequence[tuple[str, ...]], *, same: bool) -> None:
        """Count a comparison at each of its levels."""
        with self.lock:
            for level in levels:
                right, wrong = self._counts.pop(level, (0, 0))
                self._counts[level] = (right + same, wrong + (not same))
            while len(self._counts) > LEVELS:
                self._counts.popitem(last=False)

    def counts(self, level: tuple[str, ...]) -> tuple[int, int]:
        """Return how many answers of a level were the same, and how many were not."""
        return self._counts.get(level, (0, 0))

    def proven(self, levels: Sequence[tuple[str, ...]], limit: float) -> bool:
        """Whether the error rate is below `limit`, by the narrowest level that can tell.

        `levels` go from narrow to wide. One that has shown more errors than `limit` allows says no
        by itself, however few they are.
        """
        doubt = 1 - CONFIDENCE
        for level in levels:
            right, wrong = self.counts(level)
            n = right + wrong
            if wrong and 1 - at_most(wrong - 1, n, limit) < doubt:
                return False
            if at_most(0, n, limit) < doubt:  # enough to tell, one way or the other
                return at_most(wrong, n, limit) < doubt
        return False
