"""BioASQ's factoid questions: reading, the synthetic sample, submissions."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import Answer, DataError, ProblemLog, SpanExample
from domainlm.testing import check_task
from domainlm_biomegatron.commands import biomegatron
from domainlm_biomegatron.readers.bioasq import read_bioasq
from domainlm_biomegatron.specs.span_tasks import SPAN_TASKS
from domainlm_biomegatron.writing.bioasq import write_bioasq

SNIPPET = "Aspirin (ASA) helps; aspirin inhibits COX-1, aspirins do not."


def _question(**more: Any) -> dict[str, Any]:  # noqa: ANN401
    snippets = [{"text": SNIPPET, "document": "d"}, {"text": "Nothing here."}]
    sound = {"id": "q1", "type": "factoid", "body": "What helps?", "snippets": snippets}
    return sound | {"exact_answer": [["aspirin", "ASA"]]} | more


def _file(folder: Path, *questions: Any) -> Path:  # noqa: ANN401
    path = folder / "7B1_golden.json"
    path.write_text(json.dumps({"questions": [*questions]}))
    return path


def _read(path: Path) -> tuple[list[SpanExample], ProblemLog]:
    problems = ProblemLog()
    return list(read_bioasq(path, problems)), problems


def test_every_place_of_every_synonym_is_an_answer(tmp_path: Path) -> None:
    examples, problems = _read(_file(tmp_path, _question()))
    first, second = examples
    # Not in "aspirins": where the whole word stands somewhere, parts of words are none.
    assert first.answers == (Answer(0, "Aspirin"), Answer(9, "ASA"), Answer(21, "aspirin"))
    assert (first.id, first.group, first.gold) == ("q1:1", "q1", ("aspirin", "ASA"))
    assert (second.id, second.group, second.answers, second.gold) == ("q1:2", "q1", (), ("aspirin", "ASA"))
    assert not problems.counts


def test_questions_without_snippets_or_places_stay(tmp_path: Path) -> None:
    path = _file(tmp_path, _question(snippets=[]), _question(id="q2", exact_answer=[["elsewhere"]]))
    examples, problems = _read(path)
    assert [(each.id, each.context == "", each.answers) for each in examples] == [
        ("q1:1", True, ()), ("q2:1", False, ()), ("q2:2", False, ()),
    ]  # fmt: skip
    assert not problems.counts


@pytest.mark.parametrize("exact", ["aspirin", ["aspirin"], [["aspirin"]], [["aspirin", "aspirin"]]])
def test_every_form_of_an_exact_answer_is_read(tmp_path: Path, exact: object) -> None:
    examples, _ = _read(_file(tmp_path, _question(exact_answer=exact)))
    assert examples[0].accepted == ("aspirin",)


def test_other_kinds_are_passed_over_and_damage_is_counted(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        _question(),
        _question(id="l", type="list"),
        _question(id="e", exact_answer=[]),
        _question(id="s", exact_answer=[["", "aspirin "]]),
        _question(body=""),
        _question(),
        _question(id="t", snippets=[{"text": 3}, 4]),
        "no question",
    )
    examples, problems = _read(path)
    assert [each.id for each in examples] == ["q1:1", "q1:2", "s:1", "s:2", "t:1"]
    assert examples[2].accepted == ("aspirin ",), "as the official measures compare it"
    assert examples[2].answers[0] == Answer(0, "Aspirin"), "where it stands it has no blank"
    assert problems.counts == {
        "factoid question without an exact answer": 1,
        "exact answer that is empty or no text": 1,
        "factoid question without id or body": 1,
        "id given twice": 1,
        "snippet without a text": 2,
        "question is not an object": 1,
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[]", "not BioASQ's layout"),
        ('{"questions": {}}', "not BioASQ's layout"),
        ('{"questions": []}', "no factoid question"),
        ('{"data": []}', "no question with an answer"),
        ("{", "not JSON"),
        ("", "is empty"),
    ],
)
def test_files_that_are_something_else_are_refused(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "7B1_golden.json"
    path.write_text(content)
    with pytest.raises(DataError, match=problem):
        list(read_bioasq(path, ProblemLog()))


@pytest.mark.parametrize("ids", [("58:1", "58:12"), ("58_001", "58_012")])
def test_squads_layout_is_grouped_by_the_ids(tmp_path: Path, ids: tuple[str, str]) -> None:
    entries = [
        {
            "context": SNIPPET,
            "qas": [{"id": name, "question": "?", "answers": [{"text": "ASA", "answer_start": 9}]}],
        }
        for name in ids
    ]
    path = tmp_path / "factoid.json"
    path.write_text(json.dumps({"data": [{"paragraphs": entries}]}))
    examples, _ = _read(path)
    assert [(each.id, each.group) for each in examples] == [(name, "58") for name in ids]


@pytest.mark.parametrize("spec", SPAN_TASKS, ids=lambda spec: spec.name)
def test_the_samples_are_sound(spec: Any) -> None:  # noqa: ANN401
    counts = check_task(spec)
    assert counts.num_examples > 10
    assert counts.num_answers >= counts.num_examples
    assert not counts.problems


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["factoid", "aspirin", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["questions", "data", "id", "type", "body", "snippets", "text", "exact_answer"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_files_are_refused_or_read_with_sound_answers(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content: Any = {"questions": [_question(), _question(id="q2")]}
    for _ in range(data.draw(st.integers(1, 3))):
        content = _damaged(content, data)
    _check_reading(json.dumps(content), tmp_path_factory.getbasetemp() / "damaged.json")


def test_thousands_of_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    whole = json.dumps({"questions": [_question(), _question(id="q2", exact_answer="aspirin")]})
    kinds = ["", "]", "}", '"', "\\", "\x00", "\u00e9", "null", "-1", "[]", "{}", '"aspirin"', '["ASA"]', '"factoid"']
    num_read = 0
    for seed in range(2_000):
        draw = random.Random(seed)  # noqa: S311 - test data
        text = whole
        for _ in range(draw.randint(1, 3)):
            start = draw.randrange(len(text))
            text = text[:start] + draw.choice(kinds) + text[start + draw.choice([0, 1, 1, 5, 40]) :]
        num_read += _check_reading(text, tmp_path / "damaged.json")
    assert 100 < num_read < 1_900


def _check_reading(text: str, path: Path) -> bool:
    """Read a damaged file; whether anything of it could be read."""
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        examples = list(read_bioasq(path, ProblemLog()))
    except DataError as error:
        assert error.where is not None  # noqa: PT017 - any other error fails the test
        return False
    assert len({each.id for each in examples}) == len(examples) > 0
    for each in examples:
        assert all(each.context[answer.start : answer.end] == answer.text for answer in each.answers)
        assert each.group
    assert all(each.gold for each in examples) or not any(each.gold for each in examples)
    return True


def _damaged(value: Any, data: st.DataObject) -> Any:  # noqa: ANN401
    if data.draw(st.integers(0, 5)) == 0 or not isinstance(value, dict | list) or not value:
        return data.draw(JSON)
    key = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else list(range(len(value)))))
    copy = value.copy()
    copy[key] = _damaged(value[key], data)
    return copy


def test_predictions_become_a_submission(tmp_path: Path) -> None:
    predictions = tmp_path / "predictions.test.jsonl"
    ranked = [{"text": text, "score": 0.1} for text in ("Aspirin", "ASA", "c", "d", "e", "f")]
    lines = [{"id": "q1", "question": "?", "gold": ["x"], "predicted": ranked}, {"id": "q2", "predicted": []}]
    predictions.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    output = tmp_path / "out" / "submission.json"
    ended = CliRunner().invoke(biomegatron, ["bioasq-submission", str(predictions), "--output", str(output)])
    assert ended.exit_code == 0, ended.output
    assert json.loads(output.read_text()) == {
        "questions": [
            {"id": "q1", "type": "factoid", "exact_answer": [["Aspirin"], ["ASA"], ["c"], ["d"], ["e"]]},
            {"id": "q2", "type": "factoid", "exact_answer": []},
        ]
    }


def test_no_answers_are_an_empty_submission() -> None:
    assert json.loads("".join(write_bioasq([]))) == {"questions": []}


def test_what_is_no_prediction_is_refused(tmp_path: Path) -> None:
    predictions = tmp_path / "predictions.test.jsonl"
    predictions.write_text('{"id": "q1"}\n')
    ended = CliRunner().invoke(biomegatron, ["bioasq-submission", str(predictions), "--output", str(tmp_path / "x")])
    assert isinstance(ended.exception, DataError)


def test_questions_that_are_to_be_answered_are_read_without_answers(tmp_path: Path) -> None:
    question = _question()
    del question["exact_answer"]
    examples, problems = _read(_file(tmp_path, question))
    assert [(each.id, each.group, each.context, each.gold) for each in examples] == [
        ("q1:1", "q1", SNIPPET, ()),
        ("q1:2", "q1", "Nothing here.", ()),
    ]
    assert not problems.counts


@pytest.mark.real
@pytest.mark.parametrize(
    ("year", "questions", "snippets", "verbatim"),
    [
        (7, 162, 1167, 126),
        (8, 151, 1249, 118),
        (9, 163, 2035, 139),  # 140 where an empty synonym counts, which is found in any text
        (10, 166, 1476, 138),
        (11, 98, 724, 83),
    ],
)
def test_real_questions_are_all_there(data_dir: Path, year: int, questions: int, snippets: int, verbatim: int) -> None:
    problems = ProblemLog()
    files = sorted((data_dir / "qa" / "bioasq").glob(f"{year}B?_golden.json.gz"))
    examples = [example for file in files for example in read_bioasq(file, problems)]
    assert len({each.group for each in examples}) == questions
    assert len(examples) == snippets
    assert len({each.group for each in examples if each.answers}) == verbatim
    assert set(problems.counts) <= {"exact answer that is empty or no text"}


@pytest.mark.real
def test_the_part_in_squads_layout_is_grouped(data_dir: Path) -> None:
    examples, problems = _read(data_dir / "qa" / "bioasq" / "bioasq-1b-6b-factoid-part.squad.json.gz")
    assert (len(examples), len({each.group for each in examples})) == (1621, 178)
    assert not problems.counts
