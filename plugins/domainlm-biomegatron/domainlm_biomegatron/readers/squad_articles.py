"""SQuAD from one file, its articles divided into training and dev: for those who have the development set alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domainlm.api import ProblemLog, SpanExample, Split
from domainlm.reading import read_json, read_squad

_ARTICLES_PER_DEV_ARTICLE = 5


def read_squad_articles(path: Path, split: Split, problems: ProblemLog) -> Iterator[SpanExample]:
    """Stream the questions of four of five articles for training, those of each fifth for dev, and none for test.

    Raises:
        DataError: as `read_squad`.
    """
    wanted = _question_ids(read_json(path), split)
    for example in read_squad(path, problems):
        if example.id.partition("#")[0] in wanted:  # "#" comes before the number of an id given twice
            yield example


def _question_ids(content: Any, split: Split) -> set[str]:  # noqa: ANN401 - JSON of any shape
    """Ids of a split's questions; nothing where the layout is another one, which `read_squad` complains about."""
    articles = content.get("data") if isinstance(content, dict) else None
    found: set[str] = set()
    for number, article in enumerate(articles if isinstance(articles, list) else [], start=1):
        part = "dev" if number % _ARTICLES_PER_DEV_ARTICLE == 0 else "train"
        if part == split and isinstance(article, dict):
            found |= {str(qa["id"]) for paragraph in article.get("paragraphs", []) for qa in paragraph.get("qas", [])}
    return found
