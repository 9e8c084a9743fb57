"""Two training steps of large models on a grid of this machine's ranks, with `domainlm plan`'s memory beside theirs.

    python benchmarks/large_models.py --write                       # 345m and 800m train, 1.2b is materialised
    python benchmarks/large_models.py --sizes biomegatron/345m --precision fp32 --checkpointing 1

Every rank of data 1 x pipeline 2 x tensor 2 is a process of its own with one thread (gloo). It joins the others, trains
a tiny model for two steps, so that libraries have loaded and allocated what they keep, and notes its memory. Then it
builds its part of the large model and trains on packed rows of random sub-tokens, 15 % of them masked. Weights,
gradients and optimizer are counted tensor by tensor; activations are what else the resident memory has grown by at its
highest (VmHWM of /proc/self/status, set back before). `domainlm plan` is to be within 10 % of the highest growth of
every rank; a model that is materialised alone is compared with the weights that are planned.

Progress is on stderr, a table on stdout; with --write both the table and all figures go into benchmarks/results. The
run ends with exit code 1 where the plan is further off.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from large_models_report import KINDS, deviation, report
from measuring import machine_facts, run_together, write_results

if TYPE_CHECKING:
    from domainlm.model.config import ModelConfig
    from domainlm.parallel.device import Device
    from domainlm.parallel.world import World
    from domainlm.recipe.parallel_settings import ParallelSettings
    from domainlm.recipe.pretraining_settings import PretrainingSettings
    from domainlm.train.grid_worker import GridWorker
    from domainlm.train.pretraining import PretrainingBatch

_PACKAGES = ("domainlm", "domainlm-biomegatron", "torch", "fairscale")
_TRAINED = ("biomegatron/345m", "biomegatron/800m")
_MATERIALISED = ("biomegatron/1.2b",)
_RATE = 1e-4
_MAX_DEVIATION = 0.10
_SAMPLES_PER_ROW = 2
_STEP_OF_MASKS = 7
"""Every seventh slot: about 15 %."""


@dataclass(frozen=True, slots=True)
class Rank:
    """What a rank trains, how, and with whom."""

    world: World
    device: Device
    phase: PretrainingSettings
    parallel: ParallelSettings
    arguments: argparse.Namespace

    def worker(self, config: ModelConfig) -> GridWorker:
        """This rank's part of a model, as `domainlm run` builds it."""
        from domainlm.model.initialise import initialise
        from domainlm.model.pretraining import PretrainingModel
        from domainlm.recipe.schema import RuntimeSettings
        from domainlm.train.grid import build_grid_worker
        from domainlm.train.pretraining import PretrainingObjective

        def build() -> PretrainingModel:
            model = PretrainingModel(config, sentence_order=True)
            initialise(model, 0)
            return model

        return build_grid_worker(
            build,
            PretrainingObjective(),
            config=config,
            phase=self.phase,
            parallel=self.parallel,
            runtime=RuntimeSettings(precision=self.arguments.precision),
            device=self.device,
            seed=0,
        )

    def train(self, worker: GridWorker, num_entries: int, num_steps: int) -> list[dict[str, float]]:
        """Loss and seconds of some steps."""
        lines = []
        for step in range(num_steps):
            batches = self._batches(step, num_entries)
            self.world.barrier()
            started = time.perf_counter()
            found = worker.gradients(step, batches)
            worker.update(_RATE)
            self.world.barrier()
            seconds = time.perf_counter() - started
            lines.append({"loss": sum(found.parts.values()), "gradient_norm": found.norm, "seconds": seconds})
            if self.world.is_first:
                print(f"  step {step + 1}: {seconds:.1f} s", file=sys.stderr)
        return lines

    def _batches(self, step: int, num_entries: int) -> list[PretrainingBatch]:
        grid, phase = self.world.grid, self.phase
        size, total = phase.num_sequences_per_micro_batch, phase.num_sequences_per_step
        first, stop = (total * rank // grid.data_degree for rank in (grid.data_rank, grid.data_rank + 1))
        return [
            batch_of(step * total + start, min(size, stop - start), phase.max_tokens, num_entries)
            for start in range(first, stop, size)
        ]


def batch_of(place: int, num_rows: int, num_slots: int, num_entries: int) -> PretrainingBatch:
    """Full rows of random sub-tokens, each of two samples that do not see one another."""
    import torch

    from domainlm.train.pretraining import PretrainingBatch

    generator = torch.Generator().manual_seed(place)
    tokens = torch.randint(5, num_entries, (num_rows, num_slots), generator=generator)
    slots = torch.arange(num_slots).expand(num_rows, num_slots)
    length = num_slots // _SAMPLES_PER_ROW
    samples = slots // length
    starts = torch.arange(_SAMPLES_PER_ROW) * length
    masked = torch.arange(1, tokens.numel(), _STEP_OF_MASKS)
    return PretrainingBatch(
        tokens=tokens,
        token_types=torch.zeros_like(tokens),
        lengths=torch.full((num_rows,), num_slots),
        masked_positions=masked,
        masked_labels=tokens.flatten()[masked],
        is_swapped=torch.arange(num_rows * _SAMPLES_PER_ROW) % 2,
        num_tokens=tokens.numel(),
        positions=slots % length,
        samples=samples,
        firsts=(torch.arange(num_rows)[:, None] * num_slots + starts).flatten(),
    )


def run_rank(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Build, and train where asked to, one rank's part."""
    import torch

    from domainlm.model.config import ModelConfig
    from domainlm.parallel.device import choose_device
    from domainlm.parallel.grid import Grid
    from domainlm.parallel.world import join_world, leave_world

    torch.set_num_threads(1)
    data, pipeline, tensor = arguments.grid
    degrees = Grid(data_degree=data, pipeline_degree=pipeline, tensor_degree=tensor)
    device = choose_device("cpu", arguments.precision)
    world = join_world(degrees, rank=arguments.rank, store=Path(arguments.store))
    rank = Rank(world, device, *settings_of(arguments), arguments)
    width = 16 * tensor
    warm_up = ModelConfig(
        layers=pipeline,
        hidden=2 * width,
        heads=2 * tensor,
        feed_forward=4 * width,
        max_positions=arguments.max_tokens,
        architecture="megatron",
        dropout=arguments.dropout,
        vocabulary_size=100,
        padded_vocabulary_size=128,
    )
    worker = rank.worker(warm_up)
    rank.train(worker, 100, 2)
    worker.close()
    del worker
    gc.collect()
    world.barrier()
    before = memory_now()
    started = time.perf_counter()
    config = shape_of(name, arguments)
    worker = rank.worker(config)
    world.barrier()
    facts: dict[str, Any] = {
        "rank": world.rank,
        "stage": world.grid.stage,
        "seconds_to_build": time.perf_counter() - started,
        "bytes_before": before,
        "growth_when_built": highest_memory() - before,
        "weights": _num_bytes(worker.held.module.parameters()),
    }
    if arguments.steps:
        facts["steps"] = rank.train(worker, config.vocabulary_size, arguments.steps)
        facts |= {"growth": highest_memory() - before, **_state_bytes(worker)}
    worker.close()
    world.barrier()
    leave_world()
    return facts


def _state_bytes(worker: GridWorker) -> dict[str, int]:
    """Gradients and optimizer, fp32 copies of narrower weights among them, tensor by tensor."""
    masters, weights = list(worker.replica.masters.by_name.values()), list(worker.held.module.parameters())
    copies = [master for master, weight in zip(masters, weights, strict=True) if master is not weight]
    return {
        "gradients": _num_bytes(each.grad for each in masters if each.grad is not None),
        "optimizer": _num_bytes([shard.tensor for shard in worker.optimizer_state()] + copies),
    }


def _num_bytes(tensors: Iterable[Any]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def memory_now() -> int:
    """Resident bytes of this process; the highest is counted anew from here."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def highest_memory() -> int:
    """The most resident bytes since `memory_now`."""
    return _status("VmHWM")


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))


def shape_of(name: str, arguments: argparse.Namespace) -> ModelConfig:
    """The shape of a declared size."""
    from domainlm.model.config import ModelConfig
    from domainlm.plugin import load_plugins

    spec = load_plugins().registry.model_size(name, where="--sizes")
    return ModelConfig.from_spec(
        spec, vocabulary_size=arguments.vocabulary, vocabulary_multiple=64, dropout=arguments.dropout
    )


def settings_of(arguments: argparse.Namespace) -> tuple[PretrainingSettings, ParallelSettings]:
    """What a recipe would say."""
    from domainlm.recipe.parallel_settings import ParallelSettings
    from domainlm.recipe.pretraining_settings import PretrainingSettings

    data, pipeline, tensor = arguments.grid
    phase = PretrainingSettings(
        num_steps=1,
        num_sequences_per_step=arguments.sequences,
        num_sequences_per_micro_batch=arguments.micro_batch,
        max_tokens=arguments.max_tokens,
    )
    every = arguments.checkpointing
    parallel = ParallelSettings(
        data=data,
        pipeline=pipeline,
        tensor=tensor,
        activation_checkpointing=every or "off",
        divide_vocabulary=arguments.divide_vocabulary,
    )
    return phase, parallel


def row_of(name: str, found: Sequence[dict[str, Any]], arguments: argparse.Namespace) -> dict[str, Any]:
    """One model: of each rank what was planned and what was measured."""
    from domainlm.plan.memory import memory_of
    from domainlm.plan.parameters import num_parameters
    from domainlm.plan.work import Degrees
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.recipe.work import work_of

    config, (phase, parallel) = shape_of(name, arguments), settings_of(arguments)
    work = work_of(config, phase, parallel, RuntimeSettings(precision=arguments.precision), on_gpu=False)
    data, pipeline, tensor = arguments.grid
    planned = memory_of(work, Degrees(data=data, pipeline=pipeline, tensor=tensor))
    ranks = []
    for facts in found:
        memory = planned[facts["stage"]]
        expected = {kind: getattr(memory, kind) for kind in KINDS} | {"total": memory.total}
        ranks.append(facts | {"planned": expected})
    return {
        "size": name,
        "num_parameters": num_parameters(config, sentence_order=True),
        "is_trained": "steps" in found[0],
        "ranks": ranks,
    }


def measure(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Run every model, one after the other."""
    names = ("precision", "vocabulary", "max_tokens", "sequences", "micro_batch", "dropout", "checkpointing")
    passed = [f"--{name.replace('_', '-')}={getattr(arguments, name)}" for name in names]
    passed += ["--grid", *map(str, arguments.grid)]
    passed += ["--divide-vocabulary"] if arguments.divide_vocabulary else []
    data, pipeline, tensor = arguments.grid
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        plan = [(name, arguments.steps) for name in arguments.sizes] + [(name, 0) for name in arguments.materialised]
        for number, (name, steps) in enumerate(plan):
            print(f"{name}: {f'{steps} steps' if steps else 'materialised alone'}", file=sys.stderr)
            own = [*passed, f"--steps={steps}", "--store", str(Path(folder) / f"store-{number}")]
            started = time.perf_counter()
            together = [[*own, "--rank", str(rank)] for rank in range(data * pipeline * tensor)]
            found = [facts for facts, _ in run_together(Path(__file__), name, together)]
            seconds = time.perf_counter() - started
            rows.append(row_of(name, found, arguments) | {"seconds": seconds})
    return rows


def main() -> None:
    """Measure all models, or, as a child, be one rank of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", default=list(_TRAINED), help="model-size specs to train")
    parser.add_argument("--materialised", nargs="*", default=list(_MATERIALISED), help="specs to build alone")
    parser.add_argument("--grid", type=int, nargs=3, default=[1, 2, 2], metavar=("DATA", "PIPELINE", "TENSOR"))
    parser.add_argument("--precision", choices=("fp32", "bf16", "bf16_weights"), default="bf16")
    parser.add_argument("--checkpointing", type=int, default=0, metavar="N", help="recompute every nth layer; 0: none")
    parser.add_argument("--divide-vocabulary", action="store_true", help="over all ranks of a replica")
    parser.add_argument("--vocabulary", type=int, default=30_522)
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--sequences", type=int, default=2, help="of a step")
    parser.add_argument("--micro-batch", type=int, default=1, help="sequences of a micro-batch")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write the result into benchmarks/results")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--rank", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run is not None:
        print(json.dumps(run_rank(arguments.run, arguments)))
        return
    settings = {name: value for name, value in vars(arguments).items() if name not in ("run", "rank", "store", "write")}
    machine = machine_facts(_PACKAGES)
    content = {"machine": machine, "settings": settings, "rows": measure(arguments)}
    text = report(content)
    print(text)
    if arguments.write:
        print(write_results("large-models", content, text))
    worst = max(abs(deviation(rank)) for row in content["rows"] for rank in row["ranks"])
    raise SystemExit(1 if worst > _MAX_DEVIATION else 0)


if __name__ == "__main__":
    main()
