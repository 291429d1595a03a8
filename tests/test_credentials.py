"""From `virtual_key` and `provider` to a provider and a key, without a hosted vault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from portkey_local.config import Config
from portkey_local.credentials import Vault
from portkey_local.errors import ConfigError

STORED = """
[prod]
provider = "openai"
api_key = "sk-stored"

[groq]
provider = "groq"
api_key = "gsk-stored"

[mine]
provider = "openai"
api_key = "sk-mine"
custom_host = "http://127.0.0.1:1"

[mine.override_params]
model = "stored-model"
seed = 1
"""


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A keys file."""
    path = tmp_path / "keys.toml"
    path.write_text(STORED)
    return path


def vault(path: Path | None = None, environment: Any = None, **virtual_keys: Any) -> Vault:
    return Vault(virtual_keys, path or Path("no such file"), environment or {})


def resolved(vault: Vault, **fields: Any) -> Config:
    return vault.resolve(Config(**fields), "config.targets[3]")


def refused(vault: Vault, **fields: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        resolved(vault, **fields)
    return caught.value


# --- virtual keys


def test_a_virtual_key_of_the_clients_own():
    """A mapping gives the provider and the key."""
    leaf = resolved(vault(prod={"provider": "groq", "api_key": "k"}), virtual_key="prod")
    assert (leaf.provider, leaf.api_key) == ("groq", "k")


def test_a_bare_key_under_a_providers_name():
    """A string is the key of the provider it is named after."""
    leaf = resolved(vault(openai="sk-1"), virtual_key="openai")
    assert (leaf.provider, leaf.api_key) == ("openai", "sk-1")


def test_a_bare_key_under_another_name_is_refused():
    """A string under a name that is no provider's does not say whose it is; it is not shown."""
    error = refused(vault(prod="sk-very-secret"), virtual_key="prod")
    assert error.path == "config.targets[3].virtual_key"
    assert "provider" in str(error)
    assert "secret" not in str(error)


def test_a_virtual_key_from_the_keys_file(stored):
    """A table of keys.toml is a virtual key."""
    leaf = resolved(vault(stored), virtual_key="prod")
    assert (leaf.provider, leaf.api_key) == ("openai", "sk-stored")


def test_a_providers_name_is_a_virtual_key_of_the_environment():
    """Without an entry, a provider's id takes its key from the environment."""
    leaf = resolved(vault(environment={"GROQ_API_KEY": "gsk-env"}), virtual_key="groq")
    assert (leaf.provider, leaf.api_key) == ("groq", "gsk-env")


def test_the_order_of_the_places(stored):
    """The client's own entry beats the file's, and the file's the environment's."""
    environment = {"GROQ_API_KEY": "gsk-env"}
    own = {"provider": "groq", "api_key": "gsk-own"}
    assert resolved(vault(stored, environment, groq=own), virtual_key="groq").api_key == "gsk-own"
    assert resolved(vault(stored, environment), virtual_key="groq").api_key == "gsk-stored"
    assert resolved(vault(None, environment), virtual_key="groq").api_key == "gsk-env"


@pytest.mark.parametrize("field", ["virtual_key", "provider"])
def test_a_slug_is_a_virtual_key(stored, field):
    """`provider: "@prod"` means the same as `virtual_key: "prod"`."""
    name = "@prod" if field == "provider" else "prod"
    leaf = resolved(vault(stored), **{field: name})
    assert (leaf.provider, leaf.api_key) == ("openai", "sk-stored")


def test_the_targets_own_fields_win(stored):
    """What the target says itself beats the entry; its parameters lie on top of the entry's."""
    leaf = resolved(
        vault(stored),
        virtual_key="mine",
        custom_host="http://127.0.0.1:2",
        override_params={"model": "own"},
    )
    assert leaf.custom_host == "http://127.0.0.1:2"
    assert leaf.override_params == {"model": "own", "seed": 1}
    assert resolved(vault(stored), virtual_key="mine").custom_host == "http://127.0.0.1:1"


def test_an_unknown_name_lists_where_it_was_looked_for(stored):
    """The error names the places and the names in them, and no key."""
    error = refused(
        vault(stored, ours={"provider": "openai", "api_key": "sk-x"}), virtual_key="prdo"
    )
    text = str(error)
    for part in ("'prdo'", "ours", str(stored), "prod", "OPENAI_API_KEY", "did you mean 'prod'"):
        assert part in text
    for key in ("sk-stored", "gsk-stored", "sk-mine", "sk-x"):
        assert key not in text


def test_a_name_that_looks_like_nothing_is_not_guessed():
    """A name that is near to none gets no guess, and a whole sentence."""
    text = str(refused(vault(), virtual_key="zzz"))
    assert "did you mean" not in text
    assert "unknown. Looked" in text


def test_a_slug_that_is_unknown_is_named():
    """`@slug` is told without its sign, at the target's place."""
    error = refused(vault(), provider="@openai-prod")
    assert "openai-prod" in str(error)
    assert error.path.startswith("config.targets[3]")


@pytest.mark.parametrize(
    "entry",
    [
        {"api_key": "sk-secret-1"},
        {"provider": 7, "api_key": "sk-secret-1"},
        {"provider": "openai", "apikey": "sk-secret-1"},
    ],
)
def test_an_entry_that_is_wrong_is_refused(entry):
    """An entry without a provider, or with a wrong field, is told by its name, without its key."""
    error = refused(vault(prod=entry), virtual_key="prod")
    assert "virtual_keys['prod']" in str(error)
    assert "secret" not in str(error)


# --- keys of providers that are named without one


def test_the_targets_own_key_is_kept():
    """A key in the target is not looked up anywhere."""
    leaf = resolved(vault(environment={"OPENAI_API_KEY": "env"}), provider="openai", api_key="own")
    assert leaf.api_key == "own"


def test_a_providers_key_is_looked_for_in_order(stored):
    """The client's entry, the file's table of that name, the environment."""
    environment = {"GROQ_API_KEY": "gsk-env"}
    assert (
        resolved(vault(stored, environment, groq="gsk-own"), provider="groq").api_key == "gsk-own"
    )
    assert resolved(vault(stored, environment), provider="groq").api_key == "gsk-stored"
    assert resolved(vault(None, environment), provider="groq").api_key == "gsk-env"


def test_an_entry_of_another_provider_is_not_its_key():
    """An entry that is named like a provider but is another's does not lend its key."""
    entry = {"provider": "openai", "api_key": "sk-1"}
    assert "GROQ_API_KEY" in str(refused(vault(groq=entry), provider="groq"))


def test_the_vendors_second_variable_is_read():
    """A provider's variables are tried in order; an empty one is as good as absent."""
    environment = {"MISTRAL_API_KEY": "", "MISTRAL_AI_API_KEY": "second"}
    assert resolved(vault(environment=environment), provider="mistral-ai").api_key == "second"


def test_no_key_is_needed_at_a_host_of_ones_own():
    """With `custom_host`, and for providers that take none, there need be no key."""
    assert resolved(vault(), provider="openai", custom_host="http://127.0.0.1:1").api_key is None
    assert resolved(vault(), provider="ollama").api_key is None


def test_a_missing_key_names_its_variable(tmp_path):
    """The error says which variable, which table of which file, and which field would do."""
    path = tmp_path / "keys.toml"
    text = str(refused(vault(path), provider="openai"))
    for part in ("OPENAI_API_KEY", "[openai]", str(path), "api_key"):
        assert part in text


def test_unknown_providers_are_left_to_others():
    """A provider that is not in the table is not the vault's to judge."""
    assert resolved(vault(), provider="nope").api_key is None


# --- safety


def test_a_vault_never_shows_a_key(stored):
    """Its own text holds neither virtual keys nor the environment."""
    shown = repr(vault(stored, {"OPENAI_API_KEY": "sk-env"}, openai="sk-own"))
    assert "sk-" not in shown


def test_the_file_is_read_when_it_is_asked_for(tmp_path):
    """A key that is added later is found, without a new vault."""
    path = tmp_path / "keys.toml"
    this = vault(path)
    refused(this, virtual_key="late")
    path.write_text('[late]\nprovider = "openai"\napi_key = "k"\n')
    assert resolved(this, virtual_key="late").api_key == "k"


def test_a_broken_keys_file_is_told_without_its_contents(tmp_path):
    """A file that is no TOML is a ConfigError that does not quote it."""
    path = tmp_path / "keys.toml"
    path.write_text('[prod]\nprovider = "openai"\napi_key = sk-very-secret\n')
    error = refused(vault(path), virtual_key="prod")
    assert "secret" not in str(error)
    assert str(path) in str(error)


def test_the_environment_is_the_processs_own_by_default(monkeypatch):
    """Without another, the vault reads the process's environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-env")
    assert resolved(Vault(), provider="openai").api_key == "sk-env"
