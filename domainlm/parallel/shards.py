"""What a rank holds of a whole: pieces of tensors by their unsharded names, each with its place in the whole."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """A piece of a tensor of the whole model, or of the optimizer's state.

    A tensor is split along one dimension at most; the shards of all ranks together cover it.

    Attributes:
        name: the tensor's name in the unsharded model; of an optimizer's state as `state_name` has it.
        tensor: what this rank holds of it: a view, so that writing to it changes the model. It may be empty, where
            an axis has fewer rows than ranks.
        global_shape: shape of the whole tensor.
        offsets: where the piece begins in each dimension.
        is_writer: whether this rank, of all that hold the same piece, is the one to write it.
    """

    name: str
    tensor: torch.Tensor
    global_shape: tuple[int, ...]
    offsets: tuple[int, ...]
    is_writer: bool

    @classmethod
    def whole(cls, name: str, tensor: torch.Tensor, *, is_writer: bool = True) -> Shard:
        """A tensor that is not split."""
        return cls(name, tensor, tuple(tensor.shape), (0,) * tensor.ndim, is_writer)

    @property
    def slices(self) -> tuple[slice, ...]:
        """Where the piece lies in the whole tensor: `whole[shard.slices]`."""
        return tuple(slice(offset, offset + size) for offset, size in zip(self.offsets, self.tensor.shape, strict=True))

    @property
    def is_whole(self) -> bool:
        """Whether the tensor is not split."""
        return tuple(self.tensor.shape) == self.global_shape
