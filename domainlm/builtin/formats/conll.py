"""Entity annotations as columns: a word a line with its tag last, a blank line after each sentence.

    Ada       NNP  B-PERSON
    Lovelace  NNP  I-PERSON
    wrote     VBD  O

Columns are split at tabs where the line has one, else at blanks; the first is the word, the last the tag, what lies
between is ignored. See `schemes.py` for the tags. Lines whose first column is `-DOCSTART-` end a sentence, as blank
lines do, and begin a document. A line with one column has no tag: the whole sentence around it is left out and counted,
because any tag given to the word would be invented. There is no line of column names and no comment, and a first column
that numbers the words is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.builtin.formats.names import file_stem
from domainlm.builtin.formats.schemes import Scheme, SchemeDetector, find_breaks, read_spans
from domainlm.text.files import open_text

_BLANKS = " \t\r\n"
_DOCUMENT_START = "-DOCSTART-"
_MAX_SHOWN = 5


@dataclass(slots=True)
class _Sentence:
    """The lines from one break to the next.

    Attributes:
        number: from 1, sentences that are left out counted too, so that ids do not depend on them.
        document: how many documents have begun before it.
        first_line: line of the first word.
        damaged_line: the first line that has no tag.
    """

    number: int
    first_line: int
    document: int = 0
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    damaged_line: int | None = None


def read_conll(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Give out the sentences of one file in columns; the text of each is its words joined by single blanks.

    All lines are read before the first sentence is given out, since the tag scheme is judged from the whole file. `id`
    is "FILE_STEM:n", n from 1; where the file has several documents, "FILE_STEM:DOCUMENT:n", n from 0 in each.

    Args:
        path: the file, plain or `.gz`.
        problems: told of sentences left out for a line without a tag, and of tags that break the scheme.

    Raises:
        DataError: the file cannot be read, uses another scheme or a mix, has no sentence with tags, or numbers in place
            of words.
    """
    sentences = list(_sentences(path))
    scheme = _detect_scheme(sentences, path)
    _check_words(sentences, path)
    for sentence, name in zip(sentences, _names(sentences, file_stem(path)), strict=True):
        if sentence.damaged_line is not None:
            detail = f"sentence of {len(sentence.words)} words left out"
            problems.add("line without a tag", detail, path=path, line=sentence.damaged_line)
            continue
        for place in find_breaks(sentence.tags, scheme):
            detail = f"{sentence.tags[place]} at {sentence.words[place]!r}, read leniently"
            problems.add(f"tag breaks the {scheme} scheme", detail, path=path, line=sentence.first_line + place)
        yield _example(sentence, name)


def _detect_scheme(sentences: Iterable[_Sentence], path: Path) -> Scheme:
    detector = SchemeDetector(path)
    damaged_line, num_sound = None, 0
    for sentence in sentences:
        if sentence.damaged_line is None:
            detector.add(sentence.tags, sentence.first_line)
            num_sound += 1
        else:
            damaged_line = damaged_line or sentence.damaged_line
    if not num_sound:
        where = path if damaged_line is None else f"{path}:{damaged_line}"
        raise DataError("no sentence with a tag for every word", where=where, allowed="a word and a tag in each line")
    return detector.scheme()


def _check_words(sentences: Sequence[_Sentence], path: Path) -> None:
    """Refuse a first column that counts the words of each sentence, from 0 or from 1."""
    numbered = all(each.words[0] in {"0", "1"} and _are_numbers(each.words) for each in sentences)
    if numbered and any(len(each.words) > 1 for each in sentences):
        raise DataError(
            "the first column numbers the words",
            where=f"{path}:{sentences[0].first_line}",
            given=" ".join(sentences[0].words[:_MAX_SHOWN]),
            allowed="the word in the first column, its tag in the last",
            remedy="take out the first column",
        )


def _are_numbers(words: Sequence[str]) -> bool:
    first = int(words[0])
    return all(word == str(number) for number, word in enumerate(words, first))


def _sentences(path: Path) -> Iterator[_Sentence]:
    sentence, num_documents = _Sentence(number=1, first_line=1), 0
    for line, content in enumerate(open_text(path), 1):
        columns = _columns(content)
        if not columns or columns[0] == _DOCUMENT_START:
            if sentence.words:
                yield sentence
                sentence = _Sentence(number=sentence.number + 1, first_line=line + 1)
            num_documents += columns[:1] == [_DOCUMENT_START]
            sentence.first_line, sentence.document = line + 1, num_documents
            continue
        sentence.words.append(columns[0])
        sentence.tags.append(columns[-1])
        if (len(columns) == 1 or not columns[0]) and sentence.damaged_line is None:
            sentence.damaged_line = line
    if sentence.words:
        yield sentence


def _names(sentences: Sequence[_Sentence], stem: str) -> Iterator[str]:
    """The id of each sentence; with the number of its document where there are several."""
    has_documents = len({sentence.document for sentence in sentences}) > 1
    num_before: Counter[int] = Counter()
    for sentence in sentences:
        place = num_before[sentence.document]
        yield f"{stem}:{sentence.document}:{place}" if has_documents else f"{stem}:{sentence.number}"
        num_before[sentence.document] += 1


def _columns(content: str) -> list[str]:
    """Split a line; only blanks and tabs count as white space, since a word may be another kind of it."""
    if "\t" in content.rstrip(_BLANKS):
        return [column.strip(_BLANKS) for column in content.rstrip(_BLANKS).split("\t")]
    return re.findall(r"[^ \t\r\n]+", content)


def _example(sentence: _Sentence, name: str) -> TokenExample:
    words: list[tuple[int, int]] = []
    start = 0
    for word in sentence.words:
        words.append((start, start + len(word)))
        start += len(word) + 1
    spans = read_spans(sentence.tags)
    entities = sorted(Entity(words[span.start][0], words[span.end - 1][1], span.type) for span in spans)
    return TokenExample(name, " ".join(sentence.words), tuple(words), tuple(entities))
