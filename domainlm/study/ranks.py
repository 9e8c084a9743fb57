"""The ranks of a run: those that its cells ask for, and those that were launched with this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from domainlm.api import RunSummary
from domainlm.errors import RecipeError
from domainlm.process import launched
from domainlm.recipe.resolved import Resolved, ResolvedCell
from domainlm.train.ranks import Ranks, launched_ranks
from domainlm.train.runtime import open_device


def ranks_of(cell: ResolvedCell) -> Ranks:
    """The ranks that train the stages of a cell."""
    recipe, degrees = cell.definition.recipe, cell.grid.degrees
    device = open_device(recipe.runtime).torch_device.type
    return Ranks(
        degrees=degrees,
        device="cuda" if device == "cuda" else "cpu",
        num_threads=recipe.runtime.num_threads,
        hang_seconds=recipe.parallel.hang_seconds,
    )


def with_launched_ranks(
    resolve_recipe: Callable[[], Resolved], run: Callable[[], RunSummary], results: Path
) -> RunSummary:
    """Call `run` in this process, or only in rank 0 of those that were launched, while the others serve it.

    Args:
        resolve_recipe: gives the checked recipe, which says the grid.
        run: runs the study.
        results: where it leaves its results.

    Returns:
        What `run` returned; on the other ranks how it ended.

    Raises:
        RecipeError: the cells have several grids, where ranks were launched.
    """
    here = launched()
    if here is None:
        return run()
    found = {ranks_of(cell).degrees: ranks_of(cell) for cell in resolve_recipe().cells}
    if len(found) > 1:
        raise RecipeError(
            "all cells of a launched run have one grid",
            where="parallel",
            given=", ".join(map(str, found)),
            remedy="launch a run for each grid",
        )
    if not found:
        raise RecipeError("nothing is trained", where="measure", remedy="run this recipe in one process")
    (ranks,) = found.values()
    with launched_ranks(ranks, here) as joined:
        if here.rank > 0:
            return RunSummary(status=joined.serve(), results=results, seconds=0.0, num_stages_cached=0)
        status = "failed"
        try:
            summary = run()
            status = summary.status
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            joined.end(status)
        return summary
