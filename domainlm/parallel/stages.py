"""Which layers each pipeline stage has, and the model without the parts that other stages have."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

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


class Elsewhere(nn.Module):
    """Stands in the place of a part of the model that another stage has, so that names stay as they are."""


def keep_stages(model: nn.Module, division: Division, pipeline_rank: int, *, divides_vocabulary: bool = False) -> None:
    """Take out of a model on the meta device whatever the stages of this rank do not need.

    The first stage has the embeddings; the last one the encoder's last normalisation, all heads and, for heads that use
    it, the word embedding once more. With a divided vocabulary all have the word embedding and the decoder's bias.
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
    uses_words = (has_last or divides_vocabulary) and uses_word_embedding(model)
    for name, module in list(embeddings.named_children()):
        is_word = f"encoder.embeddings.{name}" == WORD_EMBEDDING
        if not has_first and not (is_word and uses_words) and any(True for _ in module.parameters()):
            embeddings.set_submodule(name, Elsewhere())
    if not has_last:
        encoder.set_submodule("norm", Elsewhere())
        for name, head in list(model.named_children()):
            if divides_vocabulary and name in WORD_EMBEDDING_USERS:
                for own, _ in list(head.named_children()):
                    head.set_submodule(own, Elsewhere())
            elif name != "encoder":
                model.set_submodule(name, Elsewhere())


def uses_word_embedding(model: nn.Module) -> bool:
    """Whether a head of the model uses the word embedding, which is then tied between first and last stage."""
    return any(isinstance(getattr(model, name, None), nn.Module) for name in WORD_EMBEDDING_USERS)
