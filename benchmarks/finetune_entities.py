"""Fine-tuning on named entities, side by side: test F1 and real sub-tokens per second.

    python benchmarks/finetune_entities.py --model BERT_FOLDER --data DATA/ner/iob

BERT_FOLDER is a Hugging Face folder of a BERT encoder (config.json, model.safetensors, vocabulary), DATA/ner/iob holds
BC5CDR-chem, BC5CDR-disease and NCBI-disease with train.tsv and test.tsv, plain or `.gz`.

Contenders, each in a process of its own, in turns, on the same encoder, words and settings (4 epochs, peak learning
rate 3e-4 with linear warm-up over a tenth of the steps and linear decay, batches of 32 sentences, AdamW with weight
decay 0.01, gradients clipped at 1, dropout 0.1, at most 128 sub-tokens, first sub-token labels, fp32, seed 0; the last
epoch is scored):

- `domainlm`: `domainlm.tasks.finetune`, whose batches hold rows of similar length.
- `transformers`: AutoModelForTokenClassification in a plain loop with the batches of its Trainer: shuffled, padded to
  the longest row of the batch. Words beyond the limit are scored as O.

Both are scored by the same conlleval on the same gold tags. Speed is that of the training steps alone, from taking a
batch to the updated weights, and counts real sub-tokens without padding. Needs an idle machine; `--threads` are those
of torch.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import machine_facts, write_results

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

    from domainlm.api import CheckpointInfo, StepInfo

_SETS = {"BC5CDR-chem": "bc5cdr-chem", "BC5CDR-disease": "bc5cdr-disease", "NCBI-disease": "ncbi-disease"}
_CONTENDERS = ("domainlm", "transformers")
_PACKAGES = ("domainlm", "domainlm-biomegatron", "torch", "transformers", "tokenizers")
_EPOCHS, _RATE, _BATCH, _MAX_TOKENS, _SEED, _WARMUP, _DECAY = 4, 3e-4, 32, 128, 0, 0.1, 0.01


@dataclass
class Steps:
    """Adds up training steps; an observer of domainlm's loop."""

    seconds: float = 0.0
    num_tokens: int = 0
    num_steps: int = field(default=0)

    def step_ended(self, info: StepInfo) -> None:
        """Add one step."""
        self.add(info.seconds, info.num_tokens)

    def checkpoint_saved(self, info: CheckpointInfo) -> None:
        """Nothing to count."""

    def add(self, seconds: float, num_tokens: int) -> None:
        """Add one step of so many real sub-tokens."""
        self.seconds += seconds
        self.num_tokens += num_tokens
        self.num_steps += 1


def data_file(data: Path, name: str, split: str) -> Path:
    """The file of a split, plain or packed."""
    plain = data / name / f"{split}.tsv"
    return plain if plain.is_file() else plain.with_name(f"{split}.tsv.gz")


