"""Training speed on one GPU: tokens per second and model FLOP utilisation (MFU) of 110m, 345m, 800m and 1.2b at 512.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --sizes biomegatron/345m --micro-batch 64 --compile

A step is forward, backward, clipping and AdamW over full rows of random sub-tokens, 15 % masked, in bf16 with fp32
weights (autocast). MFU is the operations of the mathematics, nothing recomputed counted and the head on masked
positions alone (`domainlm plan`), over the time and over the dense bf16 peak of the device, which is looked up by its
name (NVIDIA's data sheets, without sparsity) or given with --peak. The micro-batch is the largest power of two that
`domainlm plan` fits into the device's memory, halved while the device says that it does not fit. For transformers on
the same device: `benchmarks/pretraining.py --device cuda`.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from measuring import machine_facts, middle, write_results

if TYPE_CHECKING:
    from domainlm.model.config import ModelConfig
    from domainlm.parallel.device import Device
    from domainlm.plan.work import Work

_PACKAGES = ("domainlm", "torch", "numpy")
_SIZES = ("biomegatron/110m", "biomegatron/345m", "biomegatron/800m", "biomegatron/1.2b")
_NUM_FIRST_STEPS = 5
_MEMORY_SHARE = 0.8
_LARGEST_MICRO_BATCH = 256
PEAKS = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "H200": 989e12,
    "GH200": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
}
"""Dense bf16 operations per second by a part of the device's name; the first that matches counts."""


@dataclass(frozen=True, slots=True)
class Speed:
    """What was measured of one size.

    Attributes:
        size: its name.
        num_parameters: heads of pretraining included.
        micro_batch: sequences of a step.
        seconds_per_step: median, lowest, highest.
        tokens_per_second: at the median.
        operations_per_second: at the median.
        peak_gigabytes: most memory that torch had allocated.
        planned_gigabytes: what `domainlm plan` says.
    """

    size: str
    num_parameters: int
    micro_batch: int
    seconds_per_step: dict[str, float]
    tokens_per_second: float
    operations_per_second: float
    peak_gigabytes: float
    planned_gigabytes: float


def peak_of(device_name: str) -> float | None:
    """Dense bf16 operations per second; None where the device is not known."""
    return next((peak for name, peak in PEAKS.items() if name in device_name), None)


def work_of(config: ModelConfig, micro_batch: int, max_tokens: int) -> Work:
    """The step as `domainlm plan` sees it."""
    from domainlm.plan.work import Work

    return Work(
        config=config,
        max_tokens=max_tokens,
        num_sequences_per_step=micro_batch,
        num_sequences_per_micro_batch=micro_batch,
        precision="bf16",
    )


def largest_micro_batch(config: ModelConfig, max_tokens: int, memory_bytes: float) -> int:
    """The largest power of two that fits into memory by the plan; 1 where none does."""
    from domainlm.plan.memory import fullest
    from domainlm.plan.work import Degrees

    size = _LARGEST_MICRO_BATCH
    while size > 1 and fullest(work_of(config, size, max_tokens), Degrees()).total > _MEMORY_SHARE * memory_bytes:
        size //= 2
    return size


