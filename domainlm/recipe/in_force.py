"""Refuses a `--set` that could have no effect: a key that the study gives another value in every cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from domainlm.errors import RecipeError
from domainlm.recipe.dotted import ARMS, AXES, Keys, join_keys, leaves, split_key
from domainlm.recipe.overrides import parse_override
from domainlm.recipe.study_settings import ArmSettings, StudySettings
from domainlm.recipe.toml_source import RecipeSource
from domainlm.recipe.toml_text import toml_text


def check_in_force(overrides: Sequence[str], study: StudySettings, source: RecipeSource) -> None:
    """Raise `RecipeError` where what an override sets is set again by an axis, or by every arm.

    Axes and arms that overrides give or change themselves are left aside: whoever writes both can see both.
    """
    given = [parse_override(text) for text in overrides]
    axes = [axis for axis in study.axes if _origin(axis, source) != "--set"]
    has_own_arms = any(keys[:2] in (ARMS, ARMS[:1]) for keys, _ in given)
    for keys, value in given:
        for axis in axes:
            _check_axis(keys, value, axis, source)
        if study.arms and not has_own_arms:
            _check_arms(keys, value, study.arms, source)


def _check_axis(keys: Keys, value: object, axis: str, source: RecipeSource) -> None:
    varied = split_key(axis)
    if keys[: len(varied)] != varied and not _holds(value, keys, varied):
        return
    wanted = toml_text(value) if keys == varied else "..."
    raise RecipeError(
        f"an axis of the study gives {axis} its values, so that this would have no effect",
        where=f"--set: {join_keys(keys)}",
        given=f"{join_keys(keys)}={toml_text(value)}, beside study.axes of {_origin(axis, source)}",
        remedy=f"set the values of the axis: --set '{join_keys((*AXES, axis))}=[{wanted}]'",
    )


def _origin(axis: str, source: RecipeSource) -> str | None:
    return source.origin(f"study.axes.{axis}")


def _holds(value: object, keys: Keys, sought: Keys) -> bool:
    """Whether the value at `keys` is, or has in it, one at the key that is sought."""
    if sought[: len(keys)] != keys:
        return False
    node: Any = value
    for part in sought[len(keys) :]:
        if isinstance(node, Mapping) and part in node:
            node = node[part]
        elif isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        else:
            return False
    return True


def _check_arms(keys: Keys, value: object, arms: Sequence[ArmSettings], source: RecipeSource) -> None:
    settings = [[found for found, _ in leaves(arm.set)] for arm in arms]
    for key in _set_keys(keys, value):
        if all(any(key[: len(found)] == found for found in each) for each in settings):
            raise RecipeError(
                f"every arm of the study sets {join_keys(key)}, so that this would have no effect",
                where=f"--set: {join_keys(keys)}",
                given=f"{join_keys(keys)}={toml_text(value)}, beside study.arms of {source.origin('study.arms')}",
                remedy=f"set it in an arm: --set '{join_keys((*ARMS, '0', 'set', join_keys(key)))}=...'",
            )


def _set_keys(keys: Keys, value: object) -> Iterator[Keys]:
    """The keys of the values that an override sets."""
    if isinstance(value, Mapping) and value:
        for key, entry in value.items():
            yield from _set_keys((*keys, key), entry)
    else:
        yield keys
