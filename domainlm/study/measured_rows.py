"""Rows of results.json about what was measured without training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from domainlm.study.graph_parts.measures import MeasuredStages
from domainlm.study.stage import Stage
from domainlm.study.stages.measure import TaskMeasureStage, chosen_facts, measured_facts
from domainlm.study.store import Artifact

STAGE = "measure"
_PROTOCOLS = {
    "break-up": "sub-tokens of the words inside entities",
    "task-facts": "counted as `domainlm task stats` does",
    "corpus": "as prepared: without duplicates, held-out documents included",
}
_AnyStage = TypeVar("_AnyStage", bound=Stage)
_SIDES = ("train", "held_out")
_TOGETHER = "together"


def measured_rows(cell: MeasuredStages, artifacts: Mapping[str, Artifact]) -> Iterator[dict[str, Any]]:
    """A row for each thing measured; the same fields as those of scores."""
    asked = cell.definition.recipe.measure
    common = _common(cell, artifacts)
    for rates in _made(cell.break_up_rates, artifacts):
        yield from _task_rows(rates, ("break-up rate",), artifacts, common)
    for facts in _made(cell.task_facts, artifacts):
        yield from _task_rows(facts, asked.task_facts, artifacts, common)
    totals = dict.fromkeys(asked.corpus_facts, 0)
    counted_corpora = _made(cell.corpora, artifacts)
    for stage in counted_corpora:
        counted = artifacts[stage.key].manifest["facts"]
        for name in asked.corpus_facts:
            number = sum(counted[side][f"num_{name}"] for side in _SIDES)
            totals[name] += number
            yield _row("corpus", stage.label, "", f"num_{name}", number, common)
    if cell.corpora and len(counted_corpora) == len(cell.corpora):
        for name, number in totals.items():
            yield _row("corpus", _TOGETHER, "", f"num_{name}", number, common)


def _made(stages: tuple[_AnyStage, ...], artifacts: Mapping[str, Artifact]) -> list[_AnyStage]:
    """Those that did not fail."""
    return [stage for stage in stages if stage.key in artifacts]


def _task_rows(
    stage: TaskMeasureStage, names: tuple[str, ...], artifacts: Mapping[str, Artifact], common: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    for split, facts in measured_facts(artifacts[stage.key].folder).items():
        for fact in chosen_facts(facts, names):
            value = fact["value"]
            name = str(fact["name"]).replace(" ", "_").replace("-", "_")
            metric = f"num_{name}" if isinstance(value, int) else name
            row = _row(stage.kind, stage.name, split, metric, value, common)
            yield row | {"task": stage.spec.name, "counts": fact.get("counts", {})}


def _row(kind: str, dataset: str, split: str, metric: str, value: float, common: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stage": STAGE,
        "task": "",
        "dataset": dataset,
        "split": split,
        "metric": metric,
        "protocol": _PROTOCOLS[kind],
        "value": value,
        **common,
    }


def _common(cell: MeasuredStages, artifacts: Mapping[str, Artifact]) -> dict[str, Any]:
    definition = cell.definition
    common: dict[str, Any] = {
        "seed": definition.recipe.seeds[0],
        "model": definition.label,
        "arm": definition.arm,
        "cell": dict(definition.varied),
    }
    if cell.vocabulary is not None and cell.vocabulary.key in artifacts:
        common["vocabulary"] = cell.resolved.vocabulary.spec.name
        common["vocabulary_size"] = artifacts[cell.vocabulary.key].manifest["facts"]["size"]
    if cell.resolved.corpora:
        common["corpus"] = " + ".join(corpus.name for corpus in cell.resolved.corpora)
    return common
