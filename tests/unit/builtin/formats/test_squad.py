from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import Answer, DataError, ProblemLog, SpanExample
from domainlm.builtin.formats.squad import MOVED, NOWHERE, read_squad

CONTEXT = "The Vega left Oslo. In Oslo the Vega had loaded oil."


def _file(folder: Path, *questions: dict[str, Any], context: object = CONTEXT, name: str = "dev.json") -> Path:
    path = folder / name
    path.write_text(json.dumps({"version": "x", "data": [{"paragraphs": [{"context": context, "qas": [*questions]}]}]}))
    return path


def _question(*answers: tuple[Any, ...], **more: object) -> dict[str, Any]:
    entries = [{"text": answer[0], **({"answer_start": answer[1]} if len(answer) > 1 else {})} for answer in answers]
    return {"id": "q1", "question": "Which port?", "answers": entries} | more


def _read(path: Path) -> tuple[list[SpanExample], ProblemLog]:
    problems = ProblemLog()
    return list(read_squad(path, problems)), problems


def test_questions_are_read_with_all_their_answers(tmp_path: Path) -> None:
    (example,), problems = _read(_file(tmp_path, _question(("Oslo", 14), ("Oslo", 23), ("Oslo", 14))))
    answers = (Answer(14, "Oslo"), Answer(23, "Oslo"), Answer(14, "Oslo"))
    assert example == SpanExample("q1", "Which port?", CONTEXT, answers)
    assert example.gold == ("Oslo", "Oslo", "Oslo")
    assert not problems.counts


def test_gzipped_files_are_read(tmp_path: Path) -> None:
    plain = _file(tmp_path, _question(("Oslo", 14)))
    packed = tmp_path / "dev.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert _read(packed)[0] == _read(plain)[0]


def test_impossible_questions_need_no_answer(tmp_path: Path) -> None:
    plausible = [{"text": "oil", "answer_start": 48}]
    entries = [
        _question(is_impossible=True, plausible_answers=plausible),
        {"id": "q2", "question": "?", "is_impossible": True},
    ]
    examples, problems = _read(_file(tmp_path, *entries))
    assert [(each.id, each.is_impossible, each.gold) for each in examples] == [("q1", True, ()), ("q2", True, ())]
    assert not problems.counts


def test_a_wrong_offset_is_mended_to_the_nearest_place_and_counted(tmp_path: Path) -> None:
    examples, problems = _read(_file(tmp_path, _question(("Oslo", 13)), _question(("Oslo", 30), id="q2")))
    assert [each.answers for each in examples] == [(Answer(14, "Oslo"),), (Answer(23, "Oslo"),)]
    assert problems.counts == {MOVED: 2}
    assert problems.examples[0].where == f"{tmp_path / 'dev.json'}: data[0].paragraphs[0].qas[0].answers[0]"


def test_an_answer_that_stands_nowhere_counts_but_has_no_place(tmp_path: Path) -> None:
    (example,), problems = _read(_file(tmp_path, _question(("Bergen", 14), ("Oslo", 14))))
    assert example.answers == (Answer(14, "Oslo"),)
    assert example.gold == ("Bergen", "Oslo")
    assert problems.counts == {NOWHERE: 1}


@pytest.mark.parametrize("offset", [None, "14", 14.0, True])
def test_without_an_offset_only_one_place_is_taken(tmp_path: Path, offset: object) -> None:
    given = [_question(("oil", offset)), _question(("Oslo", offset), id="q2")]
    examples, problems = _read(_file(tmp_path, *given))
    assert [each.answers for each in examples] == [(Answer(48, "oil"),), ()]
    assert examples[1].gold == ("Oslo",)
    assert problems.counts.total() == 2


