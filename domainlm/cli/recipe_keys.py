"""The keys of a recipe as text, read off the schema."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from domainlm.recipe.schema import Recipe
from domainlm.recipe.toml_text import toml_text


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a recipe.

    Attributes:
        name: dotted; "tasks.N.spec" stands for that key of every task, "corpus" alone for a whole table.
        type: of its value.
        default: as TOML writes it; None where the key must be given.
        help: its documentation.
    """

    name: str
    type: str
    default: str | None
    help: str


def describe_keys() -> Iterator[Key]:
    """Every key of a recipe, each table before its keys."""
    yield _EXTENDS
    yield from _keys_of(Recipe, None, "")


def _keys_of(settings: type[BaseModel], defaults: BaseModel | None, prefix: str) -> Iterator[Key]:
    """The keys of one table; `defaults` holds the values it has where the recipe does not name it."""
    for name, field in settings.model_fields.items():
        value = getattr(defaults, name) if defaults is not None else _default_value(field)
        table, is_list = _table(field.annotation)
        text = " ".join((field.description or "").split())
        same_as = _TOP_TABLES.get(table) if table is not None and prefix else None
        if same_as is not None:
            text = f"{text} Its keys are those of {same_as}."
        key = f"{prefix}{name}"
        yield Key(key, _field_type(field), _default_text(value), text)
        if table is not None and same_as is None:
            inner = value if isinstance(value, BaseModel) else None
            yield from _keys_of(table, inner, f"{key}.N." if is_list else f"{key}.")


def _table(annotation: object) -> tuple[type[BaseModel] | None, bool]:
    """The settings class inside an annotation, and whether there is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    is_list = get_origin(annotation) is tuple
    for argument in get_args(annotation):
        table, inner_list = _table(argument)
        if table is not None:
            return table, is_list or inner_list
    return None, False


def _field_type(field: FieldInfo) -> str:
    limits = [_limit(entry) for entry in field.metadata]
    return " ".join([_type_name(field.annotation), *filter(None, limits)])


def _type_name(annotation: Any) -> str:  # noqa: ANN401, PLR0911 - one for each form of annotation
    origin = get_origin(annotation)
    arguments = [argument for argument in get_args(annotation) if argument not in (Ellipsis, type(None))]
    if origin is Annotated:
        return " ".join(filter(None, [_type_name(arguments[0]), *map(_limits_of, annotation.__metadata__)]))
    if origin is Literal:
        return " | ".join(json.dumps(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return " | ".join(_type_name(argument) for argument in arguments)
    if origin is tuple:
        return f"list of {_type_name(arguments[0])}"
    if origin is dict:
        return f"table of {_type_name(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _PLAIN_TYPES[annotation.__name__]


def _limits_of(metadata: object) -> str:
    entries = metadata.metadata if isinstance(metadata, FieldInfo) else [metadata]
    return " ".join(filter(None, map(_limit, entries)))


def _limit(entry: object) -> str:
    """One bound of pydantic's as text, that a list has an entry too; empty for what is no bound."""
    for attribute, phrase in (("ge", "from {}"), ("gt", "above {}"), ("le", "to {}"), ("lt", "below {}")):
        bound = getattr(entry, attribute, None)
        if bound is not None:
            return phrase.format(bound)
    return "(at least one)" if getattr(entry, "min_length", None) == 1 else ""


def _default_value(field: FieldInfo) -> object:
    return _REQUIRED if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def _default_text(value: object) -> str | None:
    if value is _REQUIRED:
        return None
    if isinstance(value, BaseModel):
        return "{}"
    return "none" if value is None else toml_text(value)


_EXTENDS = Key(
    "extends",
    "text",
    "none",
    "Recipe that gives every key not given here: a path relative to this file, or the name of one that a plugin ships.",
)
"""Followed when the file is read, so the schema never sees it."""
_REQUIRED = object()
_PLAIN_TYPES = {
    "Any": "anything",
    "bool": "true or false",
    "int": "whole number",
    "float": "number",
    "str": "text",
}
_TOP_TABLES = {
    table: name
    for name, field in Recipe.model_fields.items()
    for table, is_list in [_table(field.annotation)]
    if table is not None and not is_list
}
"""Classes of the recipe's own tables, which are described once, wherever else they stand."""
