"""The recipe that a call of `domainlm.transfer` stands for."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domainlm.errors import ModelError, UserError
from domainlm.interop.importing import looks_like_a_name
from domainlm.interop.read import kind_of

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
            return {"num_steps": _MOST_STEPS, "max_minutes": float(self.minutes)}
        if self.tokens is None:
            return {"num_steps": self.steps}
        if self.tokens < num_tokens_per_step:
            raise UserError(
                "fewer tokens than one step takes",
                where="budget.tokens",
                given=f"{self.tokens:,}",
                allowed=f"from {num_tokens_per_step:,}: num_sequences_per_step times max_tokens of [pretraining]",
                remedy="give more tokens, or lower one of the two in settings",
            )
        return {"num_steps": self.tokens // num_tokens_per_step}


def transfer_recipe(
    base: PathLike | None,
    corpus: PathLike | Sequence[PathLike] | Mapping[str, Any],
    budget: Budget | int,
    vocabulary: PathLike | int | Mapping[str, Any] | None,
    tasks: Sequence[Mapping[str, Any]],
    general: PathLike | Mapping[str, Any] | None,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """The tables that the arguments of `domainlm.transfer` stand for; `settings` are looked at, and not put in.

    Raises:
        UserError: the budget is none.
        ModelError: there is no such base.
    """
    given = Budget(steps=budget) if isinstance(budget, int) else budget
    if not isinstance(given, Budget):  # as numbers with a fraction
        raise UserError(
            "not a budget", where="budget", given=repr(budget), allowed="a whole number of steps, or a Budget"
        )
    shape = {key: settings.get(f"pretraining.{key}", value) for key, value in _DEFAULTS.items()}
    limits = given.limits(shape["num_sequences_per_step"] * shape["max_tokens"])
    recipe: dict[str, Any] = {
        "start": _start(base),
        "corpus": _text(corpus),
        "pretraining": {**_DEFAULTS, **limits},
        "tasks": list(tasks),
    }
    if general is not None:
        recipe["general"] = {"held_out_share": 0.5, **_text(general)}
    if vocabulary is not None:
        recipe["vocabulary"] = _vocabulary(vocabulary)
    return recipe


def _start(base: PathLike | None) -> dict[str, Any]:
    if base is None:
        return {"kind": "random"}
    path = Path(base)
    if path.exists():
        return {"kind": kind_of(path), "path": path}
    if not looks_like_a_name(str(base)):
        raise ModelError("no such model", where="base", given=str(base))
    return {"kind": "huggingface", "hub": str(base)}


def _text(corpus: PathLike | Sequence[PathLike] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(corpus, Mapping):
        return dict(corpus)
    return {"spec": "core/text", "files": [corpus] if isinstance(corpus, str | os.PathLike) else list(corpus)}


def _vocabulary(vocabulary: PathLike | int | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(vocabulary, Mapping):
        return dict(vocabulary)
    if isinstance(vocabulary, int):
        return {"spec": "core/wordpiece", "size": vocabulary}
    return {"spec": "core/file", "file": vocabulary}
