"""What the commands of `domainlm vocab` take: vocabularies with labels, and text through any corpus reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from domainlm.api import ProblemLog
from domainlm.cli.logs import warn_of_problems
from domainlm.errors import DataError, VocabularyError

if TYPE_CHECKING:
    from domainlm.api import CorpusSpec
    from domainlm.plugin import Registry
    from domainlm.vocab.vocabulary import Vocabulary

_Function = TypeVar("_Function", bound=Callable[..., Any])

DEFAULT_CORPUS = "core/text"


def vocabularies_argument(function: _Function) -> _Function:
    """Add the argument VOCABULARY, one or more."""
    return click.argument("vocabularies", nargs=-1, required=True, metavar="[NAME=]VOCABULARY...")(function)


def cased_option(function: _Function) -> _Function:
    """Add --cased/--uncased."""
    return click.option(
        "--cased/--uncased",
        default=None,
        help="Read each vocab.txt as cased or uncased.  [default: as its entries tell]",
    )(function)


def markdown_option(function: _Function) -> _Function:
    """Add --markdown."""
    return click.option("--markdown", is_flag=True, help="Print a table in Markdown.")(function)


def load_vocabularies(given: Sequence[str], *, cased: bool | None = None) -> dict[str, Vocabulary]:
    """The vocabularies by name: the one given, or that of the file or folder.

    Raises:
        VocabularyError: one that cannot be read, or two of one name.
    """
    from domainlm.vocab.vocabulary import Vocabulary

    found: dict[str, Vocabulary] = {}
    for entry in given:
        name, path = named_path(entry)
        if name in found:
            raise VocabularyError(
                "two vocabularies have one name", given=name, remedy="give them names, as in cased=vocab.txt"
            )
        found[name] = Vocabulary.load(path, cased=cased)
    return found


def named_path(entry: str) -> tuple[str, Path]:
    """Part `NAME=PATH`; a path by itself is called by what tells it best.

    A vocabulary file is called by its folder where it has the name that all such files have.
    """
    name, equals, rest = entry.partition("=")
    if equals and name and "/" not in name and not Path(entry).exists():
        return name, Path(rest)
    path = Path(entry)
    if path.name in {"vocab.txt", "tokenizer.json"} and path.absolute().parent.name:
        return path.absolute().parent.name, path
    return path.name.removesuffix(".txt").removesuffix(".json") or entry, path


def text_reader(registry: Registry, corpus: str, files: Sequence[str]) -> Callable[[], Iterator[str]]:
    """A function that streams the normalised paragraphs of a corpus anew each time that it is called.

    What the reader skips is said once; files without any text are refused by `DataError`.
    """
    from domainlm.text.paths import expand_files

    spec = registry.corpus(corpus, where="--corpus")
    paths = expand_files(files, Path.cwd(), spec.patterns)
    told = False

    def read() -> Iterator[str]:
        nonlocal told
        problems = ProblemLog()
        has_text = False
        for paragraph in _paragraphs(spec, paths, problems):
            has_text = True
            yield paragraph
        if not has_text:
            given = problems.summary() or "files without a document"
            raise DataError("the corpus has no text", where=f"corpus {spec.reference}", given=given)
        if not told:
            warn_of_problems(problems)
            told = True

    return read


def _paragraphs(spec: CorpusSpec, paths: Sequence[Path], problems: ProblemLog) -> Iterator[str]:
    from domainlm.text.corpus import normalise_sentence
    from domainlm.text.documents import read_documents

    for path in paths:
        for document in read_documents(spec.read, spec.reference, path, problems):
            for paragraph in document.paragraphs:
                if text := normalise_sentence(paragraph):
                    yield text
