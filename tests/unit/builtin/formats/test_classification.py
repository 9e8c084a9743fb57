"""Labelled texts in columns and in JSON lines; documents with relations."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, Entity, Mention, ProblemLog, Relation, RelationExample, SequenceExample
from domainlm.builtin.formats.classification import read_classification_jsonl, read_classification_tsv
from domainlm.builtin.formats.relations import read_relations_jsonl

Reader = Callable[[Path, ProblemLog], Iterator[Any]]


def _read(reader: Reader, tmp_path: Path, content: str, problems: ProblemLog | None = None) -> list[Any]:
    path = tmp_path / "log.txt"
    path.write_bytes(content.encode())
    return list(reader(path, problems or ProblemLog()))


@pytest.mark.parametrize(
    ("content", "examples"),
    [
        ("she is late\tcomplaint\n", [SequenceExample("log:1", "she is late", "complaint")]),
        ("where?\tat Oslo\tyes\n", [SequenceExample("log:1", "where?", "yes", "at Oslo")]),
        ("where?\t\tno\n", [SequenceExample("log:1", "where?", "no", "")]),
        ("index\tsentence\tlabel\n7\tshe is late\tcomplaint\n", [SequenceExample("7", "she is late", "complaint")]),
        (
            "label\tnote\tsentence1\tsentence2\tgroup\r\nyes\tx\twhere?\tat Oslo\tday 1\r\n",
            [SequenceExample("log:2", "where?", "yes", "at Oslo", group="day 1")],
        ),
        ('"late\tcomplaint\n\n  \n', [SequenceExample("log:1", '"late', "complaint")]),
    ],
)
def test_columns(tmp_path: Path, content: str, examples: list[SequenceExample]) -> None:
    problems = ProblemLog()
    assert _read(read_classification_tsv, tmp_path, content, problems) == examples
    assert not problems.counts


@pytest.mark.parametrize("header", ['"text"\t"label"', '"Sentence"\t"gold_label"\t"note"'])
def test_quoted_names_of_columns_are_refused(tmp_path: Path, header: str) -> None:
    with pytest.raises(DataError, match="quotation marks around the names") as refused:
        _read(read_classification_tsv, tmp_path, f'{header}\n"1"\t"she is late"\t"complaint"\n')
    assert str(refused.value.where).endswith("log.txt:1")
    assert "quote = FALSE" in str(refused.value.remedy)


def test_quoted_labels_are_counted(tmp_path: Path) -> None:
    problems = ProblemLog()
    content = '"she is late"\t"complaint"\n"No," he said, "why?"\tpraise\n'
    assert [each.label for each in _read(read_classification_tsv, tmp_path, content, problems)] == [
        '"complaint"',
        "praise",
    ]
    assert problems.counts == {"label in quotation marks (taken with them)": 1}


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("sentence\tclass\nx\tgood\ny\tgood\nz\tbad\n", "log.txt:1"),
        ("\nsentence\tclass\nx\tgood\ny\tgood\n", "log.txt:2"),
        ("x\tgood\ny\tgood\nz\tbad\n", None),
        ("x\tbad\ny\tgood\nz\tugly\n", None),
        ("text\tlabel\nx\tbad\ny\tgood\nz\tgood\n", None),
    ],
)
def test_a_first_line_that_may_be_names_is_told(tmp_path: Path, content: str, where: str | None) -> None:
    problems = ProblemLog()
    _read(read_classification_tsv, tmp_path, content, problems)
    assert [Path(each.where).name for each in problems.examples] == ([] if where is None else [where])
    assert all("names of the columns?" in each.kind for each in problems.examples)


def test_lines_that_are_left_out_are_counted(tmp_path: Path) -> None:
    problems = ProblemLog()
    content = "id\ttext\tlabel\na\tx\ty\na\tx\ty\nb\tx\nc\t\ty\nd\tx\t \n"

    assert [each.id for each in _read(read_classification_tsv, tmp_path, content, problems)] == ["a", "a#3"]
    assert problems.counts == {
        "id given twice": 1, "other number of columns": 1, "empty text": 1, "empty label": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        ("text alone\n", "columns without names"),
        ("a\tb\tc\td\n", "columns without names"),
        ("text\tlabel\n", "no example"),
        ("text\tsentence\tlabel\nx\ty\tz\n", "two columns of one meaning"),
    ],
)
def test_files_without_examples_are_refused(tmp_path: Path, content: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        _read(read_classification_tsv, tmp_path, content)


def test_json_lines(tmp_path: Path) -> None:
    records: list[object] = [
        {"text": "she is late", "label": "complaint"},
        {"id": 7, "text": "where?", "second_text": "at Oslo", "label": 1, "group": "day 1"},
        {"text": "the Vega", "label": "ship", "markers": [{"start": 4, "end": 8, "type": "name"}]},
        {"text": "no label"},
        {"text": "x", "label": "y", "second_text": 3},
        {"text": "x", "label": "y", "markers": [{"start": 0, "end": 2, "type": "name"}]},
        {"text": "x", "label": "y", "markers": [{}, {}, {}]},
        [],
    ]
    problems = ProblemLog()
    content = "".join(f"{json.dumps(record)}\n" for record in records)

    assert _read(read_classification_jsonl, tmp_path, content, problems) == [
        SequenceExample("log:1", "she is late", "complaint"),
        SequenceExample("7", "where?", "1", "at Oslo", group="day 1"),
        SequenceExample("log:3", "the Vega", "ship", markers=(Entity(4, 8, "name"),)),
    ]
    assert sum(problems.counts.values()) == 5


def test_relations(tmp_path: Path) -> None:
    record = {
        "id": "a",
        "text": "The Vega left Oslo.",
        "entities": [
            {"id": "o", "start": 14, "end": 18, "type": "port"},
            {"start": 4, "end": 8, "type": "ship", "text": "Vega"},
            {"id": "o", "start": 0, "end": 3, "type": "port"},
            {"id": "x", "start": 4, "end": 99, "type": "ship"},
        ],
        "relations": [
            {"first": 1, "second": "o", "label": "left"},
            {"first": 1, "second": "o", "label": "left"},
            {"first": "1", "second": "1", "label": "left"},
            {"first": "1", "second": "x", "label": "left"},
            {"first": "1", "second": "o"},
            "left",
        ],
    }
    problems = ProblemLog()

    assert _read(read_relations_jsonl, tmp_path, json.dumps(record), problems) == [
        RelationExample(
            "a",
            "The Vega left Oslo.",
            (Mention("1", 4, 8, "ship"), Mention("o", 14, 18, "port")),
            (Relation("1", "o", "left"),),
        )
    ]
    assert problems.counts == {
        "mention id given twice": 1,
        "entity offsets outside of the text": 1,
        "relation of a mention with itself": 1,
        "relation with an unknown mention": 1,
        "relation without a label": 1,
        "relation is not a JSON object": 1,
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.text(max_size=6) | st.sampled_from(["a", "b", "ship"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["start", "end", "type", "id", "first", "second", "label"]), inner, max_size=5
        )
    ),
    max_leaves=8,
)
_RECORDS = st.dictionaries(
    st.sampled_from(["id", "text", "label", "second_text", "markers", "entities", "relations", "group"]),
    _JSON,
    max_size=6,
)


@given(st.lists(_RECORDS | _JSON, max_size=4), st.sampled_from([read_classification_jsonl, read_relations_jsonl]))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_is_read_or_refused(tmp_path: Path, records: list[object], reader: Reader) -> None:
    sound = {"text": "The Vega left Oslo.", "label": "x", "entities": [], "relations": []}
    try:
        examples = _read(reader, tmp_path, "".join(f"{json.dumps(record)}\n" for record in [*records, sound]))
    except DataError:
        return
    _check(examples)


@given(
    st.binary(max_size=120), st.sampled_from([read_classification_tsv, read_classification_jsonl, read_relations_jsonl])
)
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, reader: Reader) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(content)
    try:
        examples = list(reader(path, ProblemLog()))
    except DataError:
        return
    _check(examples)


def _check(examples: list[Any]) -> None:
    assert examples
    assert len({example.id for example in examples}) == len(examples)
    for example in examples:
        assert example.text.strip()
        assert example.text.encode()
        spans = example.mentions if isinstance(example, RelationExample) else example.markers
        assert all(0 <= each.start < each.end <= len(example.text) for each in spans)
        if isinstance(example, RelationExample):
            ids = {each.id for each in example.mentions}
            assert all({each.first, each.second} <= ids and each.label for each in example.relations)
        else:
            assert example.label.strip()
