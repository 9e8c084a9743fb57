"""Which cell of a run is meant where nobody says: one arm alone, and of its scored steps the one to go on with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domainlm.errors import UserError
from domainlm.recipe.scored_steps import SCORED_STEPS, pretraining_of

Cell = Mapping[str, Any]
"""The varied values of a cell, as rows of results.json have them."""


def meant_cell(
    cells: Sequence[Cell],
    wanted: Cell,
    early_stops: Sequence[Mapping[str, Any]],
    *,
    where: str,
    names: Sequence[str] = (),
) -> Cell:
    """The cell with the wanted values; of several scored steps the best one by an early stop, or else the last.

    Args:
        cells: to choose from.
        wanted: values that it has; others may be left out where they are no choice.
        early_stops: as in results.json.
        where: for errors.
        names: for errors, how the models can be named in place of values.

    Raises:
        UserError: no cell has these values, or cells of several pretrainings do.
    """
    found = [cell for cell in cells if all(key in cell and cell[key] == value for key, value in wanted.items())]
    pretrainings = _different([pretraining_of(cell) for cell in found])
    if len(pretrainings) != 1:
        raise UserError(
            "several models are meant" if found else "no such model",
            where=where,
            given=_said(wanted) if wanted else None,
            allowed=names or [_said(cell) for cell in _different(found or cells)],
            remedy=None if names else "say which: cell={...} with these values",
        )
    by_step = {cell.get(SCORED_STEPS, 0): cell for cell in found}
    best = [stop["best_step"] for stop in early_stops if stop["cell"] == pretrainings[0]]
    return by_step[next((step for step in best if step in by_step), max(by_step))]


def _different(cells: Sequence[Cell]) -> list[Cell]:
    return [cell for number, cell in enumerate(cells) if cell not in cells[:number]]


def _said(cell: Cell) -> str:
    return ", ".join(f"{key}={value}" for key, value in cell.items())
