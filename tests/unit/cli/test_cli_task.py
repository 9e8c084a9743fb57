"""`domainlm task list`, `show`, `stats`, `check` and `compare`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from domainlm.errors import DataError
from domainlm.testing import CheckError

RECORDS = [
    {"id": "a", "text": "The Vega left Oslo.", "entities": [{"start": 4, "end": 8, "type": "ship"}]},
    {
        "id": "b",
        "text": "Orion and Lyra met.",
        "entities": [{"start": 0, "end": 14, "type": "ship"}, {"start": 10, "end": 14, "type": "ship"}],
    },
]
QUESTION = {"question": "Who?", "answers": [{"text": "Vega", "answer_start": 0}]}
Invoke = Callable[..., Result]


@pytest.fixture
def invoke(call: Invoke) -> Invoke:
    def task(*arguments: str | Path) -> Result:
        return call("task", *map(str, arguments))

    return task


@pytest.fixture
def train(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(f"{json.dumps(record)}\n" for record in RECORDS))
    return path


def test_list_and_show(invoke: Invoke) -> None:
    assert "core/brat" in invoke("list").stdout
    listed = json.loads(invoke("list", "--json").stdout)
    assert {"core/conll", "core/spans"} <= {each["name"] for each in listed}
    shown = invoke("show", "core/spans").stdout
    assert shown.startswith("core/spans@1\n")
    assert "kind: token" in shown


def test_stats_by_hand(invoke: Invoke, train: Path) -> None:
    result = invoke("stats", "core/spans", "--folder", train.parent, "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)["train"]["facts"]
    # 9 words: The Vega left Oslo . | Orion and Lyra met . -- 10; three mentions, one inside another, two are labelled.
    assert facts["words"] == 10
    assert (facts["mentions"], facts["nested mentions"], facts["labelled entities"]) == (3, 1, 2)
    assert facts["label bias"] == pytest.approx(2 / 10)
    assert facts["share of words outside"] == pytest.approx(6 / 10)
    assert facts["entity length in words, mean"] == 2.0
    assert facts["reachable share of mentions"] == pytest.approx(2 / 3)
    table = invoke("stats", "core/spans", "--train", train, "--definitions").stdout
    assert "label bias" in table
    assert "train: 1 x entity left out: overlaps a longer one" in table


def test_stats_needs_files(invoke: Invoke, train: Path) -> None:
    assert "where the data is" in invoke("stats", "core/spans").output
    assert "give --train too" in invoke("stats", "core/spans", "--test", train).output


def test_check(invoke: Invoke, train: Path) -> None:
    result = invoke("check", "core/spans", "--file", train)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "core/spans@1: sound",
        "                       read",
        "examples                  2",
        "words                    10",
        "mentions of type ship     3",
    ]


@pytest.mark.parametrize(
    ("spec", "content", "told"),
    [
        (
            "core/spans",
            '{"text": "Vega", "entities": [{"start": 0, "end": 4, "type": "ship"}, [0, 4, "ship"]]}',
            ["core/spans@1: sound, with 1 problem:", "mentions of type ship     1"],
        ),
        (
            "core/classification-tsv",
            "Late.\tbad\nx\n\tgood\nOn time.\tgood\n",
            ["core/classification-tsv@1: sound, with 2 problems:", "examples of label bad      1"],
        ),
        (
            "core/squad",
            json.dumps({"data": [{"paragraphs": [{"context": "Vega left.", "qas": [QUESTION]}]}]}),
            ["core/squad@1: sound", "answers      1"],
        ),
    ],
)
def test_check_says_what_was_counted(invoke: Invoke, tmp_path: Path, spec: str, content: str, told: list[str]) -> None:
    path = tmp_path / "data"
    path.write_text(content)
    result = invoke("check", spec, "--file", path)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert set(told) <= set(lines)
    assert "TaskCounts" not in result.stdout
    problems = [line for line in lines if f"first at {path}:" in line]
    assert len(problems) == sum("x" in line.split(" ")[1:2] for line in lines)
    assert bool(problems) == ("problem" in told[0])


@pytest.mark.parametrize("entity", ['[4, 8, "ship"]', '{"start": "4", "end": 8, "type": "ship"}'])
def test_check_says_why_there_is_no_entity(invoke: Invoke, tmp_path: Path, entity: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(f'{{"text": "The Vega left.", "entities": [{entity}]}}\n' * 3)
    error = invoke("check", "core/spans", "--file", path).exception
    assert isinstance(error, CheckError)
    assert (error.problem, error.where) == ("no example has an entity", str(path))
    assert "3 x entity" in str(error.given)
    assert f"first at {path}:1: " in str(error.given)
    assert error.remedy


def test_compare(invoke: Invoke, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    entity = {"start": 0, "end": 4, "type": "ship"}
    for path, found in ((first, [entity]), (second, [])):
        records = [{"id": f"log{number}:0", "gold": [entity], "predicted": found} for number in range(12)]
        path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    result = invoke("compare", "--first", first, "--second", second, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["first"], found["second"], found["num_units"], found["units"]) == (1.0, 0.0, 12, ["documents"])
    assert found["p_value"] < 0.005  # 2 / 2^12 in the limit
    assert "(12 documents, 10,000 rounds)" in invoke("compare", "--first", first, "--second", second).stdout
    assert "as many files" in invoke("compare", "--first", first, "--first", first, "--second", second).output


def test_compare_knows_a_misspelled_label(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    entity = {"start": 0, "end": 4, "type": "ship"}
    path.write_text(json.dumps({"id": "log:0", "gold": [entity], "predicted": [entity | {"type": "port"}], "f1": 0.5}))
    both = ("compare", "--first", path, "--second", path)
    error = invoke(*both, "--label", "ships").exception
    assert isinstance(error, DataError)
    assert (error.given, error.allowed, error.nearest) == ("ships", ["port", "ship"], "ship")
    assert invoke(*both, "--label", "port").exit_code == 0  # found, though nowhere right
    assert "either --label or --score" in invoke(*both, "--label", "ship", "--score", "f1").output


def test_compare_does_not_average_what_is_no_number(invoke: Invoke, tmp_path: Path) -> None:
    """Nothing is at least as large as the difference from NaN, so that p would be the least there is."""
    path = tmp_path / "predictions.jsonl"
    path.write_text('{"id": "q1", "mrr": 0.5}\n{"id": "q2", "mrr": NaN}\n')
    error = invoke("compare", "--first", path, "--second", path, "--score", "mrr").exception
    assert isinstance(error, DataError)
    assert error.where == f"{path}:2"


def test_compare_takes_sentences_without_documents_in_blocks(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    path.write_text("".join(f'{{"id": "test:{number}", "gold": [], "predicted": []}}\n' for number in range(1, 26)))
    assert "(3 blocks of ten sentences, " in invoke("compare", "--first", path, "--second", path).stdout


def test_compare_asks_for_the_labels_of_relations(invoke: Invoke, tmp_path: Path) -> None:
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    gold = ["none", "none", "none", "tows"]
    for path, found in ((first, gold), (second, ["none"] * 4)):
        pairs = [
            {"id": f"{n}", "document": f"{n}", "first": "a", "second": "b", "gold": right, "predicted": given}
            for n, (right, given) in enumerate(zip(gold, found, strict=True))
        ]
        path.write_text("".join(f"{json.dumps(record)}\n" for record in pairs))
    result = invoke("compare", "--first", first, "--second", second)
    assert "relations need the labels that count" in str(result.exception)
    named = invoke("compare", "--first", first, "--second", second, "--label", "tows")
    assert "first 100.00 %, second 0.00 %" in named.stdout
