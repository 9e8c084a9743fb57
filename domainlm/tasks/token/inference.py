"""Labels of words by a trained model, and from them entities with character offsets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from domainlm.api import Entity, TokenExample
from domainlm.parallel.device import Device
from domainlm.progress import Bar
from domainlm.tasks.batches import Ints
from domainlm.tasks.prediction_batches import prediction_batches
from domainlm.tasks.token.batches import collate
from domainlm.tasks.token.conlleval import chunks
from domainlm.tasks.token.decoding import Allowed, allowed_paths
from domainlm.tasks.token.features import Features


@dataclass(frozen=True, slots=True)
class WordLabels:
    """A label for every word, or for every sub-token, of a data set, in order.

    Attributes:
        labels: label ids, the likeliest ones unless `decoded` [num_slots].
        label_probabilities: what the model gives to each label, from 0 to 1 [num_slots, num_labels].
    """

    labels: Ints
    label_probabilities: npt.NDArray[np.float32]

    @property
    def probabilities(self) -> npt.NDArray[np.float32]:
        """What the model gives to the chosen labels [num_slots]."""
        chosen: npt.NDArray[np.float32] = np.take_along_axis(self.label_probabilities, self.labels[:, None], axis=1)
        return chosen[:, 0]

    def at(self, slots: Ints) -> WordLabels:
        """Those of some slots, for example of each word's first."""
        return WordLabels(self.labels[slots], self.label_probabilities[slots])

    def decoded(self, allowed: Allowed, sentences: Iterable[slice]) -> WordLabels:
        """The likeliest labels among those that may follow each other; see `allowed_paths`."""
        labels = allowed_paths(self.label_probabilities, allowed, sentences)
        return WordLabels(labels, self.label_probabilities)


@dataclass(frozen=True, slots=True)
class ScoredEntity:
    """An entity that was found.

    Attributes:
        entity: where, and of which type.
        score: mean over its words of the probability of the label each was given, from 0 to 1.
    """

    entity: Entity
    score: float


@torch.inference_mode()
def label_words(model: nn.Module, features: Features, device: Device, *, shows_progress: bool = False) -> WordLabels:
    """Label every slot of the features; rows of similar length go through the model together.

    The caller puts the model into evaluation mode. The result does not depend on randomness, but in its last digits
    on which rows share a batch, which is a function of the features alone.
    """
    found: npt.NDArray[np.float32] | None = None  # made when the number of labels is known
    is_silent = None if shows_progress else True  # None: silent where stderr is no terminal
    bar = Bar(total=features.num_rows, desc="labelling", unit=" rows", leave=False, disable=is_silent)
    with bar, device.predicting(model):
        for rows, batch in prediction_batches(partial(collate, features), features.row_lengths, device.torch_device):
            scores = model(*batch.inputs)
            probabilities = scores.float().softmax(dim=-1).cpu().numpy()
            if found is None:
                found = np.zeros((len(features.slots), probabilities.shape[1]), dtype=np.float32)
            found[_slot_places(features, rows)] = probabilities
            bar.update(len(rows))
    if found is None:
        found = np.zeros((0, 1), dtype=np.float32)
    return WordLabels(found.argmax(axis=1), found)


def decode_entities(
    example: TokenExample,
    tags: Sequence[str],
    probabilities: Sequence[float] | npt.NDArray[np.float32],
    spans_of: Callable[[Sequence[str]], Iterable[tuple[int, int, str]]] = chunks,
) -> list[ScoredEntity]:
    """The entities that the tags of an example's words say, with offsets in its text.

    Args:
        example: for its words.
        tags: of each word.
        probabilities: of each word's tag.
        spans_of: reads the tags: first word, one after the last, and type of each entity.
    """
    found = []
    for start, end, entity_type in spans_of(tags):
        entity = Entity(example.words[start][0], example.words[end - 1][1], entity_type)
        found.append(ScoredEntity(entity, float(np.mean(probabilities[start:end], dtype=np.float64))))
    return found


def _slot_places(features: Features, rows: Ints) -> Ints:
    """Where the slots of these rows lie among all slots, in the order of `collate`."""
    starts = features.slot_starts[rows]
    sizes = features.slot_starts[rows + 1] - starts
    return np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
