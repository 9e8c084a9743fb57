"""Questions and answers on real data: SQuAD, then BioASQ from there, and BioASQ without SQuAD first.

    python benchmarks/answer_questions.py --model MODEL_DIR --data DATA --out FOLDER --write

MODEL_DIR is a model folder (`domainlm model import` makes one of a Hugging Face BERT). DATA/qa holds
squad/dev-v1.1.rebuilt.json.gz with squad/suggested_split.json, by whose titles it is divided into articles to train on
and articles to test on, and bioasq/*B?_golden.json.gz: years 8 to 11 to train on, year 7 to test on. The official
training sets are not needed, so the scores are not those of papers. The last epoch is scored. What is finished in
FOLDER is not done again. Speed is that of the training steps alone and counts real sub-tokens without padding; needs an
idle machine. `--train-share` and `--test-share` are about BioASQ, `--squad-train-share` is about SQuAD's training.
"""

from __future__ import annotations

import argparse
import gzip
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetuning import fine_tune, sampled, share, shared_options, tell

if TYPE_CHECKING:
    from domainlm.api import Split

    Files = dict[Split, tuple[Path, ...]]

_SHOWN = {
    "exact match": ("SQuAD v1.1", "exact_match"),
    "F1": ("SQuAD v1.1", "f1"),
    "SAcc": ("factoid@5", "strict_accuracy"),
    "LAcc": ("factoid@5", "lenient_accuracy"),
    "MRR": ("factoid@5", "mrr"),
}


def divide_squad(data: Path, folder: Path) -> Files:
    """Write the articles to train on and those to test on as two files."""
    with gzip.open(data / "qa" / "squad" / "dev-v1.1.rebuilt.json.gz", "rt", encoding="utf-8") as stream:
        content = json.load(stream)
    titles = set(json.loads((data / "qa/squad/suggested_split.json").read_text(encoding="utf-8"))["train_titles"])
    files: Files = {}
    splits: tuple[Split, ...] = ("train", "test")
    folder.mkdir(parents=True, exist_ok=True)
    for split in splits:
        articles = [each for each in content["data"] if (each["title"] in titles) == (split == "train")]
        files[split] = (folder / f"squad-{split}.json",)
        files[split][0].write_text(json.dumps({"version": "1.1", "data": articles}), encoding="utf-8")
    return files


def bioasq_files(data: Path) -> Files:
    """The golden files of four years to train on, and of one to test on."""
    files = sorted((data / "qa" / "bioasq").glob("*B?_golden.json.gz"))
    test = tuple(file for file in files if file.name.startswith("7B"))
    return {"train": tuple(file for file in files if file not in test), "test": test}


def run(
    task: str, files: Files, start: Path, work: Path, arguments: argparse.Namespace, train_share: float, epochs: int
) -> dict[str, Any]:
    """Fine-tune on one task from one model."""
    from domainlm.plugin import load_plugins

    settings = {
        "num_epochs": epochs,
        "num_sequences_per_step": arguments.batch,
        "num_sequences_per_micro_batch": arguments.batch,
        "max_tokens": arguments.max_tokens,
        "choose": "last",
        "head": {"num_fc_layers": 2, "fc_hidden": arguments.fc_hidden, "dropout": 0.1},
        "optimizer": {"learning_rate": arguments.learning_rate},
    }
    spec = sampled(
        load_plugins().registry.task(task, where="benchmark"), {"train": train_share, "test": arguments.test_share}
    )
    return fine_tune(spec, files, start, work, settings, arguments)


def main() -> None:
    """Fine-tune three times and say what came out."""
    parser = shared_options(__doc__, batch=16, max_tokens=384, rate=1e-4)
    parser.add_argument("--squad-epochs", type=int, default=2)
    parser.add_argument("--bioasq-epochs", type=int, default=4)
    parser.add_argument("--squad-train-share", type=share, default=1.0, help="a fixed sample of SQuAD's questions")
    parser.add_argument("--fc-hidden", type=int, default=512)
    arguments = parser.parse_args()
    out, start = arguments.out, arguments.model
    squad, bioasq = divide_squad(arguments.data, out), bioasq_files(arguments.data)
    one = partial(run, arguments=arguments)
    on_squad = {"train_share": arguments.squad_train_share, "epochs": arguments.squad_epochs}
    on_bioasq = {"train_share": arguments.train_share, "epochs": arguments.bioasq_epochs}
    after = out / "squad" / "model"
    runs = {
        "SQuAD": partial(one, "core/squad", squad, start, out / "squad", **on_squad),
        "BioASQ after SQuAD": partial(one, "biomegatron/bioasq", bioasq, after, out / "bioasq-after", **on_bioasq),
        "BioASQ": partial(one, "biomegatron/bioasq", bioasq, start, out / "bioasq-alone", **on_bioasq),
    }
    tell("answer-questions", "Answers to SQuAD's and BioASQ's questions", runs, _SHOWN, arguments)


if __name__ == "__main__":
    main()
