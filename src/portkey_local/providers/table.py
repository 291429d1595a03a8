"""The model providers, one row each, under Portkey's ids.

Ground rules:
- Data only: a row says where a provider lives and how a caller signs in; others do the rest.
- `base_url` ends where the SDK's own path begins: `base_url + "/chat/completions"` is the real URL.
- `language` names what a provider speaks, where that is not OpenAI's language at its own path.
- `endpoints` is shown to people and never blocks a call: vendors add more than a table can follow.
  "native" stands for a vendor's own, by `client.post` and `client.get`; `base_url` is their root.
- A field of the target in braces stands in `base_url` for its value; `places` has the environment
  variables that may name it instead.
- A service that has shut down keeps its row: its id is valid, and the failed call can fall back.
- The SDK's path is appended to a `custom_host`, as to `base_url`. Where Portkey has the vendor's
  `/v1` in its endpoints (`host_path`), that comes between, unless the host ends in it.
- Where a vendor has one host per region, ours is Portkey's; `custom_host` names another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType

from portkey_local.query import one_slip

CHAT = frozenset({"chat"})
EMBEDDINGS = frozenset({"embeddings"})
IMAGES = frozenset({"images"})
NATIVE_ONLY = frozenset({"native"})
NOWHERE: Mapping[str, tuple[str, ...]] = MappingProxyType({})


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
    host_path: str = ""  # what follows a custom_host that does not end in it
    language: str | None = None  # a language of its own, one of `languages.LANGUAGES`
    places: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: NOWHERE)

    def url(self, custom_host: str | None) -> str | None:
        """Return the URL that an endpoint's path is appended to, or None where nobody named one.

        >>> PROVIDERS["ollama"].url("http://gpu-1:11434/")
        'http://gpu-1:11434/v1'
        """
        if custom_host is None:
            return self.base_url
        host = custom_host.rstrip("/")
        return host if host.endswith(self.host_path) else host + self.host_path


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
        endpoints=_chat_and("completions", "embeddings", "images", "audio", "models"),
        host_path="/v1"),
    "fireworks-ai": Provider(
        "fireworks-ai", "https://api.fireworks.ai/inference/v1",
        ("FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"),
        endpoints=_chat_and("completions", "embeddings", "responses", "models")),
    "openrouter": Provider(
        "openrouter", "https://openrouter.ai/api/v1", ("OPENROUTER_API_KEY",),
        endpoints=_chat_and("completions", "embeddings", "responses", "models"),
        host_path="/v1"),
    "deepseek": Provider(  # no host_path: its API is served without /v1, too
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
        language="ollama", host_path="/v1"),
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
    "cortex": Provider(
        "cortex", "https://{snowflake_account}.snowflakecomputing.com/api/v2/cortex/v1",
        ("SNOWFLAKE_PAT", "SNOWFLAKE_TOKEN"),
        places={"snowflake_account": ("SNOWFLAKE_ACCOUNT",)}),
    "milvus": Provider(  # a cluster's URL; Zilliz' key or `user:password`
        "milvus", None, ("MILVUS_TOKEN", "ZILLIZ_API_KEY"), endpoints=NATIVE_ONLY),
    "modal": Provider(  # without a key, Modal-Key and Modal-Secret go along as the caller's headers
        "modal", None, ("MODAL_API_KEY",), key_optional=True),
    "qdrant": Provider(  # a cluster's URL
        "qdrant", None, ("QDRANT_API_KEY",), "api-key", "", endpoints=NATIVE_ONLY,
        key_optional=True),
    "triton": Provider(  # its own endpoints, or those of its OpenAI-compatible frontend
        "triton", None, (), endpoints=_chat_and("completions", "native"), key_optional=True),
    "predibase": Provider(  # tenant and model stand in the path: .../<tenant>/.../llms/<model>/v1
        "predibase", None, ("PREDIBASE_API_TOKEN", "PREDIBASE_API_KEY")),
    # --- embeddings alone
    "voyage": Provider(
        "voyage", "https://api.voyageai.com/v1", ("VOYAGE_API_KEY",), endpoints=EMBEDDINGS,
        language="voyage"),
    "jina": Provider(
        "jina", "https://api.jina.ai/v1", ("JINA_API_KEY", "JINA_AI_API_KEY"),
        endpoints=EMBEDDINGS, language="jina"),
    # --- images, 3D models, and whatever else a vendor runs
    "meshy": Provider(
        "meshy", "https://api.meshy.ai/openapi", ("MESHY_API_KEY",), endpoints=NATIVE_ONLY),
    "nomic": Provider(
        "nomic", "https://api-atlas.nomic.ai/v1", ("NOMIC_API_KEY",), endpoints=NATIVE_ONLY),
    "recraft-ai": Provider(
        "recraft-ai", "https://external.api.recraft.ai/v1",
        ("RECRAFT_API_TOKEN", "RECRAFT_API_KEY"), endpoints=IMAGES),
    "replicate": Provider(
        "replicate", "https://api.replicate.com/v1", ("REPLICATE_API_TOKEN",),
        endpoints=NATIVE_ONLY),
    "sagemaker": Provider(  # signed by AWS credentials; a model's endpoint is a path
        "sagemaker", "https://runtime.sagemaker.{aws_region}.amazonaws.com", (), None, "",
        endpoints=NATIVE_ONLY, key_optional=True,
        places={"aws_region": ("AWS_REGION", "AWS_DEFAULT_REGION")}),
    "segmind": Provider(
        "segmind", "https://api.segmind.com/v1", ("SEGMIND_API_KEY",), "x-api-key", "",
        endpoints=NATIVE_ONLY),
    "stability-ai": Provider(
        "stability-ai", "https://api.stability.ai/v2beta",
        ("STABILITY_API_KEY", "STABILITY_AI_API_KEY"), endpoints=NATIVE_ONLY),
    "tripo3d": Provider(
        "tripo3d", "https://api.tripo3d.ai/v2/openapi", ("TRIPO_API_KEY", "TRIPO3D_API_KEY"),
        endpoints=NATIVE_ONLY),
    # --- all the others, by id
    "302ai": Provider(  # a shell cannot export a name that begins with a digit
        "302ai", "https://api.302.ai/v1", ("AI302_API_KEY", "302AI_API_KEY"), host_path="/v1"),
    "ai21": Provider(
        "ai21", "https://api.ai21.com/studio/v1", ("AI21_API_KEY",),
        endpoints=_chat_and("files", "models")),
    "aibadgr": Provider("aibadgr", "https://aibadgr.com/api/v1", ("AIBADGR_API_KEY",)),
    "anyscale": Provider(  # the public endpoints closed in August 2024
        "anyscale", "https://api.endpoints.anyscale.com/v1", ("ANYSCALE_API_KEY",),
        endpoints=_chat_and("completions", "embeddings")),
    "bytez": Provider(
        "bytez", "https://api.bytez.com/models/v2/openai/v1", ("BYTEZ_API_KEY", "BYTEZ_KEY")),
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
        endpoints=_chat_and("completions", "models"), host_path="/v1"),
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
        endpoints=_chat_and("completions", "audio"), host_path="/api/v1"),
    "lingyi": Provider(
        "lingyi", "https://api.lingyiwanwu.com/v1", ("LINGYI_API_KEY", "YI_API_KEY"),
        host_path="/v1"),
    "matterai": Provider(
        "matterai", "https://api.matterai.so/v1", ("MATTERAI_API_KEY",),
        endpoints=_chat_and("embeddings")),
    "monsterapi": Provider(  # closed, as far as is known
        "monsterapi", "https://llm.monsterapi.ai/v1", ("MONSTERAPI_API_KEY", "MONSTER_API_KEY")),
    "moonshot": Provider(  # keys of the international site need https://api.moonshot.ai/v1
        "moonshot", "https://api.moonshot.cn/v1", ("MOONSHOT_API_KEY",),
        endpoints=_chat_and("files", "models"), host_path="/v1"),
    "ncompass": Provider("ncompass", "https://api.ncompass.tech/v1", ("NCOMPASS_API_KEY",)),
    "nebius": Provider(  # once AI Studio, now Token Factory
        "nebius", "https://api.tokenfactory.nebius.com/v1", ("NEBIUS_API_KEY",),
        endpoints=_chat_and("completions", "embeddings", "images", "models")),
    "nextbit": Provider(
        "nextbit", "https://api.nextbit256.com/v1", ("NEXTBIT_API_KEY",),
        endpoints=_chat_and("completions")),
    "novita-ai": Provider(
        "novita-ai", "https://api.novita.ai/openai/v1", ("NOVITA_API_KEY", "NOVITA_AI_API_KEY"),
        endpoints=_chat_and("completions", "embeddings", "models"), host_path="/v1"),
    "nscale": Provider(
        "nscale", "https://inference.api.nscale.com/v1", ("NSCALE_SERVICE_TOKEN", "NSCALE_API_KEY"),
        endpoints=_chat_and("images", "models")),
    "oracle": Provider(  # by an API key of OCI Generative AI; request signing is not built
        "oracle",
        "https://inference.generativeai.{oracle_region}.oci.oraclecloud.com/20231130/actions/v1",
        ("OCI_GENAI_API_KEY", "ORACLE_API_KEY"), places={"oracle_region": ("OCI_REGION",)}),
    "ovhcloud": Provider(  # without a key there is a free tier with tight limits
        "ovhcloud", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1",
        ("OVH_AI_ENDPOINTS_ACCESS_TOKEN", "OVHCLOUD_API_KEY"), key_optional=True,
        endpoints=_chat_and("embeddings", "models")),
    "reka-ai": Provider(
        "reka-ai", "https://api.reka.ai/v1", ("REKA_API_KEY", "REKA_AI_API_KEY"),
        endpoints=_chat_and("models")),
    "sambanova": Provider(
        "sambanova", "https://api.sambanova.ai/v1", ("SAMBANOVA_API_KEY",),
        endpoints=_chat_and("embeddings", "audio", "models"), host_path="/v1"),
    "siliconflow": Provider(  # keys of the international site need https://api.siliconflow.com/v1
        "siliconflow", "https://api.siliconflow.cn/v1", ("SILICONFLOW_API_KEY",),
        endpoints=_chat_and("embeddings", "images", "audio", "models")),
    "upstage": Provider(
        "upstage", "https://api.upstage.ai/v1", ("UPSTAGE_API_KEY",),
        endpoints=_chat_and("embeddings")),
    "workers-ai": Provider(
        "workers-ai",
        "https://api.cloudflare.com/client/v4/accounts/{workers_ai_account_id}/ai/v1",
        ("CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY"),
        endpoints=_chat_and("embeddings", "responses"),
        places={"workers_ai_account_id": ("CLOUDFLARE_ACCOUNT_ID",)}),
    "z-ai": Provider(
        "z-ai", "https://api.z.ai/api/paas/v4", ("ZAI_API_KEY", "Z_AI_API_KEY"),
        endpoints=_chat_and("images")),
    "zhipu": Provider(
        "zhipu", "https://open.bigmodel.cn/api/paas/v4",
        ("ZHIPUAI_API_KEY", "ZHIPU_API_KEY", "ZAI_API_KEY"),
        endpoints=_chat_and("embeddings", "images", "files")),
}  # fmt: skip

# Known by name, and gone.
CLOSED: Mapping[str, str] = {
    "palm": "Google closed the PaLM API in 2024; use provider 'google'",
}

# The beginnings of provider fields, and who reads them.
READERS: Mapping[str, frozenset[str]] = {
    "amzn_": frozenset({"sagemaker"}),
    "anthropic_": frozenset({"anthropic", "bedrock", "vertex-ai"}),
    "api_version": frozenset({"azure-openai"}),
    "aws_": frozenset({"bedrock", "sagemaker"}),
    "azure_": frozenset({"azure-ai", "azure-openai"}),
    "deployment_id": frozenset({"azure-openai"}),
    "huggingface_": frozenset({"huggingface"}),
    "oracle_": frozenset({"oracle"}),
    "resource_name": frozenset({"azure-openai"}),
    "snowflake_": frozenset({"cortex"}),
    "stability_": frozenset({"stability-ai"}),
    "vertex_": frozenset({"vertex-ai"}),
    "workers_ai_": frozenset({"workers-ai"}),
}


def readers_of(field: str) -> frozenset[str] | None:
    """Return the providers that read a provider field, None where any may.

    >>> sorted(readers_of("aws_region"))
    ['bedrock', 'sagemaker']
    """
    return next((who for stem, who in READERS.items() if field.startswith(stem)), None)


def nearest(provider_id: str) -> str | None:
    """Return the known id that looks most like `provider_id`, for an error message.

    >>> nearest("Mistral"), nearest("together_ai"), nearest("qqqqzzzz")
    ('mistral-ai', 'together-ai', None)
    """
    known = sorted(PROVIDERS.keys() | CLOSED.keys())
    ids = {_short(each): each for each in known} | {_plain(each): each for each in known}
    for wanted in (_plain(provider_id), _short(provider_id)):
        if close := get_close_matches(wanted, ids, n=1, cutoff=0.7):
            return ids[close[0]]
    return next((each for each in known if one_slip(provider_id, each)), None)


def _plain(provider_id: str) -> str:
    return "".join(letter for letter in provider_id.lower() if letter.isalnum())


def _short(provider_id: str) -> str:
    # Cut before hyphens go: the "ai" of openai is part of the name, that of x-ai is not.
    return _plain(provider_id.lower().replace("_", "-").removesuffix("-ai"))
