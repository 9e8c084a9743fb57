"""What the axes and arms of a study may set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domainlm.errors import RecipeError
from domainlm.recipe.dotted import Keys, join_keys, split_key
from domainlm.recipe.toml_text import toml_text

_OF_THE_WHOLE_RECIPE = ("it belongs to the recipe as a whole", "set it at the top of the recipe, once for all cells")
NOT_VARIED: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("variables", "requires", "format", "name", "extends", "scale", "scales"), _OF_THE_WHOLE_RECIPE),
    "study": ("a study does not vary itself", "write axes and arms side by side into [study]"),
    "seeds": (
        "every cell is fine-tuned with each of the recipe's seeds anyhow",
        "list them all in one place: seeds = [0, 1] at the top of the recipe",
    ),
}
"""By the first part of a key: why it cannot be varied, and what to do."""


_NAMES_OF_SPECS = ("spec", "size")
"""The last parts of keys whose texts name a spec."""


def check_varied(keys: Keys, where: str) -> None:
    """Raise `RecipeError` where a key is not something to vary."""
    if keys[0] in NOT_VARIED:
        reason, remedy = NOT_VARIED[keys[0]]
        raise RecipeError(f"not something to vary: {reason}", where=where, given=join_keys(keys), remedy=remedy)


def check_axes(tables: Mapping[str, Any], origin: Callable[[str], str | None]) -> None:
    """Check the keys and the kinds of values of study.axes, before the schema would name each kind that they are not.

    Args:
        tables: of the recipe; what has another shape than the schema asks for is passed over.
        origin: names the file that gave a dotted key.

    Raises:
        RecipeError: a key that cannot be varied, a value that is a list, a table or a date, or a spec named twice.
    """
    study = tables.get("study")
    axes = study.get("axes") if isinstance(study, dict) else None
    for key, values in axes.items() if isinstance(axes, dict) else ():
        where = f"{origin(f'study.axes.{key}')}: study.axes"
        check_varied(split_key(key), where)
        for value in values if isinstance(values, list) else ():
            if not isinstance(value, bool | int | float | str):
                raise RecipeError(
                    "an axis value must be a number, a text or a truth value",
                    where=f"{where}.{key}",
                    given=toml_text(value) if isinstance(value, list | dict) else value,
                    remedy="use [[study.arms]] with set, one arm with a name for each value",
                )
        if isinstance(values, list) and split_key(key)[-1] in _NAMES_OF_SPECS:
            _check_specs_differ([str(value) for value in values], f"{where}.{key}")


def _check_specs_differ(names: list[str], where: str) -> None:
    """Refuse a spec that is named both with its version and without; what stands there twice is the schema's affair."""
    bare = [name.partition("@")[0] for name in dict.fromkeys(names)]
    for name in bare:
        if bare.count(name) > 1:
            raise RecipeError(
                f'the spec "{name}" stands there twice, with its version and without',
                where=where,
                given=", ".join(names),
                remedy="name it once: only one version of a spec is installed",
            )
