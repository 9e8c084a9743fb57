"""Training speed on one GPU: tokens per second and model FLOP utilisation (MFU) of 110m, 345m, 800m and 1.2b at 512.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --sizes biomegatron/345m --micro-batch 64 --precisions bf16 bf16_weights --dropouts 0.1 0

A step is what `domainlm run` does in one process: transfer of the batch, forward, backward, clipping, AdamW and the
wait for the loss, over full rows of random sub-tokens, 15 % masked. The micro-batch is the largest power of two that
`domainlm plan` fits into the device's memory, halved while the device says that it does not fit; a step may have
several (--micro-batches), which share its clipping and its AdamW. MFU is the operations of the mathematics, nothing
recomputed counted and the head on masked positions alone (`domainlm plan`), over the time and over the dense bf16 peak
of the device, which is looked up by its name (NVIDIA's data sheets, without sparsity) or given with --peak. Beside it
stands the MFU of Chowdhery et al. (2022, appendix B), which counts 6 N + 12 L s h operations a token: N parameters, L
layers of width h, sequences of s. For transformers on the same device: `benchmarks/pretraining.py --device cuda`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpu_report import peak_of, report
from measuring import machine_facts, middle, write_results

if TYPE_CHECKING:
    from domainlm.model.config import ModelConfig
    from domainlm.parallel.device import Device
    from domainlm.plan.work import Precision, Work
    from domainlm.train.pretraining import PretrainingBatch

_PACKAGES = ("domainlm", "torch", "numpy")
_SIZES = ("biomegatron/110m", "biomegatron/345m", "biomegatron/800m", "biomegatron/1.2b")
_NUM_FIRST_STEPS = 5
_RATE = 1e-4
_MEMORY_SHARE = 0.8
_LARGEST_MICRO_BATCH = 256


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured of one size.

    Attributes:
        size: its name.
        precision: as `runtime.precision` of a recipe.
        dropout: of hidden states and attention.
        num_parameters: heads of pretraining included.
        micro_batch: sequences at once.
        num_micro_batches: of a step.
        seconds_per_step: median, lowest, highest.
        seconds_of_first_step: compilation included.
        tokens_per_second: at the median.
        operations_per_second: at the median.
        usual_operations_per_second: the same where a token counts as 6 N + 12 L s h operations.
        peak_gigabytes: most memory that torch had allocated.
        planned_gigabytes: what `domainlm plan` says.
    """

    size: str
    precision: str
    dropout: float
    num_parameters: int
    micro_batch: int
    num_micro_batches: int
    seconds_per_step: dict[str, float]
    seconds_of_first_step: float
    tokens_per_second: float
    operations_per_second: float
    usual_operations_per_second: float
    peak_gigabytes: float
    planned_gigabytes: float


def work_of(
    config: ModelConfig, micro_batch: int, max_tokens: int, precision: Precision = "bf16", num_micro_batches: int = 1
) -> Work:
    """The step as `domainlm plan` sees it."""
    from domainlm.plan.work import Work

    return Work(
        config=config,
        max_tokens=max_tokens,
        num_sequences_per_step=micro_batch * num_micro_batches,
        num_sequences_per_micro_batch=micro_batch,
        precision=precision,
    )


def largest_micro_batch(config: ModelConfig, max_tokens: int, memory_bytes: float) -> int:
    """The largest power of two that fits into memory by the plan; 1 where none does."""
    from domainlm.plan.memory import fullest
    from domainlm.plan.work import Degrees

    size = _LARGEST_MICRO_BATCH
    while size > 1 and fullest(work_of(config, size, max_tokens), Degrees()).total > _MEMORY_SHARE * memory_bytes:
        size //= 2
    return size


