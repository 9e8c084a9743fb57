"""What two vocabularies have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domainlm.vocab.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Overlap:
    """Entries that two vocabularies share: the same text, both beginning a word or both going on with one.

    Special tokens are not counted.

    Attributes:
        num_first: entries of the first vocabulary.
        num_second: entries of the second one.
        num_shared: entries of both.
        share_of_first_text: of the sub-tokens of a text in the first vocabulary, the share that both have; None where
            there is no text.
        share_of_second_text: likewise in the second one.
    """

    num_first: int
    num_second: int
    num_shared: int
    share_of_first_text: float | None = None
    share_of_second_text: float | None = None

    @property
    def jaccard(self) -> float:
        """Shared entries among all different ones."""
        return _share(self.num_shared, self.num_first + self.num_second - self.num_shared)

    @property
    def share_of_first(self) -> float:
        """Shared entries among those of the first vocabulary."""
        return _share(self.num_shared, self.num_first)

    @property
    def share_of_second(self) -> float:
        """Shared entries among those of the second vocabulary."""
        return _share(self.num_shared, self.num_second)


def overlap(
    first: Vocabulary,
    second: Vocabulary,
    used_by_first: Mapping[int, int] | None = None,
    used_by_second: Mapping[int, int] | None = None,
) -> Overlap:
    """Compare the entries of two vocabularies.

    Args:
        first: a vocabulary.
        second: another one.
        used_by_first: how often each id of the first one occurs in a text, as `measure_text` counts it.
        used_by_second: how often each id of the second one occurs in the same text.
    """
    mine, theirs = set(_ordinary(first).values()), set(_ordinary(second).values())
    return Overlap(
        num_first=len(mine),
        num_second=len(theirs),
        num_shared=len(mine & theirs),
        share_of_first_text=_share_in(first, used_by_first, theirs),
        share_of_second_text=_share_in(second, used_by_second, mine),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0  # of special tokens alone nothing is shared


def _ordinary(vocabulary: Vocabulary) -> dict[int, tuple[str, bool]]:
    special = set(vocabulary.special_ids)
    return {number: piece for number, piece in enumerate(vocabulary.pieces) if number not in special}


def _share_in(vocabulary: Vocabulary, used: Mapping[int, int] | None, others: set[tuple[str, bool]]) -> float | None:
    """Share of a text's sub-tokens that are among the others' entries; [UNK] is in no vocabulary's."""
    if used is None:
        return None
    pieces = _ordinary(vocabulary)
    shared = sum(count for number, count in used.items() if number in pieces and pieces[number] in others)
    return shared / sum(used.values())
