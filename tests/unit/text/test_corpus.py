from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from domainlm.api import Document
from domainlm.errors import DataError
from domainlm.text.corpus import build_corpus, is_held_out, normalise_sentence, read_sentences


def _documents(num_documents: int) -> list[Document]:
    return [
        Document(f"ship-{number}", (f"Ship {number} sailed. It sank.", f"Its mast had {number} feet."))
        for number in range(num_documents)
    ]


def _documents_in(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").removesuffix("\n\n").split("\n\n")


def test_sentences_are_a_line_each_and_documents_apart(tmp_path: Path) -> None:
    build_corpus(_documents(50), tmp_path, held_out_share=0.2)
    written = _documents_in(tmp_path / "train.txt") + _documents_in(tmp_path / "held_out.txt")
    expected = [f"Ship {number} sailed.\nIt sank.\nIts mast had {number} feet." for number in range(50)]
    assert sorted(written) == sorted(expected)
    assert (tmp_path / "train.txt").read_bytes().endswith(b" feet.\n\n")


def test_a_document_is_held_out_for_its_id_alone(tmp_path: Path) -> None:
    documents = _documents(300)
    build_corpus(documents, tmp_path, held_out_share=0.1)
    held_out = set(_documents_in(tmp_path / "held_out.txt"))
    random.Random(5).shuffle(documents)  # noqa: S311
    build_corpus(documents[:150], tmp_path, held_out_share=0.1)
    of_half = set(_documents_in(tmp_path / "held_out.txt"))
    assert of_half <= held_out
    assert not held_out & set(_documents_in(tmp_path / "train.txt"))


def test_the_share_of_held_out_documents_is_about_what_was_asked() -> None:
    num_held_out = sum(is_held_out(f"ship-{number}", 0.1) for number in range(10_000))
    assert 880 < num_held_out < 1120  # 1,000 and four standard deviations (30 each)


def test_the_choice_is_the_documented_one() -> None:
    fraction = int(hashlib.sha256(b"ship-1").hexdigest()[:16], 16) / 16**16
    assert is_held_out("ship-1", fraction + 1e-6)
    assert not is_held_out("ship-1", fraction - 1e-6)


def test_counts_are_those_of_the_files(tmp_path: Path) -> None:
    documents = [*_documents(40), Document("blank", (" \t",)), Document("none", ())]
    counts = build_corpus(documents, tmp_path, held_out_share=0.2)
    assert counts.num_empty_documents == 2
    assert counts.train.num_documents + counts.held_out.num_documents == 40
    for side, name in ((counts.train, "train.txt"), (counts.held_out, "held_out.txt")):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert side.num_documents == len(_documents_in(tmp_path / name))
        assert side.num_sentences == 3 * side.num_documents == len(list(read_sentences(tmp_path / name)))
        assert side.num_words == len(text.split())
        assert side.num_bytes == (tmp_path / name).stat().st_size
    assert counts.as_dict()["num_empty_documents"] == 2


def test_no_more_than_the_first_documents_are_taken(tmp_path: Path) -> None:
    counts = build_corpus(iter(_documents(100)), tmp_path, held_out_share=0.3, max_documents=20)
    assert counts.train.num_documents + counts.held_out.num_documents == 20


@pytest.mark.parametrize(("share", "remedy"), [(1e-9, "raise"), (0.999999999, "lower")])
def test_both_sides_need_a_document(tmp_path: Path, share: float, remedy: str) -> None:
    with pytest.raises(DataError, match=r"corpus\.held_out_share") as caught:
        build_corpus(_documents(5), tmp_path, held_out_share=share)
    assert str(caught.value.remedy).startswith(remedy)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("documents", [[], [Document("blank", (" ",))]])
def test_a_corpus_without_text_is_refused(tmp_path: Path, documents: list[Document]) -> None:
    with pytest.raises(DataError, match="no text"):
        build_corpus(documents, tmp_path, held_out_share=0.1)


def test_nothing_is_left_half_written(tmp_path: Path) -> None:
    build_corpus(_documents(30), tmp_path, held_out_share=0.2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def broken() -> object:
        yield from _documents(10)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_corpus(broken(), tmp_path, held_out_share=0.2)  # type: ignore[arg-type]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


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
