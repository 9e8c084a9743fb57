"""Chooses settings of fine-tuning on dev: of the cells that differ in chosen settings alone, one for each data set.

The test scores of the others never leave their stages, so that nothing can be chosen by them.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from domainlm.study.report.metrics import metric_facts, sort_metrics
from domainlm.study.same_seeds import missing_seeds, with_most_seeds

Record = Mapping[str, Any]
_FINETUNE = "finetune"
_Arm = tuple[str, str]  # data set, and the values of what is compared


def select_settings(
    rows: Sequence[Record],
    curves: Sequence[Record],
    failures: Sequence[Record],
    keys: Collection[str],
    label_of: Callable[[Record], str],
) -> dict[str, list[dict[str, Any]]]:
    """Keep what was chosen.

    For each data set, and each combination of the other varied values, the settings with the best mean over seeds on
    dev are chosen: of the metric and the protocol that the report judges by, all types pooled; of equal ones the first.
    Those with fewer seeds than others, since some failed, are left out.

    Args:
        rows: of results.json; those of fine-tuning have a "cell".
        curves: likewise.
        failures: likewise.
        keys: the varied keys to choose among.
        label_of: names a cell that these keys are taken out of.

    Returns:
        "rows", "curves" and "failures" with their cells without these keys, each row and failure of fine-tuning with
        its "settings", and "candidates": every combination that was tried, with its score on dev and whether it was
        chosen; where it lacks seeds that another has on the data set, also these and whether it was left out for that.
    """
    candidates = _candidates(rows, keys)
    chosen = {_arm(each): each["settings"] for each in candidates if each["chosen"]}

    def kept(records: Iterable[Record], *, with_settings: bool, only_chosen: bool = True) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for record in records:
            cell, settings = _part(record["cell"], keys)
            reduced = {**record, "cell": cell, "model": label_of(cell)}
            if record["stage"] == _FINETUNE:
                if only_chosen and chosen.get(_arm(reduced)) != settings:
                    continue
                reduced |= {"settings": settings} if with_settings else {}
            identity = {key: value for key, value in reduced.items() if key not in {"value", "file"}}
            found.setdefault(json.dumps(identity, sort_keys=True), reduced)
        return list(found.values())

    return {
        "rows": kept(rows, with_settings=True),
        "curves": kept(curves, with_settings=False),
        "failures": kept(failures, with_settings=True, only_chosen=False),
        "candidates": [{**each, "model": label_of(each["cell"])} for each in candidates],
    }


def _candidates(rows: Sequence[Record], keys: Collection[str]) -> list[dict[str, Any]]:
    """Every combination in order, with its mean on dev."""
    on_dev = [row for row in rows if row["stage"] == _FINETUNE and row["split"] == "dev" and not row.get("type")]
    judged = {name: _judge([row for row in on_dev if row["dataset"] == name]) for name in _names(on_dev)}
    values: dict[str, dict[int, float]] = {}
    found: dict[str, dict[str, Any]] = {}
    for row in on_dev:
        protocol, metric = judged[row["dataset"]]
        if (row["protocol"], row["metric"]) != (protocol, metric):
            continue
        cell, settings = _part(row["cell"], keys)
        candidate = {
            "dataset": row["dataset"],
            "cell": cell,
            "settings": settings,
            "metric": metric,
            "protocol": protocol,
        }
        identity = json.dumps(candidate, sort_keys=True)
        found.setdefault(identity, candidate)
        values.setdefault(identity, {})[row["seed"]] = row["value"]
    for identity, candidate in found.items():
        of_seeds = values[identity].values()
        candidate |= {"dev_mean": statistics.fmean(of_seeds), "num_seeds": len(of_seeds)}
    chosen: set[str] = set()
    for arm in {_arm(each): None for each in found.values()}:
        compared = with_most_seeds({name: values[name] for name, each in found.items() if _arm(each) == arm})
        chosen.add(max(compared, key=lambda name: _gain(found[name])))
        for name in (name for name, each in found.items() if _arm(each) == arm and name not in compared):
            found[name]["left_out"] = True
    for dataset in judged:
        lacking = missing_seeds({name: values[name] for name, each in found.items() if each["dataset"] == dataset})
        for name, seeds in lacking.items():
            found[name] |= {"missing_seeds": seeds} if seeds else {}
    return [{**each, "chosen": name in chosen} for name, each in found.items()]


def _judge(rows: Sequence[Record]) -> tuple[str, str]:
    """The protocol that rows give first, and of its metrics the one to judge by."""
    protocol = rows[0]["protocol"]
    return protocol, sort_metrics({row["metric"] for row in rows if row["protocol"] == protocol})[0]


def _names(rows: Iterable[Record]) -> list[str]:
    return list(dict.fromkeys(row["dataset"] for row in rows))


def _gain(candidate: Record) -> float:
    sign = -1.0 if metric_facts(candidate["metric"]).higher_is_better is False else 1.0
    return sign * float(candidate["dev_mean"])


def _part(cell: Mapping[str, Any], keys: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The varied values that are compared, and those that are chosen among."""
    return (
        {key: value for key, value in cell.items() if key not in keys},
        {key: value for key, value in cell.items() if key in keys},
    )


def _arm(record: Record) -> _Arm:
    return record["dataset"], json.dumps(record["cell"], sort_keys=True)
