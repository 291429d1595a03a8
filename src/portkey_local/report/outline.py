"""A config as people read it: the facts of its tree, the tree on a terminal, one line of words.

Ground rules: what is told is what the engine goes by, inheritance and defaults included. A key is
never a fact; where it comes from is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

from portkey_local.config import (
    DEFAULT_STREAM_IDLE_TIMEOUT,
    Config,
    HookSpec,
    Strategy,
    hooks_of,
)
from portkey_local.policies.retry import DEFAULT_STATUS_CODES
from portkey_local.providers.table import PROVIDERS

__all__ = ["Facts", "facts_of", "in_one_line", "tree_of"]

Facts = dict[str, Any]


def facts_of(node: Config, path: str, keys: Mapping[str, str]) -> Facts:
    """Return what a compiled config's node does; `keys` says of each leaf where its key is."""
    name = {"name": node.name} if node.name else {}
    if node.strategy is None or node.targets is None:
        return {"path": path, **name, **_leaf(node), "key": keys.get(path)}
    targets = [
        facts_of(target, f"{path}.targets[{index}]", keys)
        for index, target in enumerate(node.targets)
    ]
    total = sum(target.weight for target in node.targets)
    for index, target in enumerate(node.targets):
        match node.strategy.mode:
            case "loadbalance":
                targets[index]["share"] = round(target.weight / total, 4)
            case "single":
                targets[index]["share"] = 0.0 if index else 1.0
    return {"path": path, **name, **_group(node.strategy), "targets": targets}


def _group(strategy: Strategy) -> Facts:
    codes = strategy.on_status_codes
    facts: Facts = {
        "strategy": strategy.mode,
        "on_status_codes": None if codes is None else list(codes),
    }
    if strategy.conditions:
        facts["conditions"] = [
            {"query": row.query, "then": row.then} for row in strategy.conditions
        ]
        facts["default"] = strategy.default
    if strategy.sticky_session is not None:
        facts["sticky_session"] = strategy.sticky_session.model_dump(mode="json")
    return facts


def _leaf(node: Config) -> Facts:
    provider = node.provider or ""
    row = PROVIDERS.get(provider)  # none for "self", whose address is its client's
    url = (row.url(node.custom_host) if row is not None else None) or ""
    retry = node.retry if node.retry is not None and node.retry.attempts else None
    return {
        "provider": provider,
        "model": node.override_params.get("model"),
        "override_params": sorted(node.override_params),
        "url": url.rstrip("/"),
        "retry": {
            "attempts": retry.attempts,
            "on_status_codes": sorted(
                DEFAULT_STATUS_CODES if retry.on_status_codes is None else retry.on_status_codes
            ),
            "use_retry_after_header": retry.use_retry_after_header,
        }
        if retry
        else None,
        "request_timeout": node.request_timeout or None,
        "stream_idle_timeout": node.stream_idle_timeout or None,
        **_guards(node),
    }


def _guards(node: Config) -> Facts:
    """Return what stands around a target's calls besides retries and time limits."""
    facts: Facts = {}
    hooks = hooks_of(node, "config")
    for moment, each in (("input", hooks.before), ("output", hooks.after)):
        if each:
            facts[f"{moment}_hooks"] = [_hook(hook) for hook in each]
    if node.cb_config is not None:
        facts["cb_config"] = node.cb_config.model_dump(mode="json", exclude_none=True)
    if node.forward_headers:
        facts["forward_headers"] = list(node.forward_headers)
    return facts


def _hook(hook: HookSpec) -> Facts:
    return {
        "id": hook.id,
        "type": hook.kind,
        "deny": hook.deny,
        "checks": [check.id for check in hook.checks],
    }


def tree_of(title: str, facts: Facts) -> Tree:
    """Return a config's tree for a terminal."""
    tree = Tree(Text(title, "dim"), guide_style="dim")
    _grow(tree, facts, "")
    return tree


def _grow(tree: Tree, facts: Facts, number: str) -> None:
    if "targets" not in facts:
        tree.add(Text("\n").join([_title(facts, number), *map(Text, _details(facts))]))
        return
    group = tree.add(Text.assemble(_title(facts, number), f": {_choice(facts)}"))
    for index, target in enumerate(facts["targets"], 1):
        _grow(group, target, f"{index}  ")


def _title(facts: Facts, number: str) -> Text:
    head = facts.get("strategy") or facts["provider"]
    title = Text.assemble(number, (head, "bold"))
    if facts.get("model"):
        title.append(f" {facts['model']}")
    if "name" in facts:
        title.append(f" “{facts['name']}”", "italic")
    if "share" in facts:
        share = facts["share"]
        title.append(f"  {_percent(share)}", "cyan" if share else "yellow")
    return title


