"""The recipe's `[report]`: the layout of the main table, and the publication whose figures stand beside."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from domainlm.api import SpecError, TableLayout
from domainlm.recipe.base import Scalar, Settings, Strings

_Several = Annotated[tuple[Scalar, ...], Field(strict=False, min_length=1)]


class LayoutSettings(Settings):
    """The main table: which fields of the rows of results.json make its rows and columns, and its metrics."""

    rows: Strings
    """Fields whose values make the rows, from the outer to the inner one: ["dataset", "arm"]. A field is one of those
    of a row of results.json, or a varied recipe key ("pretraining.num_steps")."""
    columns: Strings = ()
    """Fields whose values make groups of columns."""
    metrics: Strings
    """The metrics shown, in order; the first is the one that plots show."""
    where: dict[str, Scalar | _Several] = Field(default_factory=dict)
    """Rows of results.json to show, by field: a value, or several alternatives. Without "split" and "protocol", the
    first split of test, dev and any other is shown, and the first protocol."""
    headings: dict[str, str] = Field(default_factory=dict)
    """Headings of the columns of row fields, if other than the field's name."""

    @model_validator(mode="after")
    def _check(self) -> LayoutSettings:
        try:
            self.table_layout()
        except SpecError as error:
            hint = f"; did you mean {error.nearest!r}?" if error.nearest else ""
            raise ValueError(f"{error.problem}{hint}") from error
        return self

    def table_layout(self) -> TableLayout:
        """The same as reports and reference tables know it."""
        return TableLayout(
            rows=self.rows, columns=self.columns, metrics=self.metrics, where=self.where, headings=self.headings
        )


class ReportSettings(Settings):
    """What the report looks like."""

    reference: str | None = None
    """Reference table whose figures are shown beside this study's, and whose findings are checked."""
    layout: LayoutSettings | None = None
    """The main table; if not given, the layout of the reference table or, without one, models as rows and data sets as
    columns."""
