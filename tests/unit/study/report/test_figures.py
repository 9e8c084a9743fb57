from __future__ import annotations

import xml.etree.ElementTree as ET

import matplotlib as mpl
import pytest

from domainlm.study.report.aggregate import summarise
from domainlm.study.report.arms import Arm
from domainlm.study.report.curves import Line, Panel
from domainlm.study.report.figures import colour, loss_plot, score_plot, score_span

FIRST, SECOND = Arm(0, "a", "num_steps=0"), Arm(1, "b", "num_steps=1500")
SCORES = [(FIRST, summarise({0: 0.646, 1: 0.654})), (SECOND, summarise({0: 0.708, 1: 0.716}))]
HOSTILE = ["<script>alert(1)</script>", "$x_{", "a" * 500, "日本の港", "&amp; ]]> --", "%s {} \\", ""]


def line(*arms: Arm) -> Line:
    points = ((1.0, 3.0), (2.0, 2.0), (3.0, 1.5))
    return Line(arms, {0: points, 1: points}, points, 3, (1.5, 1.5))


def panel(*lines: Line, dataset: str = "harbours") -> Panel:
    return Panel("finetune", dataset, lines, 1)


def test_plots_are_well_formed_and_always_the_same() -> None:
    first = [score_plot("harbours", "f1", "test", SCORES, 10.0), loss_plot(panel(line(FIRST), line(SECOND)))]
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "svg.fonttype": "none"}):
        second = [score_plot("harbours", "f1", "test", SCORES, 10.0), loss_plot(panel(line(FIRST), line(SECOND)))]
        assert mpl.rcParams["font.size"] == 30
    assert first == second
    for svg in first:
        assert ET.fromstring(svg).tag.endswith("svg")  # noqa: S314 - our own
        assert "<dc:date>" not in svg


def test_an_arm_has_one_colour_in_every_plot() -> None:
    assert colour(FIRST) != colour(SECOND)
    scores = score_plot("harbours", "f1", "test", [SCORES[1]], 10.0).lower()
    losses = loss_plot(panel(line(SECOND))).lower()
    for svg in (scores, losses):
        assert colour(SECOND).lower() in svg
        assert colour(FIRST).lower() not in svg


def test_more_arms_than_colours_still_look_different() -> None:
    arms = [Arm(place, str(place), f"arm {place}") for place in range(14)]
    svg = loss_plot(panel(*(line(arm) for arm in arms)))
    assert "stroke-dasharray" in svg
    assert "stroke-dasharray" not in loss_plot(panel(*(line(arm) for arm in arms[:7])))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_drawn_as_text(name: str) -> None:
    arm = Arm(0, "k", name)
    for svg in (
        score_plot(name, "f1", "test", [(arm, summarise({0: 0.5}))], 4.0),
        loss_plot(panel(line(arm), dataset=name)),
    ):
        root = ET.fromstring(svg)  # noqa: S314 - our own
        assert not [node for node in root.iter() if node.tag.endswith("script")]


def test_the_span_holds_the_widest_data_set() -> None:
    # from 64.6 to 71.6 are 7 points, and 30 % for the margins
    assert score_span([SCORES, [SCORES[0]]]) == pytest.approx(9.1)
    assert score_span([[SCORES[0]]]) == 4.0


@pytest.mark.parametrize(("values", "cut"), [((0.0, 0.01), False), ((0.99, 1.0), True)])
def test_extreme_scores_stay_in_the_picture(values: tuple[float, float], cut: bool) -> None:
    svg = score_plot("d", "f1", "test", [(FIRST, summarise(dict(enumerate(values))))], 4.0)
    assert ("axis cut, not from 0" in svg) is cut
