from __future__ import annotations

import math

import pytest

from domainlm.study.report.arms import Arms
from domainlm.study.report.curves import bits_panel, loss_panels, thin
from domainlm.study.report.figure_sections import loss_section
from domainlm.study.report.logs import Log
from domainlm.study.report.question import read_question
from domainlm.study.report.records import Curve, CurveRecord, Results


def curve(
    points: list[tuple[int, float]],
    *,
    stage: str = "finetune",
    dataset: str = "",
    seed: int = 0,
    steps: int = 0,
    split: str = "",
    file: str,
) -> Curve:
    record = CurveRecord(
        stage=stage,
        file=file,
        dataset=dataset,
        split=split,
        seed=seed,
        model=f"num_steps={steps}",
        cell={"num_steps": steps},
    )
    return Curve(record, tuple(points))


def arms_of(curves: list[Curve]) -> Arms:
    return Arms(Results(recipe={}, lock={}, rows=(), curves=tuple(curves)), read_question({}))


def test_thin_takes_means_over_stretches() -> None:
    points = [(1, 4.0), (2, 2.0), (3, 1.0), (4, 3.0), (5, 7.0)]
    assert thin(points, 1) == tuple((float(step), loss) for step, loss in points)
    assert thin(points, 2) == ((1.5, 3.0), (3.5, 2.0), (5.0, 7.0))


def test_the_mean_goes_as_far_as_all_seeds() -> None:
    curves = [
        curve([(1, 2.0), (2, 1.0), (3, 0.5)], dataset="d", file="logs/a", seed=0),
        curve([(1, 4.0), (2, 2.0)], dataset="d", file="logs/b", seed=1),
    ]
    (panel,) = loss_panels(curves, arms_of(curves), ["d"])
    (line,) = panel.lines
    assert line.mean == ((1.0, 3.0), (2.0, 1.5))
    assert line.by_seed[0] == ((1.0, 2.0), (2.0, 1.0), (3.0, 0.5))
    assert line.num_steps == 3
    assert panel.max_seeds == 2


def test_pretraining_first_then_the_order_of_the_recipe() -> None:
    curves = [
        curve([(1, 1.0)], dataset="b", file="logs/1"),
        curve([(1, 1.0)], dataset="other", file="logs/2"),
        curve([(1, 1.0)], dataset="a", file="logs/3"),
        curve([(1, 1.0)], stage="pretrain", dataset="corpus", file="logs/4"),
    ]
    panels = loss_panels(curves, arms_of(curves), ["a", "b"])
    assert [(panel.stage, panel.dataset) for panel in panels] == [
        ("pretrain", ""),
        ("finetune", "a"),
        ("finetune", "b"),
        ("finetune", "other"),
    ]


def test_losses_on_held_out_text_have_panels_of_their_own() -> None:
    curves = [
        curve([(1, 4.0), (300, 2.0)], stage="pretrain", dataset="corpus", file="logs/1"),
        curve([(0, 9.0), (150, 8.0), (300, 7.0)], stage="pretrain", dataset="general", split="held-out", file="logs/2"),
        curve([(1, 1.0)], dataset="a", file="logs/3"),
        curve([(150, 6.0), (300, 5.0)], stage="pretrain", dataset="corpus", split="held-out", file="logs/4"),
    ]
    panels = loss_panels(curves, arms_of(curves), ["a"])
    assert [(panel.stage, panel.dataset, panel.axis, panel.is_held_out) for panel in panels] == [
        ("pretrain", "", "training loss (nats)", False),
        ("pretrain", "general", "held-out loss (nats)", True),
        ("pretrain", "corpus", "held-out loss (nats)", True),
        ("finetune", "a", "training loss (nats)", False),
    ]
    assert panels[0].lines[0].final_losses == (2.0,)
    assert panels[1].lines[0].mean == ((0.0, 9.0), (150.0, 8.0), (300.0, 7.0))
    section = loss_section(panels, None)
    assert section is not None
    assert [group.caption.partition(" ")[0] for group in section.figures] == ["Pretraining", "Masked-LM", "Fine-tuning"]
    assert section.tables[0].head == ("model", "pretraining", "a")


def test_losses_on_held_out_text_do_not_count_in_bits() -> None:
    trained = curve([(1, 4.0)], stage="pretrain", file="logs/1")
    record = trained.record.model_copy(update={"characters_per_sub_token": 4.0})
    trained = Curve(record, trained.points, Log(trained.points, masked_lm=((1, 4.0 * math.log(2)),)))
    curves = [trained, curve([(1, 6.0)], stage="pretrain", split="held-out", file="logs/2")]
    panel = bits_panel(curves, arms_of(curves))
    assert panel is not None
    assert panel.lines[0].final_losses == pytest.approx((1.0,))


def test_arms_that_share_a_phase_share_a_line() -> None:
    curves = [
        curve([(1, 1.0)], stage="pretrain", steps=10, file="logs/same"),
        curve([(1, 1.0)], stage="pretrain", steps=20, file="logs/same"),
        curve([(1, 2.0)], stage="pretrain", steps=30, file="logs/other"),
    ]
    (panel,) = loss_panels(curves, arms_of(curves), [])
    assert [line.label for line in panel.lines] == ["num_steps=10 / num_steps=20", "num_steps=30"]


def test_long_logs_are_thinned_to_a_round_width() -> None:
    curves = [curve([(step, 1.0) for step in range(1, 1202)], dataset="d", file="logs/a")]
    (panel,) = loss_panels(curves, arms_of(curves), ["d"])
    assert panel.width == 20
    assert len(panel.lines[0].mean) == 61


def test_final_loss_is_the_mean_of_the_last_tenth() -> None:
    points = [(step, 9.0) for step in range(1, 19)] + [(19, 2.0), (20, 4.0)]
    curves = [curve(points, dataset="d", file="logs/a")]
    (panel,) = loss_panels(curves, arms_of(curves), ["d"])
    assert panel.lines[0].final_losses == pytest.approx((3.0,))
