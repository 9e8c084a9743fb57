"""What scores are counted from, document by document, of every kind of task."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from domainlm.study.report.units import read_units
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.study.units import unit_files

Json = dict[str, Any]


def written(
    folder: Path, kind: str, records: list[Json], labels: tuple[str, ...] = (), protocol: str = "first"
) -> Mapping[str, Any]:
    """The content of the file for the test split of a fine-tuning that left these predictions.

    Its scores are about `labels`; its spec names none, as that of relations in JSON lines.
    """
    (folder / "predictions.test.jsonl").write_text("".join(json.dumps(each) + "\n" for each in records))
    scores = [
        {"split": "test", "protocol": "first", "type": "", "labels": labels},
        {"split": "test", "protocol": "second", "type": "", "labels": [*labels, "none"]},
    ]
    (folder / "scores.json").write_text(json.dumps({"scores": scores}))
    files = {"test": (SimpleNamespace(path=Path("data/test.tsv.gz")),)}
    spec = SimpleNamespace(kind=kind, scored_types=())
    stage = cast("FinetuneStage", SimpleNamespace(key="k" * 40, spec=spec, files=files))
    ((name, content),) = unit_files(stage, folder)
    assert name == "units-kkkkkkkkkkkk.test.json"
    assert content["protocol"] == protocol
    return content


def entity(start: int, end: int) -> Json:
    return {"start": start, "end": end, "type": "Ship"}


def test_entities_by_document(tmp_path: Path) -> None:
    records = [
        {"id": "log7:0", "gold": [entity(0, 4), entity(9, 12)], "predicted": [entity(0, 4), entity(9, 11)]},
        {"id": "log7:1", "gold": [], "predicted": [entity(3, 5)]},
        {"id": "log8:0", "gold": [entity(1, 2)], "predicted": []},
    ]
    content = written(tmp_path, "token", records, protocol="exact character span")
    assert (content["units"], content["counts"]) == (["log7", "log8"], [[2, 3, 1], [1, 0, 0]])
    assert content["kinds"] == ["document"]


def test_documents_are_told_from_files(tmp_path: Path) -> None:
    ids = [f"{name}:{number}" for name in ("test", "log7") for number in range(1, 13)]
    records: list[Json] = [{"id": each, "gold": [entity(0, 4)], "predicted": []} for each in ids]
    content = written(tmp_path, "token", records, protocol="exact character span")
    assert content["kinds"] == ["document", "block"]
    (tmp_path / "units.json").write_text(json.dumps(content))
    read = read_units(tmp_path / "units.json")
    assert read is not None
    assert (read.kinds, read.protocol) == (("document", "block"), "exact character span")
    assert content["counts"] == [[12, 0, 0], [10, 0, 0], [2, 0, 0]]


def test_labels_that_are_scored(tmp_path: Path) -> None:
    records = [
        {"id": "a", "document": "log1", "gold": "carries", "predicted": "carries"},
        {"id": "b", "document": "log1", "gold": "none", "predicted": "tows"},
        {"id": "c", "document": "log2", "gold": "tows", "predicted": "none"},
    ]
    records = [each | {"first": "x", "second": "y"} for each in records]
    content = written(tmp_path, "sequence", records, ("carries", "tows"))
    assert (content["units"], content["counts"]) == (["log1", "log2"], [[1, 2, 1], [1, 0, 0]])


def test_answers(tmp_path: Path) -> None:
    records = [
        {"id": "q1", "gold": ["x"], "predicted": [], "mrr": 0.5, "strict_accuracy": 0.0, "lenient_accuracy": 1.0},
        {"id": "q2", "gold": ["y"], "predicted": [], "mrr": 1.0, "strict_accuracy": 1.0, "lenient_accuracy": 1.0},
    ]
    content = written(tmp_path, "span", records)
    assert content["means"] == {
        "mrr": [[1.0, 0.5], [1.0, 1.0]],
        "strict_accuracy": [[1.0, 0.0], [1.0, 1.0]],
        "lenient_accuracy": [[1.0, 1.0], [1.0, 1.0]],
    }
    (tmp_path / "units.json").write_text(json.dumps(content))
    read = read_units(tmp_path / "units.json")
    assert read is not None
    sums, metric = read.sums["mrr"]
    assert float(metric(sums.sum(axis=0))) == pytest.approx(0.75)


def test_a_split_without_an_example(tmp_path: Path) -> None:
    assert written(tmp_path, "span", [])["units"] == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 2, "protocol": "p", "kinds": [], "data": "d", "units": ["a"], "counts": [[1, 2]]}',
        '{"format": 2, "protocol": "p", "kinds": ["word"], "data": "d", "units": ["a"], "counts": [[1, 2, 1]]}',
        # Of an earlier version, which took the sentences of one file for units.
        '{"format": 1, "protocol": "p", "data": "d", "units": ["a"], "counts": [[1, 2, 1]]}',
    ],
)
def test_damaged_files_are_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / "units.json").write_text(content)
    assert read_units(tmp_path / "units.json") is None
