from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.errors import DataError
from domainlm.text import encode
from domainlm.text.encode import encode_corpus
from domainlm.text.indexed import IndexedDataset


def _letters(sentences: list[str]) -> list[list[int]]:
    """One id a letter, 1 for a; "_" gives none."""
    return [[ord(letter) - 96 for letter in sentence if letter != "_"] for sentence in sentences]


def _write(folder: Path, text: str) -> Path:
    (folder / "text.txt").write_text(text)
    return folder / "text.txt"


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_a_sentence_is_a_sequence_and_a_document_a_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(encode, "_SENTENCES_PER_BATCH", batch)
    text = _write(
        tmp_path, "ab\nc\n\nd\n_\n\n_\n\n\nef\ng"
    )  # with empty sentences and documents, and no blank line at the end
    counts = encode_corpus(text, tmp_path / "tokens", encode_batch=_letters, vocabulary_size=30)
    dataset = IndexedDataset(tmp_path / "tokens")
    assert [dataset[sequence].tolist() for sequence in range(len(dataset))] == [[1, 2], [3], [4], [5, 6], [7]]
    assert dataset.documents.tolist() == [0, 2, 3, 5]
    assert counts.as_dict() == {"num_documents": 3, "num_sentences": 5, "num_tokens": 7, "num_empty_sentences": 2}


@pytest.mark.parametrize(("vocabulary_size", "name"), [(30, "uint16"), (70_000, "int32")])
def test_ids_take_the_smallest_type(tmp_path: Path, vocabulary_size: int, name: str) -> None:
    text = _write(tmp_path, "ab\n\n")
    encode_corpus(text, tmp_path / "tokens", encode_batch=_letters, vocabulary_size=vocabulary_size)
    assert IndexedDataset(tmp_path / "tokens").tokens.dtype.name == name


def test_a_text_without_tokens_is_refused(tmp_path: Path) -> None:
    text = _write(tmp_path, "_\n\n")
    with pytest.raises(DataError, match="no token"):
        encode_corpus(text, tmp_path / "tokens", encode_batch=_letters, vocabulary_size=30)
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]
