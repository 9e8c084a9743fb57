"""Two ranks of one thread against one rank of two threads: data 2, pipeline 2 in three ways, tensor 2.

    python benchmarks/parallel.py                          # 6 layers x 384, sequences of 128, bf16
    python benchmarks/parallel.py --precision fp32 --turns 5

All train the same model on the same sequences, and their losses are checked to agree. Each rank is a process of its own
(gloo on this machine), the cases take turns, and the table gives medians over all turns. A pipeline runs a step as 8
micro-batches; one rank is measured with the same micro-batches and with its own best, a quarter as many. Bytes of
weights, gradients and optimizer are counted tensor by tensor on each rank and set beside those of `domainlm plan`; peak
memory is that of a rank's whole process.

A pipeline holds the word embedding on its first and on its last stage. At 6 layers x 384 that is half of the model with
a vocabulary of 30,522, and a rank's state is 0.76 of the whole; `parallel.divide_vocabulary` halves that too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from measuring import machine_facts, middle, run_together, write_results
from parallel_report import panels, report

if TYPE_CHECKING:
    from domainlm.model.config import ModelConfig
    from domainlm.recipe.parallel_settings import ParallelSettings
    from domainlm.recipe.pretraining_settings import PretrainingSettings
    from domainlm.train.pretraining import PretrainingBatch

_PACKAGES = ("domainlm", "torch", "fairscale", "numpy")
_NUM_MICRO_BATCHES = 8
_NUM_FIRST_STEPS = 2
_LOSS_TOLERANCE = {"fp32": 1e-4, "bf16": 3e-3}
_RATE = 1e-4


@dataclass(frozen=True, slots=True)
class Case:
    """A grid, and how it computes.

    Attributes:
        data: replicas.
        pipeline: stages.
        tensor: ranks that share matrices.
        engine: of the pipeline.
        num_micro_batches: of the whole step.
        divides_optimizer: over the replicas.
        divides_vocabulary: over the stages too.
    """

    data: int = 1
    pipeline: int = 1
    tensor: int = 1
    engine: Literal["auto", "async_pipe", "torch"] = "auto"
    num_micro_batches: int = 2
    divides_optimizer: bool = False
    divides_vocabulary: bool = False

    @property
    def num_ranks(self) -> int:
        """Processes."""
        return self.data * self.pipeline * self.tensor


CASES = {
    "one rank": Case(),
    "one rank, 8 micro-batches": Case(num_micro_batches=_NUM_MICRO_BATCHES),
    "data 2": Case(data=2, divides_optimizer=True),
    "pipeline 2, torch": Case(pipeline=2, engine="torch", num_micro_batches=_NUM_MICRO_BATCHES),
    "pipeline 2, async_pipe": Case(pipeline=2, engine="async_pipe", num_micro_batches=_NUM_MICRO_BATCHES),
    "pipeline 2, vocabulary divided": Case(pipeline=2, num_micro_batches=_NUM_MICRO_BATCHES, divides_vocabulary=True),
    "tensor 2": Case(tensor=2),
}


def batches_of(arguments: argparse.Namespace, step: int, size: int, places: Iterable[int]) -> list[PretrainingBatch]:
    """Some micro-batches of a step: full rows of random sub-tokens, 15 % masked."""
    import torch

    from domainlm.train.pretraining import PretrainingBatch

    found = []
    length = arguments.max_tokens
    for place in places:
        rows = []
        for row in range(place * size, (place + 1) * size):
            # A sequence depends on its place in the step alone, however the step is divided.
            generator = torch.Generator().manual_seed(step * 10_000 + row)
            rows.append(torch.randint(5, arguments.vocabulary, (length,), generator=generator))
        tokens = torch.stack(rows)
        masked = (torch.arange(0, length, 7) + torch.arange(size)[:, None] * length).flatten()
        found.append(
            PretrainingBatch(
                tokens=tokens,
                token_types=torch.zeros_like(tokens),
                lengths=torch.full((size,), length),
                masked_positions=masked,
                masked_labels=tokens.flatten()[masked],
                is_swapped=None,
                num_tokens=tokens.numel(),
            )
        )
    return found


def run_rank(case: Case, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train on one rank of a case."""
    import torch
    from step_workers import build_worker

    from domainlm.parallel.device import choose_device
    from domainlm.parallel.grid import Grid
    from domainlm.parallel.world import join_world, leave_world

    torch.set_num_threads(max(1, arguments.threads // case.num_ranks))
    device = choose_device("cpu", arguments.precision)
    config, (phase, parallel) = shape_of(arguments), settings_of(case, arguments)
    degrees = Grid(data_degree=case.data, pipeline_degree=case.pipeline, tensor_degree=case.tensor)
    if case.num_ranks == 1:
        worker = build_worker(config, phase, parallel, device, on_grid=False)
        return _train(worker, case, arguments, (0, 1), lambda: None)
    world = join_world(degrees, rank=arguments.rank, store=Path(arguments.store))
    worker = build_worker(config, phase, parallel, device, on_grid=True)
    facts = _train(worker, case, arguments, (world.grid.data_rank, case.data), world.barrier)
    worker.replica.close()
    world.barrier()
    leave_world()
    return facts


def _train(
    worker: Any,  # noqa: ANN401 - of the two kinds above
    case: Case,
    arguments: argparse.Namespace,
    part: tuple[int, int],
    barrier: Any,  # noqa: ANN401
) -> dict[str, Any]:
    data_rank, data_degree = part
    size = arguments.sequences // case.num_micro_batches
    places = range(
        case.num_micro_batches * data_rank // data_degree, case.num_micro_batches * (data_rank + 1) // data_degree
    )
    seconds, losses = [], []
    for step in range(_NUM_FIRST_STEPS + arguments.steps):
        batches = batches_of(arguments, step, size, places)
        barrier()
        started = time.perf_counter()
        found = worker.gradients(step, batches)
        worker.update(_RATE)
        barrier()
        seconds.append(time.perf_counter() - started)
        losses.append(sum(found.parts.values()))
    module = worker.held.module if case.num_ranks > 1 else worker.module
    return {
        "seconds": seconds[_NUM_FIRST_STEPS:],
        "losses": losses,
        "weights": _num_bytes(module.parameters()),
        "gradients": _num_bytes(each.grad for each in module.parameters() if each.grad is not None),
        "optimizer": _num_bytes(shard.tensor for shard in worker.optimizer_state()),
    }


def _num_bytes(tensors: Iterable[Any]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def shape_of(arguments: argparse.Namespace) -> ModelConfig:
    """The encoder."""
    from domainlm.model.config import ModelConfig

    return ModelConfig(
        layers=arguments.layers,
        hidden=arguments.hidden,
        heads=arguments.hidden // 32,
        feed_forward=4 * arguments.hidden,
        max_positions=max(512, arguments.max_tokens),
        architecture="megatron",
        dropout=arguments.dropout,
        vocabulary_size=arguments.vocabulary,
        padded_vocabulary_size=-(-arguments.vocabulary // 64) * 64,
    )


def settings_of(case: Case, arguments: argparse.Namespace) -> tuple[PretrainingSettings, ParallelSettings]:
    """What a recipe would say."""
    from domainlm.recipe.parallel_settings import ParallelSettings
    from domainlm.recipe.pretraining_settings import PretrainingSettings

    phase = PretrainingSettings(
        num_steps=1,
        num_sequences_per_step=arguments.sequences,
        num_sequences_per_micro_batch=arguments.sequences // case.num_micro_batches,
        max_tokens=arguments.max_tokens,
        second_objective="none",
    )
    parallel = ParallelSettings(
        data=case.data,
        pipeline=case.pipeline,
        tensor=case.tensor,
        engine=case.engine,
        shard_optimizer=case.divides_optimizer,
        divide_vocabulary=case.divides_vocabulary,
    )
    return phase, parallel


def row_of(name: str, runs: list[list[tuple[dict[str, Any], int]]], arguments: argparse.Namespace) -> dict[str, Any]:
    """All turns of one case; of each rank, state and peak memory."""
    from domainlm.plan.memory import memory_of
    from domainlm.plan.work import Degrees
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.recipe.work import work_of

    case = CASES[name]
    phase, parallel = settings_of(case, arguments)
    work = work_of(shape_of(arguments), phase, parallel, RuntimeSettings(precision=arguments.precision), on_gpu=False)
    planned = memory_of(work, Degrees(data=case.data, pipeline=case.pipeline, tensor=case.tensor))
    num_tokens = arguments.sequences * arguments.max_tokens
    seconds = [each for ranks in runs for each in ranks[0][0]["seconds"]]
    kinds = ("weights", "gradients", "optimizer")
    return {
        "case": name,
        "ranks": case.num_ranks,
        "micro_batches": case.num_micro_batches,
        "seconds_per_step": middle(seconds),
        "tokens_per_second": middle([num_tokens * len(r[0][0]["seconds"]) / sum(r[0][0]["seconds"]) for r in runs]),
        "bytes_per_rank": [{kind: facts[kind] for kind in kinds} for facts, _ in runs[0]],
        "planned_bytes_per_stage": [{kind: getattr(memory, kind) for kind in kinds} for memory in planned],
        "peak_megabytes_per_rank": [max(ranks[rank][1] for ranks in runs) / 1e6 for rank in range(case.num_ranks)],
        "losses": runs[0][0][0]["losses"],
    }


def check_losses(rows: list[dict[str, Any]], precision: str) -> None:
    """End the benchmark where a case computes something else."""
    for row in rows:
        for step, (ours, theirs) in enumerate(zip(row["losses"], rows[0]["losses"], strict=True)):
            if abs(ours - theirs) > _LOSS_TOLERANCE[precision] * abs(theirs):
                raise SystemExit(f"{row['case']} computes something else: loss {ours} at step {step}, not {theirs}")


def compare(arguments: argparse.Namespace) -> None:
    """Run all cases in turns and write the table."""
    names = ("layers", "hidden", "vocabulary", "max_tokens", "sequences", "precision", "dropout", "threads", "turns")
    names += ("steps", "note")
    settings = {name: getattr(arguments, name) for name in names}
    passed = [
        f"--{name.replace('_', '-')}={value}" for name, value in settings.items() if name not in ("turns", "note")
    ]
    machine = machine_facts(_PACKAGES)
    cases = [name for name in CASES if name in arguments.cases or name.startswith("one rank")]
    runs: dict[str, list[list[tuple[dict[str, Any], int]]]] = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(arguments.turns):
            for name in cases:
                store = Path(folder) / f"{len(runs[name])}-{CASES[name].num_ranks}-{cases.index(name)}"
                each = [[*passed, "--rank", str(rank), "--store", str(store)] for rank in range(CASES[name].num_ranks)]
                runs[name].append(run_together(Path(__file__), name, each))
                print(f"turn {turn + 1}: {name} done", file=sys.stderr)
    rows = [row_of(name, found, arguments) for name, found in runs.items()]
    if arguments.dropout == 0.0:
        check_losses(rows, arguments.precision)
    content = {"machine": machine, "settings": settings, "rows": rows}
    print(write_results("parallel", content, report(content), panels(content)))


def main() -> None:
    """Compare all cases, or, as a child, be one rank of one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), help="one rank is always measured")
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--vocabulary", type=int, default=30_522)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--sequences", type=int, default=64, help="of a step; divisible by 8")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--dropout", type=float, default=0.0, help="0 lets the losses be compared")
    parser.add_argument("--steps", type=int, default=5, help="timed steps of a run")
    parser.add_argument("--turns", type=int, default=3, help="runs of each case")
    parser.add_argument(
        "--threads", type=int, default=min(2, len(os.sched_getaffinity(0))), help="of all ranks together"
    )
    parser.add_argument("--note", default="", help="what readers of the figures should know")
    parser.add_argument("--run", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--rank", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--store", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run is not None:
        print(json.dumps(run_rank(CASES[arguments.run], arguments)))
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
