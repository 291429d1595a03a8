"""Guardrails: hooks that judge or change a call, before it goes out and after it came back.

`InputGuard` is the outermost policy of a target: a denied call is never sent and never retried.
`OutputGuard` stands inside the retries, so a denied answer may be asked for again. A denial is a
failure with status 446; a failed hook that does not deny turns a 200 into 246. Whatever hooks ran
is told in the answer's `hook_results`, without the texts they looked at.

Any check may change what it looks at. One that raises denies where its hook has `deny`, else the
hook passes, and its result says so.
Output hooks let a stream pass unless they are `buffered`: then it is held until it is complete.
Endpoints other than chat, completions, embeddings (requests only) and messages are not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from portkey_local.effects import Beside, Gather, Route, Router
from portkey_local.hooks import Hook
from portkey_local.model import Attempt, Call, Failure, Fault, Outcome, Reply, Target, merge
from portkey_local.policies.verdicts import (
    Looked,
    Subject,
    Verdict,
    denial,
    json_of,
    judge,
    with_results,
)
from portkey_local.texts import (
    INPUT_ENDPOINTS,
    OUTPUT_ENDPOINTS,
    request_text,
    response_text,
    stream_text,
)

NO_OBJECT: Final = "an answer that is no JSON object, so no guardrail can look at it"


@dataclass(frozen=True, slots=True)
class InputGuard:
    """Look at a request before the target is asked."""

    inner: Router
    target: Target
    hooks: tuple[Hook, ...]

    def route(self, call: Call) -> Route[Outcome]:
        """Return the inner outcome with the hooks' results, or a denial."""
        request = call.request
        if request.body is None or request.path not in INPUT_ENDPOINTS:
            if self.hooks:
                call.report("guardrail.skipped", self.target, reason=f"not on {request.path}")
            return (yield from self.inner.route(call))
        body = merge(request.body, self.target.override)
        looked = Looked("input", call, self.target, body)
        verdicts, left = yield from judge_all(self.hooks, looked, Subject(request_text(body), body))
        if denied := [verdict for verdict in verdicts if verdict.denies]:
            return denial(self.target, denied, before=verdicts)
        if left.body is not body:
            call = replace(call, request=replace(request, body=left.body, encoded=None))
        outcome = yield from self.inner.route(call)
        return with_results(outcome, self.target, before=verdicts)


@dataclass(frozen=True, slots=True)
class OutputGuard:
    """Look at an answer before anybody else does."""

    inner: Router
    target: Target
    hooks: tuple[Hook, ...]

    def route(self, call: Call) -> Route[Outcome]:
        """Return the inner outcome with the hooks' results, or a denial."""
        outcome = yield from self.inner.route(call)
        if not isinstance(outcome, Reply) or outcome.status != 200:
            return outcome
        if call.request.path not in OUTPUT_ENDPOINTS:
            call.report("guardrail.skipped", self.target, reason=f"not on {call.request.path}")
            return outcome
        if outcome.stream is not None:
            return (yield from self._streamed(call, outcome))
        data = json_of(outcome)
        if not isinstance(data, dict):
            return Failure(self.target, Fault.MALFORMED, 500, NO_OBJECT, outcome.answer)
        subject = Subject(response_text(data), data)
        verdicts, left = yield from judge_all(self.hooks, self._looked(call), subject)
        if denied := [verdict for verdict in verdicts if verdict.denies]:
            return self._denied(call, denied, verdicts)
        return with_results(replace(outcome, data=left.body), self.target, after=verdicts)

    def _streamed(self, call: Call, reply: Reply) -> Route[Outcome]:
        """Judge a stream as a whole by the hooks that hold it back; the others pass it by."""
        holding = tuple(hook for hook in self.hooks if holds(hook))
        for hook in self.hooks:
            if not holds(hook):
                call.report("guardrail.skipped", self.target, reason=f"{hook.id}: a stream")
        if not holding:
            return reply
        gathered = yield from Gather(call, reply)
        if isinstance(gathered, Failure):
            return gathered
        events = [event.data for event in gathered.data]
        subject = Subject(stream_text(events), {"events": events})
        looked = replace(self._looked(call), fixed=True)
        verdicts, _ = yield from judge_all(holding, looked, subject)
        if denied := [verdict for verdict in verdicts if verdict.denies]:
            return self._denied(call, denied, verdicts)
        return with_results(gathered, self.target, after=verdicts)

    def _looked(self, call: Call) -> Looked:
        request = merge(call.request.body or {}, self.target.override)
        return Looked("output", call, self.target, request)

    def _denied(self, call: Call, denied: Sequence[Verdict], all_of: Sequence[Verdict]) -> Failure:
        failure = denial(self.target, denied, after=all_of)
        target = self.target
        call.trail.append(Attempt(target.path, target.provider, 446, failure.message, 0.0))
        return failure


def holds(hook: Hook) -> bool:
    """Whether a hook holds a stream back: a mutator cannot change one that has been cut up."""
    return hook.buffered and not hook.mutator


def judge_all(
    hooks: Sequence[Hook], looked: Looked, subject: Subject
) -> Route[tuple[list[Verdict], Subject]]:
    """Run hooks in their order; return their verdicts and the subject as the last one leaves it."""
    verdicts, left = [], subject
    for hook in hooks:
        if hook.beside:
            yield from Beside(_unheeded(hook, looked, subject))
            continue
        verdict, left = yield from judge(hook, looked, subject, left)
        verdicts.append(verdict)
    return verdicts, left


def _unheeded(hook: Hook, looked: Looked, subject: Subject) -> Route[None]:
    """Run a hook for what it does by itself: its verdict is reported, and nothing more.

    It may take longer than the call, which does not wait for it.
    """
    looked = replace(looked, call=replace(looked.call, deadline=math.inf))
    yield from judge(hook, looked, subject, subject)
