"""openai's lenient construction of results, compiled once for each model class.

The SDK builds a result by inspecting every field's annotation for every answer; that is most of
the time of a call. Here the inspection is done once, and the outcome is the same object: where
data fit their annotations exactly, construction and validation agree, so the object is made
directly; wherever they do not (a missing field, a string for a number, an unknown variant), that
part is handed to the SDK's own `construct_type`.

Two converters for each annotation. *Lenient* is the SDK's rule outside unions: keep what does not
fit. *Exact* is used inside unions, for which the SDK tries validation first: it raises `_Mismatch`
for anything that validation might change or refuse.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import lru_cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from openai import BaseModel
from openai._models import construct_type
from openai._utils import PropertyInfo
from pydantic_core import PydanticUndefined

Convert = Callable[[Any], Any]
SCALARS = (str, int, float, bool)
PLAIN_DEFAULTS = (type(None), str, int, float, bool)


class _Mismatch(Exception):
    """The data do not fit the annotation exactly."""


@lru_cache(maxsize=1024)
def converter(cast_to: Any) -> Convert:
    """Return the function that makes a `cast_to` of decoded JSON, as the SDK would."""

    def by_sdk(value: Any) -> Any:
        return construct_type(type_=cast_to, value=value)

    if _is_model(cast_to):
        return _lenient(cast_to, ())
    inner, metadata = _stripped(cast_to)
    return _or(_exact(inner, metadata), by_sdk) if _is_union(inner) else by_sdk


@lru_cache(maxsize=4096)
def _lenient(annotation: Any, metadata: tuple[Any, ...]) -> Convert:
    """Return the SDK's conversion of a value outside a union."""

    def by_sdk(value: Any) -> Any:
        return construct_type(value=value, type_=annotation, metadata=list(metadata))

    if annotation in (str, int, bool, object, Any) or get_origin(annotation) is Literal:
        return _as_it_is
    if _is_model(annotation):
        fill = _filler(annotation, exact=False)
        return by_sdk if fill is None else _or(fill, by_sdk)
    if get_origin(annotation) is list and len(get_args(annotation)) == 1:
        item = _lenient(*_stripped(get_args(annotation)[0]))
        return lambda value: [item(entry) for entry in value] if type(value) is list else value
    if _is_union(annotation):
        return _or(_exact(annotation, metadata), by_sdk)
    return by_sdk


@lru_cache(maxsize=4096)
def _exact(annotation: Any, metadata: tuple[Any, ...]) -> Convert:
    """Return the conversion that validation would give, for data that need no coercion."""
    if any(not isinstance(entry, PropertyInfo) for entry in metadata):
        return _refuse  # a constraint that only validation knows
    if annotation in (object, Any):
        return _as_it_is
    if annotation in SCALARS or annotation is type(None):
        return _of_type(annotation)
    if _is_model(annotation):
        return _filler(annotation, exact=True) or _refuse
    return _exact_generic(annotation)


def _exact_generic(annotation: Any) -> Convert:
    arguments = get_args(annotation)
    match get_origin(annotation):
        case origin if origin is Literal:
            return _one_of(arguments)
        case origin if origin is list and len(arguments) == 1:
            return _list_of(_exact(*_stripped(arguments[0])))
        case origin if origin is dict and arguments[:1] == (str,):
            return _dict_of(_exact(*_stripped(arguments[1])))
        case origin if origin in (Union, types.UnionType):
            return _only_variant(annotation)
    return _refuse


def _list_of(item: Convert) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is not list:
            raise _Mismatch
        return [item(entry) for entry in value]

    return convert


def _dict_of(entry_of: Convert) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is not dict:
            raise _Mismatch
        return {key: entry_of(entry) for key, entry in value.items()}

    return convert


def _only_variant(union: Any) -> Convert:
    """Return the conversion by the one variant that fits; with none or several, the SDK decides."""
    variants = tuple(_exact(*_stripped(variant)) for variant in get_args(union))
    if len(variants) == 2 and type(None) in get_args(union):
        inner = variants[0] if get_args(union)[1] is type(None) else variants[1]
        return lambda value: None if value is None else inner(value)

    if (by_type := _variants_by_type(union)) is not None:
        return _by_type(by_type)

    def convert(value: Any) -> Any:
        fitting = []
        for variant in variants:
            try:
                fitting.append(variant(value))
            except _Mismatch:
                continue
        if len(fitting) != 1:
            raise _Mismatch
        return fitting[0]

    return convert


