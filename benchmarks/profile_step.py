"""Where the time of a pretraining step goes, part by part, by torch's profiler.

    python benchmarks/profile_step.py --write            # 22m with 32 x 128 and 8 x 512, 110m with 16 x 128, bf16
    python benchmarks/profile_step.py --shapes 110m:16x128 --precision bf16_weights

The step is the one of `domainlm run` in one process: forward, backward, gradient norm, AdamW, on full rows of random
sub-tokens. Every shape runs in a process of its own. First some steps are timed without the profiler: they give tokens
and operations per second (operations of the mathematics alone, as `domainlm plan` counts them), as a share of the peak
of large matrix products in the same process. Then as many are profiled; the shares are of those, which take somewhat
longer. What no kernel accounts for counts as Python and dispatch. Needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from measuring import RESULTS, free_stem, machine_facts, middle, run_facts, write_results

_PACKAGES = ("domainlm", "torch", "numpy")
_SHAPES = ("22m:32x128", "22m:8x512", "110m:16x128")
_NUM_FIRST_STEPS = 3
_STEP = "benchmark step"
_PARTS_BY_SCOPE = {
    "_PlainAttention": "attention",
    "_scaled_dot_product": "attention",
    "_DecoderLoss": "vocabulary head and loss",
    "_CpuDropout": "dropout outside attention",
    "Optimizer.": "gradient norm and AdamW",
    "_Gather": "masked rows taken and put back",
    "_Spread": "masked rows taken and put back",
    "aten::embedding": "embedding",
    "EmbeddingBackward": "embedding",
}
"""By the beginning of the name of an autograd function or scope that the kernel runs within; these come first."""
_PARTS_BY_KERNEL = {
    "aten::mm": "matrix products of the layers",
    "aten::addmm": "matrix products of the layers",
    "aten::gelu": "GELU",
    "aten::native_layer_norm": "normalisation",
    "aten::linalg_vector_norm": "gradient norm and AdamW",
    "aten::_foreach": "gradient norm and AdamW",
    "aten::sum": "gradients of biases",
    "aten::copy_": "casts and copies",
    "aten::cat": "casts and copies",
    "aten::fill_": "casts and copies",
    "aten::add": "sums of residuals and gradients",
}
"""By the beginning of the kernel's own name."""
_REST = "Python and dispatch"


def part_of(names: Iterable[str]) -> str:
    """The part that a kernel belongs to, from its name and those of what it runs within, innermost first."""
    chain = [name.rpartition(": ")[2] for name in names]
    for name in chain:
        for start, part in _PARTS_BY_SCOPE.items():
            if name.startswith(start):
                return part
    return next((part for start, part in _PARTS_BY_KERNEL.items() if chain[0].startswith(start)), _REST)


def seconds_of_parts(events: Iterable[Any]) -> Counter[str]:
    """Seconds that each part took by itself, in all steps."""
    seconds: Counter[str] = Counter()
    for event in events:
        names, outer = [], event
        while outer is not None:
            names.append(outer.name)
            outer = outer.cpu_parent
        if _STEP in names:
            seconds[part_of(names)] += event.self_cpu_time_total / 1e6
    return seconds


