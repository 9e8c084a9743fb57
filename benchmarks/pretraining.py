"""A training step of masked-language-model pretraining, side by side: domainlm and transformers' BertForMaskedLM.

    python benchmarks/pretraining.py                                    # 22m and 110m at 128 and 512, random sub-tokens
    python benchmarks/pretraining.py --text a.txt.gz --vocabulary vocab.txt        # lines of a real text as sequences
    python benchmarks/pretraining.py --curve 300 --sizes 22m --lengths 128         # losses of both, on the same batches

Every contender starts from the same weights, reads the same sequences with the same masks and takes the same steps of
AdamW (fused, gradients clipped at 1): the same model, precision and mathematics. That their losses agree is checked
first, without dropout. Contenders:

- `domainlm`: a row for each sequence.
- `domainlm-packed`: of a real text, several sequences in a row, attention kept within each.
- `transformers-sdpa`, `transformers-eager`: rows padded to the longest, attention by scaled_dot_product_attention or in
  plain products.

Every run is a process of its own, the contenders take turns, and the tables give medians over all turns. Tokens are
real ones, padding not counted. Operations are those of the mathematics with the head on masked positions alone
(`domainlm plan`), whatever a contender computes besides; the peak is that of large matrix products in the same
precision, measured in turns with the rest. transformers is needed: `pip install -c constraints.txt --group benchmarks`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from bert_batches import random_steps, text_steps
from measuring import RESULTS, free_stem, machine_facts, middle, run_facts, write_results
from pretraining_report import plot, plot_curves, report

_PACKAGES = ("domainlm", "torch", "transformers", "numpy")
_CONTENDERS = ("domainlm", "domainlm-packed", "transformers-sdpa", "transformers-eager")
_PRODUCTS = "products"
_TOKENS_PER_STEP = 4096
_NUM_FIRST_STEPS = 2
_LOSS_TOLERANCE = 1e-3
_WIDTHS = (2048, 4096)
Runner = Callable[[str, list[str]], tuple[dict[str, Any], int]]


def run_steps(contender: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train for some steps; seconds of each but the first ones, tokens, losses and memory."""
    import torch
    from bert_steps import SIZES, build, shape_of

    from domainlm.plan.operations import step_operations
    from domainlm.plan.work import Work

    torch.set_num_threads(arguments.threads)
    size, length = SIZES[arguments.size], arguments.length
    num_rows = max(1, arguments.tokens // length)
    num_steps = _NUM_FIRST_STEPS + arguments.steps
    before = _resident_bytes()
    if arguments.device != "cpu" and torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    trained = build(contender, size, arguments.precision, arguments.dropout, length, kind=arguments.device)
    if arguments.text is None:
        steps = random_steps(num_steps, num_rows, length)
    else:
        steps = text_steps(arguments.text, arguments.vocabulary, num_steps, num_rows, length)
    seconds, losses, num_tokens, num_slots, operations = [], [], 0, 0, 0
    for step, sequences in enumerate(steps):
        torch.manual_seed(step)
        rows = trained.lay_out(sequences)
        started = time.perf_counter()
        loss = trained.step(rows)
        losses.append(float(loss))  # waits for the device
        if step < _NUM_FIRST_STEPS:
            continue
        seconds.append(time.perf_counter() - started)
        num_tokens += rows.num_tokens
        num_slots += rows.tokens.size
        for sequence in sequences:  # each attends to itself alone
            work = Work(
                config=shape_of(size, 0.0, length),
                max_tokens=len(sequence.tokens),
                num_sequences_per_step=1,
                masked_share=len(sequence.masked) / len(sequence.tokens),
            )
            operations += step_operations(work)
    return {
        "seconds": seconds,
        "tokens": num_tokens,
        "slots": num_slots,
        "operations": operations,
        "losses": losses,
        "training_megabytes": _device_megabytes(arguments.device, before),
    }


def gpu_facts(device: str) -> dict[str, str]:
    """The name of the GPU, where one is measured."""
    import torch

    return {} if device == "cpu" else {"gpu": torch.cuda.get_device_name()}


def _resident_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def _device_megabytes(device: str, before: int) -> float:
    """Peak memory of model, optimizer and steps: on the GPU as torch counts it, else above what was there before."""
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before) / 1e6


