"""Scales: one recipe at several sizes. What the chosen scale sets is laid over the recipe, below any `--set`."""

from __future__ import annotations

from typing import Any

from domainlm.errors import RecipeError, nearest_name
from domainlm.recipe.dotted import ARMS, Keys, join_keys, leaves
from domainlm.recipe.overrides import with_values
from domainlm.recipe.toml_source import RecipeSource, Table

_NOT_SCALED = ("extends", "format", "name", "requires", "scale", "scales")


def apply_scale(source: RecipeSource) -> None:
    """Lay what `scales.NAME` sets over the recipe, where `scale` names one.

    Raises:
        RecipeError: there is no such scale, or it sets what a scale cannot set.
    """
    scale, scales = source.tables.get("scale"), source.tables.get("scales", {})
    if not isinstance(scale, str) or not isinstance(scales, dict):
        return  # not given, or of a wrong type, which the schema complains about
    if scale not in scales:
        raise RecipeError(
            "no such scale",
            where=f"{source.origin('scale')}: scale",
            given=scale,
            allowed=list(scales) or "none: the recipe has no [scales.NAME]",
            nearest=nearest_name(scale, scales),
        )
    if not isinstance(scales[scale], dict):
        return
    origin = f"{source.origin(f'scales.{scale}')}: scales.{scale}"
    for keys, value in leaves(scales[scale]):
        _lay_over(source, keys, value, origin)


def _lay_over(source: RecipeSource, keys: Keys, value: object, origin: str) -> None:
    if keys[0] in _NOT_SCALED:
        raise RecipeError("a scale cannot set this", where=origin, given=join_keys(keys))
    if keys[:2] == ARMS and len(keys) > 3:
        keys = (*ARMS, str(_place_of_arm(source.tables, keys[2], origin)), "set", join_keys(keys[3:]))
    source.tables = with_values(source.tables, {keys: value}, origin)
    dotted = ".".join(keys)
    for stale in [name for name in source.origins if name.startswith(f"{dotted}.")]:
        del source.origins[stale]
    source.origins[dotted] = origin


def _place_of_arm(tables: Table, name: str, where: str) -> int:
    arms: Any = tables.get("study", {}).get("arms", [])
    names = [arm.get("name") for arm in arms if isinstance(arm, dict)] if isinstance(arms, list) else []
    if name not in names:
        raise RecipeError(
            "no such arm",
            where=f"{where}.study.arms",
            given=name,
            allowed=names or "none: the recipe has no [[study.arms]]",
            nearest=nearest_name(name, names),
        )
    return names.index(name)
