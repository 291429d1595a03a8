"""What a client is told: Portkey's arguments, read into the options of an engine.

Ground rules: nothing is accepted and ignored. An argument whose behaviour is not built yet, and
one that only the hosted product understands, is refused with what to do instead; a typo names its
neighbour.
"""

from __future__ import annotations

import copy
import difflib
import os
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from openai import NotGiven, Omit

from portkey_local.client.vendors import FIELDS, VendorArguments
from portkey_local.client.wanted import WANTED
from portkey_local.effects import Cache
from portkey_local.engine import Options, metadata_of
from portkey_local.errors import ConfigError
from portkey_local.hooks import CheckContext
from portkey_local.model import EMPTY, Caching, Event, Rng
from portkey_local.policies.shelf import Judges
from portkey_local.semantic.contract import Embedder
from portkey_local.wire.chosen import Kind
from portkey_local.wire.settings import Connections

if TYPE_CHECKING:
    from portkey_local.config import Config


class Changes(VendorArguments, total=False):
    """What a copy of a client can be given."""

    Authorization: str
    api_key: str
    base_url: str
    cache_force_refresh: bool
    cache_namespace: str | None
    config: Config | Mapping[str, Any] | str | os.PathLike[str] | None
    custom_host: str
    default_headers: Mapping[str, str]
    default_input_guardrails: Sequence[Mapping[str, Any]]
    default_output_guardrails: Sequence[Mapping[str, Any]]
    default_query: Mapping[str, object]
    forward_headers: Sequence[str]
    max_retries: int
    metadata: Mapping[str, Any] | str | None
    openai_organization: str
    openai_project: str
    provider: str
    request_timeout: float | None
    stream_idle_timeout: float
    strict_open_ai_compliance: bool
    strict_params: bool
    timeout: Any
    trace_id: str | None
    virtual_key: str
    webhook_secret: str


class Arguments(Changes, total=False):
    """What a client can be given."""

    cache: Cache
    cache_comparer: Callable[[str, str], Any]
    cache_dir: str | os.PathLike[str]
    cache_embedder: Embedder
    cache_verifier: Callable[[str, str, str], Any]
    checks: Mapping[str, Callable[[CheckContext], Any]]
    connections: Connections
    debug: bool
    event_log: str | os.PathLike[str]
    http_client: Any
    on_event: Callable[[Event], object]
    rng: Rng
    virtual_keys: Mapping[str, str | Mapping[str, Any]]
    wire: Kind


ROUTING = frozenset(
    {
        "Authorization",
        "base_url",
        "cache_force_refresh",
        "cache_namespace",
        "config",
        "custom_host",
        "default_input_guardrails",
        "default_output_guardrails",
        "forward_headers",
        "metadata",
        "openai_organization",
        "openai_project",
        "provider",
        "request_timeout",
        "stream_idle_timeout",
        "strict_open_ai_compliance",
        "strict_params",
        "trace_id",
        "virtual_key",
        *FIELDS,
    }
)
OF_ANY_TARGET = frozenset(  # of a config: what is not a host's, a key's or a provider's own
    {
        "after_request_hooks",
        "before_request_hooks",
        "cb_config",
        "default_input_guardrails",
        "default_output_guardrails",
        "forward_headers",
        "input_guardrails",
        "input_mutators",
        "output_guardrails",
        "output_mutators",
        "override_params",
        "request_timeout",
        "retry",
        "stream_idle_timeout",
        "strict_open_ai_compliance",
        "strict_params",
    }
)
OF_ONE_TARGET = ("provider", "virtual_key", "openai_organization", "openai_project")
CARRIED = frozenset(  # go along with a call and change no route
    {"cache_force_refresh", "cache_namespace", "metadata", "trace_id"}
)
ONE_CLIENT = frozenset(
    {
        "cache",
        "cache_comparer",
        "cache_dir",
        "cache_embedder",
        "cache_verifier",
        "checks",
        "connections",
        "debug",
        "event_log",
        "http_client",
        "on_event",
        "rng",
        "virtual_keys",
        "wire",
    }
)
FROM_OPENAI = frozenset(
    {"api_key", "default_headers", "default_query", "max_retries", "timeout", "webhook_secret"}
)
NOT_BUILT: Mapping[str, str] = {
    "fireworks_account_id": "not read yet; chat, completions and embeddings work without it",
    "instrumentation": "not built yet; use on_event= or event_log=",
    "websocket_base_url": "websockets are not routed",
}
LISTS = ("default_input_guardrails", "default_output_guardrails", "forward_headers")
SECONDS_LIMIT = 600  # a request_timeout above this was surely meant in milliseconds
LOOKS_LIKE_PORTKEY = ("api.portkey.ai", "aws-us.api.portkey.ai")


