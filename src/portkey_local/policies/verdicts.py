"""What a guardrail's checks come to: a hook's verdict, its record, and what it does to an outcome.

Ground rules: the record is the reference's `hook_results`, less the texts: a check's `data` holds
facts only, and of an exception its class alone is told, because its words may quote the call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from portkey_local.effects import Fetch, Route, Run
from portkey_local.hooks import (
    CheckContext,
    CheckResult,
    Feedback,
    Hook,
    Moment,
    NamedCheck,
    NoText,
)
from portkey_local.model import (
    Answer,
    Call,
    Failure,
    Fault,
    Outcome,
    Reply,
    ServerEvent,
    Target,
)
from portkey_local.texts import (
    request_text,
    response_text,
    with_request_text,
    with_response_text,
)

DENIED = 446
SOFT_FAILED = 246
JSON_TYPE = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a hook judges, as the hooks before it left it: a text, and the body it stands in."""

    text: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Looked:
    """Where hooks look: at a request on its way out, or at the answer to it.

    What is `fixed` is judged and never changed: a stream has been cut up already.
    """

    moment: Moment
    call: Call
    target: Target
    request: Mapping[str, Any]
    fixed: bool = False

    def context(self, subject: Subject) -> CheckContext:
        """Return the subject as a check sees it."""
        request, asked = self.call.request, self.moment == "input"
        return CheckContext(
            moment=self.moment,
            text=subject.text,
            request=subject.body if asked else self.request,
            response=None if asked else subject.body,
            endpoint=request.path,
            provider=self.target.provider,
            metadata=self.call.metadata,
            headers={**request.headers, **request.withheld},
            now=self.call.clock(),
        )

    def changed(self, subject: Subject, result: CheckResult) -> Subject:
        """Return the subject as a check leaves it."""
        if self.fixed:
            return subject
        told = request_text if self.moment == "input" else response_text
        rewrite = with_request_text if self.moment == "input" else with_response_text
        if result.body is not None:
            return Subject(told(result.body), result.body)
        if result.text is None or result.text == subject.text:
            return subject
        return Subject(result.text, rewrite(subject.body, result.text))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one hook came to."""

    hook: Hook
    passed: bool
    record: Mapping[str, Any]

    @property
    def denies(self) -> bool:
        """Whether the call ends here."""
        return self.hook.deny and not self.passed

    @property
    def failed_checks(self) -> list[str]:
        """The ids of the checks that did not pass."""
        return [check["id"] for check in self.record["checks"] if not _passes(check)]


def judge(
    hook: Hook, looked: Looked, given: Subject, subject: Subject
) -> Route[tuple[Verdict, Subject]]:
    """Run a hook's checks in their order; return its verdict and the subject as it leaves it.

    `given` is the subject before any hook, `subject` as the hooks so far have left it. Guardrails
    judge what was given, so no check hides a text from another; the checks after the first of a
    sequential one, and all of a mutator, see what the check before them left.
    """
    call = looked.call
    began, before = call.clock(), subject
    records: list[dict[str, Any]] = []
    for named in hook.checks:
        chained = hook.mutator or (hook.sequential and bool(records))
        judged = subject if chained else given
        record, subject = yield from _checked(hook, named, looked, judged, subject)
        records.append(record)
    passed = all(map(_passes, records))
    record = {
        "id": hook.id,
        "verdict": passed,
        "deny": hook.deny and not passed,
        "async": hook.beside,
        "type": "mutator" if hook.mutator else "guardrail",
        "transformed": subject is not before,
        "execution_time": _milliseconds(call, began),
        "created_at": _created(call),
        "feedback": _feedback(hook.on_success if passed else hook.on_fail, records),
        "checks": records,
    }
    verdict = Verdict(hook, passed, record)
    _report(verdict, looked)
    return verdict, subject


def _passes(record: Mapping[str, Any]) -> bool:
    """Whether a check lets its hook pass: one that raised does, unless it fails closed."""
    return bool(record["verdict"] or (record["error"] and not record["fail_on_error"]))


def _feedback(
    feedback: Feedback | None, records: Sequence[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Return a hook's feedback, with the ids of its checks by what they came to."""
    if feedback is None:
        return None
    kinds: dict[str, list[str]] = {"successfulChecks": [], "failedChecks": [], "erroredChecks": []}
    for record in records:
        bad = "erroredChecks" if record["error"] else "failedChecks"
        kinds["successfulChecks" if record["verdict"] else bad].append(record["id"])
    told = feedback.to_dict()
    ids = {kind: ", ".join(those) for kind, those in kinds.items()}
    return {**told, "metadata": {**told["metadata"], **ids}}


