from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from domainlm.api import TableLayout
from domainlm.recipe.report_settings import ReportSettings


def settings(**layout: Any) -> ReportSettings:  # noqa: ANN401 - JSON values
    return ReportSettings.model_validate({"layout": {"rows": ["dataset", "arm"], "metrics": ["f1"]} | layout})


def test_a_layout_as_reports_know_it() -> None:
    given = settings(
        columns=["finetuning.labelling"], where={"split": "dev", "steps": [0, 10]}, headings={"arm": "size"}
    )
    assert given.layout is not None
    assert given.layout.table_layout() == TableLayout(
        rows=("dataset", "arm"),
        columns=("finetuning.labelling",),
        metrics=("f1",),
        where={"split": "dev", "steps": (0, 10)},
        headings={"arm": "size"},
    )


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        ({"rows": ["datset"]}, "did you mean 'dataset'"),
        ({"where": {"splits": "dev"}}, "did you mean 'split'"),
        ({"rows": []}, "no rows"),
        ({"columns": ["arm"]}, "a field makes rows and columns"),
        ({"metric": ["f1"]}, "Extra inputs"),
    ],
)
def test_wrong_layouts(layout: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(**layout)