def random_batch(config: ModelConfig, micro_batch: int, max_tokens: int) -> PretrainingBatch:
    """Full rows of random sub-tokens, as many masked as `domainlm plan` counts."""
    import torch

    from domainlm.train.pretraining import PretrainingBatch

    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(5, config.vocabulary_size, (micro_batch, max_tokens), generator=generator)
    num_masked = work_of(config, micro_batch, max_tokens).num_masked_per_micro_batch
    places = torch.arange(tokens.numel())[torch.arange(tokens.numel()) % max_tokens > 0]  # the first is a special one
    masked = places[torch.randperm(len(places), generator=generator)[:num_masked]].sort().values
    return PretrainingBatch(
        tokens=tokens,
        token_types=torch.zeros_like(tokens),
        lengths=torch.full((micro_batch,), max_tokens),
        masked_positions=masked,
        masked_labels=tokens.flatten()[masked],
        is_swapped=tokens[:, 1] % 2,
        num_tokens=tokens.numel(),
    )


def usual_operations(config: ModelConfig, num_parameters: int, max_tokens: int) -> int:
    """Operations of a token as most count them: Chowdhery et al. (2022), appendix B."""
    return 6 * num_parameters + 12 * config.layers * max_tokens * config.hidden


def measure(
    name: str,
    config: ModelConfig,
    device: Device,
    *,
    micro_batch: int,
    max_tokens: int,
    steps: int,
    num_micro_batches: int = 1,
) -> Speed:
    """Train for some steps, as `domainlm run` does in one process: transfers and the wait for the loss included."""
    import torch
    from step_workers import build_worker

    from domainlm.plan.memory import fullest
    from domainlm.plan.operations import step_operations
    from domainlm.plan.parameters import num_parameters
    from domainlm.plan.work import Degrees
    from domainlm.recipe.parallel_settings import ParallelSettings
    from domainlm.recipe.pretraining_settings import PretrainingSettings
    from domainlm.train.grid import needs_grid_worker

    phase = PretrainingSettings(
        num_steps=1,
        num_sequences_per_step=micro_batch * num_micro_batches,
        num_sequences_per_micro_batch=micro_batch,
        max_tokens=max_tokens,
    )
    parallel = ParallelSettings()
    work = work_of(config, micro_batch, max_tokens, device.precision, num_micro_batches)
    on_grid = needs_grid_worker(device, parallel)
    worker = build_worker(config, phase, parallel, device, on_grid=on_grid, pairs=True)
    batch = random_batch(config, micro_batch, max_tokens)
    is_gpu = device.torch_device.type == "cuda"
    if is_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for step in range(_NUM_FIRST_STEPS + steps):
        started = time.perf_counter()
        worker.gradients(step, [batch] * num_micro_batches)
        worker.update(_RATE)
        if is_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    took = middle(seconds[_NUM_FIRST_STEPS:])
    parameters = num_parameters(config, sentence_order=True)
    tokens_per_second = micro_batch * num_micro_batches * max_tokens / took["median"]
    return Speed(
        size=name,
        precision=device.precision,
        dropout=config.dropout,
        num_parameters=parameters,
        micro_batch=micro_batch,
        num_micro_batches=num_micro_batches,
        seconds_per_step=took,
        seconds_of_first_step=seconds[0],
        tokens_per_second=tokens_per_second,
        operations_per_second=step_operations(work) / took["median"],
        usual_operations_per_second=usual_operations(config, parameters, max_tokens) * tokens_per_second,
        peak_gigabytes=(torch.cuda.max_memory_allocated() if is_gpu else 0) / 1e9,
        planned_gigabytes=fullest(work, Degrees()).total / 1e9,
    )


