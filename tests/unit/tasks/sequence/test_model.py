"""The model of sequence tasks: its loss in two halves, and rows that do not depend on their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from domainlm.api import SequenceExample
from domainlm.model.config import ModelConfig
from domainlm.model.initialise import initialise
from domainlm.parallel.device import Device
from domainlm.recipe.loss_settings import LossSettings
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.losses import LabelLoss
from domainlm.tasks.objective import LabelObjective
from domainlm.tasks.sequence.batches import collate
from domainlm.tasks.sequence.features import ReadSettings, SequenceFeatures, build_features
from domainlm.tasks.sequence.model import SequenceModel, classify_rows

_CPU = Device(torch_device=torch.device("cpu"), precision="fp32")


class _Letters:
    pad_id, cls_id, sep_id = 0, 1, 2

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [[ord(letter) for letter in text] for text in texts]


@pytest.fixture(scope="module")
def model() -> SequenceModel:
    config = ModelConfig(
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
    model = SequenceModel(config, 3, HeadSettings(dropout=0.0), num_slots=1)
    initialise(model, 0)
    return model.eval()


@pytest.fixture(scope="module")
def features() -> SequenceFeatures:
    texts = ["abc", "a", "abcdefghij", "xyz" * 6, "b"]
    examples = [SequenceExample(text, text, second_text="q" if len(text) % 2 else None) for text in texts]
    return build_features(examples, _Letters(), ReadSettings(24), [0, 1, 2, 0, 1])


def test_the_loss_is_the_sum_of_the_cross_entropies(model: SequenceModel, features: SequenceFeatures) -> None:
    objective = LabelObjective(LabelLoss(LossSettings()))
    batch = collate(features, np.arange(5))
    (total,) = objective.loss_sums(model, batch).values()
    rows = [collate(features, np.array([row])) for row in range(5)]
    logits = torch.cat([model(each.tokens, each.token_types, each.lengths, each.slots) for each in rows])
    by_hand = -logits.log_softmax(dim=-1)[torch.arange(5), torch.tensor([0, 1, 2, 0, 1])].sum()

    assert objective.counts(batch) == {"label": 5}
    assert total.item() == pytest.approx(by_hand.item(), rel=1e-5)


def test_the_two_halves_give_the_whole(model: SequenceModel, features: SequenceFeatures) -> None:
    objective = LabelObjective(LabelLoss(LossSettings()))
    batch = collate(features, np.arange(5))
    states = model.encoder(*objective.inputs(batch))

    assert torch.equal(objective.losses(model, states, batch)["label"], objective.loss_sums(model, batch)["label"])


def test_what_a_row_is_given_does_not_depend_on_the_others(model: SequenceModel, features: SequenceFeatures) -> None:
    found = classify_rows(model, features, 3, _CPU)

    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(5), abs=1e-5)
    assert (found.labels == found.probabilities.argmax(axis=1)).all()
    for row in range(5):
        batch = collate(features, np.array([row]))
        with torch.inference_mode():
            alone = model(batch.tokens, batch.token_types, batch.lengths, batch.slots).softmax(dim=-1)
        np.testing.assert_allclose(found.probabilities[row], alone[0], atol=1e-6)
