"""What a weather file says, checked: providers with their latency, limits, price and regimes.

Ground rules: data only. All times are seconds, all rates are probabilities of one attempt. A name
that nobody knows is refused with the nearest one that somebody does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from portkey_local.bench.naming import WithNearestName

__all__ = [
    "Distribution",
    "Latency",
    "Limits",
    "Lognormal",
    "Price",
    "ProviderModel",
    "Regime",
    "ScriptStep",
    "Slowdown",
    "WeatherFile",
]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]

CALM: Final = "calm"


class _Part(WithNearestName, BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lognormal(_Part):
    """A part of a mix: half of its values are below `median`; `sigma` is the logarithm's."""

    median: Positive
    sigma: NotNegative = 0.5
    weight: Positive = 1.0


class Distribution(_Part):
    """A distribution of seconds: one of a mix of lognormals, a sample, an exponential, a constant.

    A sample is read as its quantiles, with straight lines between them.
    """

    lognormal: tuple[Lognormal, ...] = ()
    sample: tuple[NotNegative, ...] = ()
    exponential: Positive | None = None
    constant: NotNegative | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Distribution:
        told = [name for name in type(self).model_fields if getattr(self, name) not in (None, ())]
        if len(told) != 1:
            raise ValueError("give one of lognormal, sample, exponential, constant")
        return self


class Slowdown(_Part):
    """How a provider slows down under load: by `per_call` for each call in flight above `above`."""

    above: Annotated[int, Field(ge=0)] = 0
    per_call: NotNegative = 0.0


class Latency(_Part):
    """How long a good answer takes.

    `ttft` is the time to the first token and `per_prompt_token` is added to it for each token of
    the prompt; `per_token` is the time of each further token, drawn once for an answer. `failing`
    is what an error answer takes. With `concurrency`, so many calls are served at a time and the
    others wait in line.
    """

    ttft: Distribution = Distribution(lognormal=(Lognormal(median=0.4, sigma=0.5),))
    per_token: Distribution = Distribution(lognormal=(Lognormal(median=0.012, sigma=0.3),))
    per_prompt_token: NotNegative = 0.0
    failing: Distribution = Distribution(lognormal=(Lognormal(median=0.08, sigma=0.4),))
    concurrency: Annotated[int, Field(ge=1)] | None = None
    slowdown: Slowdown | None = None


class Limits(_Part):
    """What an account may ask: a token bucket of requests, and one of tokens (prompt and answer).

    `share_of_load` sets both as a share of the workload's own mean load. A bucket holds what comes
    in `burst_seconds`.
    """

    requests_per_minute: Positive | None = None
    tokens_per_minute: Positive | None = None
    share_of_load: Positive | None = None
    burst_seconds: Positive = 10.0

    @model_validator(mode="after")
    def _is_told_once(self) -> Limits:
        if self.share_of_load and (self.requests_per_minute or self.tokens_per_minute):
            raise ValueError("give share_of_load, or limits a minute, not both")
        return self


class Regime(_Part):
    """A provider's state for a while.

    `mean_seconds` is how long it lasts (exponential); `next` weighs what follows, else each other
    regime alike. `errors` are probabilities by status (`"503"`), and of `"network"` (the connection
    breaks) and `"silence"` (nothing ever comes). Of the answers that begin, `truncated` break off,
    and `stalled` pause for `stall_seconds`. `slower` multiplies latencies, `limits` the account's
    limits.
    """

    mean_seconds: Positive = 600.0
    next: Mapping[str, Positive] = Field(default_factory=dict)
    errors: Mapping[str, Share] = Field(default_factory=dict)
    truncated: Share = 0.0
    stalled: Share = 0.0
    stall_seconds: Positive = 30.0
    slower: Positive = 1.0
    limits: Positive = 1.0

    @model_validator(mode="after")
    def _adds_up(self) -> Regime:
        for name in self.errors:
            if name not in ("network", "silence") and not (
                name.isdecimal() and 400 <= int(name) <= 599
            ):
                raise ValueError(
                    f"errors: {name!r} is neither a status of 400 to 599 nor network nor silence"
                )
        if sum(self.errors.values()) > 1 + 1e-9:
            raise ValueError("errors: the probabilities add up to more than 1")
        if self.truncated + self.stalled > 1 + 1e-9:
            raise ValueError("truncated and stalled add up to more than 1")
        return self


class Price(_Part):
    """What a million tokens cost, in US dollars."""

    input_per_million: NotNegative
    output_per_million: NotNegative


class ScriptStep(_Part):
    """One outcome, written by hand: a status after so many seconds, or one of the ways to fail."""

    status: Annotated[int, Field(ge=200, le=599)] = 200
    after: NotNegative = 0.0
    rest: NotNegative = 0.0
    retry_after: NotNegative | None = None
    fault: Literal["network", "silence", "truncated"] | None = None


class ProviderModel(_Part):
    """One provider: how it answers, what it allows, what it costs, and how it fares.

    `schedule` says which regime begins when (`[[0, "calm"], [600, "blackout"]]`) instead of chance.
    A `script` is played instead of all that, one step for each attempt; its last step repeats.
    """

    latency: Latency = Latency()
    limits: Limits | None = None
    price: Price | None = None
    regimes: Mapping[str, Regime] = Field(default_factory=lambda: {CALM: Regime()}, min_length=1)
    start: str | None = None
    schedule: tuple[tuple[NotNegative, str], ...] = ()
    script: tuple[ScriptStep, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _is_alone(cls, told: Any) -> Any:
        if isinstance(told, Mapping) and told.get("script") and len(told) > 1 + ("price" in told):
            raise ValueError("a script says all: leave out the rest, but for the price")
        return told

    @model_validator(mode="after")
    def _names_regimes(self) -> ProviderModel:
        from portkey_local.query import nearest

        named = [name for _, name in self.schedule] + [self.start or next(iter(self.regimes))]
        named += [name for regime in self.regimes.values() for name in regime.next]
        for name in named:
            if name not in self.regimes:
                near = nearest(name, self.regimes)
                hint = f"; did you mean {near!r}?" if near else ""
                raise ValueError(f"{name!r} is none of the regimes{hint}")
        times = [at for at, _ in self.schedule]
        if times and (times[0] != 0 or times != sorted(set(times))):
            raise ValueError("schedule: times begin at 0 and increase")
        return self


class WeatherFile(_Part):
    """All providers of a run, by the place of a target, `provider/model`, `provider`, or `*`.

    What has attempts in `recording`, an event log of this library, is replayed from there instead.
    """

    name: str = ""
    providers: Mapping[str, ProviderModel] = Field(default_factory=dict)
    recording: str | None = None