def measure_what_fits(measure_with: Callable[..., Speed], micro_batch: int) -> Speed:
    """Measure; where the device runs out of memory, with half the micro-batch, and so on."""
    import torch

    try:
        return measure_with(micro_batch=micro_batch)
    except torch.OutOfMemoryError:
        if micro_batch == 1:
            raise
    torch.cuda.empty_cache()
    return measure_what_fits(measure_with, micro_batch // 2)


def shape_of(name: str, vocabulary: int, dropout: float) -> ModelConfig:
    """The shape of a declared size."""
    from domainlm.model.config import ModelConfig
    from domainlm.plugin import load_plugins

    spec = load_plugins().registry.model_size(name, where="--sizes")
    return ModelConfig.from_spec(spec, vocabulary_size=vocabulary, vocabulary_multiple=64, dropout=dropout)


def device_of(arguments: argparse.Namespace, precision: str) -> Device:
    """The GPU, as a recipe's [runtime] would have it."""
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.train.runtime import open_device

    compiles = {"auto": "auto", "true": True, "false": False}[arguments.compile]
    values = {"device": "cuda", "precision": precision, "compile": compiles}
    values |= {"deterministic": not arguments.allow_varying_bytes}
    return open_device(RuntimeSettings.model_validate(values), pretrains=True)


def measure_all(arguments: argparse.Namespace, settings: Sequence[tuple[str, ModelConfig, Device]]) -> Iterator[Speed]:
    """Measure one size after the other, in each precision and with each dropout."""
    import torch

    memory = torch.cuda.mem_get_info()[1]
    for size, config, device in settings:
        micro_batch = arguments.micro_batch or largest_micro_batch(config, arguments.max_tokens, memory)
        measured = partial(
            measure,
            size,
            config,
            device,
            num_micro_batches=arguments.micro_batches,
            max_tokens=arguments.max_tokens,
            steps=arguments.steps,
        )
        yield measure_what_fits(measured, micro_batch)
        torch.cuda.empty_cache()


def keep(speeds: Iterable[Speed], content: dict[str, Any]) -> Path:
    """Write all that is measured so far after each size: a time limit may end the next one. Returns the report."""
    path: Path | None = None
    content["rows"] = []
    for found in speeds:
        content["rows"].append(asdict(found))
        path = write_results("gpu", content, report(content), replaced=path)
        peak = content["peak_operations_per_second"]
        print(
            f"{found.size}, {found.precision}, dropout {found.dropout:g}: {found.tokens_per_second:,.0f} tokens/s, "
            f"MFU {found.operations_per_second / peak:.1%} "
            f"({found.usual_operations_per_second / peak:.1%} by 6 N + 12 L s h)",
            file=sys.stderr,
        )
    assert path is not None, "there is a size at least"
    return path


def main() -> None:
    """Measure every size, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=list(_SIZES), help="model-size specs")
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--micro-batch", type=int, help="sequences at once; what fits where not given")
    parser.add_argument("--micro-batches", type=int, default=1, help="of a step")
    parser.add_argument("--vocabulary", type=int, default=30_522)
    parser.add_argument("--dropouts", type=float, nargs="+", default=[0.1])
    parser.add_argument("--precisions", nargs="+", choices=("fp32", "bf16", "bf16_weights", "fp16"), default=["bf16"])
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--compile", choices=("auto", "true", "false"), default="auto", help="as runtime.compile")
    parser.add_argument("--allow-varying-bytes", action="store_true", help="as runtime.deterministic = false")
    parser.add_argument("--peak", type=float, metavar="TFLOPS", help="dense bf16 peak of the device")
    arguments = parser.parse_args()
    import torch

    from domainlm.errors import UserError

    if not torch.cuda.is_available():
        parser.error("there is no CUDA device here; on a CPU run benchmarks/pretraining.py")
    name = torch.cuda.get_device_name()
    peak = arguments.peak * 1e12 if arguments.peak is not None else peak_of(name)
    if peak is None:
        parser.error(f"the peak of {name} is not known here; give it with --peak")
    try:
        devices = [device_of(arguments, precision) for precision in arguments.precisions]
        settings = [
            (size, shape_of(size, arguments.vocabulary, dropout), device)
            for size, dropout, device in product(arguments.sizes, arguments.dropouts, devices)
        ]
    except UserError as error:
        parser.error(str(error))
    content = {
        "machine": machine_facts(_PACKAGES),
        "device": name,
        "peak_operations_per_second": peak,
        "max_tokens": arguments.max_tokens,
        "compiled": devices[0].compiles,
        "deterministic": devices[0].is_deterministic,
    }
    path = keep(measure_all(arguments, settings), content)
    print(path.read_text(encoding="utf-8"))
    print(path)


if __name__ == "__main__":
    main()
