"""What readers yield: documents for pretraining, examples for tasks. Offsets are characters, end exclusive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Document:
    """One text to pretrain on.

    Attributes:
        id: unique in its corpus, as the source names it.
        paragraphs: the running text, in reading order; no paragraph is empty or holds a line break.
        meta: what else the source says (licence, language, ...), for filters and statistics.
        version: where the corpus spec says `replaces`: of the documents of one id the highest version stays, the last
            one read where several have it.
    """

    id: str
    paragraphs: tuple[str, ...]
    meta: Mapping[str, str] = field(default_factory=dict)
    version: int = 1

    @property
    def text(self) -> str:
        """All paragraphs, one a line."""
        return "\n".join(self.paragraphs)


@dataclass(frozen=True, slots=True, order=True)
class Entity:
    """A typed mention: characters `start` to `end` (exclusive) of its example's text."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class TokenExample:
    """One text whose words are to be labelled: usually a sentence.

    Attributes:
        id: unique in its file; `document` where the text is a whole document, `document:n` for its nth sentence, from
            0. Where files name no documents, `file:n` for the nth sentence of the file called file.EXT, from 1. Tests
            of significance take documents for units, and elsewhere blocks of sentences.
        text: the text as it stands in the source; where the source has words only, they are joined by single blanks.
        words: `(start, end)` of each word in `text`, ascending, not overlapping. Every word is labelled and scored.
        entities: the annotated mentions, sorted. Empty for text that is to be tagged.
    """

    id: str
    text: str
    words: tuple[tuple[int, int], ...]
    entities: tuple[Entity, ...] = ()


@dataclass(frozen=True, slots=True)
class SequenceExample:
    """One text, or a pair of them, that gets one label as a whole.

    Attributes:
        id: unique in its file.
        text: the text, or the first of the pair.
        label: the right label; "" for text that is to be classified.
        second_text: the second text of a pair; None where there is one text.
        markers: up to two spans of `text` that the label is about; a model may be shown them and read its states there.
        group: what examples have in common that must not be parted: the document they are from, say.
    """

    id: str
    text: str
    label: str = ""
    second_text: str | None = None
    markers: tuple[Entity, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """A typed mention with a name of its own, so that relations can refer to it.

    Attributes:
        id: unique in its document.
        start: first character in the document's text.
        end: one after the last character.
        type: type of entity.
    """

    id: str
    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True, order=True)
class Relation:
    """A labelled relation from the mention whose id is `first` to the one whose id is `second`."""

    first: str
    second: str
    label: str


@dataclass(frozen=True, slots=True)
class RelationExample:
    """One document with mentions and the relations between them: pairs of mentions are classified.

    Attributes:
        id: unique in its file.
        text: the running text; a line is a paragraph, so a sentence ends with its line.
        mentions: sorted by place; they may overlap.
        relations: sorted, each once; both mentions are of this document, and not the same one.
    """

    id: str
    text: str
    mentions: tuple[Mention, ...]
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Answer:
    """An answer where it stands: `text` from character `start` of its example's context."""

    start: int
    text: str

    @property
    def end(self) -> int:
        """One after its last character."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class SpanExample:
    """A question, and a context in which its answer is to be found.

    Attributes:
        id: unique in its file.
        question: the question.
        context: the text that may hold the answer. May be empty where a question has none: it then counts as one that
            is not answered.
        answers: right answers at their places in the context, all that are known, of several annotators perhaps the
            same one several times. Each stands at its place character by character.
        accepted: texts that count as right, whether or not they stand in the context; those of `answers` where empty.
        is_impossible: whether it is known that the context does not answer the question.
        group: the question that several contexts belong to. Where examples have one, groups are scored, not examples.
    """

    id: str
    question: str
    context: str
    answers: tuple[Answer, ...] = ()
    accepted: tuple[str, ...] = ()
    is_impossible: bool = False
    group: str = ""

    @property
    def text(self) -> str:
        """The context: what a corpus must not hold of dev and test."""
        return self.context

    @property
    def gold(self) -> tuple[str, ...]:
        """The texts that count as right."""
        return self.accepted or tuple(answer.text for answer in self.answers)
