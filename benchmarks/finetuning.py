"""What the benchmarks of fine-tuning on real data share: options, samples of the data, one run, the table of all."""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import machine_facts, write_results

if TYPE_CHECKING:
    from domainlm.api import CheckpointInfo, ProblemLog, Split, StepInfo, TaskSpec

    Files = Mapping[Split, tuple[Path, ...]]

_PACKAGES = ("domainlm", "domainlm-biomegatron", "torch", "tokenizers")


@dataclass
class Steps:
    """Adds up training steps; an observer of domainlm's loop."""

    seconds: float = 0.0
    num_tokens: int = 0
    num_steps: int = 0

    def step_ended(self, info: StepInfo) -> None:
        """Add one step."""
        self.seconds += info.seconds
        self.num_tokens += info.num_tokens
        self.num_steps += 1

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        """Nothing to count."""


def share(text: str) -> float:
    """An argument between 0 and 1."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("must be above 0, and at most 1")
    return value


def shared_options(description: str | None, *, batch: int, max_tokens: int, rate: float) -> argparse.ArgumentParser:
    """A parser with the options that all of these benchmarks have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="model folder (domainlm model import makes one)")
    parser.add_argument("--data", type=Path, required=True, help="folder of the real data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder to work in; what is finished there stays")
    parser.add_argument("--batch", type=int, default=batch, help="sequences per step")
    parser.add_argument("--max-tokens", type=int, default=max_tokens)
    parser.add_argument("--learning-rate", type=float, default=rate)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-share", type=share, default=1.0, help="train on a fixed sample of this share")
    parser.add_argument("--test-share", type=share, default=1.0, help="score a fixed sample of this share")
    parser.add_argument("--write", action="store_true", help="write the result into benchmarks/results")
    return parser


def sampled(task: TaskSpec, shares: Mapping[str, float]) -> TaskSpec:
    """The task with a fixed sample of each split, drawn by a hash of ids: the same whatever is read, in any order.

    What belongs together (the contexts of a question) stays together. The name says what was drawn, and so does the
    hash of the data in each signature.
    """
    if all(value == 1 for value in shares.values()):
        return task

    def read(path: Path, split: Split, problems: ProblemLog) -> Iterator[Any]:
        for example in task.read_part(path, split, problems):
            key = getattr(example, "group", "") or example.id
            drawn = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32
            if drawn < shares[split]:
                yield example

    drawn_shares = "-".join(f"{split}-{round(1000 * value)}-of-1000" for split, value in shares.items())
    return replace(task, name=f"{task.name}-{drawn_shares}", read_split=read)


def fine_tune(
    task: TaskSpec, files: Files, start: Path, work: Path, settings: Mapping[str, Any], arguments: argparse.Namespace
) -> dict[str, Any]:
    """One fine-tuning; its scores on test and its speed (none where it had been done before)."""
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.recipe.task_settings import FinetuningSettings
    from domainlm.tasks.finetune import finetune

    steps, begin = Steps(), time.monotonic()
    scores = finetune(
        task=task,
        files=files,
        settings=FinetuningSettings.model_validate(dict(settings)),
        runtime=RuntimeSettings(device="cpu", num_threads=arguments.threads, precision=arguments.precision),
        seed=arguments.seed,
        start=start,
        work=work,
        observer=steps,
    )
    on_test = [each for each in scores if each.split == "test" and not each.type]
    written = json.loads((work / "scores.json").read_text(encoding="utf-8"))
    return {
        "task": task.reference,
        "settings": dict(settings),
        "scores": [{"protocol": each.protocol, "metric": each.metric, "value": each.value} for each in on_test],
        "signatures": sorted({each.signature for each in on_test}),
        "data": written["data"],
        "problems": {split: found["counts"] for split, found in written["problems"].items()},
        "tokens_per_second": round(steps.num_tokens / steps.seconds) if steps.seconds else None,
        "training_seconds": round(steps.seconds, 1),
        "seconds_in_all": round(time.monotonic() - begin),
    }


def tell(
    name: str,
    title: str,
    runs: Mapping[str, Callable[[], dict[str, Any]]],
    shown: Mapping[str, tuple[str, str]],
    arguments: argparse.Namespace,
) -> None:
    """Make all runs, print each when it ends and the table of all; write it where asked to.

    Args:
        name: stem of the files in benchmarks/results.
        title: of the report.
        runs: what to do, by name; in this order.
        shown: columns of the table, with the protocol and the metric of each.
        arguments: the parsed options.
    """
    machine = machine_facts(_PACKAGES)
    options = {key: value for key, value in vars(arguments).items() if not isinstance(value, Path)}
    content: dict[str, Any] = {"machine": machine, "model": arguments.model.name, "options": options, "runs": {}}
    for key, run in runs.items():
        content["runs"][key] = run()
        print(json.dumps({key: content["runs"][key]}), flush=True)
    report = _report(title, content, shown)
    print(report)
    if arguments.write:
        print(write_results(name, content, report))


def _report(title: str, content: Mapping[str, Any], shown: Mapping[str, tuple[str, str]]) -> str:
    machine, options = content["machine"], content["options"]
    settings = f"Start: {content['model']}. Options: "
    settings += ", ".join(f"{key} {value}" for key, value in options.items() if key != "write")
    lines = [
        f"# {title}, {machine['date']}",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_at_start']} at the start. {settings}.",
        "",
        f"| | {' | '.join(shown)} | cut or windowed, test | sub-tokens / s | training s | s in all |",
        f"|---|{'---:|' * len(shown)}---:|---:|---:|---:|",
    ]
    for name, run in content["runs"].items():
        by_metric = {(each["protocol"], each["metric"]): each["value"] for each in run["scores"]}
        values = [f"{100 * by_metric[place]:.2f}" if place in by_metric else "" for place in shown.values()]
        speed = f"{run['tokens_per_second']:,}" if run["tokens_per_second"] else "done before"
        cells = [name, *values, _num_long(run["data"]["test"]), speed, run["training_seconds"], run["seconds_in_all"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "Scores are per cent; the last epoch is scored. Signatures:", ""]
    lines += [f"- {name}: `{signature}`" for name, run in content["runs"].items() for signature in run["signatures"]]
    return "\n".join(lines) + "\n"


def _num_long(facts: Mapping[str, Any]) -> str:
    """How many examples of how many did not fit into a row."""
    num_long, of = facts.get("num_rows_cut"), facts.get("num_examples")
    return f"{num_long:,} of {of:,}" if num_long is not None and of is not None else ""
