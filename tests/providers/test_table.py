"""The table of providers: complete, well formed, and forgiving of a mistyped id."""

from __future__ import annotations

import ast
import re
from collections import Counter
from dataclasses import FrozenInstanceError
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portkey_local.providers import table
from portkey_local.providers.table import CLOSED, PROVIDERS, READERS, Provider, nearest, readers_of

# semantics.md section 4: kind P, and its last row. (nomic is P/T there; its API is not OpenAI's.)
PASS_THROUGH = [
    "openai", "azure-openai", "azure-ai", "mistral-ai", "groq", "together-ai", "fireworks-ai",
    "openrouter", "deepseek", "perplexity-ai", "x-ai", "ollama", "huggingface", "cortex",
    "voyage", "jina", "anyscale", "deepinfra", "ncompass", "moonshot", "lingyi", "zhipu",
    "z-ai", "novita-ai", "monsterapi", "predibase", "github", "deepbricks", "siliconflow",
    "cerebras", "inference-net", "sambanova", "lemonfox-ai", "upstage", "lambda", "dashscope",
    "nebius", "lepton", "kluster-ai", "nscale", "hyperbolic", "featherless-ai", "krutrim",
    "302ai", "cometapi", "matterai", "nextbit", "modal", "iointelligence", "aibadgr", "ovhcloud",
]  # fmt: skip

# The other rows of section 4.
TRANSLATED = [
    "anthropic", "google", "vertex-ai", "bedrock", "sagemaker", "cohere", "workers-ai", "ai21",
    "reka-ai", "palm", "oracle", "bytez", "stability-ai", "segmind", "recraft-ai", "nomic",
    "triton", "replicate", "milvus", "qdrant", "meshy", "tripo3d",
]  # fmt: skip

FAMILIES = {
    *("chat", "completions", "embeddings", "images", "audio", "responses"),
    *("moderations", "files", "batches", "models", "fine_tuning"),
    *("messages", "native"),  # a vendor's own
}

rows = pytest.mark.parametrize("row", PROVIDERS.values(), ids=list(PROVIDERS))


def test_no_id_is_written_twice():
    """A repeated key of a dict literal would silently win over the first."""
    tree = ast.parse(Path(table.__file__).read_text(encoding="utf-8"))
    largest = max(
        (node for node in ast.walk(tree) if isinstance(node, ast.Dict)),
        key=lambda node: len(node.keys),
    )
    written = Counter(key.value for key in largest.keys if isinstance(key, ast.Constant))
    assert written == Counter(PROVIDERS.keys())


@pytest.mark.parametrize("provider_id", PASS_THROUGH)
def test_every_pass_through_provider_has_a_row_under_its_own_id(provider_id):
    """Each id of semantics.md section 4 is a key, and the row knows its key."""
    assert PROVIDERS[provider_id].id == provider_id


def test_there_are_no_rows_beyond_the_lists():
    """A new row is added to a list above too, so that it is not lost unnoticed."""
    assert PROVIDERS.keys() <= {*PASS_THROUGH, *TRANSLATED}


def test_every_id_has_a_row_or_is_known_to_be_gone():
    """Every id of section 4 is known by name, and none is in both tables."""
    assert {*PASS_THROUGH, *TRANSLATED} == PROVIDERS.keys() | CLOSED.keys()
    assert not CLOSED.keys() & PROVIDERS.keys()
    assert len(PROVIDERS) >= 70


def test_readers_of_provider_fields_are_providers():
    """A provider field belongs to whom the table says, and to nobody unknown."""
    assert frozenset().union(*READERS.values()) <= PROVIDERS.keys()
    assert readers_of("vertex_region") == {"vertex-ai"}
    assert readers_of("openai_project") is None


@rows
def test_base_urls_end_where_the_sdk_begins(row):
    """https, except on this machine; no trailing slash, query or endpoint path."""
    if row.base_url is None:
        return
    assert set(re.findall(r"{(\w+)}", row.base_url)) == set(row.places)
    parts = urlsplit(re.sub(r"{\w+}", "x", row.base_url))
    assert parts.scheme == "https" or parts.hostname == "localhost"
    assert parts.hostname
    assert (parts.query, parts.fragment, parts.username) == ("", "", None)
    assert not row.base_url.endswith(("/", "/chat/completions", "/embeddings"))
    assert "//" not in parts.path


@rows
def test_sign_in_is_complete(row):
    """Keys have names an environment can hold, and a row without any says that none is needed."""
    assert row.key_variables or row.key_optional
    assert len(set(row.key_variables)) == len(row.key_variables)
    assert all(name == name.upper() and name.isidentifier() for name in row.key_variables) or (
        row.id == "302ai"  # its name begins with a digit; a .env file can hold that, a shell cannot
    )
    assert row.auth_header is None or row.auth_header == row.auth_header.lower()
    assert row.auth_prefix in {"Bearer ", ""}


