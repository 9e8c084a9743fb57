"""What the labels of words say, whatever they are called: tags of a scheme, or names of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from domainlm.builtin.formats.schemes import Span, read_spans, split_tag

OUTSIDE = "O"
_UNNAMED = re.compile(r"LABEL_\d+")
"""What transformers calls the labels of a model that names none."""


@dataclass(frozen=True)
class WordNames:
    """The labels that a model gives to words.

    They are tags of IOB1, IOB2, IOBES or BILOU where any of them is B-TYPE or I-TYPE, or where they are B, I and O
    alone; tags are then read leniently, in one way for all of these schemes. Other labels name types themselves:
    neighbouring words with the same label are one entity, and O is none.

    Attributes:
        names: of every label, by its id.
    """

    names: tuple[str, ...]

    @cached_property
    def are_tags(self) -> bool:
        """Whether they are of a scheme."""
        letters = [split_tag(name)[0] for name in self.names]
        begins = [name for name, letter in zip(self.names, letters, strict=True) if letter in {"B", "I"}]
        return any("-" in name for name in begins) or (all(letters) and bool(begins))

    @cached_property
    def types(self) -> tuple[str, ...]:
        """The types of entity, each once, in the order of the labels."""
        if self.are_tags:
            return tuple(dict.fromkeys(filter(None, (split_tag(name)[1] for name in self.names))))
        return tuple(dict.fromkeys(name for name in self.names if name != OUTSIDE))

    @cached_property
    def without_meaning(self) -> tuple[str, ...]:
        """Labels that are no tags while others are; they are read as O."""
        return tuple(name for name in self.names if self.are_tags and not split_tag(name)[0])

    @cached_property
    def are_unnamed(self) -> bool:
        """Whether they are the numbers that stand for names which nobody gave."""
        return all(map(_UNNAMED.fullmatch, self.names))

    def spans(self, labels: Sequence[str]) -> list[Span]:
        """The entities that the labels of a sentence's words say, in order."""
        if self.are_tags:
            return read_spans(labels)
        spans: list[Span] = []
        start = 0
        for name, run in groupby(labels):
            end = start + sum(1 for _ in run)
            if name != OUTSIDE:
                spans.append(Span(start, end, name))
            start = end
        return spans
