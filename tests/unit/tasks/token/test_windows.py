from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.tasks.token.windows import Window, cut_windows

LENGTHS = st.lists(st.integers(1, 9) | st.integers(1, 60), max_size=60)


def test_a_text_that_fits_is_one_window() -> None:
    assert cut_windows([1, 2, 3], room=6, max_overlap_words=4) == [Window(0, 3, 0, 3)]
    assert cut_windows([], room=6, max_overlap_words=4) == []


def test_overlap_and_who_counts_by_hand() -> None:
    # Ten words of one sub-token, six fit, two are shared: 0-5 and 4-9. Words left of the nearer border: word 4 has one
    # to its right in the first window and none to its left in the second, so it counts in the first; 5 the other way.
    assert cut_windows([1] * 10, room=6, max_overlap_words=2) == [Window(0, 6, 0, 5), Window(4, 10, 5, 10)]


def test_equal_context_counts_in_the_first() -> None:
    # Three shared words (4, 5, 6 of 0-6 and 4-10): word 5 has one neighbour in both.
    assert cut_windows([1] * 11, room=7, max_overlap_words=3) == [Window(0, 7, 0, 6), Window(4, 11, 6, 11)]


def test_a_window_shares_no_more_than_half_of_its_room() -> None:
    assert cut_windows([1] * 12, room=8, max_overlap_words=100) == [Window(0, 8, 0, 6), Window(4, 12, 6, 12)]


def test_a_word_longer_than_a_window_counts_in_a_window_of_its_own() -> None:
    assert cut_windows([1, 99, 1], room=4, max_overlap_words=2) == [
        Window(0, 1, 0, 1),
        Window(1, 2, 1, 2),
        Window(2, 3, 2, 3),
    ]


@given(LENGTHS, st.integers(1, 40), st.integers(0, 70))
def test_every_word_counts_once_and_fits(lengths: list[int], room: int, max_overlap_words: int) -> None:
    windows = cut_windows(lengths, room, max_overlap_words)
    counted = [word for window in windows for word in range(window.own_start, window.own_end)]
    assert counted == list(range(len(lengths)))
    for window in windows:
        assert window.start <= window.own_start < window.own_end <= window.end
        assert sum(min(length, room) for length in lengths[window.start : window.end]) <= room
    for before, after in pairwise(windows):
        assert before.start < after.start
        assert before.end < after.end
        assert before.end - after.start <= max_overlap_words


@given(LENGTHS, st.integers(1, 40), st.integers(0, 70))
def test_every_word_counts_where_it_has_most_context(lengths: list[int], room: int, max_overlap_words: int) -> None:
    windows = cut_windows(lengths, room, max_overlap_words)

    def context(window: Window, word: int) -> int:
        return min(word - window.start, window.end - 1 - word)

    for window in windows:
        for word in range(window.own_start, window.own_end):
            assert all(context(other, word) <= context(window, word) for other in windows)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 70))
def test_windows_hold_at_most_about_twice_the_text(lengths: list[int], room: int, max_overlap_words: int) -> None:
    windows = cut_windows(lengths, room, max_overlap_words)
    held = sum(min(length, room) for window in windows for length in lengths[window.start : window.end])
    shared = sum(
        min(length, room)
        for before, after in pairwise(windows)
        for length in lengths[after.start : max(before.end, after.start)]
    )
    assert held - shared == sum(min(length, room) for length in lengths)
    assert shared <= max(0, len(windows) - 1) * (room // 2)


@pytest.mark.parametrize(("overlap", "num_windows"), [(0, 397), (16, 455), (1_000, 793)])
def test_a_very_long_line_takes_no_more_windows_than_needed(overlap: int, num_windows: int) -> None:
    # 50,000 words, 126 a window: 50,000 / 126, then 49,984 / 110, then half of each shared: 49,937 / 63.
    assert len(cut_windows([1] * 50_000, 126, overlap)) == num_windows
