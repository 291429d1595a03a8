"""Similar: an answer to the same question, asked in other words before, is given again.

About: the second tier of a cache, asked after the exact one has missed and before anybody else.
Only requests that are the same in everything but the words of their last question are compared:
the key of all the rest is the scope. A model proposes the nearest questions of that scope, vetoes
and a threshold decide (`semantic.deciding`), and the entry under the exact key of the one that is
left is the answer: its age and its deletion are the exact tier's business. What was answered so is
never kept as an answer of its own, so that no answer wanders from question to question.

A would-be hit is withheld, and the model asked after all, in `shadow`, for a `sample` of them, and
until `max_error` is proven; then the two answers are compared, and counted.

Whatever goes wrong or takes too long here is a miss and an event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from portkey_local.caches.questions import Question
from portkey_local.effects import Beside, Raised, Route, Run, Work
from portkey_local.model import Call, Outcome, Reply
from portkey_local.policies.looking import Look, Wondered
from portkey_local.policies.shelf import Asked, Judges, marked, now
from portkey_local.semantic.deciding import Profile
from portkey_local.semantic.evidence import EvidenceState
from portkey_local.semantic.explained import CacheDecision
from portkey_local.semantic.recalling import Recall
from portkey_local.semantic.requests import CHAT, Worded, answer_text, plain_answer, worded

if TYPE_CHECKING:
    from portkey_local.flights import Flight
    from portkey_local.policies.cached import Cached

__all__ = ["Rules", "Similar"]

JUDGEMENT: Final = 10.0  # seconds that the caller's own functions may take


@dataclass(frozen=True, slots=True)
class Rules:
    """What a node's config says of its semantic tier.

    `at_least` is the similarity to ask for, if not what the model's calibration says. A `sample` of
    would-be hits (0 to 1) is withheld for comparison, and all of them until the error rate is
    proven to be below `max_error`.
    """

    profile: Profile
    at_least: float | None = None
    shadow: bool = False
    sample: float = 0.0
    max_error: float | None = None


@dataclass(frozen=True, slots=True)
class Similar:
    """The semantic tier of one node.

    `never` says why calls of this node are not for it, where they are not; `texts` whether
    decisions may quote questions.
    """

    recall: Recall
    rules: Rules
    judges: Judges = field(default_factory=Judges)
    evidence: EvidenceState = field(default_factory=EvidenceState)
    never: str | None = None
    texts: bool = False

    def route(
        self, cached: Cached, call: Call, asked: Asked, flight: Flight | None
    ) -> Route[Outcome]:
        """Return the answer to the same question in other words; else ask, and learn this one."""
        found = yield from Look(self, cached, call, asked).found()
        if found.reply is not None:
            if flight is not None:
                told = found.reply
                flight.similar = {
                    "cache": told.cache,
                    "decision": told.decision,
                    "source": told.source,
                }
                flight.land(found.value)
            return found.reply
        call.report("cache.miss", cached.sole)
        if found.question is not None:
            asked = replace(asked, question=found.question)
        if found.rejected:  # a cache further in may have the same answer, and know nothing of it
            call = replace(call, caching=replace(call.caching, alike=False))
        outcome = yield from cached.ask(call, asked, flight)
        if isinstance(outcome, Reply) and outcome.decision is None:
            outcome = replace(outcome, decision=found.decision)
        return marked(outcome, found.decision.status, asked.key)

    def foretold(self, cached: Cached, call: Call, asked: Asked) -> Route[CacheDecision]:
        """Return what a look would decide, without its consequences."""
        return (yield from Look(self, cached, call, asked, dry=True).found()).decision

    def levels(self, scope: bytes, namespace: str) -> tuple[tuple[str, ...], ...]:
        """Return where comparisons are counted, from narrow to wide.

        What one way of deciding has shown proves nothing of another one.
        """
        rules = self.rules
        way = (rules.profile, str(rules.at_least), self.recall.embedder.fingerprint)
        return (*way, "scope", scope.hex()), (*way, "namespace", namespace), way

    # --- after the answer

    def learn(self, cached: Cached, call: Call, asked: Asked, datas: Sequence[Any]) -> Route[None]:
        """Take in that a question was answered, and whether as it would have been from here.

        `datas` are the answer's JSON, or that of the events of its stream.
        """
        question = asked.question
        if question is None:  # a refresh, which looked for nothing
            words = worded(asked.body) if call.request.path == CHAT else None
            if isinstance(words, Worded) and self.never is None and plain_answer(datas):
                late = Wondered(cached.scope.around(call, words.rest), words.text)
                yield from Beside(self._learn_later(cached, call, asked, late))
            return
        if question.expected is not None:
            yield from self._compared(cached, call, question, answer_text(datas))
        if plain_answer(datas):
            self._add(cached, call, asked, question)

    def _learn_later(
        self, cached: Cached, call: Call, asked: Asked, question: Wondered
    ) -> Route[None]:
        patience = self.recall.warmth.patience(call.clock())
        vector = yield from Work(partial(self.recall.learned, question.text), patience)
        if isinstance(vector, Raised):
            cached.failed(call)(vector.error)
        else:
            self._add(cached, call, asked, replace(question, vector=vector))

    def _add(self, cached: Cached, call: Call, asked: Asked, question: Wondered) -> None:
        if question.vector is None or not call.caching.writes:
            return
        failed, since = cached.failed(call), now(call)
        until = since + cached.kept_for
        scope = self.recall.scope(question.scope)
        row = Question(scope, asked.key, question.text, question.vector, since, until)
        try:
            self.recall.add(row, failed)
        except Exception as error:  # noqa: BLE001 - what cannot be kept costs a hit, not a call
            failed(error)

    def _compared(self, cached: Cached, call: Call, question: Wondered, answer: str) -> Route[None]:
        """Compare the model's answer with the withheld one; the caller's comparer beside."""
        expected, comparer = question.expected or "", self.judges.comparer
        if comparer is None:
            self._count(cached, call, question, same=alike(expected, answer))
            return
        comparing = partial(comparer, expected, answer)
        yield from Beside(self._compared_beside(cached, call, question, comparing))

    def _compared_beside(
        self, cached: Cached, call: Call, question: Wondered, comparing: Callable[[], Any]
    ) -> Route[None]:
        same = yield from Run(comparing, JUDGEMENT)
        if isinstance(same, Raised):
            cached.failed(call)(same.error)
        else:
            self._count(cached, call, question, same=same is True)

    def _count(self, cached: Cached, call: Call, question: Wondered, *, same: bool) -> None:
        """Count whether the model has answered as the withheld hit would have."""
        self.evidence.note(self.levels(question.scope, call.caching.namespace), same=same)
        reason = "the same answer" if same else "another answer"
        call.report("cache.compared", cached.sole, reason=reason, profile=self.rules.profile)


def alike(one: str, other: str) -> bool:
    """Whether two answers are the same words, whatever their case, spaces and last full stop.

    >>> alike("Paris.", " paris")
    True
    """
    return _words(one) == _words(other)


def _words(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".! ")
