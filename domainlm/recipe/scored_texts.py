"""Documents that language models are scored on must not be learned from, where two corpora of a recipe share files.

The same documents of a file are held out by the same share, and more of them by a larger one (`is_held_out`), where a
file has one name and its reader gives the same ids. Readers that differ may give other ids, so that they hold out other
documents.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from domainlm.errors import RecipeError
from domainlm.recipe.corpus_settings import TASK_TEXT
from domainlm.recipe.resolved import Resolved, ResolvedCell, ResolvedCorpus

_LOG = logging.getLogger(__name__)


def check_scored_texts(learned: Mapping[str, ResolvedCorpus], scored: Mapping[str, ResolvedCorpus]) -> None:
    """Refuse corpora that may learn from documents of a file which another one holds out to score models on.

    They hold out less of it, or read it by another reader.

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
            different = _read_otherwise(reads, scores)
            if different is not None:
                raise RecipeError(
                    f"it reads a file of [{other.rsplit(' ', 1)[-1]}] in another way, and may learn from documents that"
                    " are held out there to score on",
                    where=place,
                    given=different[0],
                    allowed=f"{different[1]}, as there: reader and name may decide which documents are held out",
                    remedy="give both the same spec and the same name of the file, or other files",
                )


def _read_otherwise(reads: ResolvedCorpus, scores: ResolvedCorpus) -> tuple[str, str] | None:
    """How a file of both is read by either, where that may give its documents other ids: names are part of them."""
    learned, scored = _names(reads), _names(scores)
    for file in [file for file in learned if file in scored]:
        if reads.spec.read is not scores.spec.read or len({*learned[file], *scored[file]}) > 1:
            return (
                f"{' and '.join(learned[file])} by {reads.spec.reference}",
                f"{' and '.join(scored[file])} by {scores.spec.reference}",
            )
    return None


def _names(corpus: ResolvedCorpus) -> dict[Path, list[str]]:
    """The names under which a corpus keeps what its files hold: of one that it has by several, by links, the first."""
    found: dict[Path, list[str]] = {}
    for file in corpus.files:
        names = found.setdefault(file.resolve(), [])
        if not (names and corpus.settings.deduplication.exact):
            names.append(file.name)
    return found


def warn_of_copies(resolved: Resolved, hash_of: Callable[[Path], str]) -> None:
    """Say which files that models learn from are copies of scored ones that hold out other documents.

    It is a warning, for such files may say nothing: a licence that lies in every folder.
    """
    copies = {pair: None for cell in resolved.cells for pair in _copies(cell, hash_of)}  # each once, in their order
    for file, found in copies:
        _LOG.warning(
            "%s is a copy of %s, and holds out other documents: models are scored on what they learn from", file, found
        )


def _copies(cell: ResolvedCell, hash_of: Callable[[Path], str]) -> Iterator[tuple[Path, Path]]:
    scored: dict[str, list[tuple[Path, ResolvedCorpus]]] = {}
    for scores in cell.scored:
        for file in scores.files:
            scored.setdefault(hash_of(file), []).append((file, scores))
    for corpus in cell.learned:
        for file in corpus.files:
            for found, scores in scored.get(hash_of(file), []):
                is_kept_once = corpus == scores and corpus.settings.deduplication.exact
                is_another = file.resolve() != found.resolve()
                if is_another and not is_kept_once and _holds_out_others(corpus, file, scores, found):
                    yield file, found


def _holds_out_others(corpus: ResolvedCorpus, file: Path, scores: ResolvedCorpus, found: Path) -> bool:
    is_read_alike = corpus.spec.read is scores.spec.read and file.name == found.name
    return not is_read_alike or corpus.settings.held_out_share < scores.settings.held_out_share


def _overlap(first: ResolvedCorpus, second: ResolvedCorpus) -> bool:
    if first.spec.name == TASK_TEXT:
        return second.spec.name == TASK_TEXT
    one, other = first.settings.sample, second.settings.sample
    if one is not None and other is not None:
        return first.spec.reference == second.spec.reference and one.seed == other.seed
    return not {file.resolve() for file in first.files}.isdisjoint(file.resolve() for file in second.files)
