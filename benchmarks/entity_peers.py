"""transformers' contenders of finetune_entities.py: a plain loop, and the Trainer with its best settings."""

from __future__ import annotations

import random
import tempfile
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from entity_data import (
    BATCH,
    DECAY,
    EPOCHS,
    MAX_TOKENS,
    RATE,
    SEED,
    WARMUP,
    EnoughStepsError,
    Job,
    Steps,
    Stopwatch,
    entity_f1,
    read_words,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

Row = dict[str, list[int]]


@dataclass
class _Peer:
    """A model of transformers with its tokenizer and rows."""

    network: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    labels: list[str]
    rows: list[Row]


def _open(job: Job) -> _Peer:
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

    torch.set_num_threads(job.threads)
    torch.manual_seed(SEED)
    tokenizer = AutoTokenizer.from_pretrained(job.model)
    words, tags = read_words(job.file("train"))
    labels = ["O", *sorted({tag for each in tags for tag in each} - {"O"})]
    config = AutoConfig.from_pretrained(job.model, num_labels=len(labels))
    network = AutoModelForTokenClassification.from_pretrained(job.model, config=config)
    rows = [_row(tokenizer, *pair, labels) for pair in zip(words, tags, strict=True)]
    return _Peer(network, tokenizer, labels, rows)


def run_loop(job: Job) -> dict[str, Any]:
    """Fine-tune and score in a plain loop."""
    import torch

    peer = _open(job)
    network, rows = peer.network, peer.rows
    total = -(-len(rows) // BATCH) * EPOCHS
    warm = int(total * WARMUP)
    optimizer = torch.optim.AdamW(_groups(network), lr=RATE, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: step / max(1, warm) if step < warm else (total - step) / max(1, total - warm)
    )
    order = random.Random(SEED)  # noqa: S311 - shuffles sentences

    def step(batch: dict[str, Any]) -> None:
        optimizer.zero_grad(set_to_none=True)
        with _precision(job):
            loss = network(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()

    network.train()
    steps, watch = Steps(job.num_steps), Stopwatch()
    try:
        for _ in range(EPOCHS):
            order.shuffle(rows)
            for start in range(0, len(rows), BATCH):
                batch = _padded(rows[start : start + BATCH], peer.tokenizer.pad_token_id)
                step(batch)
                steps.add(watch.lap(), int(batch["attention_mask"].sum()))
    except EnoughStepsError:
        return steps.facts()
    return steps.facts() | _finish(peer, job)


def run_trainer(job: Job) -> dict[str, Any]:
    """Fine-tune with the Trainer, rows of similar length together, and score."""
    from transformers import DataCollatorForTokenClassification, Trainer, TrainerCallback, TrainingArguments

    peer, steps = _open(job), Steps(job.num_steps)
    pad = DataCollatorForTokenClassification(peer.tokenizer)
    sizes: deque[int] = deque()

    def collate(rows: list[Row]) -> dict[str, Any]:
        sizes.append(sum(len(row["input_ids"]) for row in rows))
        batch: dict[str, Any] = pad(rows)
        return batch

    class Counter(TrainerCallback):  # type: ignore[misc] # transformers is not typed here
        """Counts steps."""

        def on_train_begin(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            """Start the clock."""
            self.watch = Stopwatch()

        def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            """Add a step."""
            steps.add(self.watch.lap(), sizes.popleft())

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            num_train_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            warmup_steps=WARMUP,  # below 1: a share
            weight_decay=DECAY,
            max_grad_norm=1.0,
            optim="adamw_torch_fused",
            bf16=job.precision == "bf16",
            use_cpu=True,
            seed=SEED,
            train_sampling_strategy="group_by_length",
            dataloader_pin_memory=False,
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            report_to="none",
        )
        trainer = Trainer(peer.network, arguments, collate, train_dataset=peer.rows, callbacks=[Counter()])
        try:
            trainer.train()
        except EnoughStepsError:
            return steps.facts()
    return steps.facts() | _finish(peer, job)


def _precision(job: Job) -> AbstractContextManager[object]:
    import torch

    return torch.autocast("cpu", dtype=torch.bfloat16) if job.precision == "bf16" else nullcontext()


def _groups(network: PreTrainedModel) -> list[dict[str, Any]]:
    """No weight decay on vectors, as in domainlm and in the Trainer."""
    parameters = list(network.parameters())
    return [
        {"params": [each for each in parameters if each.ndim > 1], "weight_decay": DECAY},
        {"params": [each for each in parameters if each.ndim <= 1], "weight_decay": 0.0},
    ]


def _row(tokenizer: PreTrainedTokenizerFast, words: Sequence[str], tags: Sequence[str], labels: Sequence[str]) -> Row:
    encoded = tokenizer(list(words), is_split_into_words=True, truncation=True, max_length=MAX_TOKENS)
    places = encoded.word_ids()
    firsts = [place is not None and place != before for place, before in zip(places, [None, *places], strict=False)]
    return {
        "input_ids": encoded["input_ids"],
        "attention_mask": encoded["attention_mask"],
        "labels": [labels.index(tags[at]) if first else -100 for at, first in zip(places, firsts, strict=True)],
    }


def _padded(rows: Sequence[Row], pad_id: int) -> dict[str, Any]:
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    fillers = {"input_ids": pad_id, "attention_mask": 0, "labels": -100}
    return {
        key: torch.tensor([row[key] + [filler] * (width - len(row[key])) for row in rows])
        for key, filler in fillers.items()
    }


def _finish(peer: _Peer, job: Job) -> dict[str, Any]:
    """Score the test split, longest sentences first, and write the model; words beyond the limit are scored as O."""
    import torch

    words, gold = read_words(job.file("test"))
    predicted = [["O"] * len(each) for each in words]
    order = sorted(range(len(words)), key=lambda place: -len(words[place]))
    peer.network.eval()
    with torch.inference_mode(), _precision(job):
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            encoded = peer.tokenizer(
                [words[place] for place in chosen],
                is_split_into_words=True,
                truncation=True,
                max_length=MAX_TOKENS,
                padding=True,
                return_tensors="pt",
            )
            best = peer.network(**encoded).logits.argmax(dim=-1)
            for row, sentence in enumerate(chosen):
                places = encoded.word_ids(row)
                for slot, place in enumerate(places):
                    if place is not None and (slot == 0 or place != places[slot - 1]):
                        predicted[sentence][place] = peer.labels[int(best[row, slot])]
    with tempfile.TemporaryDirectory() as folder:
        peer.network.save_pretrained(folder)
        peer.tokenizer.save_pretrained(folder)
    return {"test_f1": round(100 * entity_f1(gold, predicted), 2)}
