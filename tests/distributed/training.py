"""Trains a tiny model on a rank of a grid: called by `run_on_ranks`, by file and name; imports no pytest."""

from __future__ import annotations

import errno
import os
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from domainlm.errors import ModelError, StorageError
from domainlm.model.config import ModelConfig
from domainlm.model.dropout import Dropout
from domainlm.model.encoder import SelfAttention
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.model.tensor_file import write_tensors
from domainlm.parallel.device import Device, choose_device
from domainlm.parallel.gathering import gather_tensors
from domainlm.parallel.rank_model import build_rank_model
from domainlm.parallel.replica import GridOptions
from domainlm.parallel.shards import Shard
from domainlm.parallel.stages import Division
from domainlm.parallel.world import current_world
from domainlm.plan.work import Precision
from domainlm.recipe.optimizer_settings import OptimizerSettings, ScheduleSettings
from domainlm.train.checkpoints import writing
from domainlm.train.checkpoints.runs import Checkpoints, Contents
from domainlm.train.freezing import EmbeddingsFirst, freeze
from domainlm.train.grid_worker import GridWorker
from domainlm.train.loop import train as train_loop
from domainlm.train.loop_settings import LoopSettings
from domainlm.train.objective import BatchSource
from domainlm.train.observer import NullObserver, Observer
from domainlm.train.pretraining import PretrainingBatch, PretrainingObjective
from domainlm.train.worker import OneProcess

if TYPE_CHECKING:
    from domainlm.parallel.world import World

VOCABULARY_SIZE = 101
NUM_SEQUENCES = 16
# The gradient of a key's bias is zero but for rounding: with the usual epsilon Adam would take that for a direction.
OPTIMIZER = OptimizerSettings(learning_rate=3e-3, max_gradient_norm=0.5, epsilon=1e-6)


def config(dropout: float = 0.0) -> ModelConfig:
    return ModelConfig(
        layers=4,
        hidden=32,
        heads=4,
        feed_forward=64,
        max_positions=24,
        architecture="megatron",
        dropout=dropout,
        vocabulary_size=VOCABULARY_SIZE,
        padded_vocabulary_size=VOCABULARY_SIZE + 1,  # no multiple of 4: ranks pad
    )


def build(dropout: float = 0.0, num_frozen_layers: int = 0, *, freezes_embeddings: bool = False) -> PretrainingModel:
    model = PretrainingModel(config(dropout), sentence_order=True)
    initialise(model, 3)
    freeze(model.encoder, num_layers=num_frozen_layers, embeddings=freezes_embeddings)
    return model


