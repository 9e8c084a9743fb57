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
        id: unique in its file; `document` where the text is a whole document, `document:n` for its nth sentence.
        text: the text as it stands in the source; where the source has words only, they are joined by single blanks.
        words: `(start, end)` of each word in `text`, ascending, not overlapping. Every word is labelled and scored.
        entities: the annotated mentions, sorted. Empty for text that is to be tagged.
    """

    id: str
    text: str
    words: tuple[tuple[int, int], ...]
    entities: tuple[Entity, ...] = ()
