"""Where a phrase stands in a text."""

from __future__ import annotations

import re


def find_occurrences(text: str, phrase: str, *, ignores_case: bool = False) -> list[int]:
    """The first character of each occurrence of `phrase`, ascending; they do not overlap.

    Occurrences that begin and end at the borders of words are preferred: those that begin or end inside a word ("ion"
    in "nation") are given only where there are no others.

    Args:
        text: the text.
        phrase: what to look for; nothing is found where it is blank.
        ignores_case: take letters that differ in case for the same. Characters are compared one by one, so an
            occurrence is as long as the phrase.
    """
    if not phrase.strip():
        return []
    flags = re.IGNORECASE if ignores_case else re.NOFLAG
    found = [match.start() for match in re.finditer(re.escape(phrase), text, flags)]
    at_borders = [start for start in found if _is_whole(text, start, start + len(phrase))]
    return at_borders or found


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether no word goes on over either end."""
    return not (_joins(text, start - 1) or _joins(text, end - 1))


def _joins(text: str, place: int) -> bool:
    """Whether the characters at `place` and after it are letters or digits of one word."""
    return 0 <= place < len(text) - 1 and text[place].isalnum() and text[place + 1].isalnum()