def micro_batches(step: int, data_rank: int = 0, data_degree: int = 1, size: int = 2) -> list[PretrainingBatch]:
    """This data rank's part of a step; every sequence is a function of the step and its place in it."""
    start, stop = (NUM_SEQUENCES * rank // data_degree for rank in (data_rank, data_rank + 1))
    return [_batch(step, range(first, min(first + size, stop))) for first in range(start, stop, size)]


def _batch(step: int, places: Sequence[int]) -> PretrainingBatch:
    rows, lengths, masked, labels, swapped = [], [], [], [], []
    width = 24 if step % 2 else 16
    for row, place in enumerate(places):
        random = np.random.Generator(np.random.Philox(key=[step, place]))
        length = int(random.integers(9, width + 1))
        ids = random.integers(5, VOCABULARY_SIZE, width)
        # Something to learn: few labels, each a function of what comes before.
        slots = sorted(random.choice(np.arange(1, length), 1 + place % 3, replace=False).tolist())
        masked += [row * width + slot for slot in slots]
        labels += [int(5 + ids[slot - 1] % 4) for slot in slots]
        ids[length:] = 0
        rows.append(ids)
        lengths.append(length)
        swapped.append(int(ids[1] % 2))
    tokens = torch.from_numpy(np.stack(rows).astype(np.int64))
    return PretrainingBatch(
        tokens=tokens,
        token_types=torch.zeros_like(tokens),
        lengths=torch.tensor(lengths),
        masked_positions=torch.tensor(masked),
        masked_labels=torch.tensor(labels),
        is_swapped=torch.tensor(swapped),
        num_tokens=sum(lengths),
    )


def _packed(batch: PretrainingBatch) -> PretrainingBatch:
    """The same rows, each of two samples now, the first one of four tokens."""
    rows, width = batch.tokens.shape
    slots = torch.arange(width).expand(rows, width)
    firsts = (torch.arange(rows)[:, None] * width + torch.tensor([0, 4])).flatten()
    assert batch.is_swapped is not None
    return replace(
        batch,
        positions=torch.where(slots < 4, slots, slots - 4),
        samples=(slots >= 4).long(),
        firsts=firsts,
        is_swapped=torch.stack([batch.is_swapped, 1 - batch.is_swapped], dim=1).flatten(),
    )


def device_of(world: World, precision: Precision) -> Device:
    return replace(
        choose_device("cuda" if world.device.type == "cuda" else "cpu", precision), torch_device=world.device
    )


def train(world: World, out: str, spec: Mapping[str, Any]) -> list[dict[str, float]]:
    """Train for some steps; leaves the weights in the file `out`. Returns the parts of the loss and the norm."""
    device = device_of(world, spec.get("precision", "fp32"))
    dropout, num_steps = spec.get("dropout", 0.0), spec.get("num_steps", 20)
    optimizer = OPTIMIZER.model_copy(update={"layer_decay": spec.get("layer_decay", 1.0)})
    make = partial(build, dropout, **spec.get("resting", {}))
    worker: Any
    if spec.get("plain"):
        worker = OneProcess(make(), PretrainingObjective(), optimizer, device, 5)
    else:
        num_stages = world.grid.pipeline_degree * spec.get("num_stages_per_rank", 1)
        num_layers = spec.get("layers", [4 // num_stages] * num_stages)
        division = Division(tuple(num_layers), world.grid.pipeline_degree)
        held = build_rank_model(make, division, world, divides_vocabulary=spec.get("divides_vocabulary", False))
        options = GridOptions(**spec.get("options", {}))
        seed = spec.get("seed", 5)
        worker = GridWorker(held, PretrainingObjective(), optimizer, device, seed=seed, options=options)
    if "loss_scale" in spec:
        worker.replica.loss_scale.value = spec["loss_scale"]
    lines = []
    source: BatchSource[PretrainingBatch] = _Part(world, spec)
    if "embedding_steps" in spec:
        source = EmbeddingsFirst.of(source, worker.module, spec["embedding_steps"])
    for step in range(num_steps):
        found = worker.gradients(step, source.micro_batches(step))
        if found.is_usable:
            worker.update(3e-3)
        lines.append({**found.parts, "norm": found.norm, "num_tokens": float(found.num_tokens)} | worker.scalars())
    _write(world, worker, Path(out))
    if not spec.get("plain"):
        worker.replica.close()
    return lines


def summed_states(world: World, precision: Precision) -> dict[str, int]:
    """How many hidden states of whole rows, and gradients of them, tensor ranks sum for a micro-batch, by format."""
    device = device_of(world, precision)
    held = build_rank_model(build, Division((4,), 1), world)
    worker = GridWorker(held, PretrainingObjective(), OPTIMIZER, device, seed=5, options=GridOptions())
    plain, formats = torch.distributed.all_reduce, Counter[str]()

    def noting(tensor: torch.Tensor, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as torch's own
        if tensor.ndim == 3:
            formats[str(tensor.dtype)] += 1
        return plain(tensor, *arguments, **named)

    torch.distributed.all_reduce = noting
    worker.gradients(0, micro_batches(0)[:1])
    return dict(formats)


@dataclass(frozen=True)
class _Part:
    """This data rank's part of every step."""

    world: World
    spec: Mapping[str, Any]

    def micro_batches(self, step: int) -> list[PretrainingBatch]:
        grid = self.world.grid
        batches = micro_batches(step, grid.data_rank, grid.data_degree, self.spec.get("micro_batch_size", 2))
        if self.spec.get("without_order"):
            batches = [replace(batch, is_swapped=None) for batch in batches]
        return [_packed(batch) for batch in batches] if self.spec.get("packed") else batches


def _write(world: World, worker: OneProcess[Any] | GridWorker, out: Path) -> None:
    shards = worker.weights()
    names = [name for name, _ in build().named_parameters()]
    whole = dict(zip(names, gather_tensors(world, shards, names), strict=True))
    if world.is_first:
        write_tensors(out, whole)


@dataclass(frozen=True)
class Steps:
    """This data rank's part of every step; the last rank is interrupted in the step that follows `stop_after` - 1."""

    world: World
    stop_after: int
    spoil: Callable[[int], None] = lambda _: None

    def micro_batches(self, step: int) -> list[PretrainingBatch]:
        if step == self.stop_after - 1 and self.world.rank == self.world.size - 1:
            signal.raise_signal(signal.SIGINT)
        self.spoil(step)
        grid = self.world.grid
        return micro_batches(step, grid.data_rank, grid.data_degree, 4 // grid.data_degree)


def loop(world: World, work: str, spec: Mapping[str, Any]) -> bool:
    """Train 20 steps by the loop itself, or go on to them; whether it was stopped before, as `stop_after` asks."""
    device = device_of(world, spec.get("precision", "fp32"))
    worker: Any
    if spec.get("plain"):
        worker = OneProcess(build(), PretrainingObjective(), OPTIMIZER, device, 5)
    else:
        degree = world.grid.pipeline_degree
        division = Division((4 // degree,) * degree, degree)
        held = build_rank_model(build, division, world, divides_vocabulary=spec.get("divides_vocabulary", False))
        options = GridOptions(**spec.get("options", {}))
        worker = GridWorker(held, PretrainingObjective(), OPTIMIZER, device, seed=5, options=options)
    if "loss_scale" in spec:
        worker.replica.loss_scale.value = spec["loss_scale"]
    settings = LoopSettings(
        phase="pretrain",
        num_steps=20,
        optimizer=OPTIMIZER,
        schedule=ScheduleSettings(),
        seed=5,
        num_steps_per_checkpoint=spec.get("num_steps_per_checkpoint", 7),
    )

    def spoil(step: int) -> None:
        weight = dict(worker.module.named_parameters()).get("encoder.layers.3.feed_forward.output.bias")
        if step >= spec.get("spoil_after", 100) and weight is not None and world.grid.data_rank == 0:
            weight.data[0] = float("inf")

    source = Steps(world, spec.get("stop_after", 0), spoil)
    try:
        train_loop(
            worker.module,
            PretrainingObjective(),
            source,
            settings,
            device=device,
            work=Path(work),
            observer=spec.get("observer") or NullObserver(),
            worker=worker,
        )
    except KeyboardInterrupt:
        return True
    finally:
        if not spec.get("plain"):
            worker.replica.close()
    return False


def record_draws(world: World, spec: Mapping[str, Any]) -> dict[str, list[list[int]]]:
    """The first numbers that dropout would see at each place, for each call in a step: from torch's own state."""
    degree = world.grid.pipeline_degree
    held = build_rank_model(lambda: build(spec["dropout"]), Division((4 // degree,) * degree, degree), world)
    options = GridOptions(**spec.get("options", {}))
    device = device_of(world, "fp32")
    worker = GridWorker(held, PretrainingObjective(), OPTIMIZER, device, seed=5, options=options)
    seen: dict[str, list[list[int]]] = {}

    def look(name: str) -> None:
        state = torch.get_rng_state()
        seen.setdefault(name, []).append(torch.randint(0, 2**31, (4,)).tolist())
        torch.set_rng_state(state)

    for name, module in held.module.named_modules():
        if isinstance(module, Dropout):
            calls: Counter[str] = Counter()

            def before(_module: object, _inputs: object, name: str = name, calls: Counter[str] = calls) -> None:
                calls[name] += 1
                look(f"{name}/{calls[name] % 2}" if "layers" in name else name)

            module.register_forward_pre_hook(before)
        elif isinstance(module, SelfAttention):
            module.register_forward_pre_hook(lambda _module, _inputs, name=name: look(name))
    worker.gradients(3, micro_batches(3, world.grid.data_rank, world.grid.data_degree, 8))
    return seen


def launched(work: Path, observer: Observer) -> None:
    """`loop`, as `domainlm.train.ranks` calls a training function."""
    loop(current_world(), str(work), {"num_steps_per_checkpoint": 2, "observer": observer})


def spoilt(world: World, work: str, spec: Mapping[str, Any]) -> str:
    """`loop`, with a weight of one rank's that is not finite from the fourth step on; what it is stopped by."""
    try:
        loop(world, work, {**spec, "spoil_after": 3})
    except ModelError as error:
        return str(error)
    return ""


def fail_on_one(world: World, work: str) -> list[str]:
    """Write two checkpoints; of the second, the last rank cannot write its part. The names that are there then."""
    checkpoints = Checkpoints(Path(work), "run", 2)

    def save(step: int) -> None:
        tensor = torch.full((4,), float(step))
        own = Shard(f"w{world.rank}", tensor, (4,), (0,), is_writer=True)
        checkpoints.begin(step, Contents(weights=[own], optimizer=[]))
        checkpoints.seal()

    save(1)
    real = writing.write_tensors
    if world.rank == world.size - 1:
        writing.write_tensors = _full
    said = ""
    try:
        save(2)
    except (OSError, StorageError) as error:
        said = f"{type(error).__name__}: {error}"
    writing.write_tensors = real
    found = checkpoints.latest()
    assert found is not None
    return [said, *sorted(path.name for path in (Path(work) / "checkpoints").iterdir()), str(found.step)]


def _full(*_: object) -> Any:  # noqa: ANN401 - never returns
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
