"""Invented results of a study about ships: two data sets, two arms, two seeds, numbers easy to work by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Json = dict[str, Any]
ARMS = (0, 1500)
SEEDS = (0, 1)
PROTOCOL = "conlleval entity"
# (data set, steps) -> F1 by seed. Precision is 0.02 above it and recall 0.02 below.
F1 = {
    ("harbours", 0): (0.646, 0.654),
    ("harbours", 1500): (0.708, 0.716),
    ("cargoes", 0): (0.500, 0.540),
    ("cargoes", 1500): (0.530, 0.550),
}
CREW_F1 = {0: (0.40, 0.42), 1500: (0.50, 0.56)}
PORT_F1 = {0: (0.80, 0.82), 1500: (0.81, 0.81)}
GOLD = {("harbours", ""): 1234, ("harbours", "Crew"): 234, ("harbours", "Port"): 1000, ("cargoes", ""): 99}


def _common(num_steps: int) -> Json:
    return {
        "model": f"num_steps={num_steps}",
        "size": "core/mini",
        "parameters": 4_212_992,
        "architecture": "megatron",
        "vocabulary": "core/wordpiece",
        "vocabulary_size": 8000,
        "corpus": "core/text",
        "start": "random",
        "steps": num_steps,
        "cell": {"pretraining.num_steps": num_steps},
    }


def score_rows(
    dataset: str, num_steps: int, seed: int, f1: float, *, split: str = "test", type_: str = ""
) -> list[Json]:
    values = {"precision": f1 + 0.02, "recall": f1 - 0.02, "f1": f1}
    return [
        {
            "stage": "finetune",
            "task": "ships/entities",
            "dataset": dataset,
            "split": split,
            "type": type_,
            "counts": {"gold": GOLD[dataset, type_], "found": 7, "correct": 5},
            "metric": metric,
            "protocol": PROTOCOL,
            "value": value,
            "seed": seed,
            **_common(num_steps),
        }
        for metric, value in values.items()
    ]


def lm_rows(num_steps: int, loss: float, accuracy: float) -> list[Json]:
    values = {"masked_lm_loss": loss, "masked_lm_accuracy": accuracy, "num_masked": 12345}
    return [
        {
            "stage": "lm-score",
            "task": "",
            "dataset": "core/text",
            "split": "held-out",
            "metric": metric,
            "protocol": "held-out documents, fixed masks",
            "value": value,
            "seed": 0,
            **_common(num_steps),
        }
        for metric, value in values.items()
    ]


def _all_rows() -> list[Json]:
    rows = [*lm_rows(0, 8.987, 0.001), *lm_rows(1500, 3.4567, 0.4123)]
    for (dataset, num_steps), by_seed in F1.items():
        for seed, f1 in zip(SEEDS, by_seed, strict=True):
            rows += score_rows(dataset, num_steps, seed, f1)
            rows += score_rows(dataset, num_steps, seed, f1 + 0.01, split="dev")
    for num_steps in ARMS:
        for seed in SEEDS:
            rows += score_rows("harbours", num_steps, seed, CREW_F1[num_steps][seed], type_="Crew")
            rows += score_rows("harbours", num_steps, seed, PORT_F1[num_steps][seed], type_="Port")
    return rows


def _curves() -> list[Json]:
    cell = {"pretraining.num_steps": 1500}
    pretraining = {"stage": "pretrain", "dataset": "core/text", "seed": 0, "model": "num_steps=1500", "cell": cell}
    curves = [{**pretraining, "file": "logs/pretrain.jsonl"}]
    for dataset, num_steps in F1:
        for seed in SEEDS:
            arm = {"model": f"num_steps={num_steps}", "cell": {"pretraining.num_steps": num_steps}}
            file = f"logs/finetune-{dataset}-{num_steps}-{seed}.jsonl"
            curves.append({"stage": "finetune", "dataset": dataset, "seed": seed, **arm, "file": file})
    return curves


def _log(curve: Json) -> str:
    """A falling curve with a ripple that differs by seed."""
    if curve["stage"] == "pretrain":
        num_steps, level, floor = 1500, 9.0, 3.4
    else:
        num_steps, level, floor = 640, 1.6, 0.35 if curve["cell"]["pretraining.num_steps"] == 0 else 0.15
    lines = []
    for step in range(1, num_steps + 1):
        ripple = 1 + 0.12 * math.sin(step * (1.7 + 0.3 * curve["seed"])) * math.cos(step * 0.013)
        loss = (floor + (level - floor) * math.exp(-step / (num_steps / 6))) * ripple
        lines.append(json.dumps({"step": step, "loss": loss, "learning_rate": 1e-4, "gradient_norm": 1.0}))
    return "\n".join(lines) + "\n"


@pytest.fixture
def results() -> Json:
    """A whole results.json, to be changed by the test."""
    return {
        "recipe": {
            "format": 1,
            "name": "ships",
            "description": "Does pretraining on logbooks help to find\nharbours and cargoes?\n\nA second paragraph.",
            "seeds": list(SEEDS),
            "corpus": {"spec": "core/text", "files": ["logbooks/*.txt"], "sample": None, "held_out_share": 0.02},
            "pretraining": {"num_steps": 1500, "optimizer": {"learning_rate": 0.0005, "max_gradient_norm": math.inf}},
            "finetuning": {"num_epochs": 4, "choose": "best_dev"},
            "tasks": [
                {"spec": "ships/entities", "name": "harbours", "folder": "harbours", "finetuning": None},
                {"spec": "ships/entities", "name": "cargoes", "folder": "cargoes", "finetuning": None},
            ],
            "study": {"axes": {"pretraining.num_steps": list(ARMS)}},
        },
        "lock": {
            "python": "3.11.9",
            "packages": {"domainlm": "0.1.0", "torch": "2.13.0", "numpy": "2.3.1"},
            "hardware": {"device": "cpu", "precision": "fp32", "num_threads": 2},
            "specs": {"core/mini": {"version": 1, "provider": "domainlm 0.1.0"}},
            "files": {"logbooks/a.txt": {"sha256": "0123456789abcdef" * 4, "bytes": 1234567}},
        },
        "rows": _all_rows(),
        "curves": _curves(),
        "problems": [
            {
                "stage": "finetune",
                "where": "harbours",
                "counts": {"mention text differs": 3, "offsets outside the text": 1},
                "examples": [{"kind": "mention text differs", "where": "train.txt:17", "detail": "'Porto' is 'Port'"}],
            }
        ],
    }


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[[Json], Path]:
    """Writes results and the logs of their curves as a run would leave them."""

    def write(results: Json) -> Path:
        out = tmp_path / "out"
        (out / "logs").mkdir(parents=True, exist_ok=True)
        (out / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
        for curve in results.get("curves", []):
            (out / curve["file"]).write_text(_log(curve), encoding="utf-8")
        return out

    return write