def test_damage_costs_what_is_damaged_alone(tmp_path: Path) -> None:
    good = _question(("Oslo", 14))
    path = _file(
        tmp_path,
        good,
        7,
        {"id": "x"},
        _question(id="y"),
        _question(({}, 3), id="z"),
        _question(("oil", 48), id="q2"),
        good,
    )
    examples, problems = _read(path)
    assert [each.id for each in examples] == ["q1", "q2", "q1#3"]
    assert problems.counts == {
        'entry of "qas" is not an object': 1,
        "entry without a question": 1,
        "question without an answer": 2,
        "answer without a text": 1,
        "id given twice": 1,
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b'{"data": [', "not JSON"),
        (b"[1]", "not SQuAD's layout"),
        (b'{"questions": []}', "not SQuAD's layout"),
        (b'{"data": []}', "no question with an answer"),
        (b'{"data": [{"paragraphs": [{"context": " ", "qas": []}]}]}', "no question with an answer"),
        (b"\n\xff", "not UTF-8 at byte 1"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_files_that_are_something_else_are_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "dev.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        list(read_squad(path, ProblemLog()))
    assert str(path) in str(caught.value.where)


def test_missing_files_and_damaged_archives_are_refused(tmp_path: Path) -> None:
    packed = tmp_path / "dev.json.gz"
    for content in (b"no gzip", gzip.compress(b'{"data": []}')[:-9]):
        packed.write_bytes(content)
        with pytest.raises(DataError, match="gzip"):
            list(read_squad(packed, ProblemLog()))
    with pytest.raises(DataError, match="no such file"):
        list(read_squad(tmp_path / "other.json", ProblemLog()))


WHOLE = {
    "data": [
        {"paragraphs": [{"context": CONTEXT, "qas": [_question(("Oslo", 14)), _question(("oil", 9), id="q2")]}]},
        {"paragraphs": [{"context": CONTEXT, "qas": [_question(id="q3", is_impossible=True)]}]},
    ]
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["Oslo", "\ud800"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "paragraphs", "context", "qas", "id", "question", "answers", "text", "answer_start"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read_with_sound_answers(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content: Any = WHOLE
    for _ in range(data.draw(st.integers(1, 3))):
        content = _damaged(content, data)
    _check_reading(json.dumps(content), tmp_path_factory.getbasetemp() / "fuzzed.json")


def test_thousands_of_damaged_files_are_refused_or_read(tmp_path: Path) -> None:
    whole = json.dumps(WHOLE)
    kinds = ["", "]", "}", '"', "\\", "\x00", "\u00e9", "null", "-1", "[]", "{}", "1e999", "99999999999", '"Oslo"']
    num_read = 0
    for seed in range(2_000):
        draw = random.Random(seed)  # noqa: S311 - test data
        text = whole
        for _ in range(draw.randint(1, 3)):
            start = draw.randrange(len(text))
            text = text[:start] + draw.choice(kinds) + text[start + draw.choice([0, 1, 1, 5, 40]) :]
        num_read += _check_reading(text, tmp_path / "fuzzed.json")
    assert 100 < num_read < 1_900


def _check_reading(text: str, path: Path) -> bool:
    """Read a damaged file; whether anything of it could be read."""
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        examples = list(read_squad(path, ProblemLog()))
    except DataError as error:
        assert error.where is not None  # noqa: PT017 - any other error fails the test
        return False
    assert examples
    assert len({each.id for each in examples}) == len(examples)
    for example in examples:
        assert all(example.context[each.start : each.end] == each.text for each in example.answers)
        assert bool(example.gold) != example.is_impossible
        json.dumps([example.id, example.question, example.context, example.gold], ensure_ascii=False).encode()
    return True


def _damaged(value: Any, data: st.DataObject) -> Any:  # noqa: ANN401 - any JSON value
    """The value with something in it replaced."""
    if data.draw(st.integers(0, 5)) == 0 or not isinstance(value, dict | list) or not value:
        return data.draw(JSON)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = data.draw(st.sampled_from(keys))
    copy = value.copy()
    copy[key] = _damaged(value[key], data)
    return copy


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "questions", "contexts", "answers"),
    [
        ("squad/dev-v1.1.rebuilt.json.gz", 10_570, 2_067, 34_726),  # Rajpurkar et al. 2016: 10,570 questions in dev
        ("squad/xquad.en.json.gz", 1_190, 240, 1_190),  # Artetxe et al. 2020, section 3
        ("covidqa/covidqa.fixed.json.gz", 1_380, 98, 1_380),
    ],
)
def test_real_files_are_read_whole(data_dir: Path, name: str, questions: int, contexts: int, answers: int) -> None:
    examples, problems = _read(data_dir / "qa" / name)
    assert len(examples) == questions
    assert len({each.context for each in examples}) == contexts
    assert sum(len(each.answers) for each in examples) == answers
    assert not problems.counts


@pytest.mark.real
def test_offsets_of_a_subset_agree_where_they_are_official(data_dir: Path) -> None:
    whole, _ = _read(data_dir / "qa" / "squad" / "dev-v1.1.rebuilt.json.gz")
    by_id = {each.id: each for each in whole}
    subset, _ = _read(data_dir / "qa" / "squad" / "xquad.en.json.gz")
    assert all(each.answers[0] in by_id[each.id].answers for each in subset)
