"""Checks of a request itself: its model, its metadata, its endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portkey_local.checks.parameters import WrongCheck
from portkey_local.checks.plain import Plain, judged
from portkey_local.hooks import Check, CheckContext, CheckResult

# What the reference calls the endpoints that hooks run on; their paths are taken as well.
TYPES: Final[Mapping[str, str]] = {
    "/chat/completions": "chatComplete",
    "/completions": "complete",
    "/embeddings": "embed",
    "/messages": "messages",
}


def _model(context: CheckContext) -> str:
    model = context.request.get("model")
    if not isinstance(model, str):
        msg = "the request names no model"
        raise ValueError(msg)  # noqa: TRY004 - the caller's slip, not the code's
    return model


def _told(value: Any) -> list[str]:
    """Return a metadata value, or those of a list, as text."""
    if value is None:
        return []
    return [_text(each) for each in (value if isinstance(value, list) else [value])]


def _text(value: Any) -> str:
    """Return a value as a config's keys name it: as JSON, but for texts."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def whitelist(given: Mapping[str, Any]) -> Check:
    """`modelWhitelist`: the model is listed; `metadataRules` that match bring their own lists."""
    if not given["models"] and not given["metadataRules"]:
        raise WrongCheck([(("models",), "required, unless metadataRules are given")])

    def allowed(metadata: Mapping[str, Any]) -> list[str]:
        lists = [
            rule["models"]
            for rule in given["metadataRules"] or ()
            if set(_told(metadata.get(rule["metadataKey"]))) & set(rule["values"])
        ]
        models = [model for models in lists for model in models]
        return models or given["models"] or []

    def decide(context: CheckContext) -> CheckResult:
        models = allowed(context.metadata)
        return judged(_model(context) in models, given["not"], allowedModels=models)

    return Plain(decide)


def by_rules(given: Mapping[str, Any]) -> Check:
    """`modelRules`: the model is one that the call's metadata allows, else one of the defaults."""
    rules = given["rules"]

    def decide(context: CheckContext) -> CheckResult:
        lists = [
            mapping.get(value, [])
            for key, mapping in rules["metadata"].items()
            for value in _told(context.metadata.get(key))
        ]
        models = [model for models in lists for model in models] or rules["defaults"]
        if not models:
            msg = "no rule matches, and there are no defaults"
            raise ValueError(msg)
        return judged(_model(context) in models, given["not"], allowedModels=models)

    return Plain(decide)


def metadata_keys(given: Mapping[str, Any]) -> Check:
    """`requiredMetadataKeys`: the call's metadata has any, all or none of the keys."""
    keys: list[str] = given["metadataKeys"]

    def decide(context: CheckContext) -> CheckResult:
        found = [key for key in keys if key in context.metadata]
        missing = [key for key in keys if key not in context.metadata]
        holds = {"any": bool(found), "all": not missing, "none": not found}[given["operator"]]
        return judged(holds, given["not"], found_metadata_keys=found, missing_metadata_keys=missing)

    return Plain(decide)


def request_types(given: Mapping[str, Any]) -> Check:
    """`allowedRequestTypes`: the endpoint is allowed, and not blocked.

    Without lists of its own it takes those of the metadata, `supported_endpoints` and
    `blocked_endpoints`, as lists or as text with commas; without any, everything is allowed.
    """

    def decide(context: CheckContext) -> CheckResult:
        metadata = context.metadata
        allowed = given["allowedTypes"] or _listed(metadata.get("supported_endpoints"))
        blocked = given["blockedTypes"] or _listed(metadata.get("blocked_endpoints"))
        kind = TYPES.get(context.endpoint, context.endpoint)
        called = {kind, context.endpoint, f"/v1{context.endpoint}"}
        holds = not called & set(blocked) and (not allowed or bool(called & set(allowed)))
        return judged(holds, currentRequestType=kind)

    return Plain(decide)


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
