"""What might make a pretraining step faster, side by side: number formats of the weights, allocators, torch.compile.

    python benchmarks/step_variants.py --write                                    # 22m and 110m, all that needs nothing
    python benchmarks/step_variants.py --allocators /usr/lib/libjemalloc.so.2     # by LD_PRELOAD, as many as given

The step is that of benchmarks/profile_step.py. Variants, each a process of its own, in turns:

- `bf16`: autocast, fp32 weights; as the others but for what they are named after.
- `bf16_weights`: weights in bf16, fp32 copies in the optimizer.
- `glibc as it comes`: without what `domainlm.parallel.device` asks of glibc's malloc.
- the name of each library of `--allocators`.
- `compiled`: the encoder by torch.compile, whose first step is timed apart. It needs a C++ compiler.

Needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

from bars import Panel
from measuring import machine_facts, middle, run_facts, write_results

_PACKAGES = ("domainlm", "torch", "numpy")
_SHAPES = ("22m:32x128", "110m:16x128")
_VARIANTS = ("bf16", "bf16_weights", "glibc as it comes", "compiled")
_NUM_FIRST_STEPS = 3
_HEADER = (
    "shape",
    "variant",
    "seconds of a step",
    "lowest to highest",
    "tokens/s",
    "of bf16's",
    "first step, s",
    "peak, MB",
    "last loss",
)
_LEAVES_GLIBC_ALONE = "MALLOC_ARENA_TEST"
"""Any variable of glibc's keeps domainlm from choosing; this one, at its default, changes nothing itself."""


def run_variant(arguments: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the steps of one variant in this process."""
    import torch
    from step_workers import Shape, make_worker, take_step

    torch.set_num_threads(arguments.threads)
    shape = Shape.of(arguments.shapes[0])
    worker = make_worker(shape, "bf16_weights" if arguments.run == "bf16_weights" else "bf16")
    if arguments.run == "compiled":
        worker.module.encoder.compile(dynamic=False)
    batches = shape.batches(_NUM_FIRST_STEPS + arguments.steps)
    found = [take_step(worker, step, batch) for step, batch in enumerate(batches)]
    seconds, losses = zip(*found, strict=True)
    return {
        "first_seconds": seconds[0],
        "seconds": seconds[_NUM_FIRST_STEPS:],
        "losses": losses,
        "tokens": shape.num_rows * shape.max_tokens,
    }


@contextmanager
def environment_of(variant: str, allocators: list[Path]) -> Iterator[None]:
    """The variables that a variant starts with."""
    before = dict(os.environ)
    library = next((path for path in allocators if path.name == variant), None)
    if library is not None:
        os.environ["LD_PRELOAD"] = str(library)
    elif variant == "glibc as it comes":
        os.environ[_LEAVES_GLIBC_ALONE] = "8"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def row_of(runs: list[tuple[dict[str, Any], int]]) -> dict[str, Any]:
    """All turns of one variant."""
    facts = runs[0][0]
    return {
        "seconds_per_step": middle([statistics.median(each["seconds"]) for each, _ in runs]),
        "tokens_per_second": facts["tokens"] / statistics.median(one for each, _ in runs for one in each["seconds"]),
        "first_seconds": statistics.median(each["first_seconds"] for each, _ in runs),
        "last_loss": facts["losses"][-1],
        "peak_megabytes": max(peak for _, peak in runs) / 1e6,
    }


def report(content: dict[str, Any]) -> str:
    """The page for people."""
    machine = content["machine"]
    lines = [
        f"# Variants of a pretraining step, {machine['date']}",
        "",
        f"Dropout 0.1, {content['threads']} threads, {content['turns']} turns of {content['steps']} steps.",
        f"{machine['cores']} cores of {machine['cpu']}; load {machine['load_at_start']} before the first run.",
        content["note"],
        f"Python {machine['python']}, {', '.join(f'{name} {found}' for name, found in machine['packages'].items())}.",
        "`benchmarks/step_variants.py` says what the variants are. Lowest and highest are of the turns' medians.",
        "",
        f"| {' | '.join(_HEADER)} |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for shape, rows in content["rows"].items():
        for variant, row in rows.items():
            step = row["seconds_per_step"]
            times = row["tokens_per_second"] / rows[_VARIANTS[0]]["tokens_per_second"]
            lines.append(
                f"| {shape} | {variant} | {step['median']:.3f} | {step['lowest']:.3f} to {step['highest']:.3f} "
                f"| {row['tokens_per_second']:,.0f} | {times:.2f}x | {row['first_seconds']:.1f} "
                f"| {row['peak_megabytes']:,.0f} | {row['last_loss']:.4f} |"
            )
    return "\n".join([*lines, ""])


def panels(content: dict[str, Any]) -> list[Panel]:
    """Seconds of a step of each shape."""
    return [
        Panel(shape, "seconds of a step", {variant: row["seconds_per_step"] for variant, row in rows.items()})
        for shape, rows in content["rows"].items()
    ]


def compare(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all variants in turns."""
    variants = [*arguments.variants, *(path.name for path in arguments.allocators)]
    content: dict[str, Any] = {"machine": machine_facts(_PACKAGES), "rows": {}}
    content |= {name: getattr(arguments, name) for name in ("threads", "steps", "turns", "note")}
    for shape in arguments.shapes:
        runs: dict[str, list[tuple[dict[str, Any], int]]] = {variant: [] for variant in variants}
        settings = ["--shapes", shape, "--steps", str(arguments.steps), "--threads", str(arguments.threads)]
        for turn, variant in product(range(arguments.turns), variants):
            with environment_of(variant, arguments.allocators):
                runs[variant].append(run_facts(Path(__file__), variant, settings))
            print(f"{shape}, turn {turn + 1}: {variant} done", file=sys.stderr)
        content["rows"][shape] = {variant: row_of(found) for variant, found in runs.items()}
    return content


def main() -> None:
    """Compare all, or, as a child, run one variant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=list(_SHAPES), metavar="SIZE:ROWSxTOKENS")
    parser.add_argument("--variants", nargs="+", choices=_VARIANTS, default=list(_VARIANTS))
    parser.add_argument("--allocators", nargs="*", type=Path, default=[], help="libraries to preload")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--name", default="step-variants", help="of the results")
    parser.add_argument("--note", default="", help="what readers of the figures should know")
    parser.add_argument("--write", action="store_true", help="keep the results below benchmarks/results")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run is not None:
        print(json.dumps(run_variant(arguments)))
        return
    content = compare(arguments)
    page = report(content)
    print(page)
    if arguments.write:
        print(write_results(arguments.name, content, page, panels(content)))


if __name__ == "__main__":
    main()
