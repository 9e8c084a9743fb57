"""Tensor parallelism: puts fairscale's layers where the shard plan says, and knows what part of a weight they hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed, nn

from domainlm.errors import MachineError
from domainlm.model.heads import MaskedLanguageModelHead
from domainlm.model.precision import lowered
from domainlm.model.shard_plan import Split, split_of
from domainlm.parallel.divided_words import DividedWords
from domainlm.parallel.world import World


@dataclass(frozen=True, slots=True)
class Place:
    """Where the part of a parameter that a rank holds lies in the whole.

    Attributes:
        global_shape: shape of the whole.
        dim: dimension that is divided over the tensor ranks; None where each of them holds it whole.
        start: first entry along `dim` that is here.
        size: how many entries along `dim` are here; a rank may have memory for more, which nothing uses, so that all
            ranks have as much.
    """

    global_shape: tuple[int, ...]
    dim: int | None = None
    start: int = 0
    size: int = 0

    @property
    def slices(self) -> tuple[slice, ...]:
        """The part that is here: `whole[slices]`."""
        return tuple(
            slice(self.start, self.start + self.size) if dim == self.dim else slice(0, length)
            for dim, length in enumerate(self.global_shape)
        )

    def view(self, local: torch.Tensor) -> torch.Tensor:
        """Of a rank's tensor what belongs to the whole."""
        return local if self.dim is None else local.narrow(self.dim, 0, self.size)

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where the part begins in each dimension."""
        return tuple(self.start if dim == self.dim else 0 for dim in range(len(self.global_shape)))


@dataclass(frozen=True, slots=True)
class _Shares:
    """Equal shares: how many, which is this rank's, and the group of those that have them."""

    number: int
    index: int
    group: Any

    def of(self, length: int) -> tuple[int, int]:
        """Where this rank's share of so many entries begins, and how many a share has; the last ones may overhang."""
        per_rank = -(-length // self.number)
        return self.index * per_rank, per_rank


def split_model(model: nn.Module, world: World, *, divides_vocabulary: bool = False) -> dict[str, Place]:
    """Put fairscale's layers in place of those that the plan divides; their weights hold no numbers yet.

    Args:
        model: built on the meta device.
        world: the grid, and this rank's place in it.
        divides_vocabulary: over all ranks of a replica, not over the tensor ranks alone.

    Returns:
        Where each parameter's part lies, by name.

    Raises:
        MachineError: a matrix does not divide by the tensor degree.
    """
    places = {name: Place(tuple(parameter.shape)) for name, parameter in model.named_parameters()}
    degree = world.grid.tensor_degree
    over_tensor = _Shares(degree, world.grid.tensor_rank, world.group("tensor"))
    over_replica = _Shares(
        degree * world.grid.pipeline_degree,
        world.grid.stage * degree + world.grid.tensor_rank,
        world.group("replica"),
    )
    for name, module in list(model.named_modules()):
        split = split_of(name)
        shares = over_replica if split == "vocabulary" and divides_vocabulary else over_tensor
        if split is None or shares.number == 1 or not any(True for _ in module.parameters(recurse=False)):
            continue
        if not isinstance(module, nn.Linear | nn.Embedding):
            _share_own_parameters(module, shares)
        elif split == "vocabulary":
            assert isinstance(module, nn.Embedding)
            layer = _divided_words(module, shares) if divides_vocabulary else _vocabulary_layer(module, degree)
            model.set_submodule(name, layer)
        else:
            assert isinstance(module, nn.Linear)
            _check_divides(name, module, split, degree)
            model.set_submodule(name, _linear_layer(module, split))
        for own, _ in model.get_submodule(name).named_parameters(recurse=False):
            full = f"{name}.{own}"
            places[full] = _place(places[full].global_shape, split, own, shares)
    _check_heads(model, degree)
    return places


def _place(shape: tuple[int, ...], split: Split, own: str, shares: _Shares) -> Place:
    if split == "row" and own == "bias":
        return Place(shape)
    dim = 1 if split == "row" else 0
    start, per_rank = shares.of(shape[dim])
    start = min(start, shape[dim])
    return Place(shape, dim, start, min(per_rank, shape[dim] - start))


def _linear_layer(module: nn.Linear, split: Split) -> nn.Module:
    from fairscale.nn.model_parallel.layers import ColumnParallelLinear, RowParallelLinear

    how = {"bias": module.bias is not None, "init_method": _leave}
    if split == "column":
        made = ColumnParallelLinear(module.in_features, module.out_features, gather_output=False, **how)
        made.register_forward_pre_hook(_lower_input)
    else:
        made = RowParallelLinear(module.in_features, module.out_features, input_is_parallel=True, **how)
    return _without_memory(made)


def _lower_input(_: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """Cast as autocast is about to, but before the layer shares its input: the ranks then sum narrow gradients."""
    return (lowered(inputs[0]),)


def _vocabulary_layer(module: nn.Embedding, degree: int) -> nn.Module:
    from fairscale.nn.model_parallel.layers import VocabParallelEmbedding

    num_rows = -(-module.num_embeddings // degree) * degree
    return _without_memory(VocabParallelEmbedding(num_rows, module.embedding_dim, init_method=_leave))


def _divided_words(module: nn.Embedding, shares: _Shares) -> nn.Module:
    start, per_rank = shares.of(module.num_embeddings)
    return DividedWords(per_rank, module.embedding_dim, start)


def _without_memory(made: nn.Module) -> nn.Module:
    """Give back the weights that fairscale's layers allocate at once, so that one is in memory at a time."""
    return made.to("meta")


def _share_own_parameters(module: nn.Module, shares: _Shares) -> None:
    """Shorten the parameters of a head that has one number for each entry of the vocabulary."""
    assert isinstance(module, MaskedLanguageModelHead), "the plan divides a module that cannot tell its share"
    start, per_rank = shares.of(len(module.bias))
    module.bias = nn.Parameter(torch.empty(per_rank, device="meta"))
    module.share = _VocabularyShare(start, shares.group)


@dataclass(frozen=True, slots=True)
class _VocabularyShare:
    """`domainlm.model.decoder_loss.VocabularyShare` over a group of ranks."""

    start: int
    group: Any

    def maximum(self, values: torch.Tensor) -> torch.Tensor:
        distributed.all_reduce(values, distributed.ReduceOp.MAX, group=self.group)
        return values

    def total(self, values: torch.Tensor) -> torch.Tensor:
        distributed.all_reduce(values, group=self.group)
        return values


def _leave(weight: torch.Tensor) -> torch.Tensor:
    """In place of fairscale's own first values, which would depend on the grid."""
    return weight


def _check_divides(name: str, module: nn.Linear, split: Split, degree: int) -> None:
    width = module.out_features if split == "column" else module.in_features
    if width % degree:
        raise MachineError(
            f"{name} cannot be divided over the tensor ranks",
            where="parallel.tensor",
            given=degree,
            allowed=f"a divisor of {width}",
        )


def _check_heads(model: nn.Module, degree: int) -> None:
    """A rank has whole attention heads."""
    for module in model.modules():
        width, projection = getattr(module, "head_width", None), getattr(module, "query_key_value", None)
        if width is not None and projection is not None and projection.weight.shape[0] % (3 * width):
            num_heads = projection.weight.shape[0] * degree // (3 * width)
            raise MachineError(
                "the attention heads cannot be divided over the tensor ranks",
                where="parallel.tensor",
                given=degree,
                allowed=f"a divisor of {num_heads}, the number of heads",
            )