def run_products(arguments: argparse.Namespace) -> dict[str, Any]:
    """Operations per second of large square matrix products, the best of a few."""
    import torch

    from domainlm.parallel.device import choose_device

    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device, arguments.precision)
    dtype = torch.float32 if arguments.precision == "fp32" else torch.bfloat16
    best = 0.0
    for width in _WIDTHS:
        left = torch.ones(width, width, dtype=dtype, device=device.torch_device)
        for _ in range(5):
            started = time.perf_counter()
            float((left @ left)[0, 0])
            best = max(best, 2 * width**3 / (time.perf_counter() - started))
    return {"operations_per_second": best}


def row_of(runs: list[tuple[dict[str, Any], int]], peak: float, names: dict[str, Any]) -> dict[str, Any]:
    """All turns of one contender in one setting."""
    seconds = [each for facts, _ in runs for each in facts["seconds"]]
    facts = runs[0][0]
    per_step = len(facts["seconds"])
    step = middle(seconds)
    speed = facts["operations"] / per_step / step["median"]
    return {
        **names,
        "seconds_per_step": step,
        "tokens_per_second": middle([each["tokens"] / sum(each["seconds"]) for each, _ in runs]),
        "real_share_of_slots": facts["tokens"] / facts["slots"],
        "operations_per_second": speed,
        "share_of_peak": speed / peak,
        "peak_operations_per_second": peak,
        "peak_megabytes": max(peak_bytes for _, peak_bytes in runs) / 1e6,
        "training_megabytes": max(each["training_megabytes"] for each, _ in runs),
    }


def run_here(contender: str, settings: list[str]) -> tuple[dict[str, Any], int]:
    """As `run_facts`, in this process; how much memory it takes is not known then, but for a GPU's."""
    arguments = make_parser().parse_args(["--run", contender, *settings])
    found = run_products(arguments) if contender == _PRODUCTS else run_steps(contender, arguments)
    return found, 0


def check_losses(
    size: str, length: int, contenders: list[str], options: list[str], run: Runner
) -> dict[str, list[float]]:
    """Losses of the first steps without dropout; ends the benchmark where they differ."""
    found = {}
    for name in contenders:
        settings = ["--size", size, "--length", str(length), "--dropout", "0", "--steps", "1", *options]
        found[name] = run(name, settings)[0]["losses"]
    reference = found[contenders[-1]]
    for name, losses in found.items():
        for step, (ours, theirs) in enumerate(zip(losses, reference, strict=True)):
            if abs(ours - theirs) > _LOSS_TOLERANCE * abs(theirs):
                raise SystemExit(f"{name} computes something else: loss {ours} at step {step}, not {theirs}")
    return found


def compare(arguments: argparse.Namespace) -> None:
    """Check the losses, run all contenders in turns, and write the tables."""
    contenders = [name for name in arguments.contenders if arguments.text is not None or name != "domainlm-packed"]
    options = ["--precision", arguments.precision, "--device", arguments.device, "--threads", str(arguments.threads)]
    options += ["--tokens", str(arguments.tokens)]
    if arguments.text is not None:
        options += ["--text", str(arguments.text), "--vocabulary", str(arguments.vocabulary)]
    content: dict[str, Any] = {
        "machine": machine_facts(_PACKAGES) | gpu_facts(arguments.device),
        "contenders": contenders,
    }
    content["settings"] = {
        name: getattr(arguments, name)
        for name in ("precision", "device", "dropout", "tokens", "threads", "turns", "steps", "note")
    } | {"data": "Random sub-tokens" if arguments.text is None else "A real text, a line a sequence"}
    run: Runner = run_here if arguments.one_process else partial(run_facts, Path(__file__))
    rows, losses = [], {}
    for size, length in product(arguments.sizes, arguments.lengths):
        losses[f"{size}, {length}"] = check_losses(size, length, contenders, options, run)
        settings = ["--size", size, "--length", str(length), "--dropout", str(arguments.dropout), *options]
        runs: dict[str, list[tuple[dict[str, Any], int]]] = {name: [] for name in (*contenders, _PRODUCTS)}
        for turn in range(arguments.turns):
            for name, found in runs.items():
                found.append(run(name, [*settings, "--steps", str(arguments.steps)]))
                print(f"{size}, {length}, turn {turn + 1}: {name} done", file=sys.stderr)
        peak = max(facts["operations_per_second"] for facts, _ in runs[_PRODUCTS])
        rows += [row_of(runs[name], peak, {"size": size, "length": length, "contender": name}) for name in contenders]
    stem = f"pretraining{'-text' if arguments.text is not None else ''}"
    shown = f"{free_stem(stem, content['machine'])}.svg"
    content |= {"rows": rows, "losses_without_dropout": losses, "plot": shown}
    plot(rows, RESULTS / content["plot"])
    print(write_results(stem, content, report(content)))