def _percent(share: float) -> str:
    return f"{share * 100:.3g}%" if share else "never asked"


def _choice(facts: Facts) -> str:
    codes = facts["on_status_codes"]
    match facts["strategy"]:
        case "fallback" if codes is None:
            return "in this order; any failure moves on to the next"
        case "fallback":
            return f"in this order; only status {_codes(codes)} moves on to the next"
        case "loadbalance" if "sticky_session" in facts:
            session = facts["sticky_session"]
            fields = ", ".join(session["hash_fields"])
            return f"one pick for each {fields}, by weight, kept {session['ttl']:g} s"
        case "loadbalance":
            return "one pick for each call, by weight"
        case "conditional":
            names = [row["then"] for row in facts["conditions"]]
            default = facts["default"] or "an error 400"
            return f"the first condition that holds ({', '.join(names)}), else {default}"
        case _:
            return "the first target alone"


def _details(facts: Facts) -> Iterator[str]:
    yield facts["url"] or "where its client sends it"
    if not facts["model"]:
        yield "model: whichever the call names"
    if others := [name for name in facts["override_params"] if name != "model"]:
        yield f"overrides {', '.join(others)}"
    yield from _policies(facts)
    if facts["key"]:
        yield f"key: {facts['key']}"


def _policies(facts: Facts) -> Iterator[str]:
    if retry := facts["retry"]:
        yield _retries(retry)
    for moment in ("input", "output"):
        for hook in facts.get(f"{moment}_hooks", ()):
            yield f"{moment} {_hook_in_words(hook)}"
    if circuit := facts.get("cb_config"):
        yield _circuit(circuit)
    if limit := facts["request_timeout"]:
        yield f"each try at most {limit / 1000:g} s"
    idle = facts["stream_idle_timeout"]
    if idle != DEFAULT_STREAM_IDLE_TIMEOUT:
        yield f"streams may pause {idle / 1000:g} s" if idle else "streams may pause for ever"


def _hook_in_words(hook: Facts) -> str:
    does = "denies" if hook["deny"] else "marks with 246"
    if hook["type"] == "mutator":
        does = "changes the text"
    return f"{hook['type']} {hook['id']}: {', '.join(hook['checks'])} ({does})"


def _circuit(circuit: Facts) -> str:
    limits = []
    if (count := circuit.get("failure_threshold")) is not None:
        limits.append(f"{count} failures")
    if (share := circuit.get("failure_threshold_percentage")) is not None:
        limits.append(f"{share:g}% failures")
    return f"circuit opens at {' or '.join(limits)}, for {circuit['cooldown_interval'] / 1000:g} s"


def _retries(retry: Mapping[str, Any]) -> str:
    count = retry["attempts"]
    times = "1 retry" if count == 1 else f"up to {count} retries"
    after = ", waits as Retry-After asks" if retry.get("use_retry_after_header") else ""
    codes = retry.get("on_status_codes", sorted(DEFAULT_STATUS_CODES))
    return f"{times} on {_codes(codes)}{after}"


def _codes(codes: list[int]) -> str:
    return ", ".join(map(str, codes)) or "nothing"


def in_one_line(config: Mapping[str, Any]) -> str:
    """Say a config, as it is written, in one line.

    >>> in_one_line({"provider": "groq", "request_timeout": 500})
    'groq (at most 0.5 s)'
    """
    if "targets" not in config:
        return _target_in_words(config)
    mode, targets = config["strategy"]["mode"], config["targets"]
    if mode == "conditional":
        return f"{mode}: {', '.join(map(in_one_line, targets))}"
    if mode != "loadbalance":
        circuit = config["strategy"].get("cb_config") or config.get("cb_config")
        ending = f"; {_circuit({'cooldown_interval': 30_000, **circuit})}" if circuit else ""
        return f"{mode}: {', then '.join(map(in_one_line, targets))}{ending}"
    weights = [target.get("weight", 1) for target in targets]
    shares = (_percent(weight / sum(weights)) for weight in weights)
    named = (
        f"{in_one_line(target)} {share}" for target, share in zip(targets, shares, strict=True)
    )
    return f"{mode}: {', '.join(named)}"


def _target_in_words(config: Mapping[str, Any]) -> str:
    notes = []
    if retry := config.get("retry"):
        notes.append(_retries(retry))
    if limit := config.get("request_timeout"):
        notes.append(f"at most {limit / 1000:g} s")
    whose = config.get("provider") or config.get("virtual_key") or "whom the client names"
    return f"{whose} ({'; '.join(notes)})" if notes else str(whose)
