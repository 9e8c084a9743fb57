"""Training a part of a model: layers that rest for good, and layers that rest at first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import nn

from domainlm.errors import ModelError
from domainlm.model.encoder import Encoder
from domainlm.model.shard_plan import WORD_EMBEDDING
from domainlm.train.objective import Batch, BatchSource

BatchT = TypeVar("BatchT", bound=Batch)


def freeze(encoder: Encoder, *, num_layers: int, embeddings: bool) -> None:
    """Let the lowest layers, and the embeddings, rest for the whole of a training.

    Args:
        encoder: its word embedding is also the decoder of a language model.
        num_layers: how many of the lowest layers.
        embeddings: of words, positions and segments, with their normalisation.

    Raises:
        ModelError: there are fewer layers.
    """
    layers = encoder.layers
    if num_layers > len(layers):
        raise ModelError(
            "the model has fewer layers",
            where="num_frozen_layers",
            given=num_layers,
            allowed=f"at most {len(layers)}",
        )
    resting: list[nn.Module] = list(layers)[:num_layers]
    if embeddings:
        resting.append(encoder.embeddings)
    for module in resting:
        module.requires_grad_(requires_grad=False)


@dataclass(frozen=True, slots=True)
class EmbeddingsFirst(Generic[BatchT]):
    """Lets all but the word embedding and the heads rest for the first steps; asked for the batches of every step.

    What rests has no gradient, so the optimizer passes it over and keeps no moments for it. Which step is which depends
    on the step alone, so that a run which was stopped goes on as if it had not been.

    Attributes:
        source: gives the batches.
        num_steps: steps at first.
        resting: what rests, found before the first step.
    """

    source: BatchSource[BatchT]
    num_steps: int
    resting: tuple[nn.Parameter, ...]

    @classmethod
    def of(cls, source: BatchSource[BatchT], model: nn.Module, num_steps: int) -> EmbeddingsFirst[BatchT]:
        """Wrap a source; parameters that rest for good are left alone.

        Args:
            source: gives the batches.
            model: with an `encoder`; on a grid what is here of it.
            num_steps: steps at first.
        """
        resting = tuple(
            parameter
            for name, parameter in model.named_parameters()
            if name.startswith("encoder.") and not name.startswith(f"{WORD_EMBEDDING}.") and parameter.requires_grad
        )
        return cls(source, num_steps, resting)

    def micro_batches(self, step: int) -> Sequence[BatchT]:
        """The batches of the step that follows `step` done ones, after what rests in it has been set."""
        for parameter in self.resting:
            parameter.requires_grad = step >= self.num_steps
        return self.source.micro_batches(step)
