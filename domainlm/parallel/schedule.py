"""What runs the stages of a pipeline over the micro-batches of a step: one small interface, several engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import torch

from domainlm.parallel.stage_module import StageModule
from domainlm.parallel.world import World

EngineName = Literal["auto", "async_pipe", "torch"]
ScheduleName = Literal["auto", "gpipe", "1f1b", "interleaved"]


class Engine(Protocol):
    """Runs the forward and the backward pass of all micro-batches; gradients are added up in the parameters."""

    def run(self, num_micro_batches: int) -> None:
        """Run a step for which every stage has been given its micro-batches (`StageModule.begin`)."""

    def close(self) -> None:
        """Give back whatever the engine holds."""


class OneStage:
    """No pipeline: one micro-batch after the other."""

    def __init__(self, stage: StageModule) -> None:
        self._stage = stage

    def run(self, num_micro_batches: int) -> None:
        """Forward and backward pass of each micro-batch, so that the activations of one are kept at a time."""
        for index in range(num_micro_batches):
            torch.autograd.backward(self._stage.run(index, None))

    def close(self) -> None:
        """Nothing is held."""


def make_engine(
    stages: Sequence[StageModule], world: World, *, engine: EngineName = "auto", schedule: ScheduleName = "auto"
) -> Engine:
    """The engine for this rank's stages.

    Args:
        stages: the stages of this rank, in order.
        world: the grid.
        engine: "auto" is torch.distributed.pipelining.
        schedule: "auto" is interleaved where ranks have several stages, one forward one backward where not.
    """
    if world.grid.pipeline_degree == 1 and len(stages) == 1:
        return OneStage(stages[0])
    if engine == "async_pipe" and schedule in ("auto", "gpipe"):
        from domainlm.parallel.async_pipe_engine import AsyncPipeEngine

        return AsyncPipeEngine(stages[0], world)
    from domainlm.parallel.torch_engine import TorchEngine

    return TorchEngine(stages, world, schedule)