def checked(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that are set; raise TypeError or ConfigError for one that cannot be."""
    given = {
        name: value for name, value in given.items() if not isinstance(value, (NotGiven, Omit))
    }
    known = ROUTING | ONE_CLIENT | FROM_OPENAI
    for name in given.keys() - known:
        _refuse(name, given[name], known)
    _check_values(given)
    kept = {name: value for name, value in given.items() if name in known}
    for name in ("config", "virtual_keys", *LISTS):
        if isinstance(kept.get(name), (Mapping, list)):
            kept[name] = copy.deepcopy(kept[name])  # what the caller changes later is not ours
    return kept


def _check_values(given: Mapping[str, Any]) -> None:
    """Raise ConfigError for a value that is of no use, or has no effect beside another."""
    if given.get("max_retries"):
        raise ConfigError(
            "max_retries",
            "the router is the one owner of retries; set config={'retry': {'attempts': ...}}",
        )
    for name, (fits, wanted) in WANTED.items():
        value = given.get(name)
        if value is not None and not fits(value):
            raise ConfigError(name, f"must be {wanted}, not {type(value).__name__}")
    if given.get("cache") is not None and given.get("cache_dir") is not None:
        raise ConfigError(
            "cache_dir", "has no effect beside cache, which is where answers are kept"
        )
    if given.get("http_client") is not None:
        for name in ("connections", "wire"):
            if given.get(name) is not None:
                raise ConfigError(name, "has no effect beside http_client, which makes connections")


def _refuse(name: str, value: Any, known: frozenset[str]) -> None:
    """Raise for an argument we do not know, unless it is one of Portkey's that is switched off."""
    if name in NOT_BUILT:
        if value is None or value is False:
            return
        raise ConfigError(name, f"known, but {NOT_BUILT[name]}")
    near = difflib.get_close_matches(name, sorted(known | NOT_BUILT.keys()), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    msg = f"Portkey has no argument {name!r}{hint}"
    raise TypeError(msg)


def options(given: Mapping[str, Any]) -> Options:
    """Return the engine's options for a client's arguments. Raises ConfigError."""
    defaults = {
        FIELDS.get(name, name): given[name]
        for name in (*OF_ONE_TARGET, *FIELDS)
        if given.get(name) is not None
    }
    if given.get("Authorization"):
        defaults["api_key"] = given["Authorization"].removeprefix("Bearer ")
    overrides: dict[str, Any] = {}
    for name in ("custom_host", "strict_open_ai_compliance", "strict_params", *LISTS):
        if given.get(name) is not None:
            overrides[name] = given[name]
    for name in ("request_timeout", "stream_idle_timeout"):
        if given.get(name) is not None:
            overrides[name] = _milliseconds(name, given[name])
    _base_url(given, defaults, overrides)
    return Options(
        config=given.get("config"),
        defaults=defaults,
        overrides=overrides,
        trace_id=_trace_id(given.get("trace_id")),
        metadata=_metadata(given.get("metadata")),
        caching=Caching(
            given.get("cache_namespace") or "", reads=not given.get("cache_force_refresh")
        ),
    )


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a copy.

    A newly named provider or virtual key takes the old one's place: the rest of a config for a
    single target stays, a config with targets of its own goes. A new config that names its targets
    replaces the old provider or virtual key.
    """
    merged = {**old, **new}
    target = {"provider", "virtual_key"}
    own = {"Authorization", *FIELDS}  # of a target, which go with it
    if new.keys() & target:
        for name in (target | own) - new.keys():
            merged.pop(name, None)
        if "config" not in new and old.get("config") is not None:
            merged["config"] = _single(old["config"])
    elif new.get("config") is not None and names_targets(new["config"]):
        for name in (target | own) - new.keys():
            merged.pop(name, None)
    return merged


def _fields(config: Any) -> dict[str, Any]:
    from portkey_local.config import load
    from portkey_local.home import configs_dir

    return load(config, configs_dir=configs_dir(), quiet=True).model_dump(exclude_unset=True)


def names_targets(config: Any) -> bool:
    """Whether a config says by itself who is asked. Raises ConfigError."""
    return bool(_fields(config).keys() & {"provider", "virtual_key", "targets"})


def _single(config: Any) -> dict[str, Any] | None:
    """Return a single target's config without its provider and key, None for a config of
    several.
    """
    fields = _fields(config)
    if "targets" in fields:
        return None
    return {name: value for name, value in fields.items() if name in OF_ANY_TARGET}


def _milliseconds(name: str, seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        from portkey_local.config.problems import shown  # pydantic's models are slow to make

        raise ConfigError(name, f"{shown(seconds)} is not a number of seconds")
    if seconds > SECONDS_LIMIT:
        from portkey_local.config import warn

        warn(f"{name}={seconds} is {seconds} seconds; it looks like milliseconds")
    return float(seconds) * 1000


def _base_url(
    given: Mapping[str, Any], defaults: dict[str, Any], overrides: dict[str, Any]
) -> None:
    """Read `base_url`: the hosted gateway's is not needed; alone, it is an OpenAI-compatible
    host's.
    """
    url = given.get("base_url")
    if url is None or urllib.parse.urlsplit(str(url)).hostname in LOOKS_LIKE_PORTKEY:
        return
    if given.get("config") is not None or defaults.keys() & {"provider", "virtual_key"}:
        raise ConfigError(
            "base_url",
            "there is no gateway between you and the providers; leave base_url out, or give "
            "custom_host for a provider at an address of its own",
        )
    defaults["provider"] = "openai"
    if given.get("api_key"):
        defaults.setdefault("api_key", given["api_key"])  # the openai idiom: a host and its key
    overrides.setdefault("custom_host", str(url))


def _trace_id(value: Any) -> str | None:
    if value is None or (isinstance(value, str) and (value.isprintable() or not value)):
        return value or None
    raise ConfigError("trace_id", "must be a string of printable characters")


def _metadata(value: Any) -> Mapping[str, Any]:
    """Read metadata: a mapping, or JSON text of one."""
    if value is None:
        return EMPTY
    if isinstance(value, str):
        told = metadata_of(value)
        if told is None:
            from portkey_local.config import warn

            warn("metadata: not the JSON text of an object, so calls have none, as in the gateway")
        return told or EMPTY
    if not isinstance(value, Mapping):
        raise ConfigError("metadata", "metadata must be a dict, or the JSON text of an object")
    return dict(value)


def cache(given: Mapping[str, Any]) -> Cache | None:
    """Return where a client is to keep answers: None for its own memory."""
    kept: Cache | None = given.get("cache")
    directory = given.get("cache_dir")
    if directory is None:
        return kept
    from portkey_local.caches.disk import DiskCache  # and with it sqlite3

    return DiskCache(directory)


def judges(given: Mapping[str, Any]) -> Judges:
    """Return the caller's own functions for semantic caches."""
    return Judges(given.get("cache_verifier"), given.get("cache_comparer"))


def api_key(given: Mapping[str, Any]) -> str:
    """Return the Portkey key, which nothing needs; openai's classes want some text."""
    return given.get("api_key") or os.environ.get("PORTKEY_API_KEY") or "not-needed"
