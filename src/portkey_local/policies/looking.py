"""One look for a question that was answered before in other words, from request to decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from portkey_local.caches.keys import pair_of
from portkey_local.effects import Raised, Route, Run, Work
from portkey_local.model import Call, Reply, Source
from portkey_local.policies.shelf import MISS, SEMANTIC_HIT, SEMANTIC_MISS, Asked, now
from portkey_local.semantic.explained import CacheDecision, Passed, question_hash
from portkey_local.semantic.nearby import Near
from portkey_local.semantic.recalling import REJECTED, Recalled, Sought
from portkey_local.semantic.requests import CHAT, Unfit, Worded, answer_text, worded

if TYPE_CHECKING:
    from portkey_local.policies.cached import Cached, Held
    from portkey_local.policies.similar import Similar

__all__ = ["Found", "Look", "Wondered"]

LOOKS: Final = 5  # answers that are gone, before a look is given up
VERIFYING: Final = 10.0  # seconds that a verifier may take
NOTHING: Final = "nothing near"
SLOW: Final = "no answer in time"
BROKEN: Final = "failed"
RESTING: Final = "failed before"
VERIFIER: Final = "verifier"


@dataclass(frozen=True, slots=True)
class Wondered:
    """A question that was looked for; without a vector it is not to be learned.

    `expected` is what a hit that was withheld would have answered.
    """

    scope: bytes
    text: str = field(repr=False)
    vector: bytes | None = field(default=None, repr=False)
    expected: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What came of a look: the answer and the entry it is made of, or the question to learn."""

    decision: CacheDecision
    reply: Reply | None = None
    value: bytes | None = None
    question: Wondered | None = None

    @property
    def rejected(self) -> bool:
        """Whether somebody has said that an answer which was near is none to this question."""
        return any(passed.veto == REJECTED for passed in self.decision.passed)


