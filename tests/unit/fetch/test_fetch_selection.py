"""Which files: the notation of --files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import FetchError, RemoteFile
from domainlm.fetch.selection import Selection, choose

RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), min_size=1, max_size=6)


def _file(number: int) -> RemoteFile:
    return RemoteFile(name=f"{number}.gz", urls=(f"{number}.gz",))


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("1-20", ((1, 20),)),
        ("7", ((7, 7),)),
        ("7-7", ((7, 7),)),
        ("5,1-3", ((1, 3), (5, 5))),
        ("1-3, 4-6", ((1, 6),)),
        ("1-10,2-3", ((1, 10),)),
        ("9-", ((9, None),)),
        ("1,9-,12-14", ((1, 1), (9, None))),
        ("all", ((1, None),)),
        ("ALL", ((1, None),)),
    ],
)
def test_numbers_and_ranges(text: str, ranges: tuple[tuple[int, int | None], ...]) -> None:
    assert Selection.parse(text).ranges == ranges


@pytest.mark.parametrize("text", ["", "0", "0-3", "3-1", "1..3", "a", "-3", "1-2-3", "1,,2", "1;2", "1" * 13])
def test_anything_else_is_refused_with_the_notation(text: str) -> None:
    with pytest.raises(FetchError, match="as in 1-20 or 1,5,9-"):
        Selection.parse(text)


@given(RANGES)
def test_it_means_the_numbers_of_all_ranges(ranges: list[tuple[int, int]]) -> None:
    selection = Selection.parse(",".join(f"{first}-{first + more}" for first, more in ranges))
    meant = {number for first, more in ranges for number in range(first, first + more + 1)}
    assert {number for number in range(100) if number in selection} == meant
    assert selection.size == len(meant)


def test_choosing_ends_at_the_last_number() -> None:
    def files() -> Iterator[tuple[int, RemoteFile]]:
        yield from ((number, _file(number)) for number in range(1, 6))
        pytest.fail("looked further than needed")

    assert [number for number, _ in choose(files(), Selection.parse("2-3,5"), "here")] == [2, 3, 5]


def test_numbers_that_are_not_there_are_named() -> None:
    files = ((number, _file(number)) for number in range(1, 4))
    chosen = choose(files, Selection.parse("3-9"), "here")
    with pytest.raises(FetchError, match=r"(?s)here: no file of this number.*given:   4, 5, 6, 7, 8 \.\.\..*up to 3"):
        list(chosen)


def test_an_open_end_asks_for_what_is_there() -> None:
    files = [(number, _file(number)) for number in range(1, 4)]
    assert len(list(choose(files, Selection.parse("2-"), "here"))) == 2
    with pytest.raises(FetchError, match="no file of this number"):
        list(choose(files, Selection.parse("4-"), "here"))
    with pytest.raises(FetchError, match="there is no file at all"):
        list(choose([], Selection.parse("all"), "here"))