def run_shape(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time and profile one shape in this process."""
    import torch
    from step_workers import Shape, make_worker, product_peak, take_step
    from torch.profiler import ProfilerActivity, profile, record_function

    torch.set_num_threads(arguments.threads)
    shape = Shape.of(arguments.run)
    worker, num_steps = make_worker(shape, arguments.precision), arguments.steps
    batches = list(shape.batches(_NUM_FIRST_STEPS + num_steps))
    timed = [take_step(worker, step, batch)[0] for step, batch in enumerate(batches)][_NUM_FIRST_STEPS:]
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for step, batch in enumerate(batches[_NUM_FIRST_STEPS:]):
            with record_function(_STEP):
                take_step(worker, step, batch)
    parts = seconds_of_parts(profiler.events())
    return {
        "seconds_per_step": middle(timed),
        "profiled_seconds_per_step": parts.total() / num_steps,
        "tokens": shape.num_rows * shape.max_tokens,
        "operations": shape.operations,
        "peak_operations_per_second": product_peak(torch.float32 if arguments.precision == "fp32" else torch.bfloat16),
        "seconds_of_parts": {part: total / num_steps for part, total in parts.most_common()},
    }


def speed_of(found: dict[str, Any]) -> tuple[float, float, float]:
    """Tokens per second, operations per second, and these as a share of the peak."""
    seconds = found["seconds_per_step"]["median"]
    speed = found["operations"] / seconds
    return found["tokens"] / seconds, speed, speed / found["peak_operations_per_second"]


def report(content: dict[str, Any]) -> str:
    """The page for people."""
    shapes, machine = content["shapes"], content["machine"]
    lines = [
        f"# Where the time of a step goes, {machine['date']}",
        "",
        f"{content['precision']}, dropout 0.1, {content['threads']} threads,",
        f"{content['steps']} steps timed and as many profiled.",
        f"{machine['cores']} cores of {machine['cpu']}; load {machine['load_at_start']} before the first run.",
        content["note"],
        f"Python {machine['python']}, {', '.join(f'{name} {found}' for name, found in machine['packages'].items())}.",
        "`benchmarks/profile_step.py` says what is counted how.",
        "",
        f"| | {' | '.join(shapes)} |",
        f"|---|{'---:|' * len(shapes)}",
    ]
    speeds = [speed_of(found) for found in shapes.values()]
    peaks = [f"{found['peak_operations_per_second'] / 1e9:,.0f}" for found in shapes.values()]
    lines += [
        _row("seconds of a step, median", [f"{found['seconds_per_step']['median']:.3f}" for found in shapes.values()]),
        _row("the same, profiled", [f"{found['profiled_seconds_per_step']:.3f}" for found in shapes.values()]),
        _row("tokens a second", [f"{tokens:,.0f}" for tokens, _, _ in speeds]),
        _row("useful GFLOP/s", [f"{speed / 1e9:,.0f}" for _, speed, _ in speeds]),
        _row("peak of products, GFLOP/s", peaks),
        _row("of the peak", [f"{share:.0%}" for _, _, share in speeds]),
    ]
    for part in _parts(shapes):
        lines.append(_row(part, [f"{_share(found, part):.1%}" for found in shapes.values()]))
    return "\n".join([*lines, "", f"![shares of the time]({content['plot']})", ""])


def _row(name: str, cells: list[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


def _parts(shapes: dict[str, Any]) -> list[str]:
    """All parts, those of the first shape by their time."""
    return list(dict.fromkeys(part for found in shapes.values() for part in found["seconds_of_parts"]))


def _share(found: dict[str, Any], part: str) -> float:
    return float(found["seconds_of_parts"].get(part, 0.0) / found["profiled_seconds_per_step"])


def plot(shapes: dict[str, Any], path: Path) -> None:
    """A bar for each part and shape."""
    from matplotlib.figure import Figure

    parts = _parts(shapes)
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(shapes)
    for number, (name, found) in enumerate(shapes.items()):
        places = [place + number * height for place in range(len(parts))]
        bars = axes.barh(places, [100 * _share(found, part) for part in parts], height, label=name)
        axes.bar_label(bars, fmt="%.1f", padding=2, fontsize=8)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(parts))], parts)
    axes.invert_yaxis()
    axes.set_xlabel("% of the time of a step")
    axes.margins(x=0.08)
    axes.legend(loc="lower right")
    figure.savefig(path)


def main() -> None:
    """Profile all shapes, or, as a child, one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=list(_SHAPES), metavar="SIZE:ROWSxTOKENS")
    parser.add_argument("--precision", choices=("fp32", "bf16", "bf16_weights"), default="bf16")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--note", default="", help="what readers of the figures should know")
    parser.add_argument("--write", action="store_true", help="keep the results below benchmarks/results")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run is not None:
        print(json.dumps(run_shape(arguments)))
        return
    shared = ["--precision", arguments.precision, "--steps", str(arguments.steps), "--threads", str(arguments.threads)]
    content: dict[str, Any] = {"machine": machine_facts(_PACKAGES), "shapes": {}}
    content |= {name: getattr(arguments, name) for name in ("precision", "threads", "steps", "note")}
    for shape in arguments.shapes:
        content["shapes"][shape] = run_facts(Path(__file__), shape, shared)[0]
        print(f"{shape} done", file=sys.stderr)
    content["plot"] = f"{free_stem('profile-step', content['machine'])}.svg"
    print(report(content))
    if arguments.write:
        plot(content["shapes"], RESULTS / content["plot"])
        print(write_results("profile-step", content, report(content)))


if __name__ == "__main__":
    main()
