from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.errors import DataError
from domainlm.text.preparation.listing import find_document, list_documents, read_document, sample_documents
from domainlm.text.preparation.prepare import Prepared

Prepare = Callable[..., tuple[Prepared, Path]]


@pytest.fixture
def folder(ships: list[Path], prepare: Prepare) -> Path:
    _, out = prepare(ships)
    return out / "text"


def test_every_document_is_listed_with_its_place(folder: Path) -> None:
    documents = list(list_documents(folder))
    assert [document.number for document in documents] == list(range(1, len(documents) + 1))
    texts = dict.fromkeys(("train", "held_out"), "")
    for document in documents:
        sentences = read_document(folder, document)
        assert len(sentences) == document.num_sentences
        texts[document.side] += "\n".join(sentences) + "\n\n"
    assert texts == {side: (folder / f"{side}.txt").read_text() for side in texts}


def test_a_document_is_found_by_id_and_by_number(folder: Path) -> None:
    document = find_document(folder, "a:3")
    assert read_document(folder, document)[0] == "Ship 1 left port on day 1."
    assert find_document(folder, document.number) == document


@pytest.mark.parametrize("wanted", ["a:999", 0, 10_000])
def test_what_is_not_there_is_refused(folder: Path, wanted: str | int) -> None:
    with pytest.raises(DataError, match="no such document") as caught:
        find_document(folder, wanted)
    assert "a number from 1 to 6" in str(caught.value.allowed)


def test_a_position_that_is_given_as_an_id_is_told_from_one(folder: Path) -> None:
    with pytest.raises(DataError, match="no such document") as caught:
        find_document(folder, "3")
    assert "--number" in str(caught.value.remedy)


def test_a_sample_is_the_seeds_and_in_order(folder: Path) -> None:
    first, second = sample_documents(folder, 5, 1), sample_documents(folder, 5, 1)
    assert first == second != sample_documents(folder, 5, 2)
    assert [document.number for document in first] == sorted({document.number for document in first})
    assert sample_documents(folder, 5, 2**128 + 1) == first
    assert len(sample_documents(folder, 10_000, 1)) == len(list(list_documents(folder)))


def test_a_text_that_does_not_fit_its_list_is_refused(folder: Path) -> None:
    document = list(list_documents(folder))[-1]
    path = folder / f"{document.side}.txt"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match="does not fit"):
        read_document(folder, document)
    (folder / "documents.tsv").write_text("something else\n")
    with pytest.raises(DataError, match="not the list"):
        list(list_documents(folder))
