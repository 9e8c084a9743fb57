"""Texts longer than the limit are read in overlapping windows; every word counts in exactly one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Window(NamedTuple):
    """The words `start` to `end` (exclusive) of a text, of which `own_start` to `own_end` count here."""

    start: int
    end: int
    own_start: int
    own_end: int


def cut_windows(word_lengths: Sequence[int], room: int, max_overlap_words: int) -> list[Window]:
    """Cut a text into windows that cover it; their own parts follow each other without gap or overlap.

    A window takes as many words as fit. The next one goes back by up to `max_overlap_words` words, but shares no more
    than half of `room`, so that the windows of a text hold at most some twice its sub-tokens. A word in several
    windows counts where it has most context: the most words to the nearer border; of equal windows in the first.

    Args:
        word_lengths: sub-tokens of each word. A word longer than `room` counts as `room`.
        room: sub-tokens that fit into a window, special tokens not counted.
        max_overlap_words: words that neighbouring windows share, at the most.

    Returns:
        The windows in order; none for a text without words. A window may count for nothing (`own_start == own_end`)
        only where its words have more context elsewhere; such windows are left out.
    """
    lengths = [min(length, room) for length in word_lengths]
    borders: list[tuple[int, int]] = []
    start, end = 0, 0
    while end < len(lengths):
        size = sum(lengths[start:end])
        while end < len(lengths) and size + lengths[end] <= room:
            size += lengths[end]
            end += 1
        borders.append((start, end))
        if end < len(lengths):
            start = _next_start(lengths, start, end, room, max_overlap_words)
    return _share_out(borders, len(lengths))


def _next_start(lengths: Sequence[int], start: int, end: int, room: int, max_overlap_words: int) -> int:
    """Where the window after `start, end` begins: it must hold word `end` as well as what it shares."""
    shared_room = min(room // 2, room - lengths[end])
    first = end
    while first - 1 > start and end - first < max_overlap_words and lengths[first - 1] <= shared_room:
        first -= 1
        shared_room -= lengths[first]
    return first


def _share_out(borders: Sequence[tuple[int, int]], num_words: int) -> list[Window]:
    """Give every word to the window where its nearer border is farthest away.

    Both borders of a later window lie further right, so the words of each window's own part follow each other.
    """
    owners = [0] * num_words
    contexts = [-1] * num_words
    for number, (start, end) in enumerate(borders):
        for word in range(start, end):
            context = min(word - start, end - 1 - word)
            if context > contexts[word]:
                owners[word], contexts[word] = number, context
    windows: list[Window] = []
    word = 0
    while word < num_words:
        number, own_start = owners[word], word
        while word < num_words and owners[word] == number:
            word += 1
        windows.append(Window(*borders[number], own_start, word))
    return windows
