from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, Document, ProblemLog
from domainlm.builtin.formats.jsonl import read_jsonl
from domainlm.builtin.formats.plain import read_plain_text


@pytest.fixture
def problems() -> ProblemLog:
    return ProblemLog()


@pytest.mark.parametrize("name", ["log.txt", "log.txt.gz"])
def test_paragraphs_and_documents(tmp_path: Path, problems: ProblemLog, name: str) -> None:
    content = b"\n\nOne.\r\n  Two. \n \t \n\nThree\x0bfour.\n \nFive\xe2\x80\xa8six"
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    assert list(read_plain_text(path, problems)) == [
        Document("log:1", ("One.", "Two.")),
        Document("log:2", ("Three four.",)),
        Document("log:3", ("Five six",)),
    ]
    assert not problems.counts


@pytest.mark.parametrize(("content", "problem"), [("", "is empty"), (" \n\n\t\n", "no text but white space")])
def test_a_file_without_text_is_refused(tmp_path: Path, problems: ProblemLog, content: str, problem: str) -> None:
    path = tmp_path / "log.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=problem):
        list(read_plain_text(path, problems))


@given(st.lists(st.lists(st.text(max_size=12), max_size=3), max_size=4))
@settings(deadline=None)
def test_no_character_is_lost_but_white_space(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[str]]
) -> None:
    content = "\n\n".join("\n".join(paragraphs) for paragraphs in documents)
    content = content.encode(errors="ignore").decode()
    path = tmp_path_factory.mktemp("plain") / "log.txt"
    path.write_bytes(content.encode())
    read: list[Document] = []
    if content.strip():
        read = list(read_plain_text(path, ProblemLog()))
    paragraphs = [paragraph for document in read for paragraph in document.paragraphs]
    assert "".join("".join(paragraphs).split()) == "".join(content.split())
    assert all(len(paragraph.splitlines()) == 1 and paragraph == paragraph.strip() for paragraph in paragraphs)
    assert len({document.id for document in read}) == len(read)


def test_json_lines(tmp_path: Path, problems: ProblemLog) -> None:
    path = tmp_path / "log.jsonl"
    records = [
        {"id": "a", "text": "One.\n\n Two.", "licence": "CC0", "year": 1912, "tags": ["x"], "none": None},
        {"text": "Three."},
        {"id": 4, "text": "Four."},
    ]
    path.write_text("\n".join(json.dumps(record) for record in records))
    assert list(read_jsonl(path, problems)) == [
        Document("a", ("One.", "Two."), {"licence": "CC0", "year": "1912"}),
        Document("log:2", ("Three.",)),
        Document("4", ("Four.",)),
    ]
    assert not problems.counts


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("{", "line is not JSON"),
        ('"text"', "line is not a JSON object"),
        ('{"body": "a"}', 'record without a "text"'),
        ('{"text": ""}', "empty text"),
        ('{"text": "\\udc00"}', "text holds half of a surrogate pair"),
    ],
)
def test_damaged_json_lines_are_counted(tmp_path: Path, problems: ProblemLog, line: str, kind: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(f'{{"text": "a"}}\n{line}\n{{"text": "b"}}\n')
    assert [document.id for document in read_jsonl(path, problems)] == ["log:1", "log:3"]
    assert problems.counts == {kind: 1}
    assert problems.examples[0].where == f"{path}:2"
    path.write_text(f"{line}\n")
    with pytest.raises(DataError, match="no record with a text"):
        list(read_jsonl(path, ProblemLog()))
