"""What tokens cost: the prices that come with `genai-prices`, read offline, or the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
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
    """US dollars for a prompt's token and for a generated one."""

    prompt: float
    completion: float

    def cost(self, prompt_tokens: int, completion_tokens: float) -> float:
        """Return what so many tokens cost."""
        return prompt_tokens * self.prompt + completion_tokens * self.completion


def rate_of(provider: str, model: str, own: Price | None = None) -> Rate | None:
    """Return what a provider's model costs, or None where nobody knows."""
    if own is not None:
        return Rate(own.input_per_million / 1e6, own.output_per_million / 1e6)
    from genai_prices import Usage, calc_price  # its data take a moment to load

    provider_id = PROVIDER_IDS.get(provider, provider)
    rates = []
    for usage in (Usage(input_tokens=SAMPLE), Usage(output_tokens=SAMPLE)):
        try:
            price = calc_price(
                usage, model, provider_id=provider_id, genai_request_timestamp=LATEST
            )
        except LookupError:
            return None
        rates.append(float(price.total_price) / SAMPLE)
    return Rate(*rates)
