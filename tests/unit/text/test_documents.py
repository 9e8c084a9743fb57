"""What a corpus's reader gives in place of documents is refused wherever a corpus is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import CorpusSpec, Document, ProblemLog
from domainlm.cli.vocab_inputs import text_reader
from domainlm.errors import DataError, PluginError
from domainlm.plugin import Provider, Registry
from domainlm.text.documents import read_documents

ODD: list[Any] = [
    "The Vega left.",
    Document("b", "The Vega left."),  # type: ignore[arg-type]
    Document("b", ("The Vega left.", None)),  # type: ignore[arg-type]
    Document(7, ("The Vega left.",)),  # type: ignore[arg-type]
]


class _Reads:
    def __init__(self, *documents: object) -> None:
        self.documents = documents

    def __call__(self, path: Path, problems: ProblemLog) -> Iterator[Any]:
        yield from self.documents


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.txt"
    path.write_text("The Vega left.\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("odd", ODD)
def test_the_error_names_the_plugin_the_spec_and_the_file(log: Path, odd: object) -> None:
    sound = Document("a", ("The Vega came.",))
    documents = read_documents(_Reads(sound, odd), "harbour/logs@1", log, ProblemLog())

    assert next(documents) is sound
    with pytest.raises(PluginError, match="the reader gave a document that is not sound") as caught:
        next(documents)
    assert str(caught.value.where).startswith(f"plugin {__name__}, harbour/logs@1, ")
    assert f"{log}, document " in str(caught.value.where)


@pytest.mark.parametrize("odd", ODD)
def test_text_for_a_vocabulary_is_checked_too(log: Path, odd: object) -> None:
    registry = Registry()
    registry.corpora.add(
        CorpusSpec(name="harbour/logs", description="Logs.", read=_Reads(odd)), Provider("harbour", "1.0", "main")
    )
    with pytest.raises(PluginError, match="the reader gave a document that is not sound"):
        list(text_reader(registry, "harbour/logs", [str(log)])())


@pytest.mark.parametrize("documents", [(), (Document("a", (" ",)),)])
def test_a_corpus_without_text_is_no_text_for_a_vocabulary(log: Path, documents: tuple[Document, ...]) -> None:
    registry = Registry()
    spec = CorpusSpec(name="harbour/logs", description="Logs.", read=_Reads(*documents))
    registry.corpora.add(spec, Provider("harbour", "1.0", "main"))
    with pytest.raises(
        DataError, match=r"^corpus harbour/logs@1: the corpus has no text\n  given:   files without a doc"
    ):
        list(text_reader(registry, "harbour/logs", [str(log)])())
