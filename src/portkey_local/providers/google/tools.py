"""Tools as Gemini has them, and the tool that stands for a form of answer it has no mode for.

Ground rules: pure. Gemini's models before the third have no JSON mode beside functions: there a
function takes the answer, which whoever reads it sees as the text it stands for (`Form`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from portkey_local.model import EMPTY
from portkey_local.providers.chat import Choice, Function, choice_of, format_of, functions_of
from portkey_local.providers.google.schema import cleaned

__all__ = ["Form", "Tools", "fitted", "form_of", "generation", "renamed", "tools_of"]

VERSION: Final = re.compile(r"gemini-(\d+(?:\.\d+)?)")
LATEST: Final = 3.0  # what an alias such as gemini-flash-latest stands for
OLDEST: Final = 2.0
UNION: Final = 3.0  # the first with JSON mode beside functions, and with functions held to schemas
NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
UNFIT: Final = re.compile(r"[^A-Za-z0-9_.:-]")
ANSWER: Final = "give_answer"
TEXT: Final = {"type": "string", "description": "The answer: the text of one JSON object."}
UNSAYING: Final = frozenset({"$schema", "description", "title", "type"})  # of no parameter's form
# The vendor's own tools, under their names here and in Portkey's configs.
BUILT_IN: Final = {
    name: own
    for own in (
        "codeExecution", "computerUse", "enterpriseWebSearch", "fileSearch", "googleMaps",
        "googleSearch", "googleSearchRetrieval", "mcpServers", "retrieval", "urlContext",
    )
    for name in (own, re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), own))
}  # fmt: skip


def generation(model: str) -> float:
    """Return which generation of Gemini a model is of.

    >>> generation("gemini-2.5-flash"), generation("gemini-3-pro-preview"), generation("tuned-7")
    (2.5, 3.0, 2.0)
    """
    found = VERSION.search(model)
    if found is not None:
        return float(found[1])
    return LATEST if model.endswith("-latest") else OLDEST


def fitted(name: str) -> str:
    """Return a function's name as Gemini takes it: no digit or dash first, and not too long.

    >>> fitted("look_up"), fitted("2nd_look")
    ('look_up', '_2nd_look_42474d33')
    """
    if NAME.fullmatch(name):
        return name
    mark = sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
    return f"_{UNFIT.sub('_', name)[:54]}_{mark}"


def renamed(body: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the caller's names of the functions that Gemini knows by another."""
    if not body.get("tools") and not body.get("functions"):
        return EMPTY
    names = (each.name for each in functions_of(body)[0])
    return {fitted(name): name for name in names if not NAME.fullmatch(name)}


@dataclass(slots=True)
class Tools:
    """A request's tools and its form of answer, in Gemini's words."""

    tools: list[dict[str, Any]]
    calling: dict[str, Any] | None
    form: Mapping[str, Any]  # of the generation config
    dropped: list[str]


@dataclass(frozen=True, slots=True)
class Form:
    """A function that takes an answer; `key` is the argument that holds it, where one does."""

    name: str
    key: str | None
    parameters: Mapping[str, Any]

    def text(self, args: Any) -> str:
        """Return the answer that a call of the function gives."""
        told = args.get(self.key) if self.key and isinstance(args, Mapping) else args
        if self.key and self.parameters["properties"][self.key] is TEXT and isinstance(told, str):
            return told
        return json.dumps(told, ensure_ascii=False)


def form_of(body: Mapping[str, Any], functions: Sequence[Function] | None = None) -> Form | None:
    """Return the function that takes a request's answer, None where Gemini itself has the form."""
    if not body.get("response_format") or generation(str(body.get("model"))) >= UNION:
        return None
    wanted = format_of(body)
    functions = functions_of(body)[0] if functions is None else functions
    offered = [each for each in functions if not is_built_in(each)]
    if wanted is None or not offered or _must_call(choice_of(body)):
        return None
    name = ANSWER
    while any(each.name == name for each in offered):
        name += "_"
    if wanted.schema is None:
        return Form(name, "json", _wrapped("json", TEXT, {}))
    schema = cleaned(wanted.schema)
    if schema.get("type") == "object":
        return Form(name, None, schema)
    definitions = {key: schema[key] for key in ("$defs",) if key in schema}
    inner = {key: value for key, value in schema.items() if key != "$defs"}
    return Form(name, "answer", _wrapped("answer", inner, definitions))


