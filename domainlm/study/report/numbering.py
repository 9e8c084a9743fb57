"""Numbers tables and figures through the whole report."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from domainlm.study.report.content import FigureGroup, Section, Table


@dataclass(frozen=True, slots=True)
class NumberedSection:
    """A section whose tables and figure groups have their numbers."""

    section: Section
    tables: tuple[tuple[int, Table], ...]
    figures: tuple[tuple[int, FigureGroup], ...]


def numbered(sections: Sequence[Section]) -> tuple[NumberedSection, ...]:
    """Return the sections with tables and figure groups counted from 1."""
    table_numbers, figure_numbers = itertools.count(1), itertools.count(1)
    return tuple(
        NumberedSection(
            section,
            tuple((next(table_numbers), table) for table in section.tables),
            tuple((next(figure_numbers), group) for group in section.figures),
        )
        for section in sections
    )
