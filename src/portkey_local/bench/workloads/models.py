"""What a workload file says, checked: when calls come, how large they are, who waits for them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from portkey_local.bench.naming import WithNearestName
from portkey_local.bench.weather.models import Distribution

__all__ = ["Bursty", "Diurnal", "Poisson", "Questions", "Sizes", "WorkloadFile"]

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]

CALLS: Final = 2000
TIMEOUT: Final = 600.0  # seconds; the openai SDK's own default


class _Part(WithNearestName, BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Poisson(_Part):
    """Calls that know nothing of each other, `rate` a second."""

    rate: Positive = 5.0


class Bursty(_Part):
    """On and off in turns, each for an exponential time: `rate` a second while on."""

    rate: Positive = 20.0
    on_seconds: Positive = 10.0
    off_seconds: Positive = 30.0
    off_rate: Annotated[float, Field(ge=0)] = 0.5


class Diurnal(_Part):
    """A rate that swings once a `period`: `rate` a second on average, `swing` of it up and down."""

    rate: Positive = 5.0
    swing: Share = 0.8
    period_seconds: Positive = 86_400.0


class Sizes(_Part):
    """Tokens of prompts and answers: lognormal, of these medians.

    The defaults are the medians and the spreads of the Azure conversation trace of 2023.
    """

    prompt_median: Positive = 1020.0
    prompt_sigma: Annotated[float, Field(ge=0)] = 0.98
    completion_median: Positive = 129.0
    completion_sigma: Annotated[float, Field(ge=0)] = 0.86
    most: Count = 16_384


class Questions(_Part):
    """What is asked, for caches: a share of calls asks what was asked before, some in other words.

    Popularity among what was asked falls as rank to the power of `-zipf`.
    """

    repeat_rate: Share = 0.0
    paraphrase_rate: Share = 0.0
    zipf: Annotated[float, Field(ge=0)] = 1.0


class WorkloadFile(_Part):
    """A workload: one of `trace`, `poisson`, `bursty`, `diurnal`, and what its calls are like.

    `calls` cuts a trace short; `speed` makes time go faster. `deadline` is the seconds within which
    an answer is of use, `timeout` those after which the client gives up a call before its first
    token, `patience` those after which a caller leaves.
    """

    name: str = ""
    trace: str | None = None
    poisson: Poisson | None = None
    bursty: Bursty | None = None
    diurnal: Diurnal | None = None
    calls: Count | None = None
    speed: Positive = 1.0
    sizes: Sizes = Sizes()
    questions: Questions = Questions()
    model: str = "gpt-4o-mini"
    stream: bool = True
    deadline: Positive | None = None
    timeout: Positive = TIMEOUT
    patience: Distribution | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _comes_from_somewhere(self) -> WorkloadFile:
        ways = ("trace", "poisson", "bursty", "diurnal")
        if sum(getattr(self, way) is not None for way in ways) != 1:
            raise ValueError(f"give one of {', '.join(ways)}")
        return self
