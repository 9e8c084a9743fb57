"""The main table in the layout that a recipe or a publication asks for, the publication's figures beside our own."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from domainlm.api import ReferenceRow, ReferenceTable, TableLayout
from domainlm.study.report.aggregate import MEASURE_STAGE, format_summary, is_of_sub_tokens, vocabulary_identity
from domainlm.study.report.content import NOTHING, Cell, Table
from domainlm.study.report.fields import field_text, field_value, heading, leading_rows, meets
from domainlm.study.report.labels import clean
from domainlm.study.report.marks import MARK_BELOW, Marked, mark_columns, marks_sentence
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.parts import part_sentence
from domainlm.study.report.pools import Pool
from domainlm.study.report.question import dig, read_question
from domainlm.study.report.records import Results, Row
from domainlm.study.report.tables import FLATTERED
from domainlm.tasks.signature import merge_seeds

_Key = tuple[str, ...]
_LAYOUTS = TypeAdapter(TableLayout)
_OURS, _THEIRS = "ours", "reference"


@dataclass(slots=True)
class _Line:
    """A row of the table: our rows, by column and metric, and the publication's figures beside them."""

    ours: dict[tuple[_Key, str], list[Row]] = field(default_factory=dict)
    theirs: dict[tuple[_Key, str], str] = field(default_factory=dict)
    labels: dict[str, dict[str, None]] = field(default_factory=dict)
    place: float = float("inf")


