"""Taking some rows out of a matrix and putting them back, with a backward pass that writes instead of adding."""

from __future__ import annotations

from typing import Any

import torch

_MULTIPLE_ON_CPU = 64


def fill_up(places: torch.Tensor, num_rows: int) -> torch.Tensor:
    """On a CPU, add places that nobody asked for up to a multiple of 64; elsewhere the places as they are.

    For every new number of rows oneDNN makes kernels of some 0.4 MB that it never gives up (torch 2.13). How many
    sub-tokens are masked or labelled is another number in nearly every step: after 143 steps of fine-tuning 6 layers x
    384 a process had 2.6 GB, and 2.1 with this.

    Args:
        places: int64 [num_places], no two alike, below `num_rows`.
        num_rows: that there are.

    Returns:
        The places, then others, no two alike; as they are, too, where there are not enough others.
    """
    num_more = -len(places) % _MULTIPLE_ON_CPU
    if num_more == 0 or places.device.type != "cpu" or len(places) + num_more > num_rows:
        return places
    is_free = torch.ones(num_rows, dtype=torch.bool).index_fill_(0, places, value=False)
    return torch.cat([places, is_free.nonzero()[:num_more, 0]])


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - torch has no type
        ctx.save_for_backward(places)
        ctx.shape = rows.shape
        return rows.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:  # noqa: ANN401
        (places,) = ctx.saved_tensors
        return gradients[0].new_zeros(ctx.shape).index_copy_(0, places, gradients[0]), None


def gather_rows(rows: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """`rows[places]` for places that are all different.

    `index_select` has to expect one place several times, so that its backward pass adds one row after the other:
    on a CPU a hundred times slower than this.

    Args:
        rows: [num_rows, width].
        places: int64 [num_places], no two alike.

    Returns:
        [num_places, width].
    """
    gathered: torch.Tensor = _Gather.apply(rows, places)  # type: ignore[no-untyped-call]
    return gathered


class _Spread(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, places: torch.Tensor, num_rows: int) -> torch.Tensor:  # noqa: ANN401
        ctx.save_for_backward(places)
        return rows.new_zeros(num_rows, rows.shape[1]).index_copy_(0, places, rows)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # noqa: ANN401
        (places,) = ctx.saved_tensors
        return gradients[0].index_select(0, places), None, None


def spread_rows(rows: torch.Tensor, places: torch.Tensor, num_rows: int) -> torch.Tensor:
    """The inverse of `gather_rows`: the rows at their places, zeros elsewhere.

    Args:
        rows: [num_places, width].
        places: int64 [num_places], no two alike, below `num_rows`.
        num_rows: of the result.

    Returns:
        [num_rows, width].
    """
    spread: torch.Tensor = _Spread.apply(rows, places, num_rows)  # type: ignore[no-untyped-call]
    return spread
