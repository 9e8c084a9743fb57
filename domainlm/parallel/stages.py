"""Which layers each pipeline stage has, and the model without the parts that other stages have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from domainlm.errors import MachineError
from domainlm.model.shard_plan import WORD_EMBEDDING, WORD_EMBEDDING_USERS


@dataclass(frozen=True, slots=True)
class Division:
    """The layers of each stage, first to last.

    Attributes:
        num_layers: of each stage. With several stages on a rank, stage i is on pipeline rank i % pipeline_degree.
        pipeline_degree: number of ranks.
    """

    num_layers: tuple[int, ...]
    pipeline_degree: int

    @property
    def num_stages(self) -> int:
        """Number of stages, over all ranks."""
        return len(self.num_layers)

    def layers(self, stage: int) -> range:
        """Indices of the layers of a stage."""
        first = sum(self.num_layers[:stage])
        return range(first, first + self.num_layers[stage])

    def stages_of(self, pipeline_rank: int) -> range:
        """The stages of a rank of the pipeline."""
        return range(pipeline_rank, self.num_stages, self.pipeline_degree)


def divide_layers(
    num_layers: int,
    pipeline_degree: int,
    *,
    num_stages_per_rank: int = 1,
    first_cost: float = 0.0,
    last_cost: float = 0.0,
    given: Sequence[int] | None = None,
) -> Division:
    """Divide the layers over stages so that the slowest stage is as fast as can be.

    Args:
        num_layers: of the encoder.
        pipeline_degree: ranks of a pipeline.
        num_stages_per_rank: above 1 for the interleaved schedule.
        first_cost: what the first stage computes besides layers, in layers.
        last_cost: what the last stage computes besides layers, in layers.
        given: layers of each stage, where they are not to be chosen.

    Raises:
        MachineError: the given numbers do not add up.
    """
    num_stages = pipeline_degree * num_stages_per_rank
    if given is not None:
        if len(given) != num_stages or sum(given) != num_layers:
            raise MachineError(
                "the layers of the stages do not add up",
                where="parallel.layers_per_stage",
                given=f"{', '.join(map(str, given))} ({sum(given)} layers in {len(given)} stages)",
                allowed=f"{num_stages} numbers whose sum is {num_layers}",
            )
        return Division(tuple(given), pipeline_degree)
    return Division(_balanced(num_layers, num_stages, first_cost, last_cost), pipeline_degree)


def _balanced(num_layers: int, num_stages: int, first_cost: float, last_cost: float) -> tuple[int, ...]:
    """Of all divisions whose slowest stage is fastest, one with as even numbers as can be."""
    extra = [0.0] * num_stages
    extra[0] += first_cost
    extra[-1] += last_cost
    numbers = [0] * num_stages
    for _ in range(num_layers):  # each layer to where it hurts least: optimal, since all layers cost the same
        stage = min(range(num_stages), key=lambda each: (numbers[each] + extra[each], each))
        numbers[stage] += 1
    return tuple(numbers)


class Elsewhere(nn.Module):
    """Stands in the place of a part of the model that another stage has, so that names stay as they are."""


def keep_stages(model: nn.Module, division: Division, pipeline_rank: int) -> None:
    """Take out of a model on the meta device whatever the stages of this rank do not need.

    The first stage has the embeddings; the last one the encoder's last normalisation, all heads and, for heads that use
    it, the word embedding once more.
    """
    stages = division.stages_of(pipeline_rank)
    has_first, has_last = 0 in stages, division.num_stages - 1 in stages
    encoder = model.get_submodule("encoder")
    layers = encoder.get_submodule("layers")
    kept = {layer for stage in stages for layer in division.layers(stage)}
    for index in range(len(list(layers.children()))):
        if index not in kept:
            layers.set_submodule(str(index), Elsewhere())
    embeddings = encoder.get_submodule("embeddings")
    uses_words = has_last and uses_word_embedding(model)
    for name, module in list(embeddings.named_children()):
        is_word = f"encoder.embeddings.{name}" == WORD_EMBEDDING
        if not has_first and not (is_word and uses_words) and any(True for _ in module.parameters()):
            embeddings.set_submodule(name, Elsewhere())
    if not has_last:
        encoder.set_submodule("norm", Elsewhere())
        for name, _ in list(model.named_children()):
            if name != "encoder":
                model.set_submodule(name, Elsewhere())


def uses_word_embedding(model: nn.Module) -> bool:
    """Whether a head of the model uses the word embedding, which is then tied between first and last stage."""
    return any(isinstance(getattr(model, name, None), nn.Module) for name in WORD_EMBEDDING_USERS)
