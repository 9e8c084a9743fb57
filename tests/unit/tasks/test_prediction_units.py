"""What tests of significance take as one: documents, blocks of sentences, texts and questions."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import ProblemLog
from domainlm.builtin.formats.brat import read_brat
from domainlm.builtin.formats.conll import read_conll
from domainlm.errors import DataError
from domainlm.tasks.predictions import UnitCounts, count_predictions

Json = dict[str, Any]
SHIP: Json = {"start": 0, "end": 4, "type": "ship"}


def counted(
    path: Path, records: Iterable[Json], *, labels: Sequence[str] = (), score: str = "", files: Collection[str] = ()
) -> UnitCounts:
    """The units of a file of predictions."""
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return count_predictions(path, labels=labels, score=score, files=files)


def entities(ids: Iterable[str]) -> list[Json]:
    """A record with one entity, which is found, for each id."""
    return [{"id": each, "gold": [SHIP], "predicted": [SHIP]} for each in ids]


def num_gold(units: UnitCounts) -> dict[str, float]:
    """How many entities each unit has."""
    return {unit: sums[0] for unit, sums in units.by_unit.items()}


def column_ids(folder: Path, num_sentences: Sequence[int]) -> list[str]:
    """The ids of the sentences of files in columns, each of so many sentences."""
    ids: list[str] = []
    for number, length in enumerate(num_sentences):
        path = folder / f"test-{number}.tsv"
        path.write_text("Vega\tB-ship\n\n" * length)
        ids += [example.id for example in read_conll(path, ProblemLog())]
    return ids


def test_sentences_of_a_file_without_documents_are_taken_ten_by_ten(tmp_path: Path) -> None:
    units = counted(tmp_path / "a.jsonl", entities(column_ids(tmp_path, [23])))
    assert units.kinds == ("block",)
    assert sorted(num_gold(units).values()) == [3, 10, 10]  # the last one is shorter


def test_a_file_is_no_document_however_many_there_are(tmp_path: Path) -> None:
    ids = column_ids(tmp_path, [200, 203])
    units = counted(tmp_path / "a.jsonl", entities(ids))
    assert (units.kinds, len(units.by_unit)) == (("block",), 41)  # 20 and 21: no block has sentences of both files
    assert (
        counted(tmp_path / "b.jsonl", entities(ids), files={"test-0", "test-1"}).by_unit.keys() == units.by_unit.keys()
    )


def test_lines_without_an_id_are_not_taken_for_documents_either(tmp_path: Path) -> None:
    units = counted(tmp_path / "a.jsonl", entities(f"{stem}:{line}" for stem in ("a", "b") for line in range(1, 16)))
    assert sorted(num_gold(units).values()) == [5, 5, 10, 10]


def test_documents_of_several_files(tmp_path: Path) -> None:
    ids: list[str] = []
    for name, lines in (("log7", 12), ("log8", 2)):
        (tmp_path / f"{name}.txt").write_text("Vega left.\n" * lines)
        (tmp_path / f"{name}.ann").write_text("T1\tship 0 4\tVega\n")
        ids += [example.id for example in read_brat(tmp_path / f"{name}.ann", ProblemLog())]
    for files in ((), {"log7", "log8"}):
        units = counted(tmp_path / "a.jsonl", entities(ids), files=files)
        assert (units.kinds, num_gold(units)) == (("document",), {"log7": 12, "log8": 2})


def test_documents_of_a_file_in_columns(tmp_path: Path) -> None:
    path = tmp_path / "test.txt"
    path.write_text("".join("-DOCSTART- O\n\n" + "Vega B-ship\n\n" * length for length in (3, 12, 2)))
    ids = [example.id for example in read_conll(path, ProblemLog())]
    for files in ((), {"test"}):
        units = counted(tmp_path / "a.jsonl", entities(ids), files=files)
        assert (units.kinds, [*num_gold(units).values()]) == (("document",), [3, 12, 2])


def test_what_is_no_file_is_a_document_whatever_its_sentences_are_counted_from(tmp_path: Path) -> None:
    ids = [f"case-{case}:{number}" for case in (1, 2) for number in range(1, 26)]
    known = counted(tmp_path / "a.jsonl", entities(ids), files={"test"})
    assert (known.kinds, num_gold(known)) == (("document",), {"case-1": 25, "case-2": 25})
    assert counted(tmp_path / "b.jsonl", entities(ids)).kinds == ("block",)


def test_one_document_alone_is_taken_in_blocks(tmp_path: Path) -> None:
    units = counted(tmp_path / "a.jsonl", entities(f"book:{number}" for number in range(25)))
    assert (units.kinds, sorted(num_gold(units).values())) == (("block",), [5, 10, 10])


def test_documents_beside_a_file_without_any(tmp_path: Path) -> None:
    ids = [*(f"log7:{n}" for n in range(12)), *(f"log8:{n}" for n in range(3)), *(f"test:{n}" for n in range(1, 12))]
    units = counted(tmp_path / "a.jsonl", entities([*ids, "a letter"]))
    assert units.kinds == ("document", "block")
    assert sorted(num_gold(units).values()) == [1, 1, 3, 10, 12]


def test_texts_and_questions_are_units_themselves(tmp_path: Path) -> None:
    texts: list[Json] = [
        {"id": f"{stem}:{line}", "gold": "yes", "predicted": "no"} for stem in ("a", "b") for line in range(1, 31)
    ]
    units = counted(tmp_path / "a.jsonl", texts)
    assert (units.kinds, len(units.by_unit)) == (("text",), 60)
    questions = counted(tmp_path / "a.jsonl", [{**each, "f1": 0.5} for each in texts], score="f1")
    assert (questions.kinds, len(questions.by_unit)) == (("question",), 60)


def test_relations_are_counted_with_the_labels_that_are_named(tmp_path: Path) -> None:
    pairs: list[Json] = [
        {
            "id": f"log{n // 2}.{n}",
            "document": f"log{n // 2}",
            "first": "a",
            "second": "b",
            "gold": gold,
            "predicted": "none",
        }
        for n, gold in enumerate(["none", "tows", "none", "none"])
    ]
    units = counted(tmp_path / "a.jsonl", pairs, labels=["tows"])
    assert (units.kinds, units.matrix(["log0", "log1"]).tolist()) == (("document",), [[1, 0, 0], [0, 0, 0]])
    with pytest.raises(DataError, match="relations need the labels that count"):
        counted(tmp_path / "a.jsonl", pairs)
