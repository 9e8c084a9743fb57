"""A rank's part of a model: built without memory, cut, and only then filled, so that no rank ever holds the whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from domainlm.model.origin import origin_of
from domainlm.model.shard_plan import WORD_EMBEDDING
from domainlm.parallel.parameters import replace_parameter
from domainlm.parallel.shards import Shard
from domainlm.parallel.stages import Division, keep_stages, uses_word_embedding
from domainlm.parallel.state_names import state_name
from domainlm.parallel.tensor import Place, split_model
from domainlm.parallel.world import World


@dataclass(frozen=True, slots=True, eq=False)
class RankModel:
    """What one rank holds of a model.

    Attributes:
        module: the model with what is not here left out; parameters have the names of the whole model.
        places: of each parameter of `module` the place in the whole.
        shapes: of every parameter of the whole model, in its order.
        division: of the layers over the stages.
        is_tied: whether the word embedding is on the first and on the last stage, on different ranks.
        world: the grid.
        divides_vocabulary: whether each rank of a replica has a part of the word embedding.
    """

    module: nn.Module
    places: dict[str, Place]
    shapes: dict[str, tuple[int, ...]]
    division: Division
    is_tied: bool
    world: World
    divides_vocabulary: bool = False

    def inner_layers(self) -> Iterator[nn.Module]:
        """This rank's layers of the encoder, its last one left out."""
        layers = list(self.module.get_submodule("encoder.layers").children())
        for stage in self.division.stages_of(self.world.grid.stage):
            yield from (layers[index] for index in self.division.layers(stage) if index < len(layers) - 1)

    def is_counted(self, name: str) -> bool:
        """Whether this rank, of all ranks of its replica that hold the same numbers, is the one to count them."""
        is_copy = self.places[name].dim is None and self.world.grid.tensor_rank > 0
        return not is_copy and not (self._is_word(name) and self.is_tied and self.world.grid.stage > 0)

    def tied_parameters(self) -> Iterator[nn.Parameter]:
        """What is on the first stage and on the last one: gradients are to be summed over both."""
        grid = self.world.grid
        if self.is_tied and grid.stage in (0, grid.pipeline_degree - 1):
            yield from (each for name, each in self.module.named_parameters() if self._is_word(name))

    def shard(self, name: str, tensor: torch.Tensor, *, key: str = "", is_kept_by_all: bool = True) -> Shard:
        """This rank's part of a parameter, or of a tensor of its shape, such as a moment.

        Args:
            name: the parameter.
            tensor: of the rank's shape; one number where it is the same for the whole parameter.
            key: under which an optimizer keeps the tensor; empty for the parameter itself.
            is_kept_by_all: whether all data ranks hold it, so that only the first is to write it.
        """
        full_name = state_name(name, key) if key else name
        is_writer = self.is_counted(name) and (self.world.grid.data_rank == 0 or not is_kept_by_all)
        if tensor.ndim == 0:
            is_writer = is_writer and self.places[name].start == 0  # the rank with the parameter's first part
            return Shard.whole(full_name, tensor, is_writer=is_writer)
        place = self.places[name]
        return Shard(full_name, place.view(tensor), place.global_shape, place.offsets, is_writer)

    def _is_word(self, name: str) -> bool:
        return name.startswith(f"{WORD_EMBEDDING}.")


def build_rank_model(
    build: Callable[[], nn.Module],
    division: Division,
    world: World,
    *,
    divides_vocabulary: bool = False,
) -> RankModel:
    """Build this rank's part of a model, on the rank's device.

    Args:
        build: makes the whole model, with `initialise` and `load_weights` for its numbers; called on the meta device.
            What it lets rest (`requires_grad`) rests here too.
        division: the layers of the stages.
        world: the grid.
        divides_vocabulary: over all ranks of a replica; only where there is a pipeline, and a head that decodes.

    Raises:
        MachineError: the model does not divide by the tensor degree.
    """
    with torch.device("meta"):
        model = build()
    assert not list(model.buffers()), "buffers are not divided"
    origins = {name: origin_of(parameter) for name, parameter in model.named_parameters()}
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    is_twice = world.grid.pipeline_degree > 1 and uses_word_embedding(model)
    divides_vocabulary = divides_vocabulary and is_twice
    keep_stages(model, division, world.grid.stage, divides_vocabulary=divides_vocabulary)
    places = split_model(model, world, divides_vocabulary=divides_vocabulary)
    for name, parameter in list(model.named_parameters()):
        local = torch.zeros(parameter.shape, dtype=torch.float32, device=world.device)
        place = places[name]
        place.view(local).copy_(origins[name].read(place.slices))
        replace_parameter(model, name, nn.Parameter(local, requires_grad=trained[name]))
    is_tied = is_twice and not divides_vocabulary
    return RankModel(model, places, shapes, division, is_tied, world, divides_vocabulary)
