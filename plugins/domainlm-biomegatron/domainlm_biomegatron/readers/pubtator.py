"""PubTator files: the BioCreative V CDR corpus (BC5CDR), the NCBI disease corpus, and what PubTator itself exports.

A document is a line `PMID|t|title`, a line `PMID|a|abstract`, then one tab-separated line for each mention: PMID,
start, end, text, type, identifiers and, for composite mentions, their parts. Offsets are characters of
title + " " + abstract. Lines with relations follow; a blank line ends the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.reading import open_text, split_sentences, split_words

TEXT_LINE = re.compile(r"(\d+)\|([ta])\|(.*)")
_OFFSET = re.compile(r"[0-9]{1,15}")
_RELATION = re.compile(r"[A-Z][A-Za-z-]*")  # second column of a relation line: "CID"


@dataclass(slots=True)
class AnnotatedText:
    """One document of a PubTator file.

    Attributes:
        pmid: its id.
        title: as it stands.
        abstract: as it stands; empty where there is none.
        entities: mentions whose text is found at their offsets, sorted, each once.
    """

    pmid: str
    title: str
    abstract: str = ""
    entities: list[Entity] = field(default_factory=list)

    @property
    def text(self) -> str:
        """What offsets count in."""
        return f"{self.title} {self.abstract}"


def read_pubtator(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    """Stream the sentences of one file; `id` is "PMID:n" for the nth sentence of a document, from 0.

    A mention that reaches over the end of a sentence joins the two, so that none is lost.

    Counted in `problems`, with file and line: mentions whose text is not at their offsets, mentions of another
    document, lines that are none of the format's, and PMIDs that come again (the first document is kept).

    Raises:
        DataError: missing, empty, wrong encoding, or no PubTator file at all.
    """
    for document in read_documents(path, problems):
        yield from _sentences(document)


def read_documents(path: Path, problems: ProblemLog) -> Iterator[AnnotatedText]:
    """Stream whole documents; the problems and errors are those of `read_pubtator`."""
    builder = _DocumentBuilder(path, problems)
    for number, line in enumerate(open_text(path), start=1):
        finished = builder.take(line.rstrip("\r\n"), number)
        if finished is not None:
            yield finished
    finished = builder.end()
    if finished is not None:
        yield finished
    if not builder.seen:
        raise DataError(
            "not a PubTator file",
            where=path,
            allowed="lines such as 12345|t|Title, 12345|a|Abstract and tab-separated mentions",
        )


class _DocumentBuilder:
    """Gathers lines into documents."""

    def __init__(self, path: Path, problems: ProblemLog) -> None:
        self.path = path
        self.problems = problems
        self.seen: set[str] = set()
        self._current: AnnotatedText | None = None
        self._pmid = ""  # of the document being read, also where it is a repeated one that is not kept

    def take(self, line: str, number: int) -> AnnotatedText | None:
        """Take one line; return the document that it ends, if it ends one."""
        match = TEXT_LINE.fullmatch(line)
        if match is not None and match[2] == "t":
            finished = self.end()
            self._start(match[1], match[3], number)
            return finished
        if match is not None:
            self._add_abstract(match[1], match[3], number)
        elif line.strip():
            self._add_row(line.split("\t"), number)
        return None

    def end(self) -> AnnotatedText | None:
        """Return the document read so far, if any."""
        finished, self._current = self._current, None
        if finished is not None:
            finished.entities.sort()
        return finished

    def _start(self, pmid: str, title: str, number: int) -> None:
        self._pmid = pmid
        if pmid in self.seen:
            self._problem("PMID again (the first document is kept)", f"PMID {pmid}", number)
            return
        self.seen.add(pmid)
        self._current = AnnotatedText(pmid, title)

    def _add_abstract(self, pmid: str, abstract: str, number: int) -> None:
        if pmid != self._pmid:
            self._problem("abstract without its title", f"PMID {pmid}", number)
        elif self._current is not None:
            self._current.abstract = abstract

    def _add_row(self, row: Sequence[str], number: int) -> None:
        if len(row) < 4 or not row[0].isdecimal():
            self._problem("line of no known kind", _shown(row), number)
        elif row[0] != self._pmid:
            self._problem("line of another document", f"PMID {row[0]} below {self._pmid or 'none'}", number)
        elif self._current is not None and not _RELATION.fullmatch(row[1]):
            self._add_mention(self._current, row, number)

    def _add_mention(self, document: AnnotatedText, row: Sequence[str], number: int) -> None:
        if len(row) < 5 or not (_OFFSET.fullmatch(row[1]) and _OFFSET.fullmatch(row[2]) and row[3].strip() and row[4]):
            self._problem("malformed mention", _shown(row), number)
            return
        start, end, mention = int(row[1]), int(row[2]), row[3]
        found = document.text[start:end]
        if found != mention:
            self._problem("mention text differs", f"{mention!r} at {start}-{end}, where {found!r} is", number)
            return
        if mention != mention.strip():
            self._problem("mention with blanks at its ends (which are cut)", repr(mention), number)
            start += len(mention) - len(mention.lstrip())
            end = start + len(mention.strip())
        entity = Entity(start, end, row[4])
        if entity in document.entities:
            self._problem("mention again", f"{mention!r} at {start}-{end}", number)
        else:
            document.entities.append(entity)

    def _problem(self, kind: str, detail: str, number: int) -> None:
        self.problems.add(kind, detail, path=self.path, line=number)


def _shown(row: Sequence[str]) -> str:
    return repr("\t".join(row)[:80])


def _sentences(document: AnnotatedText) -> Iterator[TokenExample]:
    text = document.text
    for index, (start, end) in enumerate(_joined_at_mentions(_sentence_spans(document), document.entities)):
        part = text[start:end]
        entities = tuple(
            Entity(entity.start - start, entity.end - start, entity.type)
            for entity in document.entities
            if start <= entity.start < end
        )
        yield TokenExample(f"{document.pmid}:{index}", part, split_words(part), entities)


def _sentence_spans(document: AnnotatedText) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence in the document's text; none reaches from the title into the abstract."""
    for begin, part in ((0, document.title), (len(document.title) + 1, document.abstract)):
        for start, end in split_sentences(part):
            yield begin + start, begin + end


def _joined_at_mentions(spans: Iterator[tuple[int, int]], entities: Sequence[Entity]) -> list[tuple[int, int]]:
    """Join neighbouring sentences until every mention lies inside one."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and any(entity.start < start < entity.end for entity in entities):
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
