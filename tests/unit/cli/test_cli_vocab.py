"""`domainlm vocab rate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.errors import DataError, SpecError

Fixture = Callable[..., Any]

_WORDS = ("leek", "##s", "salt", "chick", "##pea", "boil", "the")


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A vocabulary, and a file with two foods and a tool.

    "leeks" is leek ##s, "chickpeas" chick ##pea ##s, "salt" one piece, "pot" unknown.
    """
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS]) + "\n", encoding="utf-8")
    data = tmp_path / "foods.txt"
    data.write_text("boil O\nleeks B-food\n\nsalt B-food\nchickpeas I-food\n\nthe O\npot B-tool\n", encoding="utf-8")
    return str(vocabulary), str(data)


def test_the_rate_is_counted_by_type_and_in_all(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, data = files
    result = call("vocab", "rate", vocabulary, "--task", "core/conll", "--file", data, "--uncased")

    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[1:] == [
        ["food", "2", "3", "6", "2.000"],
        ["tool", "1", "1", "1", "1.000"],
        ["all", "3", "4", "7", "1.750"],
    ]


def test_one_type_gives_one_row_for_programs(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, data = files
    options = ("--task", "core/conll", "--file", data, "--type", "food", "--uncased", "--json")

    assert json.loads(call("vocab", "rate", vocabulary, *options).stdout) == [
        {"type": "food", "num_entities": 2, "num_words": 3, "num_sub_tokens": 6, "rate": 2.0}
    ]


def test_several_files_count_together(call: Fixture, files: tuple[str, str]) -> None:
    vocabulary, data = files
    options = ("--task", "core/conll", "--file", data, "--file", data, "--type", "food", "--uncased", "--json")

    assert json.loads(call("vocab", "rate", vocabulary, *options).stdout)[0]["num_words"] == 6


def test_an_unknown_task_and_type_and_file_are_refused(call: Fixture, files: tuple[str, str], tmp_path: Path) -> None:
    vocabulary, data = files
    unknown_task = call("vocab", "rate", vocabulary, "--task", "core/conl", "--file", data).exception
    unknown_type = call("vocab", "rate", vocabulary, "--task", "core/conll", "--file", data, "--type", "foot").exception
    missing_file = call(
        "vocab", "rate", vocabulary, "--task", "core/conll", "--file", str(tmp_path / "food.txt")
    ).exception

    assert isinstance(unknown_task, SpecError)
    assert "nearest: core/conll" in str(unknown_task)
    assert isinstance(unknown_type, DataError)
    assert isinstance(missing_file, DataError)
    assert "food.txt" in str(missing_file)


def test_what_the_reader_left_out_is_said(
    call: Fixture, files: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    vocabulary, data = files
    Path(data).write_text("boil O\nleeks B-food\n\nsalt\n", encoding="utf-8")

    call("vocab", "rate", vocabulary, "--task", "core/conll", "--file", data, "--uncased")

    assert "1 x line without a tag" in caplog.text
    assert f"{data}:4" in caplog.text


@pytest.mark.real
@pytest.mark.parametrize(
    ("data_set", "entity_type", "num_entities", "published"),
    [("BC5CDR-chem", "Chemical", 5_203, 3.012), ("BC5CDR-disease", "Disease", 4_182, 2.42)],
)
def test_the_published_rate_of_a_general_vocabulary_is_found_again(
    call: Fixture, data_dir: Path, data_set: str, entity_type: str, num_entities: int, published: float
) -> None:
    """Shin et al. (2020), table 3, row BERT-cased; entities as the data set's own statistics count them."""
    vocabulary = data_dir / "vocab" / "bert-base-cased-vocab.txt"
    train = data_dir / "ner" / "iob" / data_set / "train.tsv.gz"
    result = call("vocab", "rate", str(vocabulary), "--task", "core/conll", "--file", str(train), "--json")

    (row,) = json.loads(result.stdout)
    assert row["type"] == entity_type
    assert row["num_entities"] == num_entities
    assert row["rate"] == pytest.approx(published, rel=0.01)
