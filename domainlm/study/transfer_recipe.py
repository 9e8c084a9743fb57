"""The recipe that a call of `domainlm.transfer` stands for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral, Real
from operator import index
from pathlib import Path
from typing import Any, SupportsIndex

from domainlm.errors import ModelError, UserError
from domainlm.interop.importing import looks_like_a_name
from domainlm.interop.read import kind_of
from domainlm.recipe.dotted import leaves
from domainlm.recipe.overrides import with_values
from domainlm.study.transfer_arguments import paths_of

_MOST_STEPS = 10_000_000
_DEFAULTS: Mapping[str, Any] = {"second_objective": "none", "num_sequences_per_step": 64, "max_tokens": 128}

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much to pretrain. Give one of the three.

    Attributes:
        steps: optimizer steps.
        tokens: slots for sub-tokens, padding included; rounded down to whole steps, at least one.
        minutes: of pretraining, as `pretraining.max_minutes` of a recipe: how far one gets depends on the machine.

    Example:
        import domainlm

        budget = domainlm.Budget(tokens=1_000_000)
    """

    steps: int | None = None
    tokens: int | None = None
    minutes: float | None = None

    def limits(self, num_tokens_per_step: int) -> dict[str, Any]:
        """As keys of [pretraining].

        Raises:
            UserError: not exactly one limit is given, or fewer tokens than a step has.
        """
        if sum(limit is not None for limit in (self.steps, self.tokens, self.minutes)) != 1:
            raise UserError("give one of steps, tokens and minutes", where="budget", given=self)
        if self.minutes is not None:
            return {"num_steps": _MOST_STEPS, "max_minutes": _minutes(self.minutes)}
        if self.tokens is None:
            return {"num_steps": _whole("budget.steps", self.steps)}
        tokens = _whole("budget.tokens", self.tokens)
        if tokens < num_tokens_per_step:
            raise UserError(
                "fewer tokens than one step takes",
                where="budget.tokens",
                given=f"{tokens:,}",
                allowed=f"from {num_tokens_per_step:,}: num_sequences_per_step times max_tokens of [pretraining]",
                remedy="give more tokens, or lower one of the two in settings",
            )
        return {"num_steps": tokens // num_tokens_per_step}


def _whole(where: str, value: object) -> int:
    """A whole number from 0, also one that is written as 1e6."""
    number = value
    with suppress(OverflowError):
        if isinstance(value, Real) and not isinstance(value, Integral) and float(value).is_integer():
            number = int(float(value))
    if isinstance(number, SupportsIndex) and not isinstance(number, bool) and index(number) >= 0:
        return index(number)
    problem = "not a budget" if where == "budget" else "not a whole number"
    allowed = "a whole number of steps, or a Budget" if where == "budget" else "a whole number from 0"
    raise UserError(problem, where=where, given=repr(value), allowed=allowed)


def _minutes(value: object) -> float:
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool) else 0.0
    if 0 < number < float("inf"):
        return number
    raise UserError("not a length of time", where="budget.minutes", given=repr(value), allowed="a number above 0")


def transfer_recipe(
    base: PathLike | None,
    corpus: PathLike | Sequence[PathLike] | Mapping[str, Any],
    budget: Budget | int,
    vocabulary: PathLike | int | Mapping[str, Any] | None,
    tasks: Sequence[Mapping[str, Any]],
    general: PathLike | Mapping[str, Any] | None,
    grid: Mapping[str, int] | None,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The tables that the arguments of `domainlm.transfer` stand for.

    Raises:
        UserError: the budget is none, or files are none.
        ModelError: there is no such base.
    """
    given = budget if isinstance(budget, Budget) else Budget(steps=_whole("budget", budget))
    recipe: dict[str, Any] = {
        "start": _start(base),
        "corpus": _text("corpus", corpus),
        "pretraining": dict(_DEFAULTS),
        "tasks": list(tasks),
    }
    if general is not None:
        recipe["general"] = {"held_out_share": 0.5, **_text("general", general)}
    if vocabulary is not None:
        recipe["vocabulary"] = _vocabulary(vocabulary)
    if grid is not None:
        recipe["parallel"] = dict(grid)
    recipe = _with_settings(_plain(recipe), _plain(settings))
    pretraining = recipe["pretraining"]
    if isinstance(pretraining, dict):
        recipe["pretraining"] = given.limits(_num_tokens_per_step(pretraining)) | pretraining
    return recipe


def _with_settings(recipe: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """The recipe with each of the values set; a table sets the keys in it, and None and an empty one set nothing."""
    values = {keys: value for keys, value in leaves(settings) if value is not None and value != {}}
    return with_values(recipe, values, "settings")


def _num_tokens_per_step(pretraining: Mapping[str, Any]) -> int:
    """Slots for sub-tokens in a step; what is no number there is refused with the rest of the recipe."""
    shape = [pretraining[key] for key in ("num_sequences_per_step", "max_tokens")]
    return shape[0] * shape[1] if all(isinstance(value, int) for value in shape) else 1


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever tables hold
    """Paths as text, tuples as lists, and numpy's numbers as Python's."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(entry) for entry in value]
    return value


def _start(base: PathLike | None) -> dict[str, Any]:
    if base is None:
        return {"kind": "random"}
    path = Path(base)
    if path.exists():
        return {"kind": kind_of(path), "path": path}
    if not looks_like_a_name(str(base)):
        raise ModelError("no such model", where="base", given=str(base))
    return {"kind": "huggingface", "hub": str(base)}


def _text(name: str, text: PathLike | Sequence[PathLike] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(text, Mapping):
        return dict(text)
    return {"spec": "core/text", "files": [text] if isinstance(text, str | os.PathLike) else paths_of(name, text)}


def _vocabulary(vocabulary: PathLike | int | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(vocabulary, Mapping):
        return dict(vocabulary)
    if isinstance(vocabulary, SupportsIndex):
        return {"spec": "core/wordpiece", "size": index(vocabulary)}
    return {"spec": "core/file", "file": vocabulary}