def curves(arguments: argparse.Namespace) -> None:
    """Losses of both over some steps on the same batches, without dropout, as a plot and as JSON."""
    machine = machine_facts(_PACKAGES)
    size, length = arguments.sizes[0], arguments.lengths[0]
    settings = ["--size", size, "--length", str(length), "--dropout", "0", "--steps", str(arguments.curve)]
    settings += ["--precision", arguments.precision, "--device", arguments.device]
    settings += ["--threads", str(arguments.threads), "--tokens", str(arguments.tokens)]
    if arguments.text is not None:
        settings += ["--text", str(arguments.text), "--vocabulary", str(arguments.vocabulary)]
    names = ("domainlm", "transformers-sdpa")
    losses = {name: run_facts(Path(__file__), name, settings)[0]["losses"] for name in names}
    differences = [abs(ours - theirs) for ours, theirs in zip(*losses.values(), strict=True)]
    name = f"{free_stem('pretraining-curves', machine)}.svg"
    plot_curves(losses, RESULTS / name)
    last = " and ".join(f"{found[-1]:.4f}" for found in losses.values())
    text = (
        f"# Losses on the same batches, {machine['date']}\n\n{size}, length {length}, {arguments.precision}, "
        f"no dropout, {len(differences)} steps: the largest difference is {max(differences):.4f} nats, "
        f"the last losses are {last}.\n\n![losses]({name})\n"
    )
    print(write_results("pretraining-curves", {"machine": machine, "losses": losses}, text))


def make_parser() -> argparse.ArgumentParser:
    """Of the command line, and of what a contender's own process is told."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", choices=("22m", "110m", "345m", "tiny"), default=["22m", "110m"])
    parser.add_argument("--lengths", nargs="+", type=int, default=[128, 512])
    parser.add_argument("--contenders", nargs="+", choices=_CONTENDERS, default=list(_CONTENDERS))
    parser.add_argument("--text", type=Path, help=".txt.gz, a paragraph a line: a sequence each")
    parser.add_argument("--vocabulary", type=Path, help="vocab.txt or tokenizer.json, with --text")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--tokens", type=int, default=_TOKENS_PER_STEP, help="slots of a step")
    parser.add_argument("--steps", type=int, default=5, help="timed steps of a run")
    parser.add_argument("--turns", type=int, default=3, help="runs of each contender")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--one-process", action="store_true", help="no process for each run: where starts take longer")
    parser.add_argument("--curve", type=int, metavar="STEPS", help="losses of so many steps instead of times")
    parser.add_argument("--note", default="", help="what readers of the figures should know")
    parser.add_argument("--run", choices=(*_CONTENDERS, _PRODUCTS), help=argparse.SUPPRESS)
    parser.add_argument("--size", help=argparse.SUPPRESS)
    parser.add_argument("--length", type=int, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Compare all, or, as a child, run one contender in one setting."""
    parser = make_parser()
    arguments = parser.parse_args()
    if (arguments.text is None) != (arguments.vocabulary is None):
        parser.error("--text and --vocabulary go together")
    if arguments.run is not None:
        is_product = arguments.run == _PRODUCTS
        print(json.dumps(run_products(arguments) if is_product else run_steps(arguments.run, arguments)))
    elif arguments.curve is not None:
        curves(arguments)
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
