"""The pipeline by torch.distributed.pipelining, on fairscale's pipeline group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.distributed import pipelining
from torch.distributed.pipelining import schedules

from domainlm.parallel.schedule import ScheduleName
from domainlm.parallel.stage_module import StageModule
from domainlm.parallel.world import World


class TorchEngine:
    """GPipe (Huang et al. 2019), 1F1B (Narayanan et al. 2019) or its interleaved form (Narayanan et al. 2021).

    A schedule has buffers for all micro-batches of a step, each of the size of the largest: the last one alone is kept
    (`domainlm.plan` counts its buffers). Making another takes milliseconds.

    Args:
        stages: of this rank.
        world: the grid.
        schedule: the order of the micro-batches.
    """

    def __init__(self, stages: Sequence[StageModule], world: World, schedule: ScheduleName) -> None:
        self._stages = [_Called(stage) for stage in stages]
        self._num_stages = world.grid.pipeline_degree * len(stages)
        self._world, self._schedule = world, schedule
        self._shape: tuple[int, int] | None = None
        self._made: Any = None

    def run(self, num_micro_batches: int) -> None:
        """Run a step."""
        shape = (num_micro_batches, self._stages[0].stage.wire.numel())
        if shape != self._shape:
            self.close()  # before there are new ones
            self._made, self._shape = self._make(num_micro_batches), shape
        index = torch.arange(num_micro_batches)
        has_first, has_last = self._stages[0].stage.is_first, self._stages[-1].stage.is_last
        arguments = (index,) if has_first else ()
        self._made.step(*arguments, target=index if has_last else None, return_outputs=False, index=index)

    def close(self) -> None:
        """Drop the buffers."""
        self._made = self._shape = None

    def _make(self, num_micro_batches: int) -> Any:  # noqa: ANN401 - one of several classes
        stages: list[Any] = [self._stage(called) for called in self._stages]
        how: dict[str, Any] = {"loss_fn": _given_loss, "scale_grads": False}
        if len(stages) > 1:
            ranks = self._world.grid.pipeline_degree
            rounds = max(1, num_micro_batches // ranks)
            # The interleaved schedule takes equal rounds only; a step that has others goes breadth first.
            is_even = num_micro_batches % rounds == 0
            several = schedules.ScheduleInterleaved1F1B if is_even else schedules.ScheduleLoopedBFS
            return several(stages, num_micro_batches, **how)
        all_forward_first = self._schedule == "gpipe" or num_micro_batches < self._num_stages
        single = schedules.ScheduleGPipe if all_forward_first else schedules.Schedule1F1B
        return single(stages[0], num_micro_batches, **how)

    def _stage(self, called: _Called) -> pipelining.PipelineStage:
        stage = called.stage
        index, loss = torch.zeros(1, dtype=torch.int64), torch.zeros(1)
        return pipelining.PipelineStage(
            called,
            stage.stage,
            self._num_stages,
            self._world.device,
            input_args=(index if stage.is_first else stage.wire.requires_grad_(),),
            output_args=(loss.requires_grad_() if stage.is_last else stage.wire.requires_grad_(),),
            group=self._world.group("pipeline"),
        )


class _Called(nn.Module):
    """A stage as torch.distributed.pipelining calls it."""

    def __init__(self, stage: StageModule) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, received: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return self.stage.run(int(index), None if self.stage.is_first else received)


def _given_loss(loss: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The last stage computes the loss itself."""
    del target
    return loss.sum()
