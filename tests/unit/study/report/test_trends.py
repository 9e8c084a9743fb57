from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from domainlm.study.report.aggregate import Scores, summarise
from domainlm.study.report.arms import Arm, Arms
from domainlm.study.report.curves import bits_panel
from domainlm.study.report.logs import Log
from domainlm.study.report.question import Question
from domainlm.study.report.records import Curve, CurveRecord, Results, Row
from domainlm.study.report.trend_figures import precision_recall_plot, trend_plot
from domainlm.study.report.trends import Trend, find_trends

Json = dict[str, Any]
WriteRun = Callable[[Json], Path]


def trends(models: Mapping[str, Json], axis: str) -> list[tuple[str, list[object]]]:
    """Label and places of the trends of models that have these facts."""
    common: Json = {"size": "a/small", "parameters": 10, "vocabulary": "a/general", "vocabulary_size": 100, "steps": 0}
    facts: Json = {"stage": "finetune", "dataset": "harbours", "split": "test", "metric": "f1", "value": 0.5, "seed": 0}
    rows = tuple(Row(**facts | common | {"model": name} | changed) for name, changed in models.items())
    results = Results(recipe={}, lock={}, rows=rows)
    arms = Arms(results, Question("t"))
    scores = Scores(rows, arms, Question("t"))
    (group,) = scores.task_groups()
    return [
        (each.label, [value for value, _ in each.points]) for each in find_trends(scores, group, "harbours", "f1", axis)
    ]


def test_models_that_differ_in_steps_alone_are_joined() -> None:
    models = {"c": {"steps": 100}, "a": {"steps": 0}, "b": {"steps": 100, "size": "a/large", "parameters": 99}}
    assert trends(models, "steps") == [("small", [0, 100]), ("large", [100])]
    assert trends(models, "parameters") == [("100 steps", [10, 99]), ("0 steps", [10])]
    assert trends(models, "vocabulary") == []


def test_vocabularies_in_the_order_of_the_study() -> None:
    models: Json = {"a": {"vocabulary": "a/own"}, "b": {}, "c": {"vocabulary": "a/own", "vocabulary_size": 200}}
    assert trends(models, "vocabulary") == [("", ["own\n100", "general\n100", "own\n200"])]


def test_nothing_is_drawn_where_models_differ_in_something_that_rows_do_not_tell() -> None:
    models = {"a": {"steps": 0}, "b": {"steps": 100}, "c": {"steps": 100}}
    assert trends(models, "steps") == []


def test_nothing_is_drawn_where_two_things_change_at_once() -> None:
    models: Json = {"a": {"steps": 0}, "b": {"steps": 100, "vocabulary": "a/own"}}
    assert trends(models, "steps") == []


@pytest.mark.parametrize(
    ("axis", "places"), [("steps", (0, 100, 1500)), ("parameters", (1e6, 345e6)), ("vocabulary", ("own\n8,000", "b"))]
)
def test_plots_are_well_formed_and_always_the_same(axis: str, places: tuple[float | str, ...]) -> None:
    points = tuple((place, summarise({0: 0.5 + number / 10, 1: 0.52})) for number, place in enumerate(places))
    drawn = [
        trend_plot("<harbours & $x_{>", "f1", "test", axis, [Trend(Arm(0, "a", "x"), "<first>", points)] * 2)
        for _ in "ab"
    ]
    assert drawn[0] == drawn[1]
    assert ET.fromstring(drawn[0]).tag.endswith("svg")  # noqa: S314 - our own


def test_precision_against_recall_at_the_edges() -> None:
    points = [
        (Arm(place, str(place), f"arm {place}"), summarise({0: value, 1: value}), summarise({0: 1 - value}))
        for place, value in enumerate((0.0, 1.0, 0.5))
    ]
    drawn = precision_recall_plot("harbours", "test", points)
    assert drawn == precision_recall_plot("harbours", "test", points)
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own


def test_bits_per_character_by_hand() -> None:
    # 2 bits for a sub-token (2 ln 2 nats) of 4 characters are half a bit for a character.
    points = ((1, 2 * math.log(2)), (2, 4 * math.log(2)))
    record = CurveRecord(stage="pretrain", file="logs/a", model="m", characters_per_sub_token=4.0, cell={})
    curve = Curve(record, points, Log(points, masked_lm=points))
    arms = Arms(Results(recipe={}, lock={}, rows=(), curves=(curve,)), Question("t"))
    panel = bits_panel([curve], arms)
    assert panel is not None
    assert panel.lines[0].mean == ((1.0, pytest.approx(0.5)), (2.0, pytest.approx(1.0)))
    unknown = Curve(record.model_copy(update={"characters_per_sub_token": None}), points, curve.log)
    assert bits_panel([curve, unknown], arms) is None
