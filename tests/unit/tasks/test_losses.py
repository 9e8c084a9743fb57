"""Losses against torch, the papers' formulas and cases worked by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from domainlm.recipe.loss_settings import LossSettings
from domainlm.tasks.losses import LabelLoss, balanced_weights

LOGITS = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.5], [-3.0, 1.0, 4.0], [0.0, 1.0, 0.0]])
LABELS = torch.tensor([0, 2, 1, -100])


def test_cross_entropy_is_torchs_sum_over_labelled_items() -> None:
    expected = nn.functional.cross_entropy(LOGITS, LABELS, reduction="sum")
    assert torch.equal(LabelLoss(LossSettings())(LOGITS, LABELS), expected)


def test_weights_are_torchs_class_weights() -> None:
    weights = balanced_weights([90, 5, 5])
    assert weights == pytest.approx((100 / 270, 100 / 15, 100 / 15))
    expected = nn.functional.cross_entropy(LOGITS, LABELS, weight=torch.tensor(weights), reduction="sum")
    loss = LabelLoss(LossSettings(label_weights="balanced"), [90, 5, 5])
    assert loss(LOGITS, LABELS).item() == pytest.approx(expected.item(), rel=1e-6)


def test_balanced_weights_have_a_mean_of_one_over_the_split() -> None:
    counts = [7, 0, 2, 1]
    weights = balanced_weights(counts)
    assert sum(count * weight for count, weight in zip(counts, weights, strict=True)) == pytest.approx(10)
    assert weights[1] == 1.0


def test_focal_loss_worked_by_hand() -> None:
    # Two labels, logits ln 3 and 0: p = 0.75. (1 - p)^2 * -ln p = 0.0625 * 0.2876821 = 0.01798013.
    logits = torch.tensor([[math.log(3.0), 0.0]])
    loss = LabelLoss(LossSettings(kind="focal", gamma=2.0))(logits, torch.tensor([0]))
    assert loss.item() == pytest.approx(0.01798013, rel=1e-5)


def test_dice_loss_worked_by_hand() -> None:
    # p = (0.75, 0.25), right label 0, alpha 1, smoothing 1: q = (0.1875, 0.1875).
    # Label 0: 1 - (2 * 0.1875 + 1) / (0.1875 + 1 + 1) = 1 - 1.375 / 2.1875 = 0.37142857.
    # Label 1: 1 - 1 / (0.1875 + 1) = 0.15789474.
    logits = torch.tensor([[math.log(3.0), 0.0]])
    loss = LabelLoss(LossSettings(kind="dice", alpha=1.0, smoothing=1.0))(logits, torch.tensor([0]))
    assert loss.item() == pytest.approx(0.37142857 + 0.15789474, rel=1e-5)


def test_at_alpha_one_the_dice_loss_of_two_labels_does_not_know_which_is_right() -> None:
    logits, settings = LOGITS[:, :2], LossSettings(kind="dice", alpha=1.0)
    first, second = (LabelLoss(settings)(logits, torch.full((4,), label)) for label in (0, 1))
    assert first.item() == pytest.approx(second.item(), rel=1e-6)


@pytest.mark.parametrize("kind", ["cross_entropy", "dice", "focal"])
@pytest.mark.parametrize("num_labels", [2, 4])
def test_labels_that_are_easy_to_tell_apart_are_learned(kind: str, num_labels: int) -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(120) % num_labels
    features = torch.randn(120, 8, generator=random) + 6 * nn.functional.one_hot(labels, 8)
    weights = torch.randn(8, num_labels, generator=random).requires_grad_()  # at first, many are wrong
    optimizer = torch.optim.Adam([weights], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss = LabelLoss(LossSettings.model_validate({"kind": kind}))(features @ weights, labels) / len(labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert (features @ weights).argmax(dim=-1).eq(labels).float().mean() > 0.98


@given(gamma=st.floats(0.0, 3.0), scale=st.floats(0.1, 60.0), kind=st.sampled_from(["cross_entropy", "dice", "focal"]))
def test_gradients_are_finite(gamma: float, scale: float, kind: str) -> None:
    logits = (LOGITS * scale).requires_grad_()
    settings = LossSettings.model_validate({"kind": kind, "gamma": gamma})
    LabelLoss(settings)(logits, LABELS).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert torch.equal(logits.grad[3], torch.zeros(3)), "an item without a label has no gradient"


def test_focal_loss_without_gamma_is_cross_entropy() -> None:
    focal = LabelLoss(LossSettings(kind="focal", gamma=0.0))(LOGITS, LABELS)
    assert focal.item() == pytest.approx(LabelLoss(LossSettings())(LOGITS, LABELS).item(), rel=1e-6)


@pytest.mark.parametrize("kind", ["cross_entropy", "dice", "focal"])
def test_places_that_cannot_be_have_logits_of_minus_infinity(kind: str) -> None:
    logits = torch.tensor([[1.0, -math.inf, 2.0]], requires_grad=True)
    loss = LabelLoss(LossSettings.model_validate({"kind": kind}))(logits, torch.tensor([0]))
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_half_precision_logits_are_summed_in_full() -> None:
    logits = LOGITS.to(torch.bfloat16)
    loss = LabelLoss(LossSettings())(logits, LABELS)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, LabelLoss(LossSettings())(logits.float(), LABELS))
