"""Brat's standoff: fragments, line breaks, offsets; what is wrong is counted, and costs one mention."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from domainlm.api import DataError, Entity, ProblemLog, TokenExample
from domainlm.builtin.formats.brat import read_brat, text_beside

TEXT = "The Vega left Oslo. It met\r\nthe Orion and Lyra off Dover harbour.\n"


@pytest.fixture
def problems() -> ProblemLog:
    return ProblemLog()


def _write(folder: Path, annotations: str, text: str = TEXT) -> Path:
    (folder / "log.txt").write_bytes(text.encode())
    path = folder / "log.ann"
    path.write_bytes(annotations.encode())
    return path


def _mentions(examples: list[TokenExample]) -> list[tuple[str, str, str]]:
    return [(each.id, each.text[e.start : e.end], e.type) for each in examples for e in each.entities]


def test_a_document(tmp_path: Path, problems: ProblemLog) -> None:
    annotations = "T1\tship 4 8\tVega\nR1\tleft Arg1:T1 Arg2:T2\nT2\tplace 14 18\tOslo\n#1\tNote T1\tx\nA1\tOld T1\n"
    first, second, third = read_brat(_write(tmp_path, annotations), problems)
    assert first == TokenExample(
        "log:0",
        "The Vega left Oslo.",
        ((0, 3), (4, 8), (9, 13), (14, 18), (18, 19)),
        (Entity(4, 8, "ship"), Entity(14, 18, "place")),
    )
    assert (second.text, third.text) == ("It met", "the Orion and Lyra off Dover harbour.")
    assert not problems.counts


def test_a_discontinuous_mention_is_read_whole_and_counted(tmp_path: Path, problems: ProblemLog) -> None:
    start = TEXT.index("Orion")
    lyra, dover = TEXT.index("Lyra"), TEXT.index("Dover")
    annotations = f"T1\tship {start} {start + 5};{lyra} {lyra + 4}\tOrion Lyra\nT2\tplace {dover} {dover + 5}\tDover\n"
    examples = list(read_brat(_write(tmp_path, annotations), problems))
    assert _mentions(examples) == [("log:2", "Orion and Lyra", "ship"), ("log:2", "Dover", "place")]
    assert problems.counts == {"discontinuous mention: read as all from its first to its last character": 1}


def test_a_mention_over_a_line_break_joins_the_lines(tmp_path: Path, problems: ProblemLog) -> None:
    start = TEXT.index("met")
    annotations = f"T1\tevent {start} {start + 8}\tmet  the\n"
    examples = list(read_brat(_write(tmp_path, annotations), problems))
    assert _mentions(examples) == [("log:1", "met\r\nthe", "event")]
    assert not problems.counts


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("T1\tship 5 9\tVega", "mention text differs (left out)"),
        ("T1\tship 4 8 Vega", "line of no known kind (left out)"),
        ("T1\tship 4 8", "line of no known kind (left out)"),
        ("T1\tship 8 4\t", "mention outside of the text: left out"),
        (
            "T1\tship 4 999999\t" + TEXT[4:].replace("\r\n", "  ").replace("\n", " "),
            "mention outside of the text: left out",
        ),
        ("T1\tship " + "9" * 5000 + " 4\tVega", "line of no known kind (left out)"),
        ("T1\tship 3 4\t ", "mention of white space: left out"),
    ],
)
def test_a_wrong_mention_costs_itself_alone(tmp_path: Path, problems: ProblemLog, line: str, kind: str) -> None:
    examples = list(read_brat(_write(tmp_path, f"{line}\nT2\tplace 14 18\tOslo\n"), problems))
    assert _mentions(examples) == [("log:0", "Oslo", "place")]
    assert problems.counts == {kind: 1}
    assert problems.examples[0].where.endswith("log.ann:1")


def test_blanks_at_the_ends_are_cut(tmp_path: Path, problems: ProblemLog) -> None:
    examples = list(read_brat(_write(tmp_path, "T1\tship 3 9\t Vega \n"), problems))
    assert _mentions(examples) == [("log:0", "Vega", "ship")]
    assert problems.counts == {"mention with blanks at its ends (which are cut)": 1}


def test_packed_files(tmp_path: Path, problems: ProblemLog) -> None:
    (tmp_path / "log.txt.gz").write_bytes(gzip.compress(TEXT.encode()))
    path = tmp_path / "log.ann.gz"
    path.write_bytes(gzip.compress(b"T1\tship 4 8\tVega\n"))
    assert _mentions(list(read_brat(path, problems))) == [("log:0", "Vega", "ship")]
    assert text_beside(path) == (tmp_path / "log.txt.gz",)


def test_a_folder_may_hold_texts_and_configuration(tmp_path: Path, problems: ProblemLog) -> None:
    path = _write(tmp_path, "")
    (tmp_path / "annotation.conf").write_text("[entities]\nship\n")
    (tmp_path / "other.txt").write_text("No ship.\n")
    examples = [each for file in sorted(tmp_path.iterdir()) for each in read_brat(file, problems)]
    assert [each.id for each in examples] == ["log:0", "log:1", "log:2"]
    assert problems.counts == {"text without annotations (left out)": 1}
    assert text_beside(path) == (tmp_path / "log.txt",)


def test_files_that_cannot_be_read(tmp_path: Path, problems: ProblemLog) -> None:
    path = _write(tmp_path, "T1\tship 4 8\tVega\n")
    (tmp_path / "log.txt").write_bytes(b"The V\xe9ga")
    with pytest.raises(DataError, match="not UTF-8 at byte 5"):
        list(read_brat(path, problems))
    (tmp_path / "log.txt").unlink()
    with pytest.raises(DataError, match=r"log\.txt: no such file"):
        list(read_brat(path, problems))
    with pytest.raises(DataError, match="not a file of brat's"):
        list(read_brat(tmp_path / "log.tsv", problems))
