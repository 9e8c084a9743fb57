"""Which of many files: "1-20", "3,7,12-", "all"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from domainlm.api import RemoteFile
from domainlm.errors import FetchError

Numbered = tuple[int, RemoteFile]
_RANGE = re.compile(r"(?P<first>\d{1,12})(?P<dash>-(?P<last>\d{1,12})?)?")
_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Selection:
    """Ranges of numbers, both ends included, sorted and apart; None as an end goes on without one."""

    ranges: tuple[tuple[int, int | None], ...]

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Read what a user wrote.

        Raises:
            FetchError: it is no selection.
        """
        if text.strip().lower() == "all":
            return cls(((1, None),))
        ranges = [_range(part.strip(), text) for part in text.split(",")]
        return cls(tuple(_merged(sorted(ranges, key=lambda entry: entry[0]))))

    def __contains__(self, number: int) -> bool:
        return any(first <= number and (last is None or number <= last) for first, last in self.ranges)

    @property
    def last(self) -> int | None:
        """The highest number; None where there is none."""
        return self.ranges[-1][1]

    @property
    def size(self) -> int | None:
        """How many numbers these are; None where there is no end."""
        if self.last is None:
            return None
        return sum(last - first + 1 for first, last in self.ranges if last is not None)

    def missing(self, found: Iterable[int]) -> list[int]:
        """Numbers asked for by name that are not among those found, the first few; ends without number ask for none."""
        there = set(found)
        missing = []
        for first, last in self.ranges:
            for number in range(first, first + 1 if last is None else last + 1):
                if number not in there:
                    missing.append(number)
                if len(missing) == _MAX_SHOWN:
                    return missing
        return missing


def choose(files: Iterable[Numbered], selection: Selection, where: str) -> Iterator[Numbered]:
    """Yield the chosen files; ends at the last one without looking at more.

    Raises:
        FetchError: after the last file, where numbers that were asked for did not come.
    """
    found: list[int] = []
    last = 0
    for number, file in files:
        last = max(last, number)
        if number in selection:
            found.append(number)
            yield number, file
        if selection.last is not None and number >= selection.last:
            break
    missing = selection.missing(found)
    if missing:
        shown = ", ".join(str(number) for number in missing)
        raise FetchError(
            "no file of this number",
            where=where,
            given=shown + (" ..." if len(missing) == _MAX_SHOWN else ""),
            allowed=f"numbers up to {last}" if last else "there is no file at all",
            remedy="list the files with --list",
        )


def _range(part: str, text: str) -> tuple[int, int | None]:
    match = _RANGE.fullmatch(part)
    first = int(match["first"]) if match else 0
    last = first if match is None or match["dash"] is None else int(match["last"]) if match["last"] else None
    if match is None or first < 1 or (last is not None and last < first):
        raise FetchError(
            "not a choice of files",
            where="--files",
            given=text,
            allowed="numbers from 1 and ranges of them, as in 1-20 or 1,5,9- (and all that follow), or all",
        )
    return first, last


def _merged(ranges: list[tuple[int, int | None]]) -> Iterator[tuple[int, int | None]]:
    first, last = ranges[0]
    for next_first, next_last in ranges[1:]:
        if last is None:
            break
        if next_first <= last + 1:
            last = None if next_last is None else max(last, next_last)
        else:
            yield first, last
            first, last = next_first, next_last
    yield first, last
