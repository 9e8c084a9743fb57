"""Documents that language models are scored on must not be learned from, where two corpora of a recipe share files.

The same documents of a file are held out by the same share, and more of them by a larger one (`is_held_out`), where a
file has one name and its reader gives the same ids.
"""

from __future__ import annotations

from collections.abc import Mapping

from domainlm.errors import RecipeError
from domainlm.recipe.corpus_settings import TASK_TEXT
from domainlm.recipe.resolved import ResolvedCorpus


def check_scored_texts(learned: Mapping[str, ResolvedCorpus], scored: Mapping[str, ResolvedCorpus]) -> None:
    """Refuse corpora that hold out less of a file than another one, on whose held-out documents models are scored.

    Args:
        learned: what pretraining reads, by its place in the recipe.
        scored: on whose held-out documents language models are scored, by its place in the recipe.

    Raises:
        RecipeError: there are such.
    """
    for place, reads in learned.items():
        for other, scores in scored.items():
            share = scores.settings.held_out_share
            if reads.settings.held_out_share < share and _overlap(reads, scores):
                raise RecipeError(
                    f"it would learn from documents that [{other.rsplit(' ', 1)[-1]}] holds out to score on",
                    where=f"{place}.held_out_share",
                    given=reads.settings.held_out_share,
                    allowed=f"from {share}, which is that of the same files there",
                    remedy=f"add held_out_share = {share}",
                )


def _overlap(first: ResolvedCorpus, second: ResolvedCorpus) -> bool:
    if first.spec.name == TASK_TEXT:
        return second.spec.name == TASK_TEXT
    one, other = first.settings.sample, second.settings.sample
    if one is not None and other is not None:
        return first.spec.reference == second.spec.reference and one.seed == other.seed
    return not {file.resolve() for file in first.files}.isdisjoint(file.resolve() for file in second.files)