class MainTable:
    """Our rows and the publication's, sorted into the lines and columns of a layout.

    Args:
        results: rows, units and the publication's table.
        layout: what makes lines and columns.
    """

    def __init__(self, results: Results, layout: TableLayout) -> None:
        self.layout = layout
        self.reference = results.reference
        self._units = results.units
        self._choices = read_question(results.recipe).choices
        self._lines: dict[_Key, _Line] = {}
        self._columns: dict[_Key, None] = {}
        self._notes: dict[str, None] = {}
        self.rows = leading_rows(results.rows, layout.where, layout.metrics)
        for row in self.rows:
            column = self._key(row, layout.columns)
            self._columns[column] = None
            line = self._lines.setdefault(self._key(row, layout.rows), _Line())
            line.ours.setdefault((column, row.metric), []).append(row)
        for place, theirs in enumerate(self.reference.rows if self.reference is not None else ()):
            self._enter(place, theirs)

    def build(self) -> Table:
        """Return the table."""
        keys = self._sorted_lines()
        places = [
            (column, metric) for column in self._columns for metric in self.layout.metrics if self._has(column, metric)
        ]
        pools = {
            (key, place): Pool(tuple(self._lines[key].ours[place]), self._units)
            for key in keys
            for place in places
            if place in self._lines[key].ours
        }
        marked = mark_columns(self._columns_to_mark(keys, places, pools))
        shows_theirs = {place: any(place in self._lines[key].theirs for key in keys) for place in places}
        head, groups = self._heads(places, shows_theirs)
        rows: list[tuple[Cell, ...]] = []
        before: _Key = ()
        for key in keys:
            cells = self._head_cells(key, before)
            for place in places:
                pool = pools.get((key, place))
                cells.append(_our_cell(pool, place[1], marked.get((key, place))))
                if shows_theirs[place]:
                    cells.append(Cell(self._lines[key].theirs.get(place, NOTHING), is_quoted=True))
            rows.append(tuple(cells))
            before = key
        return Table(
            caption=self._caption(list(pools.values()), marked.values()),
            head=head,
            rows=tuple(rows),
            num_heads=len(self.layout.rows),
            groups=groups,
        )

    def _key(self, row: Row, names: Sequence[str]) -> _Key:
        return tuple(clean(field_text(name, field_value(row, name))) for name in names)

    def _has(self, column: _Key, metric: str) -> bool:
        return any((column, metric) in found for line in self._lines.values() for found in (line.ours, line.theirs))

    def _enter(self, place: int, theirs: ReferenceRow) -> None:
        """Put a figure beside every line of ours that it belongs to, or on a line of its own."""
        column = self._their_key(theirs, self.layout.columns)
        matching = [] if theirs.is_alone else [row for row in self.rows if meets(row, theirs.where)]
        found = {(self._key(row, self.layout.rows), self._key(row, self.layout.columns)): None for row in matching}
        own_line = (self._their_key(theirs, self.layout.rows), column)
        for line_key, column_key in found or {own_line: None}:
            self._columns.setdefault(column_key)
            line = self._lines.setdefault(line_key, _Line())
            line.place = min(line.place, place)
            for metric, value in theirs.values.items():
                if value is not None:
                    line.theirs[column_key, metric] = quoted(value, metric)
            for name, text in theirs.labels.items():
                line.labels.setdefault(name, {})[clean(text)] = None
        if theirs.note:
            self._notes[theirs.note] = None

    def _their_key(self, theirs: ReferenceRow, names: Sequence[str]) -> _Key:
        """Where a figure stands that has nothing of ours beside it: by its conditions, else by its labels."""
        values = []
        for name in names:
            wanted = theirs.where.get(name)
            is_outer = name == self.layout.rows[0] and len(self.layout.rows) > 1
            is_fixed = is_outer or name in self.layout.columns or name not in theirs.labels
            if wanted is None or isinstance(wanted, tuple) or not is_fixed:
                values.append(clean(theirs.labels.get(name, "")))
            else:
                values.append(clean(field_text(name, wanted)))
        return tuple(values)

    def _sorted_lines(self) -> list[_Key]:
        """Lines by their outer field, all in the publication's order, then any others of ours."""
        order = {key: number for number, key in enumerate(self._lines)}
        outer: dict[str, tuple[float, int]] = {}
        for key, line in self._lines.items():
            group = key[0] if len(self.layout.rows) > 1 else ""
            outer[group] = min(outer.get(group, (float("inf"), order[key])), (line.place, order[key]))

        def place(key: _Key) -> tuple[tuple[float, int], float, int]:
            group = key[0] if len(self.layout.rows) > 1 else ""
            return (outer[group], self._lines[key].place, order[key])

        return sorted(self._lines, key=place)

    def _columns_to_mark(
        self,
        keys: Sequence[_Key],
        places: Sequence[tuple[_Key, str]],
        pools: Mapping[tuple[_Key, tuple[_Key, str]], Pool],
    ) -> dict[tuple[str, str, str, str], dict[tuple[_Key, tuple[_Key, str]], Pool]]:
        """Scores that may be compared: of one data set, split, protocol and metric."""
        columns: dict[tuple[str, str, str, str], dict[tuple[_Key, tuple[_Key, str]], Pool]] = {}
        for key in keys:
            for place in places:
                pool = pools.get((key, place))
                if pool is not None and pool.is_one_model:
                    row = pool.rows[0]
                    columns.setdefault((row.dataset, row.split, row.protocol, row.metric), {})[key, place] = pool
        return columns

    def _heads(
        self, places: Sequence[tuple[_Key, str]], shows_theirs: Mapping[tuple[_Key, str], bool]
    ) -> tuple[tuple[str, ...], tuple[tuple[str, int], ...]]:
        """The heads of columns, and those above them with the number of columns that each spans."""
        names = [self.layout.headings.get(name, heading(name)) for name in self.layout.rows]
        groups: list[tuple[str, int]] = []
        for column, metric in places:
            facts = metric_facts(metric)
            sides = [_OURS, _THEIRS] if shows_theirs[column, metric] else [_OURS]
            if not self.layout.columns:
                groups.append((facts.heading, len(sides)))
                names += sides
                continue
            text = ", ".join(column)
            count = groups.pop()[1] if groups and groups[-1][0] == text else 0
            groups.append((text, count + len(sides)))
            alone = len(self.layout.metrics) == 1
            names += [side if alone else f"{facts.heading}, {side}" for side in sides]
        return tuple(names), tuple(groups)

    def _head_cells(self, key: _Key, before: _Key) -> list[Cell]:
        """What the line is about, without what the line above says too; the publication's own words stand below."""
        line = self._lines[key]
        is_theirs = not line.ours
        cells: list[Cell] = []
        repeats = True
        for place, name in enumerate(self.layout.rows):
            is_inner = place > 0 or len(self.layout.rows) == 1
            repeats = repeats and len(self.layout.rows) > 1 and place < len(self.layout.rows) - 1
            repeats = repeats and before[place : place + 1] == (key[place],)
            said = [label for label in line.labels.get(name, {}) if label.lower() != key[place].lower()]
            fine = () if is_theirs or repeats or not said else (f"reference: {' / '.join(said)}",)
            cells.append(Cell("" if repeats else key[place] or NOTHING, fine, is_quoted=is_theirs and is_inner))
        return cells

    def _is_flattered(self, pools: Sequence[Pool]) -> bool:
        """Whether there is a score on the dev split that chose the epoch."""
        return any(
            row.split == "dev" and row.stage != MEASURE_STAGE and self._choices.get(row.dataset) == "best_dev"
            for pool in pools
            for row in pool.rows
        )

    def _caption(self, pools: Sequence[Pool], marked: Collection[Marked]) -> str:
        shown = ", ".join(metric_facts(name).heading for name in self.layout.metrics)
        counts = {len(pool.rows) for pool in pools if pool.is_one_model}  # of several models a range is shown
        seeds = "" if not counts else f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
        sentences = [
            f"Our figures beside those of {self.reference.source} ({self.reference.title})." if self.reference else "",
            f"Shown: {shown}.",
            f"Ours: mean ± sample standard deviation over seeds, n = {seeds}." if counts and max(counts) > 1 else "",
            f"Ours: n = {seeds} (no deviation is known)."
            if counts == {1} and any(row.stage != MEASURE_STAGE for pool in pools for row in pool.rows)
            else "",
            "Where several models share a cell, the range of all their scores."
            if not all(pool.is_one_model for pool in pools)
            else "",
            part_sentence(_signatures(pools)),
            FLATTERED if self._is_flattered(pools) else "",
            marks_sentence(marked),
            "In italics: figures of the reference; a line with nothing of ours is a model that was not run here."
            if self.reference is not None and self.reference.rows
            else "",
            self.reference.note if self.reference is not None else "",
            *self._notes,
            *_comparability(pools),
        ]
        return " ".join(filter(None, sentences))


