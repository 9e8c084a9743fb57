"""Relations on real data: ChemProt with mentions shown in several ways, and PubMedQA.

    python benchmarks/classify_relations.py --model MODEL_DIR --data DATA --out FOLDER

MODEL_DIR is a model folder (`domainlm model import` makes one of a Hugging Face BERT). DATA holds re/chemprot and
qa/pubmedqa with their official files. ChemProt is trained on its training set and scored on its test set; PubMedQA on
450 and 500 questions. The last epoch is scored. What is finished in FOLDER is not done again. Speed is that of the
training steps alone and counts real sub-tokens without padding; needs an idle machine.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from answer_questions import Steps
from measuring import machine_facts, write_results

if TYPE_CHECKING:
    from domainlm.api import Split

_PACKAGES = ("domainlm", "domainlm-biomegatron", "torch", "tokenizers")
_SHOWN = (
    ("scored labels", "f1"),
    ("scored labels", "macro_f1"),
    ("all gold relations", "f1"),
    ("all labels", "accuracy"),
)


def fine_tune(
    task: str, files: dict[Split, tuple[Path, ...]], arguments: argparse.Namespace, *, mentions: str, head_reads: str
) -> dict[str, Any]:
    """One fine-tuning; its scores on test and its speed (none where it had been done before)."""
    from domainlm.plugin import load_plugins
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.recipe.task_settings import FinetuningSettings
    from domainlm.tasks.finetune import finetune

    settings = {
        "num_epochs": arguments.epochs,
        "num_sequences_per_step": arguments.batch,
        "num_sequences_per_micro_batch": arguments.batch,
        "max_tokens": 256 if task.endswith("pubmedqa") else arguments.max_tokens,
        "choose": "last",
        "sequence": {"mentions": mentions, "head_reads": head_reads},
        "optimizer": {"learning_rate": arguments.learning_rate},
    }
    steps, begin = Steps(), time.monotonic()
    work = arguments.out / f"{task.rpartition('/')[2]}-{mentions}-{head_reads}"
    scores = finetune(
        task=load_plugins().registry.task(task, where="benchmark"),
        files=files,
        settings=FinetuningSettings.model_validate(settings),
        runtime=RuntimeSettings(num_threads=arguments.threads, precision=arguments.precision),
        seed=arguments.seed,
        start=arguments.model,
        work=work,
        observer=steps,
    )
    on_test = {(each.protocol, each.metric): each for each in scores if each.split == "test" and not each.type}
    return {
        "task": task,
        "settings": settings,
        "scores": {f"{metric}, {protocol}": on_test[protocol, metric].value for protocol, metric in _SHOWN
                   if (protocol, metric) in on_test},
        "signatures": sorted({each.signature for each in on_test.values()}),
        "data": json.loads((work / "scores.json").read_text(encoding="utf-8"))["data"],
        "tokens_per_second": round(steps.num_tokens / steps.seconds) if steps.seconds else None,
        "seconds_in_all": round(time.monotonic() - begin),
    }  # fmt: skip


def chemprot_files(data: Path) -> dict[Split, tuple[Path, ...]]:
    """The abstracts of the training and of the test set."""
    folder = data / "re" / "chemprot"
    return {
        "train": (folder / "chemprot_training" / "chemprot_training_abstracts.tsv.gz",),
        "test": (folder / "chemprot_test_gs" / "chemprot_test_abstracts_gs.tsv.gz",),
    }


def main() -> None:
    """Fine-tune and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--mentions", nargs="*", default=["markers", "dummies", "plain"])
    parser.add_argument("--head-reads", choices=("first", "first_and_mentions"), default="first")
    parser.add_argument("--pubmedqa", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    runs = {
        f"ChemProt, {mentions}": fine_tune(
            "biomegatron/chemprot",
            chemprot_files(arguments.data),
            arguments,
            mentions=mentions,
            head_reads=arguments.head_reads,
        )
        for mentions in arguments.mentions
    }
    if arguments.pubmedqa:
        path = arguments.data / "qa" / "pubmedqa" / "ori_pqal.json.gz"
        files: dict[Split, tuple[Path, ...]] = {"train": (path,), "test": (path,)}
        runs["PubMedQA"] = fine_tune("biomegatron/pubmedqa", files, arguments, mentions="plain", head_reads="first")
    lines = [f"{name}: {run['scores']}, {run['tokens_per_second']} real sub-tokens/s" for name, run in runs.items()]
    content = {"machine": machine_facts(_PACKAGES), "model": arguments.model.name, "seed": arguments.seed, "runs": runs}
    print("\n".join(lines))
    print(write_results("classify-relations", content, "\n\n".join(["# Relations", *lines]) + "\n"))


if __name__ == "__main__":
    main()