def _wrapped(key: str, schema: Any, definitions: Mapping[str, Any]) -> dict[str, Any]:
    return {**definitions, "type": "object", "properties": {key: schema}, "required": [key]}


def _must_call(choice: Choice | None) -> bool:
    return choice is not None and choice.mode == "required"


def tools_of(body: Mapping[str, Any]) -> Tools:
    """Return what a request says of tools, and of the form of its answer."""
    functions, others = functions_of(body)
    choice = choice_of(body) or Choice("auto")
    told = Tools([], None, {}, [])
    own = [each for each in functions if not is_built_in(each)]
    told.tools += [{BUILT_IN[each.name]: {}} for each in functions if is_built_in(each)]
    _add_others(told, others, body)
    form = form_of(body, own)
    if form is None:
        told.form = _native_form(body)
    if not own:
        return told
    if choice.mode == "auto" and choice.names:  # Gemini restricts only what must be called
        own = [each for each in own if each.name in choice.names]
    declared = [_declared(each) for each in own]
    if form is not None:
        declared.append(_answering(form))
    if declared:
        told.tools.append({"functionDeclarations": declared})
        told.calling = _calling(body, own, choice, form, told.dropped)
    return told


def is_built_in(function: Function) -> bool:
    """Whether a function without parameters is, by its name, one of the vendor's own tools."""
    return function.name in BUILT_IN and not function.parameters.get("properties")


def _add_others(told: Tools, others: Sequence[Any], body: Mapping[str, Any]) -> None:
    """Hand on the vendor's own tools, as it writes them itself or by their type."""
    for tool in others:
        native = {key: value for key, value in tool.items() if key in BUILT_IN}
        if native:
            told.tools.append({BUILT_IN[key]: value for key, value in native.items()})
        elif isinstance(named := tool.get("type"), str) and named in BUILT_IN:
            rest = {key: value for key, value in tool.items() if key != "type"}
            told.tools.append({BUILT_IN[named]: rest})
        elif "functionDeclarations" in tool or "function_declarations" in tool:
            told.tools.append(dict(tool))
        else:
            told.dropped.append(f"tools[{_place(body, tool)}]")


def _place(body: Mapping[str, Any], tool: Any) -> int:
    return next((at for at, each in enumerate(body.get("tools", ())) if each is tool), 0)


def _declared(function: Function) -> dict[str, Any]:
    told: dict[str, Any] = {"name": fitted(function.name)}
    if function.description:
        told["description"] = function.description
    if any(value and key not in UNSAYING for key, value in function.parameters.items()):
        told["parametersJsonSchema"] = cleaned(function.parameters)
    return told


def _answering(form: Form) -> dict[str, Any]:
    text = "Gives the final answer to the user. Call it once nothing else needs to be called."
    return {"name": form.name, "description": text, "parametersJsonSchema": form.parameters}


def _calling(
    body: Mapping[str, Any],
    functions: Sequence[Function],
    choice: Choice,
    form: Form | None,
    dropped: list[str],
) -> dict[str, Any] | None:
    """Return how functions are to be called."""
    if body.get("parallel_tool_calls") is False:
        dropped.append("parallel_tool_calls")
    strict = any(each.strict for each in functions)
    held = strict and generation(str(body.get("model"))) >= UNION
    if strict and not held:
        places = (_place(body, each.written) for each in functions if each.strict)
        dropped += [f"tools[{place}].function.strict" for place in places]
    if form is not None:
        only = {"allowedFunctionNames": [form.name]} if choice.mode == "none" else {}
        return {"mode": "ANY", **only}
    if choice.mode == "required":
        known = [fitted(each.name) for each in functions if each.name in choice.names]
        if choice.names and not known:  # one of the vendor's own tools, which cannot be forced
            dropped.append("tool_choice")
            return {"mode": "AUTO"}
        names = {"allowedFunctionNames": known} if known else {}
        return {"mode": "ANY", **names}
    if choice.mode == "none":
        return {"mode": "NONE"}
    if held:
        return {"mode": "VALIDATED"}
    return {"mode": "AUTO"} if "tool_choice" in body else None


def _native_form(body: Mapping[str, Any]) -> Mapping[str, Any]:
    wanted = format_of(body)
    if wanted is None:
        return {}
    told: dict[str, Any] = {"responseMimeType": "application/json"}
    if wanted.schema is not None:
        told["responseJsonSchema"] = cleaned(wanted.schema)
    return told
