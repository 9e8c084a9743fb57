from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.builtin.formats.spans import read_spans_jsonl

TEXT = "The Vega left Oslo."


@pytest.fixture
def problems() -> ProblemLog:
    return ProblemLog()


def _file(folder: Path, *lines: object) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    return path


def _record(*entities: object, **more: object) -> dict[str, object]:
    return {"text": TEXT, "entities": list(entities), **more}


def _ship(**changes: object) -> dict[str, object]:
    return {"start": 4, "end": 8, "type": "ship"} | changes


def test_a_record(tmp_path: Path, problems: ProblemLog) -> None:
    place = {"start": 14, "end": 18, "type": "place", "text": "Oslo"}
    (example,) = read_spans_jsonl(_file(tmp_path, _record(place, _ship(), id="log-17", licence="CC0")), problems)
    assert example == TokenExample(
        id="log-17",
        text=TEXT,
        words=((0, 3), (4, 8), (9, 13), (14, 18), (18, 19)),
        entities=(Entity(4, 8, "ship"), Entity(14, 18, "place")),
    )
    assert not problems.counts


def test_offsets_count_characters_and_any_white_space_stays(tmp_path: Path, problems: ProblemLog) -> None:
    text = "🚢\n\tVega\u2028é"
    record = {"text": text, "entities": [{"start": 3, "end": 7, "type": "ship", "text": "Vega"}]}
    (example,) = read_spans_jsonl(_file(tmp_path, record), problems)
    assert example.text == text
    assert not problems.counts


def test_gzip(tmp_path: Path, problems: ProblemLog) -> None:
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(json.dumps(_record(_ship())).encode()))
    (example,) = read_spans_jsonl(path, problems)
    assert example.id == "log:1"


def test_ids_default_to_the_line_and_stay_unique(tmp_path: Path, problems: ProblemLog) -> None:
    path = _file(tmp_path, _record(), "", _record(id=7), _record(id="7"), _record(id=None), _record(id=True))
    ids = [example.id for example in read_spans_jsonl(path, problems)]
    assert ids == ["log:1", "7", "7#4", "log:5", "log:6"]
    assert problems.counts == {"id given twice": 1}
    assert problems.examples[0].where == f"{path}:4"


@pytest.mark.parametrize(
    ("entity", "kind"),
    [
        (_ship(end=20), "entity offsets outside of the text"),
        (_ship(end=4), "entity offsets outside of the text"),
        (_ship(start=9), "entity offsets outside of the text"),
        (_ship(start=-4), "entity needs start, end and type"),
        (_ship(start=4.0), "entity needs start, end and type"),
        (_ship(start=True), "entity needs start, end and type"),
        (_ship(end="8"), "entity needs start, end and type"),
        (_ship(type="\ud800"), "entity needs start, end and type"),
        (_ship(type=" "), "entity needs start, end and type"),
        ({"start": 4, "end": 8}, "entity needs start, end and type"),
        (_ship(text="Vego"), "mention text differs"),
        ([4, 8, "ship"], "entity is not a JSON object"),
    ],
)
def test_a_damaged_mention_costs_that_mention_alone(
    tmp_path: Path, problems: ProblemLog, entity: object, kind: str
) -> None:
    place = {"start": 14, "end": 18, "type": "place"}
    path = _file(tmp_path, _record(), _record(entity, place))
    examples = list(read_spans_jsonl(path, problems))
    assert examples[1].entities == (Entity(14, 18, "place"),)
    assert problems.counts == {kind: 1}
    assert problems.examples[0].where == f"{path}:2"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ('{"text": "a", ', "line is not JSON"),
        ("[" * 100_000, "line is not JSON"),
        ('{"text": "a", "entities": [], "n": ' + "9" * 5_000 + "}", "line is not JSON"),
        ("[]", "line is not a JSON object"),
        ("null", "line is not a JSON object"),
        ({"entities": []}, 'record without a "text"'),
        ({"text": ["a"], "entities": []}, 'record without a "text"'),
        ({"text": " \n", "entities": []}, "empty text"),
        ({"text": "a"}, 'record without a list of "entities"'),
        ({"text": "a", "entites": []}, 'record without a list of "entities"'),
        ({"text": "a", "entities": {}}, 'record without a list of "entities"'),
        ('{"text": "a \\ud83d b", "entities": []}', "text holds half of a surrogate pair"),
    ],
)
def test_a_damaged_record_is_left_out_and_counted(
    tmp_path: Path, problems: ProblemLog, line: object, kind: str
) -> None:
    path = _file(tmp_path, _record(), line, _record())
    assert [example.id for example in read_spans_jsonl(path, problems)] == ["log:1", "log:3"]
    assert problems.counts == {kind: 1}
    assert problems.examples[0].where == f"{path}:2"


def test_a_file_without_a_sound_record_is_refused(tmp_path: Path, problems: ProblemLog) -> None:
    path = _file(tmp_path, {"text": "a"}, "no json")
    with pytest.raises(DataError, match="no record with a text and its entities") as caught:
        list(read_spans_jsonl(path, problems))
    assert caught.value.where == str(path)
    assert caught.value.given == '1 x line is not JSON, 1 x record without a list of "entities"'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 30) | st.floats(allow_nan=True) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["start", "end", "type"]), inner),
    max_leaves=8,
)
RECORDS = st.fixed_dictionaries({}, optional={"id": JSON, "text": JSON | st.text(max_size=30), "entities": JSON})


@given(st.lists(RECORDS | JSON, min_size=1, max_size=4))
@settings(deadline=None, max_examples=300)
def test_any_json_gives_sound_examples_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, records: list[object]
) -> None:
    path = _file(tmp_path_factory.mktemp("spans"), *records)
    examples: list[TokenExample] = []
    refusal: DataError | None = None
    try:
        examples = list(read_spans_jsonl(path, ProblemLog()))
    except DataError as error:
        refusal = error
    assert examples or (refusal is not None and refusal.where == str(path))
    assert len({example.id for example in examples}) == len(examples)
    for example in examples:
        example.text.encode()
        assert list(example.entities) == sorted(set(example.entities))
        assert all(0 <= entity.start < entity.end <= len(example.text) for entity in example.entities)
