"""The pretraining step as `domainlm run` takes it, on full rows of random sub-tokens: what is profiled and varied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from bert_batches import padded, random_steps
from bert_steps import SIZES, shape_of

from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.compiling import CompiledLayers
from domainlm.parallel.device import Device, choose_device
from domainlm.plan.operations import step_operations
from domainlm.plan.work import Precision, Work
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.train.grid import build_grid_worker, needs_grid_worker
from domainlm.train.grid_worker import GridWorker
from domainlm.train.pretraining import PretrainingBatch, PretrainingObjective
from domainlm.train.worker import OneProcess

if TYPE_CHECKING:
    from domainlm.model.config import ModelConfig

BenchmarkWorker: TypeAlias = "OneProcess[PretrainingBatch] | GridWorker"

_DROPOUT, _RATE = 0.1, 1e-4
_WIDTHS = (1024, 2048, 4096)
_NUM_PRODUCTS = 5


class Shape(NamedTuple):
    """A size of model with the batch of a step.

    Attributes:
        size: one of `bert_steps.SIZES`.
        num_rows: sequences of a step, all at once.
        max_tokens: sub-tokens of each.
    """

    size: str
    num_rows: int
    max_tokens: int

    @classmethod
    def of(cls, text: str) -> Shape:
        """From "22m:32x128"."""
        size, _, batch = text.partition(":")
        rows, _, tokens = batch.partition("x")
        if size not in SIZES:
            raise ValueError(size)
        return cls(size, int(rows), int(tokens))

    def __str__(self) -> str:
        return f"{self.size}:{self.num_rows}x{self.max_tokens}"

    @property
    def config(self) -> ModelConfig:
        """The model's."""
        return shape_of(SIZES[self.size], _DROPOUT, self.max_tokens)

    @property
    def operations(self) -> int:
        """Floating-point operations of the mathematics of a step, as `domainlm plan` counts them."""
        masked = next(self.batches(1)).masked_labels
        num_tokens = self.num_rows * self.max_tokens
        return step_operations(
            Work(
                config=self.config,
                max_tokens=self.max_tokens,
                num_sequences_per_step=self.num_rows,
                masked_share=len(masked) / num_tokens,
                sentence_order=False,
            )
        )

    def batches(self, num_steps: int) -> Iterator[PretrainingBatch]:
        """A micro-batch for each step."""
        for sequences in random_steps(num_steps, self.num_rows, self.max_tokens):
            rows = padded(sequences)
            tokens = torch.from_numpy(rows.tokens)
            yield PretrainingBatch(
                tokens=tokens,
                token_types=torch.zeros_like(tokens),
                lengths=torch.from_numpy(rows.lengths),
                masked_positions=torch.from_numpy(rows.masked),
                masked_labels=torch.from_numpy(rows.labels),
                num_tokens=rows.num_tokens,
            )


def make_worker(shape: Shape, precision: Precision) -> BenchmarkWorker:
    """What trains the model in one process, as `domainlm run` chooses it."""
    device, parallel = choose_device("cpu", precision), ParallelSettings()
    phase = PretrainingSettings(
        num_steps=1,
        num_sequences_per_step=shape.num_rows,
        num_sequences_per_micro_batch=shape.num_rows,
        max_tokens=shape.max_tokens,
        second_objective="none",
    )
    return build_worker(shape.config, phase, parallel, device, on_grid=needs_grid_worker(device, parallel))


def build_worker(
    config: ModelConfig,
    phase: PretrainingSettings,
    parallel: ParallelSettings,
    device: Device,
    *,
    on_grid: bool,
    pairs: bool = False,
) -> BenchmarkWorker:
    """A worker for a fresh model, with or without pairs: by itself, or as this rank of the world that was joined."""

    def build() -> PretrainingModel:
        model = PretrainingModel(config, sentence_order=pairs)
        initialise(model, 0)
        return model

    if not on_grid:
        model = build()
        compiled = CompiledLayers(model.encoder.layers[:-1], device)
        return OneProcess(model, PretrainingObjective(), phase.optimizer, device, 0, compiled=compiled)
    return build_grid_worker(
        build,
        PretrainingObjective(),
        config=config,
        phase=phase,
        parallel=parallel,
        runtime=RuntimeSettings(precision=device.precision),
        device=device,
        seed=0,
    )


def take_step(worker: BenchmarkWorker, step: int, batch: PretrainingBatch) -> tuple[float, float]:
    """Seconds and loss."""
    started = time.perf_counter()
    found = worker.gradients(step, [batch])
    worker.update(_RATE)
    return time.perf_counter() - started, sum(found.parts.values())


def product_peak(dtype: torch.dtype) -> float:
    """Operations per second of large square matrix products, the best of a few."""
    best = 0.0
    for width in _WIDTHS:
        left, out = torch.ones(width, width, dtype=dtype), torch.empty(width, width, dtype=dtype)
        for _ in range(_NUM_PRODUCTS):
            started = time.perf_counter()
            torch.mm(left, left, out=out)
            best = max(best, 2 * width**3 / (time.perf_counter() - started))
    return best
