from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domainlm.api import Document, ProblemLog
from domainlm.builtin.specs import read_jsonl, read_text
from domainlm.errors import DataError, PluginError
from domainlm.text import files
from domainlm.text.files import open_text
from domainlm.text.preparation import blocks
from domainlm.text.preparation.prepare import Prepared

Prepare = Callable[..., tuple[Prepared, Path]]

_GOOD = "The ship sailed.\n\nThe mast broke.\n\nThe crew slept.\n"


def _skipping(path: Path) -> tuple[list[str], ProblemLog]:
    problems = ProblemLog(skip_bad_input=True)
    return list(open_text(path, problems)), problems


def test_a_line_in_another_encoding_is_left_out_and_named(tmp_path: Path) -> None:
    path = tmp_path / "mixed.txt"
    path.write_bytes("Käse\n".encode() + "Gemüse\n".encode("latin-1") + b"Brot\n\xff\xfe\x00\x81\nWein")
    lines, problems = _skipping(path)
    assert lines == ["Käse", "Brot", "Wein"]
    assert problems.counts == {"not UTF-8 (left out)": 2}
    assert [(p.where, p.detail) for p in problems.examples] == [
        (f"{path}:2", "byte 9 (counted from 0) fc 73 65 0a"),
        (f"{path}:4", "byte 18 (counted from 0) ff fe 00 81"),
    ]


