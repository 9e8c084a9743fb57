"""The recipe's [parallel] table: how the work is divided over ranks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from domainlm.recipe.base import NotNegative, Positive, Settings

Degree = Positive | Literal["auto"]
Engine = Literal["auto", "async_pipe", "torch"]
Schedule = Literal["auto", "gpipe", "1f1b", "interleaved"]
LayersPerStage = Annotated[tuple[NotNegative, ...], Field(strict=False, min_length=1)]


class ParallelSettings(Settings):
    """The grid of ranks. Every grid trains the same model up to the last digits and the dropout drawn."""

    data: Degree = 1
    """Replicas of the model, each with its part of every step's sequences; "auto" uses the remaining devices."""
    pipeline: Degree = 1
    """Stages that the layers are divided over; "auto" takes as few as the memory allows."""
    tensor: Degree = 1
    """Ranks that each weight matrix is divided over; "auto" takes as few as the memory allows."""
    engine: Engine = "auto"
    """What runs the pipeline: fairscale's AsyncPipe or torch.distributed.pipelining; "auto": the faster here."""
    schedule: Schedule = "auto"
    """Order of a pipeline's micro-batches: all forward before all backward ("gpipe", Huang et al. 2019; AsyncPipe's
    only one), one forward one backward ("1f1b") or interleaved (Narayanan et al. 2021); "auto": the engine's best."""
    num_stages_per_rank: Positive = 1
    """Stages that each rank of a pipeline holds; above 1 only in the interleaved schedule."""
    layers_per_stage: Literal["auto"] | LayersPerStage = "auto"
    """Layers of each stage, first to last; "auto" balances the stages, embedding and head counted."""
    activation_checkpointing: Literal["off", "every_layer"] | Positive = "off"
    """Recompute activations in the backward pass instead of keeping them: of every layer, or of every nth."""
    divide_vocabulary: bool = False
    """In pretraining, divide the word embedding, which is also the decoder, over all ranks of a replica, not only over
    its tensor ranks; a pipeline otherwise holds it on both its first and its last stage. All micro-batches then go
    forward before the first one goes backward (after Yeung et al. 2024)."""
    shard_optimizer: bool = False
    """Divide the optimizer's state over the replicas (fairscale OSS, after Rajbhandari et al. 2020)."""
    hang_seconds: Positive = 45
    """If no rank finishes a step for this long, and for ten times the longest step so far, the run ends and names the
    rank."""

    @property
    def num_layers_per_recomputed(self) -> int:
        """The activations of every so many-th layer are recomputed; 0 for none."""
        asked = self.activation_checkpointing
        return asked if isinstance(asked, int) else {"off": 0, "every_layer": 1}[asked]

    @model_validator(mode="after")
    def _one_pipeline(self) -> ParallelSettings:
        if self.engine == "async_pipe" and self.schedule not in ("auto", "gpipe"):
            raise ValueError('engine "async_pipe" has schedule "gpipe" only; use engine = "torch" for others')
        if self.num_stages_per_rank > 1 and self.schedule not in ("auto", "interleaved"):
            raise ValueError('num_stages_per_rank above 1 needs schedule = "interleaved"')
        if self.num_stages_per_rank > 1 and self.engine == "async_pipe":
            raise ValueError('num_stages_per_rank above 1 needs engine = "torch"')
        if self.schedule == "interleaved" and self.num_stages_per_rank == 1:
            raise ValueError('schedule "interleaved" needs num_stages_per_rank of at least 2')
        if self.divide_vocabulary and not (
            self.engine in ("auto", "torch") and self.schedule in ("auto", "gpipe") and self.num_stages_per_rank == 1
        ):
            raise ValueError(
                "divide_vocabulary has an order of its own: leave engine, schedule and num_stages_per_rank as they are"
            )
        return self