def _checked(
    hook: Hook, named: NamedCheck, looked: Looked, judged: Subject, subject: Subject
) -> Route[tuple[dict[str, Any], Subject]]:
    """Let one check look at `judged`; return its record and `subject` as it leaves it."""
    call, began = looked.call, looked.call.clock()
    fails_closed = hook.deny
    error, left = None, subject
    try:
        result = yield from _in_time(named.check.run(looked.context(judged)), call)
        changed = looked.changed(judged, result)
        if changed is not judged and judged is not subject:
            # Other checks have changed it since: theirs must stay, so this one changes that, too.
            again = yield from _in_time(named.check.run(looked.context(subject)), call)
            changed = looked.changed(subject, again)
        if changed is not judged:
            left = changed
    except Exception as raised:  # noqa: BLE001 - whatever a check raises is its own failure
        error = {"name": type(raised).__name__}
        fails_closed = hook.deny and not isinstance(raised, NoText)
        result = CheckResult(verdict=False)
        reason = f"{hook.id}: {named.id} raised {error['name']}"
        call.report("guardrail.error", looked.target, reason=reason)
    record = {
        "id": named.id,
        "verdict": result.verdict,
        "data": result.data,
        "error": error,
        "execution_time": _milliseconds(call, began),
        "transformed": left is not subject,
        "log": None,
        "fail_on_error": fails_closed or named.fails_on_error,
    }
    return record, left


def _in_time(route: Route[CheckResult], call: Call) -> Route[CheckResult]:
    """Run a check's route, and let it wait no longer than the call may take."""
    answer: Any = None
    with closing(route):
        while True:
            try:
                effect = route.send(answer)
            except StopIteration as stop:
                result: CheckResult = stop.value
                return result
            if isinstance(effect, Fetch | Run):
                left = max(0.0, call.deadline - call.clock())
                effect = replace(effect, seconds=min(effect.seconds, left))
            answer = yield effect


def _milliseconds(call: Call, began: float) -> int:
    return round(1000 * (call.clock() - began))


def _created(call: Call) -> str | None:
    """Return the time of day, where somebody knows it."""
    return None if call.wall is None else datetime.fromtimestamp(call.wall(), UTC).isoformat()


def _report(verdict: Verdict, looked: Looked) -> None:
    if looked.call.emit is None:
        return
    name = "guardrail.passed" if verdict.passed else "guardrail.failed"
    if verdict.denies and not verdict.hook.beside:
        name = "guardrail.denied"
    failed = ", ".join(verdict.failed_checks)
    reason = f"{looked.moment} {verdict.hook.id}{f': {failed}' if failed else ''}"
    looked.call.report(name, looked.target, reason=reason)


def json_of(reply: Reply) -> Any:
    """Return an answer's JSON, also where the caller wants its text; None for what is none."""
    if reply.data is not None:
        return reply.data
    try:
        return json.loads(reply.answer.content)
    except (ValueError, RecursionError):
        return None


def results_of(before: Sequence[Verdict], after: Sequence[Verdict]) -> dict[str, Any]:
    """Return the `hook_results` of what ran."""
    return {
        "before_request_hooks": [dict(verdict.record) for verdict in before],
        "after_request_hooks": [dict(verdict.record) for verdict in after],
    }


def denial(
    target: Target,
    denied: Sequence[Verdict],
    *,
    before: Sequence[Verdict] = (),
    after: Sequence[Verdict] = (),
) -> Failure:
    """Return the failure of a call that hooks deny."""
    first = denied[0]
    what = "answer" if after else "request"
    checks = ", ".join(first.failed_checks)
    message = f"guardrail {first.hook.id!r} denied the {what}: {checks} failed"
    return _denied(target, message, results_of(before, after))


def _denied(target: Target, message: str, results: dict[str, Any]) -> Failure:
    error = {"message": message, "type": "hooks_failed", "param": None, "code": None}
    content = _encoded({"error": error, "hook_results": results})
    answer = Answer(DENIED, JSON_TYPE, content)
    return Failure(target, Fault.GUARDRAIL, DENIED, message, answer, results)


def with_results(
    outcome: Outcome,
    target: Target,
    *,
    before: Sequence[Verdict] = (),
    after: Sequence[Verdict] = (),
) -> Outcome:
    """Return an outcome that tells what hooks ran; a 200 that one of them failed becomes 246."""
    if not before and not after:
        return outcome
    results = results_of(before, after)
    if isinstance(outcome, Failure):
        if outcome.fault is not Fault.GUARDRAIL:
            return outcome  # a provider's own words stay as they are
        results["after_request_hooks"] = outcome.error["after_request_hooks"]
        told = _denied(target, outcome.message, results)
        return replace(told, retries=outcome.retries)
    answer = outcome.answer
    soft = answer.status == 200 and not all(verdict.passed for verdict in (*before, *after))
    status = SOFT_FAILED if soft else answer.status
    if outcome.stream is not None:
        if not target.strict:
            outcome.stream.prepend(_first_event(results))
        return replace(outcome, answer=replace(answer, status=status))
    told_to = json_of(outcome)
    if not isinstance(told_to, dict):
        return replace(outcome, answer=replace(answer, status=status))
    known = told_to.get("hook_results")
    if before and isinstance(known, dict):
        results["after_request_hooks"] = known.get("after_request_hooks", [])
    data = {**told_to, "hook_results": results}
    return replace(outcome, answer=Answer(status, answer.headers, _encoded(data)), data=data)


def _first_event(results: dict[str, Any]) -> ServerEvent:
    """Return the event that tells a lenient stream's reader what hooks ran."""
    chunk = {
        "id": "",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "",
        "choices": [],
        "hook_results": results,
    }
    return ServerEvent(None, chunk, b"data: " + _encoded(chunk) + b"\n\n")


def _encoded(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str).encode()