def test_an_overlong_line_is_left_out_and_what_follows_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE_BYTES", 10)
    path = tmp_path / "long.txt"
    path.write_bytes(b"short\n" + b"x" * 57 + b"\nlast\nbad \xff\n")
    lines, problems = _skipping(path)
    assert lines == ["short", "last"]
    assert dict(problems.counts) == {"the line is too long (left out)": 1, "not UTF-8 (left out)": 1}
    assert problems.examples[0].where == f"{path}:2"
    assert problems.examples[1].detail.startswith("byte 73 ")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_the_readable_start_of_a_damaged_gzip_file_is_kept(tmp_path: Path, damage: str) -> None:
    content = "".join(f"line {number} {number**7}\n" for number in range(20_000))
    packed = bytearray(gzip.compress(content.encode()))
    if damage == "cut":
        del packed[-3000:]
    else:
        packed[len(packed) // 2] ^= 0xFF
    path = tmp_path / "damaged.txt.gz"
    path.write_bytes(packed)
    lines, problems = _skipping(path)
    assert 5_000 < len(lines) < 20_000
    assert lines[:5_000] == content.splitlines()[:5_000]  # wrong bytes show later than where they are
    (problem,) = problems.examples
    assert problem.where == f"{path}:{len(lines) + 1}"


def test_bad_input_is_refused_where_it_is_not_skipped(tmp_path: Path) -> None:
    path = tmp_path / "mixed.txt"
    path.write_bytes(b"good\nbad \xff\n")
    with pytest.raises(DataError, match="not UTF-8"):
        list(open_text(path, ProblemLog()))


def _write_bad(folder: Path) -> list[Path]:
    contents = {
        "a.txt": _GOOD.encode(),
        "b.txt": b"Before.\n\nBad \xe9.\n\nAfter.\n",
        "c.txt.gz": gzip.compress(_GOOD.encode())[:-12],
        "d.txt.gz": b"no gzip at all",
        "e.txt": bytes(range(256)) * 4,
        "f.txt": b"",
        "g.txt": b"The last one.\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_nothing_is_lost_of_the_rest(tmp_path: Path, prepare: Prepare) -> None:
    paths = _write_bad(tmp_path)
    prepared, out = prepare(paths, skip_bad_input=True, held_out_share=0.5)
    texts = {line for side in ("train", "held_out") for line in (out / "text" / f"{side}.txt").read_text().splitlines()}
    assert {"The ship sailed.", "The crew slept.", "Before.", "After.", "The last one."} <= texts
    where = {example.where.rpartition("/")[2] for example in prepared.problems.examples}
    assert {"b.txt:3", "d.txt.gz:1", "f.txt"} <= where
    assert sum(prepared.problems.counts.values()) >= 5
    ids = {line.split("\t")[0] for line in (out / "text" / "documents.tsv").read_text().splitlines()}
    assert {"b:1", "b:2", "g:1"} <= ids


def test_the_first_bad_file_is_named_where_it_is_refused(tmp_path: Path, prepare: Prepare) -> None:
    with pytest.raises(DataError, match="not UTF-8") as caught:
        prepare(_write_bad(tmp_path))
    assert caught.value.where == f"{tmp_path / 'b.txt'}:3"


def test_a_corpus_of_which_nothing_can_be_read_says_why(tmp_path: Path, prepare: Prepare) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\n")
    with pytest.raises(DataError, match="no text") as caught:
        prepare([tmp_path / "a.txt"], skip_bad_input=True)
    assert "1 x not UTF-8 (left out)" in str(caught.value.given)


def test_a_corpus_whose_reader_gives_nothing_is_refused(tmp_path: Path, prepare: Prepare) -> None:
    (tmp_path / "a.txt").write_bytes(b"Good.\n")
    with pytest.raises(DataError, match="no text"):
        prepare([tmp_path / "a.txt"], read=lambda path, problems: iter(()))
    assert not (tmp_path / "out" / "text").exists()


@pytest.mark.parametrize("skip_bad_input", [False, True])
@pytest.mark.parametrize(
    "document",
    [
        Document("a", "The ship sailed."),  # type: ignore[arg-type]
        Document("a", ("The ship sailed.", None)),  # type: ignore[arg-type]
        Document("a", (text for text in ("The ship sailed.",))),  # type: ignore[arg-type]
        Document(7, ("The ship sailed.",)),  # type: ignore[arg-type]
        "The ship sailed.",
    ],
)
def test_a_reader_that_gives_what_is_no_document_is_named(
    tmp_path: Path, prepare: Prepare, document: object, *, skip_bad_input: bool
) -> None:
    def read_odd(path: Path, problems: ProblemLog) -> Iterator[object]:
        yield from read_text(path, problems)
        yield document

    (tmp_path / "a.txt").write_text(_GOOD)
    with pytest.raises(PluginError, match="the reader gave a document that is not sound") as caught:
        prepare([tmp_path / "a.txt"], read=read_odd, skip_bad_input=skip_bad_input, spec="harbour/logs@1")
    place = f"{__file__}:{read_odd.__code__.co_firstlineno}, {tmp_path / 'a.txt'}, document "
    assert str(caught.value.where).startswith(f"plugin {__name__}, harbour/logs@1, {place}")


def test_bad_input_in_a_process_is_named_too(tmp_path: Path, prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "GROUP_BYTES", 1)
    paths = [tmp_path / f"{name}.txt" for name in "abcd"]
    for path in paths:
        path.write_bytes(b"Good.\n\nBad \xe9.\n" if path.stem == "c" else b"Good.\n")
    with pytest.raises(DataError, match=r"c\.txt:3: not UTF-8"):
        prepare(paths, num_workers=2)


def test_readers_skip_lines_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "One."}\n{"text": "\xff"}\n{"text": "Two."}\n')
    problems = ProblemLog(skip_bad_input=True)
    assert [document.text for document in read_jsonl(tmp_path / "a.jsonl", problems)] == ["One.", "Two."]
    (tmp_path / "a.txt").write_bytes(b"One\n\xff\nTwo\n\nThree\n")
    assert [document.text for document in read_text(tmp_path / "a.txt", problems)] == ["One\nTwo", "Three"]
    assert problems.counts == {"not UTF-8 (left out)": 2}


def test_logs_are_added_up_with_the_first_examples() -> None:
    total, further = ProblemLog(), ProblemLog()
    for number in range(3):
        total.add("torn", f"{number}", path="a")
    for number in range(4):
        further.add("torn", f"{number}", path="b", line=number)
    further.add("burnt", "x", path="b")
    total.extend(further.as_dict())
    assert total.counts == {"torn": 7, "burnt": 1}
    assert [problem.where for problem in total.examples] == ["a", "a", "a", "b:0", "b:1", "b"]


def test_logs_that_are_added_up_keep_as_many_examples_as_one_log() -> None:
    split, total = ProblemLog(), ProblemLog()
    for number in range(9):
        split.add("torn", f"{number}", path="a")
    for _ in range(3):
        total.extend(split.as_dict())
    assert total.counts == {"torn": 27}
    assert [problem.detail for problem in total.examples] == ["0", "1", "2", "3", "4"]
