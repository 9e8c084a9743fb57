from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import Document
from domainlm.errors import DataError
from domainlm.text.corpus import (
    check_sides,
    document_sentences,
    is_held_out,
    normalise_sentence,
    read_sentences,
    text_facts,
)
from domainlm.text.sentences import split_sentences


def test_the_share_of_held_out_documents_is_about_what_was_asked() -> None:
    num_held_out = sum(is_held_out(f"ship-{number}", 0.1) for number in range(10_000))
    assert 880 < num_held_out < 1120  # 1,000 and four standard deviations (30 each)


def test_the_choice_is_the_documented_one() -> None:
    fraction = int(hashlib.sha256(b"ship-1").hexdigest()[:16], 16) / 16**16
    assert is_held_out("ship-1", fraction + 1e-6)
    assert not is_held_out("ship-1", fraction - 1e-6)


@pytest.mark.parametrize(("counts", "remedy"), [((5, 0), "raise"), ((0, 5), "lower")])
def test_both_sides_need_a_document(counts: tuple[int, int], remedy: str) -> None:
    check_sides(1, 1, 0, 0.1)
    with pytest.raises(DataError, match=r"corpus\.held_out_share") as caught:
        check_sides(*counts, 0, 0.1)
    assert str(caught.value.remedy).startswith(remedy)


def test_a_side_that_nothing_reads_may_lack_documents() -> None:
    check_sides(5, 0, 0, 0.1, needed=["train"])
    check_sides(0, 5, 0, 0.1, needed=["held_out"])
    with pytest.raises(DataError, match="left for scoring"):
        check_sides(5, 0, 0, 0.1, needed=["held_out"])
    with pytest.raises(DataError, match="no text"):
        check_sides(0, 0, 3, 0.1, needed=[])


def test_a_share_that_cannot_be_raised_is_not_to_be_raised() -> None:
    with pytest.raises(DataError) as caught:
        check_sides(1, 0, 0, 0.5)
    assert caught.value.remedy == "take more documents"


def test_a_corpus_without_text_is_refused() -> None:
    with pytest.raises(DataError, match="no text"):
        check_sides(0, 0, 3, 0.1)


def test_a_document_is_its_sentences_in_order() -> None:
    document = Document("ship-1", ("Ship 1 sailed.  It\tsank.", " ", "Its mast had 3.5 feet."))
    assert document_sentences(document) == ["Ship 1 sailed.", "It sank.", "Its mast had 3.5 feet."]


@given(
    st.text(st.sampled_from("aB.! \u00a0\t\x1f\u0301e\u00e9\ufeff\u2028\u00ad\u200b") | st.characters(), max_size=30)
)
def test_every_sentence_is_normalised(paragraph: str) -> None:
    parts = [normalise_sentence(paragraph[start:end]) for start, end in split_sentences(paragraph)]
    assert document_sentences(Document("x", (paragraph,))) == [part for part in parts if part]


def test_sentences_are_read_without_the_blank_lines(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("It sailed.\nIt sank.\n\nOne.\n\n")
    assert list(read_sentences(tmp_path / "train.txt")) == ["It sailed.", "It sank.", "One."]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (" a\tb\u00a0 c\n", "a b c"),
        ("cafe\u0301", "caf\u00e9"),
        ("a\x00b\x1fc\x07\ufeff", "ab c"),
        ("lone \ud800surrogate", "lone surrogate"),
        ("line\u2028end", "line end"),
        ("\x01", ""),
    ],
)
def test_sentences_are_normalised(given: str, expected: str) -> None:
    assert normalise_sentence(given) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("caf\u00e9\ttext\r\n".encode(), True),
        ("\ufeffcaf\u00e9".encode(), True),
        (b'{"text": "caf\\u00e9 \\ud83d\\ude00"}', True),
        (b"<p>caf&#xe9; &amp;</p>", True),
        ("cafe\u0301".encode(), False),
        (b'{"text": "cafe\\u0301"}', False),
        (b"<p>cafe&#x301;</p>", False),
        (b"ca\x07fe", False),
        (b"caf\xe9", False),
    ],
)
def test_whether_a_file_holds_text_that_normalising_changes(tmp_path: Path, content: bytes, expected: bool) -> None:
    (tmp_path / "plain.txt").write_bytes(content)
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(content))
    assert text_facts(tmp_path / "plain.txt").is_normal is expected
    assert text_facts(tmp_path / "packed.txt.gz").is_normal is expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [("caf\u00e9".encode(), False), ("caf\u00e9 \u6c64".encode(), True), (b"&#x6c64;", True), (b"\\u6c64", True)],
)
def test_whether_a_file_may_hold_ideographs(tmp_path: Path, content: bytes, expected: bool) -> None:
    (tmp_path / "plain.txt").write_bytes(content)
    (tmp_path / "other.txt").write_bytes(b"caf\xe9")
    assert text_facts(tmp_path / "plain.txt").may_hold_ideographs is expected
    assert text_facts(tmp_path / "other.txt").may_hold_ideographs
