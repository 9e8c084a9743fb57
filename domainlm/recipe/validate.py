"""Tables to a typed recipe, and pydantic's findings to one clear error with the dotted path and the nearest key."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from domainlm.errors import RecipeError, nearest_name
from domainlm.recipe.schema import Recipe
from domainlm.recipe.toml_source import Table

S = TypeVar("S", bound=BaseModel)
_NO_SWITCH = frozenset({"bool_type", "bool_parsing"})
_NO_TABLE = frozenset({"model_type", "model_attributes_type", "dict_type"})
_IN_TOML = {
    **dict.fromkeys(_NO_TABLE, "a table of keys and values"),
    **dict.fromkeys(("tuple_type", "list_type"), "a list, in square brackets"),
    "string_type": "a text, in quotation marks",
}
"""What pydantic expects, in the words of a recipe."""
_ALSO_CALLED = {"gpu": "cuda"}
"""What people write, and which choice it is."""
_MAX_FURTHER = 5
_CHOICE = re.compile(r"'([^']*)'")
"""One of the values that pydantic expects, in its words."""


def validate_recipe(tables: Table, origin: Callable[[str], str | None]) -> Recipe:
    """Check `tables` against the schema.

    Args:
        tables: merged tables of the recipe.
        origin: names the file that gave a dotted key.

    Raises:
        RecipeError: the first thing wrong in full, the others by their keys.
    """
    return validate_settings(Recipe, tables, origin)


def validate_settings(kind: type[S], tables: Table, origin: Callable[[str], str | None]) -> S:
    """Check `tables` against one settings class; raises `RecipeError` as `validate_recipe` does."""
    try:
        return kind.model_validate(tables)
    except ValidationError as error:
        raise _recipe_error(kind, error, origin) from None


def _recipe_error(kind: type[BaseModel], error: ValidationError, origin: Callable[[str], str | None]) -> RecipeError:
    # A misspelled key usually shows as "missing" and "unknown" at once: the unknown one says what to mend.
    found = sorted(error.errors(), key=lambda entry: entry["type"] != "extra_forbidden")
    first, place = found[0], _place(kind, found[0]["loc"])
    # Of a value that may be of several kinds, each kind has a complaint of its own.
    same = [entry for entry in found if _place(kind, entry["loc"]) == place] if place != first["loc"] else [first]
    dotted = _dotted(place)
    further = [_dotted(_place(kind, entry["loc"])) for entry in found if entry not in same]
    where = f"{origin(dotted)}: {dotted}" if dotted else origin("")
    remedy = None
    if further:
        more = ", ".join(dict.fromkeys(further[:_MAX_FURTHER]))
        remedy = f"look at these too: {more}" + (" ..." if len(further) > _MAX_FURTHER else "")
    if first["type"] == "extra_forbidden":
        keys = _keys_at(kind, first["loc"][:-1])
        name = str(first["loc"][-1])
        return RecipeError(
            "unknown key", where=where, given=name, allowed=keys, nearest=nearest_name(name, keys), remedy=remedy
        )
    if first["type"] == "missing":
        return RecipeError("this key is missing", where=where, remedy=remedy or "add it to the recipe")
    given = None if isinstance(first["input"], dict) else repr(first["input"])
    names = [name for entry in same for name in _choices(entry)]
    nearest = _nearest(str(first["input"]), names)
    allowed: tuple[str, ...] | None
    if len(same) == 1:
        message = _complaint(first)
        allowed = ("true", "false") if first["type"] in _NO_SWITCH else None
        if first["type"] in _NO_TABLE:
            allowed = tuple(_keys_at(kind, first["loc"])) or None
        elif _is_empty_list(first):
            message, allowed = "the list is empty", ("at least one value",)
    else:
        message = "this key has no such value"
        allowed = tuple(dict.fromkeys(each for entry in same for each in _allowed(entry)))
    return RecipeError(message, where=where, given=given, allowed=allowed, nearest=nearest, remedy=remedy)


def _nearest(given: str, names: Sequence[str]) -> str | None:
    """The name that was meant: by what else it is called, or the one written most alike."""
    other = _ALSO_CALLED.get(given.casefold())
    return other if other in names else nearest_name(given, names)


def _is_empty_list(entry: Mapping[str, Any]) -> bool:
    return bool(entry["type"] == "too_short" and entry["ctx"]["actual_length"] == 0)


def _choices(entry: Mapping[str, Any]) -> list[str]:
    """The names that a complaint says are allowed."""
    return _CHOICE.findall(entry["ctx"]["expected"]) if entry["type"] == "literal_error" else []


def _allowed(entry: Mapping[str, Any]) -> Sequence[str]:
    """What one kind of value would be, by its complaint."""
    if entry["type"] in _NO_SWITCH:
        return ("true", "false")
    return _choices(entry) or [_complaint(entry).removeprefix("input should be ")]


def _complaint(entry: Mapping[str, Any]) -> str:
    if entry["type"] in _IN_TOML:
        return f"input should be {_IN_TOML[entry['type']]}"
    message = str(entry["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _place(kind: type[BaseModel], location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The key that a complaint is about, without the kind of value that pydantic puts behind it."""
    current: type[BaseModel] | None = kind
    for number, part in enumerate(location):
        if isinstance(part, int):
            continue
        if current is None:
            return location[:number]
        field = current.model_fields.get(part)
        if field is None or _is_table(field.annotation):
            return location
        current = _settings_class(field.annotation)
    return location


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location)


def _keys_at(kind: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Keys of the settings class at `location` below `kind`; numbers step into lists."""
    current: type[BaseModel] = kind
    for part in location:
        if isinstance(part, int):
            continue
        entry = current.model_fields.get(part)
        inner = None if entry is None else _settings_class(entry.annotation)
        if inner is None:
            return []
        current = inner
    keys = list(current.model_fields)
    return [*keys, "extends"] if current is Recipe else keys


def _is_table(annotation: object) -> bool:
    """Whether keys of the user's own follow."""
    return get_origin(annotation) is dict or any(_is_table(each) for each in get_args(annotation))


def _settings_class(annotation: object) -> type[BaseModel] | None:
    """The settings class within `X`, `X | None`, `tuple[X, ...]` or `Annotated[...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple) or get_args(annotation):
        for argument in get_args(annotation):
            found = _settings_class(argument)
            if found is not None:
                return found
    return None
