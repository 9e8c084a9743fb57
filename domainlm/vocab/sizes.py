"""Sizes that a text cannot give a vocabulary."""

from __future__ import annotations

from collections.abc import Iterable

from domainlm.api import VocabularySettings
from domainlm.errors import VocabularyError

_WHERE = "vocabulary.size"


def check_alphabet(settings: VocabularySettings, num_base: int) -> None:
    """Raise `VocabularyError` where the special tokens and single characters alone are more than the size."""
    if num_base > settings.size:
        raise VocabularyError(
            "the vocabulary is smaller than the alphabet of its corpus",
            where=_WHERE,
            given=settings.size,
            allowed=f"at least {num_base:,}: the special tokens and the single characters",
            remedy="raise vocabulary.size, or raise vocabulary.min_frequency to leave out rare characters",
        )


def size_to_ask_for(settings: VocabularySettings, num_base: int, word_lengths: Iterable[int]) -> int:
    """The size, or less where so many entries cannot come of merging: the library makes room for all of them at once.

    Args:
        settings: the size that is wanted.
        num_base: entries before anything is merged.
        word_lengths: base pieces of each different word; every merge leaves one of the words a piece shorter.
    """
    return min(settings.size, num_base + sum(length - 1 for length in word_lengths))


def check_enough(settings: VocabularySettings, num_entries: int) -> None:
    """Raise `VocabularyError` where the text gives fewer entries than the size."""
    if num_entries < settings.size:
        raise VocabularyError(
            f"the corpus gives only {num_entries:,} entries",
            where=_WHERE,
            given=settings.size,
            allowed=f"at most {num_entries:,} with pieces seen at least {settings.min_frequency} times",
            remedy="lower vocabulary.size, lower vocabulary.min_frequency, or take more text",
        )
