"""Questions and answers on real data: SQuAD, then BioASQ from there, and BioASQ without SQuAD first.

    python benchmarks/answer_questions.py --model MODEL_DIR --data DATA/qa --out FOLDER

MODEL_DIR is a model folder (`domainlm model import` makes one of a Hugging Face BERT). DATA/qa holds
squad/dev-v1.1.rebuilt.json.gz with squad/suggested_split.json, by whose titles it is divided into articles to train on
and articles to test on, and bioasq/*B?_golden.json.gz: years 8 to 11 to train on, year 7 to test on. The official
training sets are not needed, so the scores are not those of papers. What is finished in FOLDER is not done again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import machine_facts, write_results

if TYPE_CHECKING:
    from domainlm.api import CheckpointInfo, Split, StepInfo

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


def divide_squad(data: Path, folder: Path) -> dict[str, tuple[Path, ...]]:
    """Write the articles to train on and those to test on as two files."""
    with gzip.open(data / "squad" / "dev-v1.1.rebuilt.json.gz", "rt", encoding="utf-8") as stream:
        content = json.load(stream)
    titles = set(json.loads((data / "squad" / "suggested_split.json").read_text(encoding="utf-8"))["train_titles"])
    files = {}
    for split in ("train", "test"):
        articles = [each for each in content["data"] if (each["title"] in titles) == (split == "train")]
        files[split] = (folder / f"squad-{split}.json",)
        files[split][0].write_text(json.dumps({"version": "1.1", "data": articles}), encoding="utf-8")
    return files


def bioasq_files(data: Path) -> dict[str, tuple[Path, ...]]:
    """The golden files of four years to train on, and of one to test on."""
    files = sorted((data / "bioasq").glob("*B?_golden.json.gz"))
    test = tuple(file for file in files if file.name.startswith("7B"))
    return {"train": tuple(file for file in files if file not in test), "test": test}


def fine_tune(
    task: str,
    files: Mapping[str, tuple[Path, ...]],
    start: Path,
    work: Path,
    arguments: argparse.Namespace,
    epochs: int,
) -> dict[str, Any]:
    """One fine-tuning; its scores on test and its speed (none where it had been done before)."""
    from domainlm.plugin import load_plugins
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.recipe.task_settings import FinetuningSettings
    from domainlm.tasks.finetune import finetune

    settings = {
        "num_epochs": epochs,
        "num_sequences_per_step": arguments.batch,
        "num_sequences_per_micro_batch": arguments.batch,
        "max_tokens": arguments.max_tokens,
        "choose": "last",
        "head": {"num_fc_layers": 2, "fc_hidden": arguments.fc_hidden, "dropout": 0.1},
        "optimizer": {"learning_rate": arguments.learning_rate},
    }
    steps, begin = Steps(), time.monotonic()
    by_split: dict[Split, tuple[Path, ...]] = {"train": files["train"], "test": files["test"]}
    scores = finetune(
        task=load_plugins().registry.task(task, where="benchmark"),
        files=by_split,
        settings=FinetuningSettings.model_validate(settings),
        runtime=RuntimeSettings(num_threads=arguments.threads, precision=arguments.precision),
        seed=arguments.seed,
        start=start,
        work=work,
        observer=steps,
    )
    return {
        "task": task,
        "settings": settings,
        "scores": {each.metric: each.value for each in scores if each.split == "test" and not each.type},
        "signatures": sorted({each.signature for each in scores}),
        "data": json.loads((work / "scores.json").read_text(encoding="utf-8"))["data"],
        "tokens_per_second": round(steps.num_tokens / steps.seconds) if steps.seconds else None,
        "seconds_in_all": round(time.monotonic() - begin),
    }


def main() -> None:
    """Fine-tune three times and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--squad-epochs", type=int, default=2)
    parser.add_argument("--bioasq-epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=384)
    parser.add_argument("--fc-hidden", type=int, default=512)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    squad, bioasq = divide_squad(arguments.data, arguments.out), bioasq_files(arguments.data)
    first, out = arguments.model, arguments.out
    runs = {
        "SQuAD": fine_tune("core/squad", squad, first, out / "squad", arguments, arguments.squad_epochs),
        "SQuAD, then BioASQ": fine_tune(
            "biomegatron/bioasq", bioasq, out / "squad" / "model", out / "after", arguments, arguments.bioasq_epochs
        ),
        "BioASQ": fine_tune("biomegatron/bioasq", bioasq, first, out / "alone", arguments, arguments.bioasq_epochs),
    }
    lines = [f"{name}: {run['scores']}, {run['tokens_per_second']} real sub-tokens/s" for name, run in runs.items()]
    content = {"machine": machine_facts(_PACKAGES), "model": first.name, "seed": arguments.seed, "runs": runs}
    print("\n".join(lines))
    print(write_results("answer-questions", content, "\n\n".join(["# Questions and answers", *lines]) + "\n"))


if __name__ == "__main__":
    main()
