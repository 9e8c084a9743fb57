"""PubMedQA: the labelled questions, and the split that its authors' program draws."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.api import SPLITS, DataError, ProblemLog
from domainlm_biomegatron.readers.pubmedqa import DECISIONS, read_pubmedqa, read_pubmedqa_split

Write = Callable[[str, str | bytes], Path]


def _entry(decision: str = "yes", **others: object) -> dict[str, object]:
    return {"QUESTION": "Does it?", "CONTEXTS": ["It may.", "It does."], "final_decision": decision, **others}


def test_a_question_and_its_contexts_are_a_pair(write: Write, problems: ProblemLog) -> None:
    (example,) = read_pubmedqa(write("test_set.json", json.dumps({"7": _entry()})), problems)

    assert (example.id, example.text, example.second_text, example.label) == (
        "7",
        "Does it?",
        "It may.\nIt does.",
        "yes",
    )
    assert not problems.counts


@pytest.mark.parametrize("entry", [None, {}, _entry("perhaps"), _entry(CONTEXTS="text"), _entry(QUESTION=" ")])
def test_other_entries_are_counted(write: Write, problems: ProblemLog, entry: object) -> None:
    path = write("test_set.json", json.dumps({"7": _entry(), "8": entry}))

    assert [example.id for example in read_pubmedqa(path, problems)] == ["7"]
    assert problems.counts == {"entry without question, contexts and decision": 1}


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "[" * 100_000, b"\xff"])
def test_other_files_are_refused(write: Write, problems: ProblemLog, content: str | bytes) -> None:
    with pytest.raises(DataError):
        list(read_pubmedqa(write("test_set.json", content), problems))


def test_splits_of_one_file_have_nothing_in_common(write: Write, problems: ProblemLog) -> None:
    data = {str(number): _entry(DECISIONS[number % 3]) for number in range(90)}
    path = write("ori_pqal.json", json.dumps(data))
    ids = [example.id for split in SPLITS for example in read_pubmedqa_split(path, split, problems)]

    assert sorted(ids, key=int) == list(data)


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_are_read_or_refused(tmp_path: Path, noise: bytes, place: int) -> None:
    content = json.dumps({str(number): _entry(DECISIONS[number % 3]) for number in range(4)}).encode()
    path = tmp_path / "ori_pqal.json"
    path.write_bytes(content[:place] + noise + content[place + len(noise) :])
    try:
        examples = [example for split in SPLITS for example in read_pubmedqa_split(path, split, ProblemLog())]
    except DataError:
        return
    assert all(example.text and example.label in DECISIONS for example in examples)


@pytest.mark.real
def test_the_real_split_is_the_authors_own(data_dir: Path, problems: ProblemLog) -> None:
    folder = data_dir / "qa" / "pubmedqa"
    found = {
        split: {each.id: each.label for each in read_pubmedqa_split(folder / "ori_pqal.json.gz", split, problems)}
        for split in SPLITS
    }

    assert {split: len(each) for split, each in found.items()} == {"train": 450, "dev": 50, "test": 500}
    assert found["test"] == json.loads((folder / "test_ground_truth.json").read_text())
    assert Counter(label for each in found.values() for label in each.values()) == {"yes": 552, "no": 338, "maybe": 110}
    assert not problems.counts
