"""Relations on real data: ChemProt with mentions shown in several ways, and PubMedQA.

    python benchmarks/classify_relations.py --model MODEL_DIR --data DATA --out FOLDER --write

MODEL_DIR is a model folder (`domainlm model import` makes one of a Hugging Face BERT). DATA holds re/chemprot and
qa/pubmedqa with their official files. ChemProt is trained on its training set and scored on its test set; PubMedQA on
450 and 500 questions. The last epoch is scored. What is finished in FOLDER is not done again. Speed is that of the
training steps alone and counts real sub-tokens without padding; needs an idle machine.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetuning import fine_tune, sampled, shared_options, tell

if TYPE_CHECKING:
    from domainlm.api import Split

_WAYS = ("markers", "dummies", "plain")
_SHOWN = {
    "micro F1, five classes": ("scored labels", "f1"),
    "macro F1": ("scored labels", "macro_f1"),
    "F1, all gold relations": ("all gold relations", "f1"),
    "accuracy": ("all labels", "accuracy"),
}


def chemprot_files(data: Path) -> dict[Split, tuple[Path, ...]]:
    """The abstracts of the training and of the test set."""
    folder = data / "re" / "chemprot"
    return {
        "train": (folder / "chemprot_training" / "chemprot_training_abstracts.tsv.gz",),
        "test": (folder / "chemprot_test_gs" / "chemprot_test_abstracts_gs.tsv.gz",),
    }


def run(
    task: str, files: dict[Split, tuple[Path, ...]], mentions: str, head_reads: str, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Fine-tune on one task in one way."""
    from domainlm.plugin import load_plugins

    is_pubmedqa = task.endswith("pubmedqa")
    settings = {
        "num_epochs": arguments.pubmedqa_epochs if is_pubmedqa else arguments.epochs,
        "num_sequences_per_step": arguments.batch,
        "num_sequences_per_micro_batch": arguments.batch,
        "max_tokens": 256 if is_pubmedqa else arguments.max_tokens,
        "choose": "last",
        "sequence": {"mentions": mentions, "head_reads": head_reads},
        "optimizer": {"learning_rate": arguments.learning_rate},
    }
    spec = sampled(
        load_plugins().registry.task(task, where="benchmark"),
        {"train": arguments.train_share, "test": arguments.test_share},
    )
    work = arguments.out / f"{task.rpartition('/')[2]}-{mentions}-{head_reads}"
    return fine_tune(spec, files, arguments.model, work, settings, arguments)


def main() -> None:
    """Fine-tune and say what came out."""
    parser = shared_options(__doc__, batch=32, max_tokens=128, rate=3e-4)
    parser.add_argument("--mentions", nargs="*", choices=_WAYS, default=["markers", "dummies", "plain"])
    parser.add_argument("--head-reads", choices=("first", "first_and_mentions"), default="first")
    parser.add_argument("--epochs", type=int, default=4, help="on ChemProt")
    parser.add_argument("--pubmedqa", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--pubmedqa-epochs", type=int, default=4)
    arguments = parser.parse_args()
    chemprot = chemprot_files(arguments.data)
    runs = {
        f"ChemProt, {mentions}": partial(
            run, "biomegatron/chemprot", chemprot, mentions, arguments.head_reads, arguments
        )
        for mentions in arguments.mentions
    }
    if arguments.pubmedqa:
        path = arguments.data / "qa" / "pubmedqa" / "ori_pqal.json.gz"
        files: dict[Split, tuple[Path, ...]] = {"train": (path,), "test": (path,)}
        runs["PubMedQA"] = partial(run, "biomegatron/pubmedqa", files, "plain", "first", arguments)
    tell("classify-relations", "Relations of ChemProt, and PubMedQA", runs, _SHOWN, arguments)


if __name__ == "__main__":
    main()