@rows
def test_endpoints_and_prefixes_are_well_formed(row):
    """Only known families; a prefix begins with a slash and does not end with one."""
    assert row.endpoints
    assert row.endpoints <= FAMILIES


@pytest.mark.parametrize(
    ("provider_id", "url", "variable"),
    [
        ("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
        ("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        ("together-ai", "https://api.together.ai/v1", "TOGETHER_API_KEY"),
        ("openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
        ("perplexity-ai", "https://api.perplexity.ai", "PERPLEXITY_API_KEY"),
        ("x-ai", "https://api.x.ai/v1", "XAI_API_KEY"),
        ("huggingface", "https://router.huggingface.co/v1", "HF_TOKEN"),
        ("z-ai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
        ("azure-openai", None, "AZURE_OPENAI_API_KEY"),
        ("milvus", None, "MILVUS_TOKEN"),
    ],
)
def test_well_known_rows(provider_id, url, variable):
    """The documented URL, and the vendor's own variable first."""
    row = PROVIDERS[provider_id]
    assert (row.base_url, row.key_variables[0]) == (url, variable)


def test_azure_signs_in_with_its_own_header():
    """Azure's two services take the key bare, in `api-key`."""
    for provider_id in ("azure-openai", "azure-ai"):
        row = PROVIDERS[provider_id]
        assert (row.auth_header, row.auth_prefix) == ("api-key", "")


def test_ollama_needs_no_key():
    """A local server asks for none."""
    row = PROVIDERS["ollama"]
    assert row.key_optional
    assert row.key_variables == ()


def test_rows_are_frozen():
    """Nobody changes the table by accident."""
    row = Provider("acme", "https://acme.example/v1", ("ACME_API_KEY",))
    with pytest.raises(FrozenInstanceError):
        row.base_url = None  # type: ignore[misc]


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("opnai", "openai"),
        ("OpenAI", "openai"),
        ("open-ai", "openai"),
        ("mistral", "mistral-ai"),
        ("together", "together-ai"),
        ("together_ai", "together-ai"),
        ("togetherai", "together-ai"),
        ("Groq", "groq"),
        ("groq-ai", "groq"),
        ("deepseek_ai", "deepseek"),
        ("xai", "x-ai"),
        ("zai", "z-ai"),
        ("azure_openai", "azure-openai"),
        ("perplexity", "perplexity-ai"),
        ("fireworks", "fireworks-ai"),
        ("antropic", "anthropic"),
        ("vertex", "vertex-ai"),
        ("aws-bedrock", "bedrock"),
        ("qqqqzzzz", None),
        ("", None),
    ],
)
def test_nearest(mistyped, meant):
    """Case, underscores, a lost or added -ai and small slips are forgiven; noise is not."""
    assert nearest(mistyped) == meant


@pytest.mark.parametrize("provider_id", [*PASS_THROUGH, *TRANSLATED])
def test_a_right_id_is_nearest_to_itself(provider_id):
    """Short forms never hide a whole id."""
    assert nearest(provider_id) == provider_id


@pytest.mark.parametrize(
    ("provider_id", "host", "url"),
    [
        ("ollama", "http://gpu-1:11434", "http://gpu-1:11434/v1"),
        ("ollama", "http://gpu-1:11434/", "http://gpu-1:11434/v1"),
        ("ollama", "http://gpu-1:11434/v1", "http://gpu-1:11434/v1"),
        ("ollama", "http://proxy/ollama", "http://proxy/ollama/v1"),
        ("together-ai", "https://proxy", "https://proxy/v1"),
        ("openrouter", "https://openrouter.ai/api", "https://openrouter.ai/api/v1"),
        ("lepton", "https://m.lepton.run", "https://m.lepton.run/api/v1"),
        ("openai", "http://vllm:8000/v1/", "http://vllm:8000/v1"),
        ("openai", "http://vllm:8000", "http://vllm:8000"),
        ("groq", "https://proxy/openai", "https://proxy/openai"),
    ],
)
def test_a_host_of_ones_own_is_completed_as_portkey_does(provider_id, host, url):
    """Where Portkey's endpoints begin with /v1, a config's host lacks it; one that has it is kept."""
    assert PROVIDERS[provider_id].url(host) == url


@rows
def test_without_a_host_of_ones_own_the_vendors_is_called(row):
    """The vendor's own address is complete, and ends in what a custom host is completed with."""
    assert row.url(None) == row.base_url
    assert row.base_url is None or row.base_url.endswith(row.host_path)
