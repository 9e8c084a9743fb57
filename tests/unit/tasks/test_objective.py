"""The last layer is computed only where a head reads it: the same loss and the same gradients."""

from __future__ import annotations

import pytest
import torch

from domainlm.model.config import ModelConfig
from domainlm.model.initialise import initialise
from domainlm.recipe.loss_settings import LossSettings
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.batches import LabelledBatch
from domainlm.tasks.losses import LabelLoss
from domainlm.tasks.objective import LabelObjective
from domainlm.tasks.sequence.model import SequenceModel
from domainlm.tasks.token.head import TokenModel

_CONFIG = ModelConfig(
    layers=2,
    hidden=16,
    heads=2,
    feed_forward=32,
    max_positions=32,
    architecture="bert",
    dropout=0.0,
    vocabulary_size=128,
    padded_vocabulary_size=128,
)
_HEAD = HeadSettings(dropout=0.0)


def _batch(slots: list[int] | list[list[int]], labels: list[int]) -> LabelledBatch:
    tokens = torch.arange(3, 21).view(3, 6)
    return LabelledBatch(
        tokens=tokens,
        token_types=torch.zeros_like(tokens),
        lengths=torch.tensor([6, 4, 2]),
        slots=torch.tensor(slots),
        labels=torch.tensor(labels),
        num_tokens=12,
    )


def _gradients(model: TokenModel | SequenceModel, loss: torch.Tensor) -> list[torch.Tensor]:
    wanted = [parameter for name, parameter in model.named_parameters() if "position" not in name]
    return list(torch.autograd.grad(loss, wanted))


@pytest.mark.parametrize(
    ("model", "batch"),
    [
        (TokenModel(_CONFIG, 3, _HEAD), _batch([1, 2, 4, 7, 8, 12], [0, 1, 2, 0, 1, 2])),
        (SequenceModel(_CONFIG, 3, _HEAD, num_slots=1), _batch([[0], [6], [12]], [0, 1, 2])),
        (SequenceModel(_CONFIG, 3, _HEAD, num_slots=2), _batch([[1, 3], [7, 7], [12, 13]], [0, 1, 2])),
    ],
    ids=["slots", "first of each row", "pairs, one of a mention with itself"],
)
def test_reading_some_states_changes_nothing(model: TokenModel | SequenceModel, batch: LabelledBatch) -> None:
    initialise(model, 0)
    objective = LabelObjective(LabelLoss(LossSettings()))
    (loss,) = objective.loss_sums(model, batch).values()
    all_states = model.encoder(batch.tokens, batch.token_types, batch.lengths)
    (whole,) = objective.losses(model, all_states, batch).values()

    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    for some, full in zip(_gradients(model, loss), _gradients(model, whole), strict=True):
        torch.testing.assert_close(some, full, rtol=1e-4, atol=1e-6)


def test_only_states_that_are_read_are_computed() -> None:
    model = TokenModel(_CONFIG, 3, _HEAD)
    objective = LabelObjective(LabelLoss(LossSettings()))
    states = model.encoder(*objective.inputs(_batch([1, 8], [0, 1]))).flatten(0, 1)

    assert states.abs().sum(dim=1).nonzero().flatten().tolist() == [1, 8]
