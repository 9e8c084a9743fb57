"""An even sample of a text, for what must not grow with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from domainlm.errors import DataError

EntryT = TypeVar("EntryT")

_GOLDEN_SHARE = (math.sqrt(5.0) - 1.0) / 2.0


class EvenSample:
    """Sentences spread evenly over a text, of no more than so many characters; all of them where it has no more.

    A sentence is taken where it brings the characters taken nearest to their share of those that have gone by. So every
    part of the text gives the same share of itself, whole sentences are taken, and the sample of a text is always the
    same. The text is streamed twice: counted when the sample is made, and read when it is iterated over.

    Args:
        read: starts reading the sentences anew each time that it is called.
        max_characters: of all sentences taken.
        num_characters: of the whole text, where it is known; it is counted where it is not.

    Attributes:
        num_characters: of the whole text, line ends not counted.
        max_characters: as given.
        num_taken: characters of the sentences taken while it was last iterated over.
    """

    def __init__(
        self, read: Callable[[], Iterable[str]], max_characters: int, num_characters: int | None = None
    ) -> None:
        self._read = read
        self.max_characters = max_characters
        self.num_characters = sum(map(len, read())) if num_characters is None else num_characters
        self.num_taken = 0

    @property
    def is_whole(self) -> bool:
        """Whether all of the text is taken."""
        return self.num_characters <= self.max_characters

    def __iter__(self) -> Iterator[str]:
        """The sentences taken, in order."""
        gone_by = 0
        self.num_taken = 0
        for sentence in self._read():
            gone_by += len(sentence)
            if self.is_whole or self._is_due(len(sentence), gone_by):
                self.num_taken += len(sentence)
                yield sentence

    def _is_due(self, length: int, gone_by: int) -> bool:
        """Whether twice (the share of what has gone by - what was taken) is the sentence's length at least."""
        owed = self.max_characters * gone_by - self.num_characters * self.num_taken  # times num_characters
        return 2 * owed >= self.num_characters * length and self.num_taken + length <= self.max_characters


def some_taken(sample: EvenSample) -> Iterator[str]:
    """The sentences taken; raises `DataError` where the text has some and none is short enough."""
    yield from sample
    if sample.num_characters and not sample.num_taken:
        raise DataError(
            "no sentence or paragraph fits into the sample of the text",
            given=f"a sample of {sample.max_characters:,} of {sample.num_characters:,} characters",
            remedy="raise max_characters, or give the text in shorter lines",
        )


def in_even_order(entries: Sequence[EntryT]) -> Iterator[EntryT]:
    """All entries, each once, in an order of which every beginning is spread evenly over them.

    A place comes by the fraction of its multiple of the golden share: places whose fractions are below a limit follow
    one another at three distances, which are much alike.
    """
    return (entries[place] for place in sorted(range(len(entries)), key=lambda place: place * _GOLDEN_SHARE % 1.0))
