"""Finished artifacts to OUT/results.json: the recipe, the lock, a row per score, the curves, what was skipped."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from domainlm.api import SPLITS, Score
from domainlm.files import read_json, write_whole
from domainlm.recipe.cells import Cell
from domainlm.recipe.lock import portable_recipe
from domainlm.recipe.resolved import Resolved
from domainlm.recipe.unscored import unscored_tasks
from domainlm.study.graph import CellStages, FurtherScore, Graph
from domainlm.study.graph_parts.measures import MeasuredStages
from domainlm.study.measured_rows import measured_rows
from domainlm.study.report.reference import reference_as_dict
from domainlm.study.selection import select_settings
from domainlm.study.stage import Stage
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.study.stages.language_model import GENERAL_HELD_OUT_LOSS, GENERAL_TOKENS, HELD_OUT_LOSS
from domainlm.study.stages.measure import TaskMeasureStage
from domainlm.study.store import Artifact
from domainlm.study.units import tested_protocols, unit_files, units_name
from domainlm.train.continuing import METRICS

Artifacts = Mapping[str, Artifact]
"""Finished artifacts by the key of their stage."""

_IN_SIGNATURE = frozenset({"scorer", "labels"})
_ROW_FIELDS = ("stage", "task", "dataset", "split", "metric", "protocol", "value", "seed")
LANGUAGE_MODEL_PROTOCOL = "held-out documents, fixed masks"
_LOG = re.compile(
    rf"\.?((pretrain|finetune|{HELD_OUT_LOSS}|{GENERAL_HELD_OUT_LOSS})-[0-9a-f]{{12}}\.jsonl"
    rf"|units-[0-9a-f]{{12}}\.({'|'.join(SPLITS)})\.json)(\.[0-9]+\.partial)?"
)
"""The names of what is copied into logs/, also while it is being written."""


def collect_results(
    resolved: Resolved,
    graph: Graph,
    artifacts: Artifacts,
    lock: Mapping[str, Any],
    failed: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """Everything a report needs, as JSON values; the same bytes for the same run, however often it was stopped."""
    results: dict[str, Any] = {
        "recipe": portable_recipe(resolved),
        "lock": dict(lock),
        "rows": [
            *(row for cell in graph.cells for row in _rows(cell, artifacts)),
            *(row for cell in graph.measured for row in measured_rows(cell, artifacts)),
        ],
        "curves": [curve for cell in graph.cells for curve in _curves(cell, artifacts)],
        "problems": list(_problems(graph, artifacts)),
        "failures": [failure for cell in graph.every_cell for failure in _failures(cell, failed)],
        "candidates": [],
        **({} if resolved.reference is None else {"reference": reference_as_dict(resolved.reference)}),
    }
    unscored = [*unscored_tasks(resolved)]
    if unscored:
        results["unscored"] = unscored
    recipe = resolved.loaded.recipe
    if recipe.study.select:
        results |= select_settings(
            *(results["rows"], results["curves"], results["failures"]),
            recipe.study.select,
            lambda varied: Cell(varied, recipe).label,
        )
    return results


def score_of(row: Mapping[str, Any]) -> Score:
    """A row of results.json as observers and callers get it."""
    extra = {key: value for key, value in row.items() if key not in _ROW_FIELDS}
    return Score(**{key: row[key] for key in _ROW_FIELDS}, extra=extra)


def copy_logs(graph: Graph, artifacts: Artifacts, folder: Path) -> None:
    """Copy the metrics of every training stage, and what scores were counted from, to where results.json names them.

    Those of an earlier run are removed, by their names; other files stay.
    """
    for old in [path for path in folder.glob("*") if _LOG.fullmatch(path.name) and path.is_file()]:
        old.unlink()
    for cell in graph.cells:
        for stage in _trained(cell, artifacts):
            source = artifacts[stage.key].folder
            write_whole(folder / _log_name(stage), (source / METRICS).read_bytes())
        for stage in (each for each in cell.finetuning if each.key in artifacts):
            for name, content in unit_files(stage, artifacts[stage.key].folder):
                write_whole(folder / name, json.dumps(content).encode())
        for metric, score in _before_and_during(cell, artifacts).items():
            before = None if score is None else read_json(artifacts[score.key].folder / "scores.json")["masked_lm_loss"]
            log = held_out_log(artifacts[cell.model.key].folder / METRICS, metric, before)
            write_whole(folder / _log_name(cell.model, metric), log)


def _trained(cell: CellStages, artifacts: Artifacts) -> list[Stage]:
    stages = [*([cell.pretraining] if cell.pretraining is not None else []), *cell.finetuning]
    return [stage for stage in stages if stage.key in artifacts]


def _log_name(stage: Stage, metric: str = "") -> str:
    return f"{metric or stage.kind}-{stage.key[:12]}.jsonl"


def _before_and_during(cell: CellStages, artifacts: Artifacts) -> dict[str, Stage | None]:
    """The losses that a pretraining measured on held-out text, each with the stage that scored its start."""
    if cell.pretraining is None or cell.pretraining.settings.num_steps_per_score is None:
        return {}
    if cell.pretraining.key not in artifacts:
        return {}
    before = {
        each.is_general: each.stage for each in cell.further_scores if each.is_before and each.stage.key in artifacts
    }
    found: dict[str, Stage | None] = {HELD_OUT_LOSS: before.get(False)}
    if GENERAL_TOKENS in cell.pretraining.inputs:
        found[GENERAL_HELD_OUT_LOSS] = before.get(True)
    return found


def held_out_log(metrics: Path, metric: str, before: float | None) -> bytes:
    """A log of its own for a loss on held-out text, as that of a training: a line for each step it was measured at.

    Args:
        metrics: metrics.jsonl of the pretraining.
        metric: name of the loss there.
        before: the loss of the start.
    """
    points = [] if before is None else [(0, before)]
    for line in metrics.read_text("utf-8").splitlines():
        values = json.loads(line)
        if metric in values:
            points.append((values["step"], values[metric]))
    return "".join(json.dumps({"step": step, "loss": loss}) + "\n" for step, loss in points).encode()


def _rows(cell: CellStages, artifacts: Artifacts) -> Iterator[dict[str, Any]]:
    if cell.model.key not in artifacts:
        return  # it failed, or something that it needs
    common = _common(cell, artifacts)
    recipe = cell.definition.recipe
    own = FurtherScore(cell.language_model_score, common["corpus"], is_general=False, is_before=False)
    for entry in (own, *cell.further_scores):
        if entry.stage.key not in artifacts:
            continue
        scores = read_json(artifacts[entry.stage.key].folder / "scores.json")
        for metric, value in scores.items():
            yield {
                "stage": "lm-score",
                "task": "",
                "dataset": f"{entry.dataset} (general text)" if entry.is_general else entry.dataset,
                "split": "held-out",
                "metric": metric,
                "protocol": LANGUAGE_MODEL_PROTOCOL + (", before pretraining" if entry.is_before else ""),
                "value": value,
                "seed": recipe.pretraining.seed,
                **common,
                **({"steps": 0} if entry.is_before else {}),
            }
    for stage in (each for each in cell.finetuning if each.key in artifacts):
        folder = artifacts[stage.key].folder
        tested = {split: tested_protocols(stage, folder, split) for split in SPLITS}
        for score in read_json(folder / "scores.json")["scores"]:
            has_units = not score["type"] and score["protocol"] in tested[score["split"]]
            yield {
                "stage": "finetune",
                "task": stage.spec.name,
                "dataset": stage.name,
                "settings": {},
                **{key: value for key, value in score.items() if key not in _IN_SIGNATURE},
                "seed": stage.seed,
                "after": stage.after,
                **({"units": f"logs/{units_name(stage, score['split'])}"} if has_units else {}),
                **common,
            }


def _common(cell: CellStages, artifacts: Artifacts) -> dict[str, Any]:
    """What all rows of one cell say about the model."""
    start = artifacts[cell.start.key].manifest["facts"]
    vocabulary = artifacts[cell.vocabulary.key].manifest["facts"]
    recipe = cell.definition.recipe
    pretrained = None if cell.pretraining is None else artifacts[cell.pretraining.key].manifest["facts"]
    return {
        "model": cell.definition.label,
        "size": cell.resolved.size.name,
        "parameters": start["parameters"],
        "architecture": start["model"]["architecture"],
        "vocabulary": cell.resolved.vocabulary.spec.name,
        "vocabulary_size": vocabulary["size"],
        "vocabulary_id": cell.vocabulary.key[:12],
        "corpus": cell.resolved.corpus.spec.name,
        "start": recipe.start.kind,
        "steps": 0 if pretrained is None else pretrained["steps"],
        "epochs": {} if pretrained is None else pretrained["epochs"],
        "arm": cell.definition.arm,
        "cell": dict(cell.definition.varied),
    }


def _curves(cell: CellStages, artifacts: Artifacts) -> Iterator[dict[str, Any]]:
    common = {"model": cell.definition.label, "arm": cell.definition.arm, "cell": dict(cell.definition.varied)}
    if cell.pretraining is not None and cell.pretraining.key in artifacts:
        seed = cell.definition.recipe.pretraining.seed
        length = _characters_per_sub_token(cell, artifacts)
        file = f"logs/{_log_name(cell.pretraining)}"
        yield {"stage": "pretrain", "dataset": cell.corpus.label, "seed": seed, **common, "file": file} | length
        for metric in _before_and_during(cell, artifacts):
            name = _log_name(cell.pretraining, metric)
            dataset = (
                cell.resolved.general.spec.name if metric == GENERAL_HELD_OUT_LOSS and cell.resolved.general else ""
            )
            text = f"{dataset} (general text), held-out" if dataset else f"{cell.corpus.label}, held-out"
            measured = {"stage": "pretrain", "dataset": text, "split": "held-out", "seed": seed}
            yield {**measured, **common, "file": f"logs/{name}"}
    for stage in (each for each in cell.finetuning if each.key in artifacts):
        file = f"logs/{_log_name(stage)}"
        yield {"stage": "finetune", "dataset": stage.name, "seed": stage.seed, **common, "file": file}


def _failures(cell: CellStages | MeasuredStages, failed: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """What failed by itself; what was left out for that is seen from the rows that are not there."""
    for stage in cell.ordered():
        if stage.key in failed:
            task = stage if isinstance(stage, FinetuneStage | TaskMeasureStage) else None
            yield {
                "stage": stage.kind,
                "error": failed[stage.key],
                "dataset": "" if task is None else task.name,
                "seed": stage.seed if isinstance(stage, FinetuneStage) else None,
                "model": cell.definition.label,
                "arm": cell.definition.arm,
                "cell": dict(cell.definition.varied),
            }


def _characters_per_sub_token(cell: CellStages, artifacts: Artifacts) -> dict[str, float]:
    """Of the one corpus that is read, what makes bits per character of a loss; nothing for a mixture."""
    if len(cell.resolved.corpora) > 1:
        return {}
    facts = [artifacts[stage.key].manifest["facts"].get("train", {}) for stage in (cell.corpus, cell.tokens)]
    num_characters, num_tokens = facts[0].get("num_characters"), facts[1].get("num_tokens")
    return {"characters_per_sub_token": num_characters / num_tokens} if num_characters and num_tokens else {}


def _problems(graph: Graph, artifacts: Artifacts) -> Iterator[dict[str, Any]]:
    told = []
    for stage in (each for each in graph.ordered() if each.key in artifacts):
        found = artifacts[stage.key].manifest["problems"]
        where = stage.name if isinstance(stage, FinetuneStage) else stage.label
        problem = {"stage": stage.kind, "where": where, **found}
        if found["counts"] and problem not in told:  # every seed reads the same files
            told.append(problem)
            yield problem
