"""The Portkey config JSON, spelt as immutable models: one schema for the root and every target.

Ground rules: a model knows shapes and ranges of single fields only. What several fields mean
together is in `rules`, what does not work yet is in `unbuilt`, and `load` is the door that asks all
three. A field that was left out differs from one that was written: `model_fields_set` tells, and
inheritance relies on it.
"""

# Annotations are real objects here: pydantic would have to compile each string, at twice the import
# time.

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import ConfigDict, Field, PrivateAttr, model_validator

from portkey_local.config.vendors import Frozen, VendorFields

__all__ = [
    "Cache",
    "CacheMode",
    "CircuitBreaker",
    "Condition",
    "Config",
    "Mode",
    "Retry",
    "StickySession",
    "Strategy",
]

Mode = Literal["single", "fallback", "loadbalance", "conditional"]
CacheMode = Literal["simple", "semantic"]
Profile = Literal["strict", "balanced", "loose"]
MODES: dict[str, tuple[str, ...]] = {  # by the object they stand in, or the field's own name
    "strategy": get_args(Mode),
    "cache": get_args(CacheMode),
    "profile": get_args(Profile),
}

DEFAULT_STREAM_IDLE_TIMEOUT = 60_000.0
DEFAULT_COOLDOWN_INTERVAL = 30_000.0
DEFAULT_STICKY_TTL = 3600.0
RETRY_AFTER = "use_retry_after_header"
RETRY_AFTER_PLURAL = "use_retry_after_headers"

# JSON has lists where Python has tuples, so tuples alone are read leniently; what they hold is not.
Lenient = Field(strict=False)
Status = Annotated[int, Field(ge=100, le=999)]
Statuses = Annotated[tuple[Status, ...] | None, Lenient]
Names = Annotated[tuple[str, ...] | None, Lenient]
Checks = Annotated[tuple[Any, ...] | None, Lenient, Field(repr=False)]  # a webhook has its headers
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Percentage = Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]


class Condition(Frozen):
    """One row of conditional routing: where calls go that match the query."""

    query: dict[str, Any]
    then: str


class CircuitBreaker(Frozen):
    """When a target is left alone for a while: after `failure_threshold` failures, or once
    `failure_threshold_percentage` of at least `minimum_requests` have failed.

    `cooldown_interval` is in milliseconds. Without `failure_status_codes` a failure is a status
    above 500, or no answer.
    """

    failure_threshold: Count | None = None
    failure_threshold_percentage: Percentage | None = None
    minimum_requests: Count | None = None
    cooldown_interval: Positive = DEFAULT_COOLDOWN_INTERVAL
    failure_status_codes: Statuses = None


class StickySession(Frozen):
    """Which calls stay with one target: those alike in all `hash_fields`, for `ttl` seconds."""

    hash_fields: Annotated[tuple[str, ...], Lenient, Field(min_length=1)]
    ttl: Positive = DEFAULT_STICKY_TTL


class Strategy(Frozen):
    """How a group chooses among its targets.

    >>> Strategy(mode="fallback", on_status_codes=(429, 503))
    Strategy(mode='fallback', on_status_codes=(429, 503))
    """

    mode: Mode
    on_status_codes: Statuses = None
    conditions: Annotated[tuple[Condition, ...] | None, Lenient] = None
    default: str | None = None
    cb_config: CircuitBreaker | None = None
    sticky_session: StickySession | None = None


class Retry(Frozen):
    """How often one target is asked again; `attempts` counts the calls after the first."""

    attempts: Annotated[int, Field(ge=0)]
    on_status_codes: Statuses = None
    use_retry_after_header: bool = False

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, fields: Any) -> Any:
        # The reference's docs say "headers", its code reads "header". A second spelling that
        # disagrees stays where it is, and is refused as an unknown field.
        if not isinstance(fields, dict) or RETRY_AFTER_PLURAL not in fields:
            return fields
        plural = fields[RETRY_AFTER_PLURAL]
        if fields.get(RETRY_AFTER, plural) is not plural:
            return fields
        others = {name: value for name, value in fields.items() if name != RETRY_AFTER_PLURAL}
        return {**others, RETRY_AFTER: plural}