def _variants_by_type(union: Any) -> dict[str, Any] | None:
    """Return the models of a union by the literal of their `type`, if that tells them apart."""
    found: dict[str, Any] = {}
    for variant in get_args(union):
        model, _ = _stripped(variant)
        field = model.model_fields.get("type") if _is_model(model) else None
        if field is None or get_origin(field.annotation) is not Literal:
            return None
        for name in get_args(field.annotation):
            if name in found:
                return None
            found[name] = model
    return found


def _by_type(models: dict[str, Any]) -> Convert:
    def convert(value: Any) -> Any:
        name = value.get("type") if type(value) is dict else None
        if type(name) is not str or name not in models:
            raise _Mismatch
        return _exact(models[name], ())(value)

    return convert


def _filler(  # noqa: C901 - the hot loop: splitting it would cost a call for each field
    model: type[BaseModel], *, exact: bool
) -> Convert | None:
    """Return what makes a `model` of a dict, or None for a class with ways of its own."""
    if not _is_plain(model):
        return None
    defaults = {name: _default(field) for name, field in model.model_fields.items()}
    required = frozenset(name for name, field in model.model_fields.items() if field.is_required())
    converters: dict[str, Convert] = {}

    def prepare() -> None:  # at first use: models refer to themselves
        rule = _exact if exact else _lenient
        converters.update(  # in one step, for another thread may be filling the same model
            {
                name: rule(_annotation(field), tuple(field.metadata))
                for name, field in model.model_fields.items()
            }
        )

    def fill(values: Any) -> Any:
        if type(values) is not dict or "_fields_set" in values:
            raise _Mismatch
        if not converters:
            prepare()
        fields = defaults.copy()
        extra = {}
        for key, value in values.items():
            convert = converters.get(key)
            if convert is None:
                extra[key] = value
            elif exact or value is not None:
                fields[key] = convert(value)
        if exact:  # validation counts extra fields as set, construction does not
            if not required <= values.keys():
                raise _Mismatch
            return _made(model, fields, extra, set(values))
        return _made(model, fields, extra, values.keys() - extra.keys())

    return fill


def _made(model: type[BaseModel], fields: Any, extra: Any, given: set[str]) -> BaseModel:
    made = model.__new__(model)
    put = object.__setattr__
    put(made, "__dict__", fields)
    put(made, "__pydantic_private__", None)
    put(made, "__pydantic_extra__", extra)
    put(made, "__pydantic_fields_set__", given)
    return made


def _is_plain(model: type[BaseModel]) -> bool:
    """Whether construction of `model` is nothing but filling its fields."""
    decorators = model.__pydantic_decorators__
    return (
        model.construct.__func__ is BaseModel.construct.__func__  # type: ignore[attr-defined]
        and model.model_config.get("extra") == "allow"
        and bool(model.model_fields)
        and not model.__private_attributes__
        and not model.__pydantic_generic_metadata__["args"]
        and not (decorators.validators or decorators.field_validators or decorators.root_validators)
        and not (decorators.model_validators or decorators.field_serializers)
        and all(
            field.alias is None
            and field.default_factory is None
            and isinstance(_default(field), PLAIN_DEFAULTS)
            for field in model.model_fields.values()
        )
        and "__pydantic_extra__" not in model.__annotations__
    )


def _annotation(field: Any) -> Any:
    return field.annotation


def _default(field: Any) -> Any:
    return None if field.default is PydanticUndefined else field.default


def _or(first: Convert, second: Convert) -> Convert:
    def convert(value: Any) -> Any:
        try:
            return first(value)
        except _Mismatch:
            return second(value)

    return convert


def _of_type(wanted: Any) -> Convert:
    def convert(value: Any) -> Any:
        if type(value) is not wanted:
            raise _Mismatch
        return value

    return convert


def _one_of(allowed: tuple[Any, ...]) -> Convert:
    texts = frozenset(value for value in allowed if type(value) is str)

    def convert(value: Any) -> Any:
        if type(value) is not str or value not in texts:
            raise _Mismatch
        return value

    return convert


def _as_it_is(value: Any) -> Any:
    return value


def _refuse(_value: Any) -> Any:
    raise _Mismatch


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _stripped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return an annotation and the metadata of `Annotated` around it."""
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return inner, tuple(metadata)
    return annotation, ()


def construct(cast_to: Any, data: Any) -> Any:
    """Return decoded JSON as `cast_to`, any type that the SDK casts an answer to."""
    return converter(cast_to)(data)