def quoted(value: float, metric: str) -> str:
    """Print a publication's figure with at least the decimals that the publication gives, and those of the metric."""
    if metric_facts(metric).unit == "count":
        return f"{value:,.0f}"
    decimals = max(len(f"{value:g}".partition(".")[2]), 1 if metric_facts(metric).unit == "percent" else 0)
    return f"{value:.{decimals}f}"


def _our_cell(pool: Pool | None, metric: str, marked: Marked | None) -> Cell:
    if pool is None:
        return Cell(NOTHING)
    if not pool.is_one_model:
        values = [row.value for row in pool.rows]
        facts = metric_facts(metric)
        span = f"{facts.format(min(values))} to {facts.format(max(values))}"
        return Cell(span, (f"{len({row.model for row in pool.rows})} models",))
    mark = MARK_BELOW if marked is not None and marked.is_below else ""
    return Cell(format_summary(pool.summary, metric), is_best=marked is not None and marked.is_best, mark=mark)


def _signatures(pools: Sequence[Pool]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in (row for pool in pools for row in pool.rows):
        found.setdefault(row.dataset, []).append(row.signature)
    return found


def _comparability(pools: Sequence[Pool]) -> list[str]:
    """Say how the scores of each data set came about, and loudly where they did not in one way."""
    by_column: dict[tuple[str, str], list[str]] = {}
    for pool in pools:
        row = pool.rows[0]
        by_column.setdefault((row.dataset, row.protocol), []).extend(
            row.signature for row in pool.rows if row.signature
        )
    losses = [row for pool in pools for row in pool.rows if is_of_sub_tokens(row)]
    sentences = [
        f"NOT COMPARABLE: scores per sub-token on {dataset} are of different vocabularies."
        for dataset in dict.fromkeys(row.dataset for row in losses)
        if len({vocabulary_identity(row) for row in losses if row.dataset == dataset}) > 1
    ]
    for (dataset, _), signatures in by_column.items():
        merged = merge_seeds(signatures)
        if len(merged) > 1:
            sentences.append(f"NOT COMPARABLE: the scores on {dataset} have different signatures: {'; '.join(merged)}.")
        elif merged:
            sentences.append(f"Signature on {dataset}: {merged[0]}.")
    return list(dict.fromkeys(sentences))


def layout_of(results: Results) -> TableLayout | None:
    """The layout that the recipe gives, else the publication's, else one for its figures; None without any of them."""
    given = dig(results.recipe, "report", "layout")
    if given is not None:
        try:
            return _LAYOUTS.validate_json(json.dumps(given))
        except ValidationError:
            pass  # of another shape: counts as not said, as all of the recipe does
    reference: ReferenceTable | None = results.reference
    if reference is None:
        return None
    if reference.layout is not None:
        return reference.layout
    metrics = tuple(dict.fromkeys(name for row in reference.rows for name in row.values))
    return TableLayout(rows=("arm",), columns=("dataset",), metrics=metrics) if metrics else None
