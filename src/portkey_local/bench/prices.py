"""What tokens cost: the prices that come with `genai-prices`, read offline, or the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from portkey_local.bench.weather.models import Price

__all__ = ["Rate", "rate_of"]

PROVIDER_IDS: Final[Mapping[str, str]] = {  # ours, where genai-prices has another
    "azure-openai": "azure",
    "azure-ai": "azure",
    "bedrock": "aws",
    "vertex-ai": "google",
    "mistral-ai": "mistral",
    "together-ai": "together",
    "fireworks-ai": "fireworks",
    "perplexity-ai": "perplexity",
    "voyage": "voyageai",
    "novita-ai": "novita",
    "moonshot": "moonshotai",
    "z-ai": "zai",
    "zhipu": "zhipuai",
    "workers-ai": "cloudflare",
}
LATEST: Final = datetime(2100, 1, 1, 12, tzinfo=UTC)  # the last price that is known, at noon
SAMPLE: Final = 1000  # tokens; prices that depend on the length of the context are a short one's


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars for a prompt's token, for a generated one, and for a request by itself."""

    prompt: float
    completion: float
    request: float = 0.0

    def cost(self, prompt_tokens: int, completion_tokens: float) -> float:
        """Return what a request with so many tokens costs."""
        return self.request + prompt_tokens * self.prompt + completion_tokens * self.completion


def rate_of(provider: str, model: str, own: Price | None = None) -> Rate | None:
    """Return what a provider's model costs, or None where nobody knows."""
    if own is not None:
        return Rate(own.input_per_million / 1e6, own.output_per_million / 1e6)
    try:
        one, more_in, more_out = (
            _price(provider, model, SAMPLE * prompts, SAMPLE * answers)
            for prompts, answers in ((1, 1), (2, 1), (1, 2))
        )
    except LookupError:
        return None
    prompt, completion = (more_in - one) / SAMPLE, (more_out - one) / SAMPLE
    return Rate(float(prompt), float(completion), float(one - SAMPLE * (prompt + completion)))


def _price(provider: str, model: str, prompt_tokens: int, completion_tokens: int) -> Decimal:
    """Return what a request costs. Raises LookupError for a model that has no price."""
    from genai_prices import Usage, calc_price  # its data take a moment to load

    usage = Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens)
    provider_id = PROVIDER_IDS.get(provider, provider)
    found = calc_price(usage, model, provider_id=provider_id, genai_request_timestamp=LATEST)
    return found.total_price
