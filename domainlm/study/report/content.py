"""The parts a report is put together from, the same for Markdown and HTML."""

from __future__ import annotations

from dataclasses import dataclass

NOTHING = "\N{EN DASH}"
"""What a table shows where there is no value."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell.

    Attributes:
        text: what it shows.
        fine_print: what stands below in small print.
        is_best: whether it is the best of its column.
        mark: a sign beside the text, which the caption explains.
        is_quoted: whether it is somebody else's.
    """

    text: str
    fine_print: tuple[str, ...] = ()
    is_best: bool = False
    mark: str = ""
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table. The first `num_heads` cells of a row say what the row is about; the others are numbers or facts.

    `groups` are heads above those of the other columns, each with the number of columns that it spans.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    num_heads: int = 1
    is_numeric: bool = True
    groups: tuple[tuple[str, int], ...] = ()

    @property
    def flat_head(self) -> tuple[str, ...]:
        """One line of heads, for formats that know no spanning ones."""
        above = ["" for _ in range(self.num_heads)] if self.groups else ["" for _ in self.head]
        above += [text for text, count in self.groups for _ in range(count)]
        return tuple(f"{group}: {name}" if group else name for group, name in zip(above, self.head, strict=True))


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot: the words that stand for it where it cannot be seen, and its SVG text."""

    alternative: str
    svg: str


@dataclass(frozen=True, slots=True)
class FigureGroup:
    """Plots that belong together under one number and caption."""

    caption: str
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of the report; empty parts are left out by the templates."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: tuple[FigureGroup, ...] = ()
    items: tuple[str, ...] = ()
    code: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report.

    Attributes:
        title: the recipe's name.
        question: the recipe's description, by paragraph.
        answer: sentences made from the scores.
        missing: what the recipe asks for and the results do not hold; empty for a complete run.
        sections: everything else, in reading order.
    """

    title: str
    question: tuple[str, ...]
    answer: tuple[str, ...]
    missing: tuple[str, ...]
    sections: tuple[Section, ...]
