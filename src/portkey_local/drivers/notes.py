"""What every driver notes about an attempt: the trail of the call, and its events.

Pure: the times are given. One module, so that the three drivers report alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portkey_local.model import (
    Answer,
    Attempt,
    Call,
    Failure,
    Fault,
    Outcome,
    Packet,
    Reply,
    Target,
)
from portkey_local.wire.contract import WireError, WireTimeout


def started(call: Call, target: Target) -> None:
    """Report that an attempt begins."""
    if call.emit is not None:
        call.report(
            "attempt.started",
            target,
            attempt=len(call.trail) + 1,
            endpoint=call.request.path,
            model=model_of(call, target),
            request_body=call.request.body,
        )


def encoded(call: Call, target: Target, packet: Packet) -> None:
    """Report what the target's language has no words for."""
    if packet.dropped and call.emit is not None:
        call.report("parameters.dropped", target, reason=", ".join(packet.dropped))


def ended(call: Call, target: Target, outcome: Outcome, seconds: float) -> None:
    """Note how an attempt ended: a failure goes on the trail, and both are reported."""
    number = len(call.trail) + 1
    if isinstance(outcome, Failure):
        reason = reason_of(outcome)
        call.trail.append(Attempt(target.path, target.provider, outcome.status, reason, seconds))
        if call.emit is not None:
            facts = {
                "attempt": number,
                "status": outcome.status,
                "duration": seconds,
                "reason": reason,
            }
            call.report("attempt.failed", target, model=model_of(call, target), **facts)
            if outcome.fault is Fault.TIMEOUT:
                call.report("timeout", target, attempt=number, duration=seconds, reason=reason)
    elif call.emit is not None:
        facts = {"attempt": number, "status": outcome.status, "duration": seconds}
        facts |= usage_of(outcome.data.get("usage") if isinstance(outcome.data, Mapping) else None)
        if outcome.stream is not None:
            facts["time_to_first_token"] = seconds
        call.report("attempt.succeeded", target, model=model_of(call, target), **facts)


def discarded(call: Call, reply: Reply) -> None:
    """Note a reply that `on_status_codes` turned away."""
    path, provider = reply.target.path, reply.target.provider
    why = "withheld or spoilt by the vendor" if reply.blocked else "not accepted"
    call.trail.append(Attempt(path, provider, reply.status, f"HTTP {reply.status}, {why}", 0.0))


def reason_of(failure: Failure) -> str:
    """Return why an attempt failed, in a few words that hold nothing private."""
    if failure.fault is Fault.STATUS:
        return f"HTTP {failure.status}"
    if failure.fault is Fault.ERROR_EVENT:  # the provider's own words may quote the prompt
        return f"{failure.fault.value}, status {failure.status}"
    return f"{failure.fault.value}: {failure.message}" if failure.message else failure.fault.value


def timed_out(target: Target, seconds: float, cause: BaseException | None = None) -> Failure:
    """Return the failure of an attempt that one of our limits ended; counts as 408."""
    message = f"no answer within {seconds:.3g} s"
    if cause is not None and "Connect" in str(cause):
        message = f"no connection within {seconds:.3g} s"
    return Failure(target, Fault.TIMEOUT, 408, message, cause=cause)


def unreachable(target: Target, cause: BaseException) -> Failure:
    """Return the failure of an attempt that the network ended; counts as 500."""
    message = str(cause)
    for secret in target.secrets:  # an HTTP library may quote a header that it refuses
        message = message.replace(secret, "[redacted]")
    return Failure(target, Fault.NETWORK, 500, message.rstrip("."), cause=cause)


def broken_off(target: Target, error: Exception) -> Failure:
    """Return the failure of a stream that broke while it was held back: nobody has seen it."""
    fault = Fault.TIMEOUT if isinstance(error.__cause__, WireTimeout) else Fault.NETWORK
    status = 408 if fault is Fault.TIMEOUT else 500
    return Failure(target, fault, status, str(error), cause=error)


def unfetched(error: WireTimeout | WireError, seconds: float) -> Failure:
    """Return the failure of a message of our own that no answer came to."""
    if isinstance(error, WireTimeout):
        return Failure(None, Fault.TIMEOUT, 408, f"no answer within {seconds:.3g} s", cause=error)
    return Failure(None, Fault.NETWORK, 500, "no answer came over the network", cause=error)


def malformed(target: Target, message: str, answer: Answer) -> Failure:
    """Return the failure of an answer that is not what it must be; counts as 500."""
    return Failure(target, Fault.MALFORMED, 500, message, answer)


def usage_of(usage: Any) -> dict[str, int]:
    """Return the token counts of a `usage` object of chat's or of responses' shape."""
    if not isinstance(usage, Mapping):
        return {}
    counts = {
        "input_tokens": usage.get("prompt_tokens", usage.get("input_tokens")),
        "output_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
    }
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def model_of(call: Call, target: Target) -> str | None:
    """Return the model that `target` is asked for."""
    model = target.override.get("model") or (call.request.body or {}).get("model")
    return model if isinstance(model, str) else None
