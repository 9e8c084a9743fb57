"""Docstrings, taken apart: what they say, and the entries of their sections ("Args:", "Raises:", ...)."""

from __future__ import annotations

import inspect
import re
import textwrap
from dataclasses import dataclass, field

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|Example):$", re.MULTILINE)
_ENTRY = re.compile(r"(\w+): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Docstring:
    """A docstring in parts.

    Attributes:
        summary: its first paragraph.
        text: the paragraphs after it, before the first section.
        sections: by heading the text below it, its indentation taken off.
    """

    summary: str
    text: tuple[str, ...] = ()
    sections: dict[str, str] = field(default_factory=dict)

    def entries(self, heading: str) -> list[tuple[str, str]]:
        """Name and meaning of each entry of a section.

        Raises:
            ValueError: something in it is no entry.
        """
        parts = re.split(r"\n(?=\S)", self.sections.get(heading, ""))
        matches = [(part, _ENTRY.fullmatch(part)) for part in parts if part]
        wrong = [part for part, match in matches if match is None]
        if wrong:
            raise ValueError(f"{heading} of {self.summary!r}: not NAME: MEANING: {wrong[0]!r}")
        return [(match[1], _joined(match[2])) for _, match in matches if match]


def docstring_of(documented: object) -> Docstring:
    """The docstring of a function, method, property or class.

    Raises:
        ValueError: there is none.
    """
    text = inspect.getdoc(documented)
    if not text:
        raise ValueError(f"no docstring: {documented!r}")
    said, *rest = _SECTION.split(text)
    below = [textwrap.dedent(each).strip("\n") for each in rest[1::2]]
    sections = dict(zip(rest[::2], below, strict=True))
    summary, *paragraphs = map(_joined, said.strip().split("\n\n"))
    return Docstring(summary, tuple(paragraphs), sections)


def _joined(text: str) -> str:
    return " ".join(text.split())
