"""The ranks in three dimensions: data x pipeline x tensor. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace

from domainlm.errors import MachineError
from domainlm.plan.work import Degrees


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A grid of ranks and one place in it.

    Ranks of one tensor group are neighbours (they talk most), then come the stages of one replica, then the replicas:
    `world_rank = (data_rank * pipeline_degree + stage) * tensor_degree + tensor_rank`, as in fairscale's
    `initialize_model_parallel`.

    Attributes:
        data_degree: number of replicas, each of which sees its own part of a step's sequences.
        pipeline_degree: number of stages that the layers are divided over.
        tensor_degree: number of ranks that each weight matrix is divided over.
        data_rank: from 0.
        stage: from 0.
        tensor_rank: from 0.

    Raises:
        MachineError: a degree below 1, or a place outside the grid.
    """

    data_degree: int = 1
    pipeline_degree: int = 1
    tensor_degree: int = 1
    data_rank: int = 0
    stage: int = 0
    tensor_rank: int = 0

    def __post_init__(self) -> None:
        for degree, rank in (
            ("data_degree", "data_rank"),
            ("pipeline_degree", "stage"),
            ("tensor_degree", "tensor_rank"),
        ):
            size, place = getattr(self, degree), getattr(self, rank)
            if size < 1:
                raise MachineError(f"wrong {degree}", where="grid", given=size, allowed="a whole number from 1")
            if not 0 <= place < size:
                raise MachineError(f"wrong {rank}", where="grid", given=place, allowed=f"0 to {size - 1}")

    @classmethod
    def of(cls, degrees: Degrees) -> Grid:
        """The first rank of a grid of these degrees."""
        return cls(data_degree=degrees.data, pipeline_degree=degrees.pipeline, tensor_degree=degrees.tensor)

    @property
    def degrees(self) -> Degrees:
        """The sizes of the grid, without a place in it."""
        return Degrees(data=self.data_degree, pipeline=self.pipeline_degree, tensor=self.tensor_degree)

    @property
    def world_size(self) -> int:
        """Number of ranks."""
        return self.data_degree * self.pipeline_degree * self.tensor_degree

    @property
    def world_rank(self) -> int:
        """This place's number among all ranks."""
        return (self.data_rank * self.pipeline_degree + self.stage) * self.tensor_degree + self.tensor_rank

    def at(self, world_rank: int) -> Grid:
        """The same grid seen from another rank.

        Raises:
            MachineError: there is no such rank.
        """
        if not 0 <= world_rank < self.world_size:
            raise MachineError(
                "no such rank in the grid",
                where="grid",
                given=world_rank,
                allowed=f"0 to {self.world_size - 1} ({self.degrees})",
            )
        rest, tensor_rank = divmod(world_rank, self.tensor_degree)
        data_rank, stage = divmod(rest, self.pipeline_degree)
        return replace(self, data_rank=data_rank, stage=stage, tensor_rank=tensor_rank)

    def check_world_size(self, world_size: int) -> None:
        """Raise `MachineError` unless the grid has exactly this many ranks."""
        if world_size != self.world_size:
            raise MachineError(
                "the grid does not fit the number of ranks",
                where="grid",
                given=f"{world_size} ranks",
                allowed=f"{self.world_size} ranks ({self.degrees})",
                remedy=f"start {self.world_size} ranks, or choose degrees whose product is {world_size}",
            )

    @property
    def data_group(self) -> tuple[int, ...]:
        """World ranks that hold the same weights as this one."""
        return tuple(replace(self, data_rank=rank).world_rank for rank in range(self.data_degree))

    @property
    def pipeline_group(self) -> tuple[int, ...]:
        """World ranks of the stages of this replica, first to last."""
        return tuple(replace(self, stage=stage).world_rank for stage in range(self.pipeline_degree))

    @property
    def tensor_group(self) -> tuple[int, ...]:
        """World ranks that share this one's weight matrices."""
        return tuple(replace(self, tensor_rank=rank).world_rank for rank in range(self.tensor_degree))