def measure(
    name: str, config: ModelConfig, device: Device, *, micro_batch: int, max_tokens: int, steps: int, compiled: bool
) -> Speed:
    """Train for some steps."""
    import torch

    from domainlm.model.initialise import initialise
    from domainlm.model.pretraining import PretrainingModel
    from domainlm.plan.memory import fullest
    from domainlm.plan.operations import step_operations
    from domainlm.plan.parameters import num_parameters
    from domainlm.plan.work import Degrees
    from domainlm.recipe.optimizer_settings import OptimizerSettings
    from domainlm.train.optimizer import build_optimizer

    torch.manual_seed(0)
    model = PretrainingModel(config, sentence_order=True)
    initialise(model, 0)
    model.to(device.torch_device).train()
    if compiled:
        model.encoder.compile()
    optimizer = build_optimizer(model, OptimizerSettings())
    work = work_of(config, micro_batch, max_tokens)
    tokens = torch.randint(5, config.vocabulary_size, (micro_batch, max_tokens), device=device.torch_device)
    types, lengths = torch.zeros_like(tokens), torch.full((micro_batch,), max_tokens, device=device.torch_device)
    masked = torch.randperm(tokens.numel(), device=device.torch_device)[: work.num_masked_per_micro_batch].sort().values
    labels, orders = tokens.flatten()[masked], tokens[:, 1] % 2
    is_gpu = device.torch_device.type == "cuda"
    if is_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(_NUM_FIRST_STEPS + steps):
        started = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        with device.autocast():
            words, pairs = model.losses(model.encoder(tokens, types, lengths), masked, labels, orders)
        assert pairs is not None
        torch.autograd.backward(words / len(labels) + pairs / micro_batch)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if is_gpu:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    step = middle(seconds[_NUM_FIRST_STEPS:])
    return Speed(
        size=name,
        num_parameters=num_parameters(config, sentence_order=True),
        micro_batch=micro_batch,
        seconds_per_step=step,
        tokens_per_second=micro_batch * max_tokens / step["median"],
        operations_per_second=step_operations(work) / step["median"],
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


def report(content: dict[str, Any]) -> str:
    """A table for people."""
    machine, peak = content["machine"], content["peak_operations_per_second"]
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    lines = [
        f"# Training on one GPU, {machine['date']}",
        "",
        f"{content['device']}, dense bf16 peak {peak / 1e12:,.0f} TFLOP/s; sequences of {content['max_tokens']}, bf16",
        f"autocast, dropout {content['dropout']}, {'compiled' if content['compiled'] else 'not compiled'}.",
        f"Python {machine['python']}, {packages}.",
        "",
        "| size | parameters, M | micro-batch | ms a step | tokens/s | TFLOP/s | MFU | memory, GB | plan says, GB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['size']} | {row['num_parameters'] / 1e6:,.0f} | {row['micro_batch']} "
        f"| {row['seconds_per_step']['median'] * 1e3:,.1f} | {row['tokens_per_second']:,.0f} "
        f"| {row['operations_per_second'] / 1e12:,.1f} | {row['operations_per_second'] / peak:.1%} "
        f"| {row['peak_gigabytes']:.1f} | {row['planned_gigabytes']:.1f} |"
        for row in content["rows"]
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure every size, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=list(_SIZES), help="model-size specs")
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--micro-batch", type=int, help="sequences of a step; what fits where not given")
    parser.add_argument("--vocabulary", type=int, default=30_522)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--compile", dest="compiled", action="store_true", help="the encoder by torch.compile")
    parser.add_argument("--peak", type=float, metavar="TFLOPS", help="dense bf16 peak of the device")
    arguments = parser.parse_args()
    import torch

    from domainlm.errors import UserError
    from domainlm.parallel.device import choose_device

    if not torch.cuda.is_available():
        parser.error("there is no CUDA device here; on a CPU run benchmarks/pretraining.py")
    name = torch.cuda.get_device_name()
    peak = arguments.peak * 1e12 if arguments.peak is not None else peak_of(name)
    if peak is None:
        parser.error(f"the peak of {name} is not known here; give it with --peak")
    try:
        device = choose_device("cuda", "bf16")
        shapes = {size: shape_of(size, arguments.vocabulary, arguments.dropout) for size in arguments.sizes}
    except UserError as error:
        parser.error(str(error))
    memory = torch.cuda.mem_get_info()[1]
    rows = []
    for size, config in shapes.items():
        micro_batch = arguments.micro_batch or largest_micro_batch(config, arguments.max_tokens, memory)
        found = measure_what_fits(
            partial(
                measure,
                size,
                config,
                device,
                max_tokens=arguments.max_tokens,
                steps=arguments.steps,
                compiled=arguments.compiled,
            ),
            micro_batch,
        )
        torch.cuda.empty_cache()
        rows.append(asdict(found))
        print(
            f"{size}: {found.tokens_per_second:,.0f} tokens/s, MFU {found.operations_per_second / peak:.1%}",
            file=sys.stderr,
        )
    content = {
        "machine": machine_facts(_PACKAGES),
        "device": name,
        "peak_operations_per_second": peak,
        "max_tokens": arguments.max_tokens,
        "dropout": arguments.dropout,
        "compiled": arguments.compiled,
        "rows": rows,
    }
    text = report(content)
    print(text)
    print(write_results("gpu", content, text))


if __name__ == "__main__":
    main()
