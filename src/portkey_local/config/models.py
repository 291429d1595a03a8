"""The Portkey config JSON, spelt as immutable models: one schema for the root and every target.

Ground rules: a model knows shapes and ranges of single fields only. What several fields mean
together is in `rules`, what does not work yet is in `unbuilt`, and `load` is the door that asks all
three. A field that was left out differs from one that was written: `model_fields_set` tells, and
inheritance relies on it.
"""

# Annotations are real objects here: pydantic would have to compile each string, at twice the import
# time.

from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, model_validator

from portkey_local.config.vendors import Frozen, VendorFields

__all__ = ["Cache", "CacheMode", "Condition", "Config", "Mode", "Retry", "Strategy"]

Mode = Literal["single", "fallback", "loadbalance", "conditional"]
CacheMode = Literal["simple", "semantic"]
MODES: dict[str, tuple[str, ...]] = {"strategy": get_args(Mode), "cache": get_args(CacheMode)}

DEFAULT_STREAM_IDLE_TIMEOUT = 60_000.0
RETRY_AFTER = "use_retry_after_header"
RETRY_AFTER_PLURAL = "use_retry_after_headers"

# JSON has lists where Python has tuples, so tuples alone are read leniently; what they hold is not.
Lenient = Field(strict=False)
Status = Annotated[int, Field(ge=100, le=999)]
Statuses = Annotated[tuple[Status, ...] | None, Lenient]
Names = Annotated[tuple[str, ...] | None, Lenient]
Checks = Annotated[tuple[Any, ...] | None, Lenient]
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Condition(Frozen):
    """One row of conditional routing: where calls go that match the query."""

    query: dict[str, Any]
    then: str


class Strategy(Frozen):
    """How a group chooses among its targets.

    >>> Strategy(mode="fallback", on_status_codes=(429, 503))
    Strategy(mode='fallback', on_status_codes=(429, 503))
    """

    mode: Mode
    on_status_codes: Statuses = None
    conditions: Annotated[tuple[Condition, ...] | None, Lenient] = None
    default: str | None = None
    cb_config: dict[str, Any] | None = None
    sticky_session: dict[str, Any] | None = None


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
    """Whether answers are kept; `max_age` is in seconds. A bare string is the mode."""

    mode: CacheMode
    max_age: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

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
    on_status_codes: Statuses = None

    cache: Cache | None = None
    cb_config: dict[str, Any] | None = None
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