@dataclass(frozen=True, slots=True)
class Look:
    """A look for the question of one call. A `dry` one draws no lot, asks nobody, tells nobody."""

    similar: Similar
    cached: Cached
    call: Call
    asked: Asked
    dry: bool = False

    def found(self) -> Route[Found]:
        """Return what there is to give, or why there is nothing."""
        words = self.words()
        if isinstance(words, Unfit):
            return self._skipped(words.reason, None)
        similar, call = self.similar, self.call
        sought = Sought(
            self.cached.scope.around(call, words.rest),
            words.text,
            similar.rules.profile,
            similar.rules.at_least,
            now(call),
            self._rejected,
        )
        while True:
            recalled = yield from self._recalled(sought)
            if isinstance(recalled, Unfit):
                return self._skipped(recalled.reason, sought)
            if recalled.served is None or len(sought.gone) + len(sought.without) >= LOOKS:
                return self._missed(sought, recalled, _why(recalled))
            held, sought = yield from self._held(sought, recalled, recalled.served)
            if held is not None:
                return (yield from self._judged(sought, recalled, recalled.served, held))

    def _rejected(self, key: bytes) -> bool:
        """Whether somebody has said that the answer under a key is not one to this question."""
        vetoed = getattr(self.cached.shelf.cache, "vetoed", None)
        return vetoed is not None and vetoed(pair_of(self.asked.key, key))

    def words(self) -> Worded | Unfit:
        """Return the question that the call asks, or why it is left alone whatever its words."""
        if self.call.request.path != CHAT:
            return Unfit(f"endpoint {self.call.request.path}")
        if self.similar.never is not None:
            return Unfit(self.similar.never)
        if not self.call.caching.alike:
            return Unfit(REJECTED)
        return worded(self.asked.body)

    def _recalled(self, sought: Sought) -> Route[Recalled | Unfit]:
        """Return the nearest question; of a model that fails or is slow, only an event."""
        recall, call = self.similar.recall, self.call
        patience = min(recall.warmth.patience(call.clock()), call.deadline - call.clock())
        if patience <= 0:
            return Unfit(RESTING)
        recalled = yield from Work(partial(recall.recall, sought), patience, recall.brief(sought))
        if not isinstance(recalled, Raised):
            found: Recalled | Unfit = recalled
            return found
        recall.warmth.failed(call.clock(), recalled.error)
        self.cached.failed(call)(recalled.error)
        return Unfit(SLOW if isinstance(recalled.error, TimeoutError) else BROKEN)

    def _held(
        self, sought: Sought, recalled: Recalled, near: Near
    ) -> Route[tuple[Held | None, Sought]]:
        """Return the entry a question leads to if it will do, else what to look for then."""
        cached, key = self.cached, near.question.key
        (held,) = yield from cached.look(self.call, (key,))
        sought = replace(sought, vector=recalled.vector)
        if held is None:
            return None, replace(sought, gone=(*sought.gone, key))
        if not cached.fresh(self.call, held.entry):
            return None, replace(sought, without=(*sought.without, key))
        return held, sought

    def _judged(self, sought: Sought, recalled: Recalled, near: Near, held: Held) -> Route[Found]:
        """Give an answer, unless the verifier says no or it is withheld."""
        entry = held.entry
        events = entry.events or ()
        said = answer_text([entry.data] if entry.events is None else [e.data for e in events])
        if not self.dry and not (yield from self._verified(sought.text, near, said)):
            return self._missed(sought, recalled, VERIFIER, near, held)
        withheld = self._withheld(sought.scope) if recalled.calibrated else "uncalibrated"
        if withheld is not None:
            return self._missed(sought, recalled, withheld, near, held, expected=said)
        decision = self._decision(SEMANTIC_HIT, None, sought, recalled, near, held)
        if self.dry:
            return Found(decision)
        reply = yield from self.cached.given(self.call, self.asked, entry, SEMANTIC_HIT)
        if reply is None:
            return self._missed(sought, recalled, "form", near, held)
        self._report("cache.semantic_hit", decision)
        key = near.question.key
        source = Source((key, *entry.further), pair_of(self.asked.key, key))
        return Found(decision, replace(reply, decision=decision, source=source), held.value)

    def _verified(self, question: str, near: Near, answer: str) -> Route[bool]:
        """Whether the caller's verifier agrees; one that fails, or is slow, does not."""
        verifier = self.similar.judges.verifier
        if verifier is None:
            return True
        left = min(VERIFYING, self.call.deadline - self.call.clock())
        verdict = yield from Run(partial(verifier, question, near.question.text, answer), left)
        if isinstance(verdict, Raised):
            self.cached.failed(self.call)(verdict.error)
        return verdict is True

    def _withheld(self, scope: bytes) -> str | None:
        """Return why a would-be hit is not given, if it is not."""
        similar, rules = self.similar, self.similar.rules
        if rules.shadow:
            return "shadow"
        levels = similar.levels(scope, self.call.caching.namespace)
        if rules.max_error is not None and not similar.evidence.proven(levels, rules.max_error):
            return "unproven"
        drawn = rules.sample > 0 and not self.dry and self.call.rng.random() < rules.sample
        return "sampled" if drawn else None

    # --- what is said of it

    def _skipped(self, reason: str, sought: Sought | None) -> Found:
        decision = CacheDecision(status=MISS, reason=reason, profile=self.similar.rules.profile)
        if self.call.request.path == CHAT:
            self._report("cache.semantic_skipped", decision)
        question = None if sought is None else Wondered(sought.scope, sought.text)
        return Found(decision, question=question)

    def _missed(
        self,
        sought: Sought,
        recalled: Recalled,
        reason: str,
        near: Near | None = None,
        held: Held | None = None,
        expected: str | None = None,
    ) -> Found:
        decision = self._decision(SEMANTIC_MISS, reason, sought, recalled, near, held)
        self._report("cache.semantic_miss" if expected is None else "cache.shadowed", decision)
        return Found(
            decision, question=Wondered(sought.scope, sought.text, recalled.vector, expected)
        )

    def _decision(
        self,
        status: str,
        reason: str | None,
        sought: Sought,
        recalled: Recalled,
        near: Near | None,
        held: Held | None,
    ) -> CacheDecision:
        similar = self.similar
        told: Mapping[str, Any] = {}
        if near is not None and held is not None:
            text = near.question.text
            told = {
                "similarity": round(near.similarity, 4),
                "age": self.cached.age(self.call, held.entry),
                "question": question_hash(text),
                "text": text if similar.texts else None,
            }
        return CacheDecision(
            status=status,
            tier="semantic" if status == SEMANTIC_HIT else None,
            reason=reason,
            profile=similar.rules.profile,
            threshold=recalled.at_least,
            scope=sought.scope.hex()[:16],
            passed=tuple(self._passed(each, veto) for each, veto in recalled.passed),
            **told,
        )

    def _passed(self, near: Near, veto: str) -> Passed:
        text = near.question.text
        shown = text if self.similar.texts else None
        return Passed(question_hash(text), round(near.similarity, 4), veto, shown)

    def _report(self, name: str, decision: CacheDecision) -> None:
        if not self.dry:
            self.call.report(
                name,
                self.cached.sole,
                reason=decision.reason,
                profile=decision.profile,
                similarity=decision.similarity,
                threshold=decision.threshold,
                question=decision.question,
            )


def _why(recalled: Recalled) -> str:
    """Say why nothing serves: by the veto that stopped the nearest."""
    return f"veto: {recalled.passed[0][1]}" if recalled.passed else NOTHING
