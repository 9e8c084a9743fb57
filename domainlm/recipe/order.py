"""Tasks that start from one another's models."""

from __future__ import annotations

from collections.abc import Mapping

from domainlm.errors import RecipeError


def check_order(after: Mapping[str, str | None], where: str) -> None:
    """Check that tasks can be fine-tuned one after the other.

    Args:
        after: by the name of each task, that of the task it starts from; None for the language model.
        where: the place in the recipe, for errors.

    Raises:
        RecipeError: a task is to start from one that is not there, or in the end from itself.
    """
    for name, previous in after.items():
        if previous is not None and previous not in after:
            raise RecipeError(
                f"{name} is to start from the model of a task that is not in the recipe",
                where=f"{where}: after",
                given=previous,
                allowed=[other for other in after if other != name] or "(there is no other task)",
                remedy="name a task by its name = ..., or by the last part of its spec where it has none",
            )
    for name in after:
        seen = [name]
        while (previous := after[seen[-1]]) is not None:
            if previous in seen:
                circle = " after ".join([*seen[seen.index(previous) :], previous])
                raise RecipeError(
                    "tasks that start from one another's models go round in a circle",
                    where=f"{where}: after",
                    given=circle,
                    remedy="take out one of these after = ...",
                )
            seen.append(previous)