def read_words(path: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Words and tags of each sentence, as domainlm reads them."""
    from domainlm.api import ProblemLog
    from domainlm.builtin.formats.conll import read_conll
    from domainlm.tasks.token.alignment import chunk_tags, entity_chunks

    examples = list(read_conll(path, ProblemLog()))
    words = [[each.text[start:end] for start, end in each.words] for each in examples]
    tags = [chunk_tags(entity_chunks(each, None, ProblemLog()), len(each.words)) for each in examples]
    return words, tags


def run_domainlm(model: Path, data: Path, name: str, threads: int) -> dict[str, Any]:
    """Import the encoder, fine-tune and score."""
    from domainlm.interop.importing import import_model
    from domainlm.plugin import load_plugins
    from domainlm.recipe.schema import RuntimeSettings
    from domainlm.recipe.task_settings import FinetuningSettings
    from domainlm.tasks.finetune import finetune

    settings = FinetuningSettings.model_validate(
        {
            "num_epochs": _EPOCHS,
            "num_sequences_per_step": _BATCH,
            "num_sequences_per_micro_batch": _BATCH,
            "max_tokens": _MAX_TOKENS,
            "choose": "last",
            "optimizer": {"learning_rate": _RATE, "weight_decay": _DECAY},
            "schedule": {"warmup_share": _WARMUP},
        }
    )
    steps = Steps()
    with tempfile.TemporaryDirectory() as folder:
        import_model(model, Path(folder) / "start")
        scores = finetune(
            task=load_plugins().registry.task(f"biomegatron/{_SETS[name]}", where="benchmark"),
            files={split: (data_file(data, name, split),) for split in ("train", "test")},
            settings=settings,
            runtime=RuntimeSettings(device="cpu", num_threads=threads),
            seed=_SEED,
            start=Path(folder) / "start",
            work=Path(folder) / "work",
            observer=steps,
        )
    f1 = next(each for each in scores if each.split == "test" and each.metric == "f1" and not each.type)
    return _facts(f1.value, steps) | {"signature": f1.signature}


def run_transformers(model: Path, data: Path, name: str, threads: int) -> dict[str, Any]:
    """Fine-tune and score in a plain loop."""
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

    torch.set_num_threads(threads)
    torch.manual_seed(_SEED)
    tokenizer = AutoTokenizer.from_pretrained(model)
    words, tags = read_words(data_file(data, name, "train"))
    labels = ["O", *sorted({tag for each in tags for tag in each} - {"O"})]
    config = AutoConfig.from_pretrained(model, num_labels=len(labels))
    network = AutoModelForTokenClassification.from_pretrained(model, config=config)
    rows = [_row(tokenizer, *pair, labels) for pair in zip(words, tags, strict=True)]
    per_epoch = -(-len(rows) // _BATCH)
    optimizer = torch.optim.AdamW(_groups(network), lr=_RATE, fused=True)
    total, warm = per_epoch * _EPOCHS, int(per_epoch * _EPOCHS * _WARMUP)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / max(1, warm) if step < warm else (total - step) / max(1, total - warm)
    )
    steps, order = Steps(), random.Random(_SEED)  # noqa: S311 - shuffles sentences
    network.train()
    for _ in range(_EPOCHS):
        order.shuffle(rows)
        for start in range(0, len(rows), _BATCH):
            began = time.perf_counter()
            batch = _padded(rows[start : start + _BATCH], tokenizer.pad_token_id)
            optimizer.zero_grad(set_to_none=True)
            network(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            steps.add(time.perf_counter() - began, int(batch["attention_mask"].sum()))
    return _facts(_score(network, tokenizer, labels, data_file(data, name, "test")), steps)


def _groups(network: PreTrainedModel) -> list[dict[str, Any]]:
    """No weight decay on vectors, as in domainlm and in the Trainer."""
    parameters = list(network.parameters())
    return [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": _DECAY},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]


def _row(
    tokenizer: PreTrainedTokenizerFast, words: Sequence[str], tags: Sequence[str], labels: Sequence[str]
) -> dict[str, list[int]]:
    encoded = tokenizer(list(words), is_split_into_words=True, truncation=True, max_length=_MAX_TOKENS)
    places = encoded.word_ids()
    firsts = [place is not None and place != before for place, before in zip(places, [None, *places], strict=False)]
    return {
        "input_ids": encoded["input_ids"],
        "labels": [labels.index(tags[at]) if first else -100 for at, first in zip(places, firsts, strict=True)],
    }


def _padded(rows: Sequence[dict[str, list[int]]], pad_id: int) -> dict[str, Any]:
    import torch

    width = max(len(row["input_ids"]) for row in rows)

    def fill(values: list[int], filler: int) -> list[int]:
        return values + [filler] * (width - len(values))

    return {
        "input_ids": torch.tensor([fill(row["input_ids"], pad_id) for row in rows]),
        "attention_mask": torch.tensor([fill([1] * len(row["input_ids"]), 0) for row in rows]),
        "labels": torch.tensor([fill(row["labels"], -100) for row in rows]),
    }


def _score(network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, labels: Sequence[str], path: Path) -> float:
    import torch

    from domainlm.tasks.token.conlleval import count_entities

    words, gold = read_words(path)
    predicted = [["O"] * len(each) for each in words]
    network.eval()
    with torch.inference_mode():
        for start in range(0, len(words), _BATCH):
            encoded = tokenizer(
                words[start : start + _BATCH],
                is_split_into_words=True,
                truncation=True,
                max_length=_MAX_TOKENS,
                padding=True,
                return_tensors="pt",
            )
            best = network(**encoded).logits.argmax(dim=-1)
            for row in range(len(best)):
                places = encoded.word_ids(row)
                for slot, place in enumerate(places):
                    if place is not None and (slot == 0 or place != places[slot - 1]):
                        predicted[start + row][place] = labels[int(best[row, slot])]
    return count_entities(gold, predicted).pooled.f1


def _facts(f1: float, steps: Steps) -> dict[str, Any]:
    return {
        "test_f1": round(100 * f1, 2),
        "tokens_per_second": round(steps.num_tokens / steps.seconds),
        "training_seconds": round(steps.seconds, 1),
        "num_steps": steps.num_steps,
        "num_tokens": steps.num_tokens,
    }


def _report(content: dict[str, Any]) -> str:
    lines = [
        "# Fine-tuning on named entities",
        "",
        f"Model {content['model']}, {content['threads']} threads; {json.dumps(content['machine'])}",
        "",
        "| data set | contender | test F1 | real sub-tokens / s | training s |",
        "|---|---|---:|---:|---:|",
    ]
    for run in content["runs"]:
        figures = f"{run['test_f1']:.2f} | {run['tokens_per_second']:,} | {run['training_seconds']:,}"
        lines.append(f"| {run['data_set']} | {run['contender']} | {figures} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the contenders in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder of a BERT encoder")
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder for each data set")
    parser.add_argument("--set", dest="sets", action="append", choices=_SETS, help="data set; all where not given")
    parser.add_argument("--contender", dest="contenders", action="append", choices=_CONTENDERS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--run", nargs=2, metavar=("CONTENDER", "SET"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        contender, name = arguments.run
        run = run_domainlm if contender == "domainlm" else run_transformers
        print(json.dumps(run(arguments.model, arguments.data, name, arguments.threads)))
        return
    runs = []
    shared = ["--model", str(arguments.model), "--data", str(arguments.data), "--threads", str(arguments.threads)]
    content = {"model": arguments.model.name, "threads": arguments.threads, "machine": machine_facts(_PACKAGES)}
    for name in arguments.sets or _SETS:
        for contender in arguments.contenders or _CONTENDERS:
            command = [sys.executable, __file__, *shared, "--run", contender, name]
            ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found = {"data_set": name, "contender": contender, **json.loads(ended.stdout.splitlines()[-1])}
            print(json.dumps(found), flush=True)
            runs.append(found)
    content["runs"] = runs
    print(write_results("finetune-entities", content, _report(content)))


if __name__ == "__main__":
    main()
