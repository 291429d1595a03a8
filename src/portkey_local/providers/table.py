"""The model providers, one row each, under Portkey's ids.

Ground rules:
- Data only: a row says where a provider lives and how a caller signs in; others do the rest.
- `base_url` ends where the SDK's own path begins: `base_url + "/chat/completions"` is the real URL.
- `language` names what a provider speaks, where that is not OpenAI's language at its own path.
- `endpoints` is shown to people and never blocks a call: vendors add more than a table can follow.
- A service that has shut down keeps its row: its id is valid, and the failed call can fall back.
- A `custom_host` is taken as it is written: the SDK's path is appended to it, as to `base_url`.
- Where a vendor has one host per region, ours is Portkey's; `custom_host` names another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

CHAT = frozenset({"chat"})
EMBEDDINGS = frozenset({"embeddings"})


@dataclass(frozen=True, slots=True)
class Provider:
    """Where one provider is reached and how a call to it is signed.

    >>> PROVIDERS["groq"].base_url
    'https://api.groq.com/openai/v1'
    """

    id: str
    base_url: str | None  # None: the host is the user's own, and a target must name its custom_host
    key_variables: tuple[str, ...]  # the vendor's documented one first; () when no key is used
    auth_header: str | None = "authorization"  # None: no auth header is sent
    auth_prefix: str = "Bearer "
    endpoints: frozenset[str] = CHAT
    key_optional: bool = False  # a call without a key is right, or a signer may do without
    language: str | None = None  # a language of its own, one of `languages.LANGUAGES`


def _chat_and(*families: str) -> frozenset[str]:
    return CHAT.union(families)


PROVIDERS: Mapping[str, Provider] = {
    # --- the hosts most people use
    "openai": Provider(
        "openai", "https://api.openai.com/v1", ("OPENAI_API_KEY",),
        endpoints=_chat_and("completions", "embeddings", "images", "audio", "responses",
                            "moderations", "files", "batches", "models", "fine_tuning")),
    "azure-openai": Provider(
        "azure-openai", None, ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_KEY"), "api-key", "",
        endpoints=_chat_and("completions", "embeddings", "images", "audio", "responses",
                            "files", "batches", "models", "fine_tuning"),
        key_optional=True, language="azure"),
    "azure-ai": Provider(  # serverless and Foundry hosts differ in their paths
        "azure-ai", None, ("AZURE_INFERENCE_CREDENTIAL", "AZURE_AI_API_KEY"), "api-key", "",
        endpoints=_chat_and("completions", "embeddings", "images", "files", "batches"),
        key_optional=True, language="azure"),
    "mistral-ai": Provider(
        "mistral-ai", "https://api.mistral.ai/v1", ("MISTRAL_API_KEY", "MISTRAL_AI_API_KEY"),
        endpoints=_chat_and("embeddings", "audio", "moderations", "files", "models")),
    "groq": Provider(
        "groq", "https://api.groq.com/openai/v1", ("GROQ_API_KEY",),
        endpoints=_chat_and("audio", "responses", "files", "batches", "models")),
    "together-ai": Provider(
        "together-ai", "https://api.together.ai/v1", ("TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"),
        endpoints=_chat_and("completions", "embeddings", "images", "audio", "models")),
    "fireworks-ai": Provider(
        "fireworks-ai", "https://api.fireworks.ai/inference/v1",
        ("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        endpoints=_chat_and("completions", "embeddings", "responses", "models")),
    "openrouter": Provider(
        "openrouter", "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",),
        endpoints=_chat_and("completions", "embeddings", "responses", "models")),
    "deepseek": Provider(
        "deepseek", "https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",),
        endpoints=_chat_and("models")),
    "perplexity-ai": Provider(
        "perplexity-ai", "https://api.perplexity.ai", ("PERPLEXITY_API_KEY", "PPLX_API_KEY")),
    "x-ai": Provider(
        "x-ai", "https://api.x.ai/v1", ("XAI_API_KEY", "X_AI_API_KEY"),
        endpoints=_chat_and("completions", "embeddings", "images", "responses", "models")),
    "ollama": Provider(  # an explicit key is still sent: some put a guarded proxy in front
        "ollama", "http://localhost:11434/v1", (), key_optional=True,
        endpoints=_chat_and("completions", "embeddings", "responses", "models"),
        language="ollama"),
    "huggingface": Provider(
        "huggingface", "https://router.huggingface.co/v1", ("HF_TOKEN", "HUGGINGFACE_API_KEY"),
        endpoints=_chat_and("responses", "models"), language="huggingface"),
    # --- languages of their own
    "anthropic": Provider(
        "anthropic", "https://api.anthropic.com/v1", ("ANTHROPIC_API_KEY",), "x-api-key", "",
        endpoints=_chat_and("messages", "models", "batches", "files"), language="anthropic"),
    "google": Provider(
        "google", "https://generativelanguage.googleapis.com/v1beta",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"), "x-goog-api-key", "",
        endpoints=_chat_and("embeddings", "models", "native"), language="google"),
    "vertex-ai": Provider(  # the host depends on the region; a key is a ready bearer token
        "vertex-ai", None, ("VERTEX_AI_API_KEY",),
        endpoints=_chat_and("embeddings", "messages", "native"), key_optional=True,
        language="vertex"),
    "bedrock": Provider(  # the host depends on the region
        "bedrock", None, ("AWS_BEARER_TOKEN_BEDROCK",),
        endpoints=_chat_and("embeddings", "native"), key_optional=True, language="bedrock"),
    "cohere": Provider(
        "cohere", "https://api.cohere.com/v2", ("COHERE_API_KEY", "CO_API_KEY"),
        endpoints=_chat_and("embeddings", "native"), language="cohere"),
    # --- hosts that belong to the user
    "cortex": Provider(  # https://<account>.snowflakecomputing.com
        "cortex", None, ("SNOWFLAKE_PAT", "SNOWFLAKE_TOKEN")),
    "modal": Provider(  # without a key, Modal-Key and Modal-Secret go along as the caller's headers
        "modal", None, ("MODAL_API_KEY",), key_optional=True),
    "predibase": Provider(  # tenant and model stand in the path: .../<tenant>/.../llms/<model>/v1
        "predibase", None, ("PREDIBASE_API_TOKEN", "PREDIBASE_API_KEY")),
    # --- embeddings alone
    "voyage": Provider(
        "voyage", "https://api.voyageai.com/v1", ("VOYAGE_API_KEY",), endpoints=EMBEDDINGS,
        language="voyage"),
    "jina": Provider(
        "jina", "https://api.jina.ai/v1", ("JINA_API_KEY", "JINA_AI_API_KEY"),
        endpoints=EMBEDDINGS, language="jina"),
    # --- all the others, by id
    "302ai": Provider(  # a shell cannot export a name that begins with a digit
        "302ai", "https://api.302.ai/v1", ("AI302_API_KEY", "302AI_API_KEY")),
    "aibadgr": Provider("aibadgr", "https://aibadgr.com/api/v1", ("AIBADGR_API_KEY",)),
    "anyscale": Provider(  # the public endpoints closed in August 2024
        "anyscale", "https://api.endpoints.anyscale.com/v1", ("ANYSCALE_API_KEY",),
        endpoints=_chat_and("completions", "embeddings")),
    "cerebras": Provider(
        "cerebras", "https://api.cerebras.ai/v1", ("CEREBRAS_API_KEY",),
        endpoints=_chat_and("completions", "models")),
    "cometapi": Provider(
        "cometapi", "https://api.cometapi.com/v1", ("COMETAPI_KEY", "COMETAPI_API_KEY"),
        endpoints=_chat_and("embeddings")),
    "dashscope": Provider(  # the international host; keys of other regions are refused here
        "dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        ("DASHSCOPE_API_KEY",), endpoints=_chat_and("embeddings", "files", "batches")),
    "deepbricks": Provider(
        "deepbricks", "https://api.deepbricks.ai/v1", ("DEEPBRICKS_API_KEY",),
        endpoints=_chat_and("images")),
    "deepinfra": Provider(
        "deepinfra", "https://api.deepinfra.com/v1/openai",
        ("DEEPINFRA_TOKEN", "DEEPINFRA_API_TOKEN", "DEEPINFRA_API_KEY"),
        endpoints=_chat_and("completions", "embeddings", "images", "audio", "models")),
    "featherless-ai": Provider(
        "featherless-ai", "https://api.featherless.ai/v1",
        ("FEATHERLESS_API_KEY", "FEATHERLESS_AI_API_KEY"),
        endpoints=_chat_and("completions", "models")),
    "github": Provider(  # GitHub Models was retired on 30 July 2026
        "github", "https://models.github.ai/inference", ("GITHUB_TOKEN", "GITHUB_API_KEY"),
        endpoints=_chat_and("embeddings")),
    "hyperbolic": Provider(
        "hyperbolic", "https://api.hyperbolic.xyz/v1", ("HYPERBOLIC_API_KEY",),
        endpoints=_chat_and("completions", "models")),
    "inference-net": Provider(
        "inference-net", "https://api.inference.net/v1",
        ("INFERENCE_API_KEY", "INFERENCE_NET_API_KEY"),
        endpoints=_chat_and("completions", "models")),
    "iointelligence": Provider(
        "iointelligence", "https://api.intelligence.io.solutions/api/v1",
        ("IOINTELLIGENCE_API_KEY", "IO_INTELLIGENCE_API_KEY"),
        endpoints=_chat_and("embeddings", "models")),
    "kluster-ai": Provider(
        "kluster-ai", "https://api.kluster.ai/v1", ("KLUSTER_API_KEY", "KLUSTER_AI_API_KEY"),
        endpoints=_chat_and("embeddings", "files", "batches")),
    "krutrim": Provider(
        "krutrim", "https://cloud.olakrutrim.com/v1", ("KRUTRIM_CLOUD_API_KEY", "KRUTRIM_API_KEY")),
    "lambda": Provider(  # the inference API closed in September 2025
        "lambda", "https://api.lambda.ai/v1", ("LAMBDA_API_KEY",),
        endpoints=_chat_and("completions", "models")),
    "lemonfox-ai": Provider(
        "lemonfox-ai", "https://api.lemonfox.ai/v1", ("LEMONFOX_API_KEY", "LEMONFOX_AI_API_KEY"),
        endpoints=_chat_and("images", "audio")),
    "lepton": Provider(  # bought by NVIDIA in 2025; the shared endpoints are gone
        "lepton", "https://api.lepton.ai/api/v1", ("LEPTON_API_KEY",),
        endpoints=_chat_and("completions", "audio")),
    "lingyi": Provider(
        "lingyi", "https://api.lingyiwanwu.com/v1", ("LINGYI_API_KEY", "YI_API_KEY")),
    "matterai": Provider(
        "matterai", "https://api.matterai.so/v1", ("MATTERAI_API_KEY",),
        endpoints=_chat_and("embeddings")),
    "monsterapi": Provider(  # closed, as far as is known
        "monsterapi", "https://llm.monsterapi.ai/v1", ("MONSTERAPI_API_KEY", "MONSTER_API_KEY")),
    "moonshot": Provider(  # keys of the international site need https://api.moonshot.ai/v1
        "moonshot", "https://api.moonshot.cn/v1", ("MOONSHOT_API_KEY",),
        endpoints=_chat_and("files", "models")),
    "ncompass": Provider("ncompass", "https://api.ncompass.tech/v1", ("NCOMPASS_API_KEY",)),
    "nebius": Provider(  # once AI Studio, now Token Factory
        "nebius", "https://api.tokenfactory.nebius.com/v1", ("NEBIUS_API_KEY",),
        endpoints=_chat_and("completions", "embeddings", "images", "models")),
    "nextbit": Provider(
        "nextbit", "https://api.nextbit256.com/v1", ("NEXTBIT_API_KEY",),
        endpoints=_chat_and("completions")),
    "novita-ai": Provider(
        "novita-ai", "https://api.novita.ai/openai/v1", ("NOVITA_API_KEY", "NOVITA_AI_API_KEY"),
        endpoints=_chat_and("completions", "embeddings", "models")),
    "nscale": Provider(
        "nscale", "https://inference.api.nscale.com/v1", ("NSCALE_SERVICE_TOKEN", "NSCALE_API_KEY"),
        endpoints=_chat_and("images", "models")),
    "ovhcloud": Provider(  # without a key there is a free tier with tight limits
        "ovhcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        ("OVH_AI_ENDPOINTS_ACCESS_TOKEN", "OVHCLOUD_API_KEY"), key_optional=True,
        endpoints=_chat_and("embeddings", "models")),
    "sambanova": Provider(
        "sambanova", "https://api.sambanova.ai/v1", ("SAMBANOVA_API_KEY",),
        endpoints=_chat_and("embeddings", "audio", "models")),
    "siliconflow": Provider(  # keys of the international site need https://api.siliconflow.com/v1
        "siliconflow", "https://api.siliconflow.cn/v1", ("SILICONFLOW_API_KEY",),
        endpoints=_chat_and("embeddings", "images", "audio", "models")),
    "upstage": Provider(
        "upstage", "https://api.upstage.ai/v1", ("UPSTAGE_API_KEY",),
        endpoints=_chat_and("embeddings")),
    "z-ai": Provider(
        "z-ai", "https://api.z.ai/api/paas/v4", ("ZAI_API_KEY", "Z_AI_API_KEY"),
        endpoints=_chat_and("images")),
    "zhipu": Provider(
        "zhipu", "https://open.bigmodel.cn/api/paas/v4",
        ("ZHIPUAI_API_KEY", "ZHIPU_API_KEY", "ZAI_API_KEY"),
        endpoints=_chat_and("embeddings", "images", "files")),
}  # fmt: skip

# Known by name, not built yet: each speaks a language, or signs in a way, of its own.
NATIVE: frozenset[str] = frozenset({
    "ai21", "bytez", "meshy", "milvus", "nomic", "oracle", "palm", "qdrant", "recraft-ai",
    "reka-ai", "replicate", "sagemaker", "segmind", "stability-ai", "triton", "tripo3d",
    "workers-ai",
})  # fmt: skip


def nearest(provider_id: str) -> str | None:
    """Return the known id that looks most like `provider_id`, for an error message.

    >>> nearest("Mistral"), nearest("together_ai"), nearest("qqqqzzzz")
    ('mistral-ai', 'together-ai', None)
    """
    known = sorted(PROVIDERS.keys() | NATIVE)
    ids = {_short(each): each for each in known} | {_plain(each): each for each in known}
    for wanted in (_plain(provider_id), _short(provider_id)):
        if close := get_close_matches(wanted, ids, n=1, cutoff=0.7):
            return ids[close[0]]
    return None


def _plain(provider_id: str) -> str:
    return "".join(letter for letter in provider_id.lower() if letter.isalnum())


def _short(provider_id: str) -> str:
    # Cut before hyphens go: the "ai" of openai is part of the name, that of x-ai is not.
    return _plain(provider_id.lower().replace("_", "-").removesuffix("-ai"))
