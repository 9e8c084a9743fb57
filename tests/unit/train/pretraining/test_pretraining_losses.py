"""Losses and scores of batches, however they are laid out."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch
from pretraining_world import CONFIG, World, batches_of
from torch.nn import functional

from domainlm.errors import ModelError
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import choose_device
from domainlm.text.batches import MaskedBatch
from domainlm.text.pairs import SecondObjective
from domainlm.train.objective import Objective
from domainlm.train.pretraining import (
    PretrainingBatch,
    PretrainingObjective,
    PretrainingSource,
    score_sequences,
)


@pytest.mark.parametrize("sentence_order", [True, False])
def test_loss_sums_over_micro_batches_are_those_of_the_whole(world: World, sentence_order: bool) -> None:
    model = PretrainingModel(CONFIG, sentence_order=True).eval()
    initialise(model, 0)
    objective: Objective[Any] = PretrainingObjective()
    totals: list[tuple[dict[str, float], dict[str, int]]] = []
    for size in (12, 5):
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for batch in PretrainingSource(batches_of(world, sentence_order=sentence_order), 12, size).micro_batches(0):
            for part, loss in objective.loss_sums(model, batch).items():
                sums[part] = sums.get(part, 0.0) + loss.item()
            for part, count in objective.counts(batch).items():
                counts[part] = counts.get(part, 0) + count
        totals.append((sums, counts))

    assert totals[0][1] == totals[1][1]
    assert totals[0][0] == pytest.approx(totals[1][0], rel=1e-5)
    assert (
        set(totals[0][0]) == set(totals[0][1]) == ({"masked_lm", "sentence_order"} if sentence_order else {"masked_lm"})
    )


@pytest.mark.parametrize("packing", [False, True])
def test_rows_padded_further_learn_the_same(world: World, packing: bool) -> None:
    model = PretrainingModel(replace(CONFIG, dropout=0.0), sentence_order=True).train()
    initialise(model, 0)
    outcomes = []
    for multiple in (1, 32):
        source = PretrainingSource(batches_of(world, packing=packing), 12, 7, width_multiple=multiple)
        model.zero_grad()
        batch = source.micro_batches(3)[1]
        losses = PretrainingObjective().loss_sums(model, batch)
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        gradient = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
        outcomes.append((batch.tokens.shape[1], {part: loss.item() for part, loss in losses.items()}, gradient))
    (width, losses_before, gradient_before), (wider, losses_after, gradient_after) = outcomes
    assert width < wider == 32
    assert losses_after == pytest.approx(losses_before, rel=1e-5)
    torch.testing.assert_close(gradient_after, gradient_before, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("objective", get_args(SecondObjective))
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_packed_sample_learns_as_if_it_had_a_row_of_its_own(
    world: World, objective: SecondObjective, precision: Literal["fp32", "bf16"]
) -> None:
    # Without dropout: fp32 goes through torch's attention, bf16 through plain products.
    model = PretrainingModel(replace(CONFIG, dropout=0.0), sentence_order=True).train()
    initialise(model, 0)
    device = choose_device("cpu", precision)
    batch = batches_of(world, second_objective=objective, packing=True).batch(range(7))
    outcomes = []
    for each in (batch, _apart(batch)):
        model.zero_grad()
        with device.autocast():
            losses = PretrainingObjective(objective).loss_sums(model, PretrainingBatch.of(each))
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        gradient = torch.cat([weight.grad.flatten() for weight in model.parameters() if weight.grad is not None])
        outcomes.append(({part: loss.item() for part, loss in losses.items()}, gradient))

    tolerance = {"fp32": 1e-5, "bf16": 2e-2}[precision]
    (packed, packed_gradient), (apart, gradient) = outcomes
    assert set(packed) == {"masked_lm"} | ({objective} - {"none"})
    assert packed == pytest.approx(apart, rel=tolerance)
    assert ((packed_gradient - gradient).norm() / gradient.norm()).item() < tolerance


def _apart(batch: MaskedBatch) -> MaskedBatch:
    """The samples of a packed batch, each in a padded row of its own."""
    assert batch.samples is not None
    assert batch.firsts is not None
    width = batch.tokens.shape[1]
    ends = np.append(batch.firsts[1:], -1)
    rows = batch.firsts // width
    is_last = np.append(np.diff(rows) > 0, True)
    lengths = np.where(is_last, batch.lengths[rows] + rows * width, ends) - batch.firsts
    places = batch.firsts[:, None] + np.arange(width)
    inside = np.arange(width) < lengths[:, None]
    tokens, token_types = (
        np.where(inside, grid.ravel()[np.minimum(places, grid.size - 1)], 0)
        for grid in (batch.tokens, batch.token_types)
    )
    sample_of = np.searchsorted(batch.firsts, batch.masked_positions, side="right") - 1
    masked = sample_of * width + batch.masked_positions - batch.firsts[sample_of]
    return MaskedBatch(tokens, token_types, lengths, masked, batch.masked_labels, batch.is_swapped)


def test_a_loss_that_is_no_number_is_an_error_with_a_remedy(world: World) -> None:
    model = PretrainingModel(CONFIG, sentence_order=True)
    initialise(model, 0)
    with torch.no_grad():
        next(model.parameters()).fill_(math.inf)
    with pytest.raises(ModelError, match="the loss on held-out text is nan") as raised:
        score_sequences(model, batches_of(world), choose_device("cpu", "fp32"), 7)
    assert 'runtime.precision = "fp32"' in str(raised.value.remedy)


@pytest.mark.parametrize("num_rows", [1, 7, 500])
def test_scores_are_means_over_all_sequences(world: World, num_rows: int) -> None:
    model = PretrainingModel(CONFIG, sentence_order=True)
    initialise(model, 0)
    batches = batches_of(world)
    scores = score_sequences(model, batches, choose_device("cpu", "fp32"), num_rows)

    whole = batches.batch(range(batches.num_sequences))
    model.eval()
    with torch.no_grad():
        words, orders = model(
            torch.from_numpy(whole.tokens),
            torch.from_numpy(whole.token_types),
            torch.from_numpy(whole.lengths),
            torch.from_numpy(whole.masked_positions),
        )
    labels, is_swapped = torch.from_numpy(whole.masked_labels), torch.from_numpy(whole.is_swapped)
    assert scores == {
        "masked_lm_loss": pytest.approx(functional.cross_entropy(words, labels).item(), rel=1e-5),
        "masked_lm_accuracy": pytest.approx((words.argmax(1) == labels).double().mean().item()),
        "num_masked": float(len(labels)),
        "sentence_order_accuracy": pytest.approx((orders.argmax(1) == is_swapped).double().mean().item()),
    }