class Cache(Frozen):
    """Whether answers are kept; a bare string is the mode. Times are in seconds.

    After `max_age` a kept answer is stale. Of a stale one, `stale_while_revalidate` says for how
    long it is given while a new one is fetched, and `stale_if_error` for how long where none can
    be had (RFC 5861); `max_stale` is both.

    The rest is for mode semantic. `profile` says how alike two questions must be, `min_similarity`
    the same as a cosine similarity, for experts; `model` is a folder with the embedding model,
    which is only downloaded with `download`. With `shadow` nothing is served, only reported. A
    `sample` of would-be hits (0 to 1) is compared with the model's own answer, and all of them
    until their error rate is proven to be below `max_error`.
    """

    mode: CacheMode
    max_age: Positive | None = None
    max_stale: Seconds | None = None
    stale_while_revalidate: Seconds | None = None
    stale_if_error: Seconds | None = None
    profile: Profile = "balanced"
    min_similarity: Fraction | None = None
    model: Annotated[str, Field(min_length=1)] | None = None
    download: bool = False
    shadow: bool = False
    sample: Fraction | None = None
    max_error: Annotated[float, Field(gt=0, lt=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, fields: Any) -> Any:
        return {"mode": fields} if isinstance(fields, str) else fields


class Config(VendorFields):
    """A whole config, and each of its targets, to any depth.

    Timeouts are in milliseconds, and 0 is off. `model_dump(exclude_unset=True)` gives the JSON
    back as it was written.

    >>> Config(provider="openai", api_key="sk-secret", request_timeout=2000)
    Config(provider='openai', request_timeout=2000.0)
    """

    model_config = ConfigDict(defer_build=False)

    strategy: Strategy | None = None
    targets: Annotated[tuple["Config", ...] | None, Lenient] = None
    name: str | None = None
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    provider: str | None = None
    api_key: Annotated[str | None, Field(repr=False)] = None
    virtual_key: Annotated[str | None, Field(repr=False)] = None
    custom_host: str | None = None
    override_params: dict[str, Any] = Field(default_factory=dict)
    retry: Retry | None = None
    request_timeout: Milliseconds | None = None
    stream_idle_timeout: Milliseconds = DEFAULT_STREAM_IDLE_TIMEOUT
    strict_open_ai_compliance: bool = True
    strict_params: bool = False
    on_status_codes: Statuses = None

    cache: Cache | None = None
    cb_config: CircuitBreaker | None = None
    forward_headers: Names = None
    prompt_id: str | None = None
    input_guardrails: Checks = None
    output_guardrails: Checks = None
    default_input_guardrails: Checks = None
    default_output_guardrails: Checks = None
    input_mutators: Checks = None
    output_mutators: Checks = None
    before_request_hooks: Checks = None
    after_request_hooks: Checks = None

    # Field of hooks -> the JSON path of each of its items, where they were handed down.
    _handed: Mapping[str, tuple[str, ...]] = PrivateAttr(default_factory=dict)

    def places(self, field: str, path: str) -> tuple[str, ...]:
        """Return where each item of a list was written, in a config that stands at `path`."""
        given = self._handed.get(field, ())
        own = range(len(given), len(getattr(self, field) or ()))
        return (*given, *(f"{path}.{field}[{index}]" for index in own))

    def handed(self, update: Mapping[str, Any], places: Mapping[str, tuple[str, ...]]) -> Self:
        """Return a copy with fields of its parent, and where their items were written."""
        copy = self.model_copy(update=update)
        copy._handed = {**self._handed, **places}  # noqa: SLF001 - a copy of our own
        return copy
