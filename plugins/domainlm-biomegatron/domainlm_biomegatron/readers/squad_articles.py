"""SQuAD from one file, its articles divided into training and dev: for those who have the development set alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from domainlm.api import ProblemLog, SpanExample, Split
from domainlm.reading import read_squad

_ARTICLES_PER_DEV_ARTICLE = 5


def read_squad_articles(path: Path, split: Split, problems: ProblemLog) -> Iterator[SpanExample]:
    """Stream the questions of four of five articles for training, those of each fifth for dev, and none for test.

    Raises:
        DataError: as `read_squad`.
    """
    return read_squad(path, problems, takes_article=lambda number: _part_of(number) == split)


def _part_of(article: int) -> Split:
    return "dev" if article % _ARTICLES_PER_DEV_ARTICLE == 0 else "train"
