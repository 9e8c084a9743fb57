from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from domainlm.errors import DataError
from domainlm.text.indexed import IndexedDataset
from domainlm.text.preparation import encoding
from domainlm.text.preparation.encoding import encode_text
from domainlm.text.preparation.work import Encoding


@pytest.fixture
def letters(helpers: ModuleType) -> Encoding:
    return Encoding(helpers.short, "<u2", "letters")


def _write(folder: Path, text: str) -> Path:
    (folder / "text.txt").write_text(text)
    return folder / "text.txt"


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 5, 8, 100])
def test_a_sentence_is_a_sequence_and_a_document_a_document(
    tmp_path: Path, letters: Encoding, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(encoding, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(encoding, "_READ_BYTES", 3)
    text = _write(tmp_path, "ab\nc\n\nd\n_\n\n_\n\nef\ng\n\n")  # with sentences and a document that give nothing
    counts = encode_text(text, tmp_path / "tokens", encoding=letters, num_workers=1, work=tmp_path / "work")
    dataset = IndexedDataset(tmp_path / "tokens")
    assert [dataset[sequence].tolist() for sequence in range(len(dataset))] == [[1, 2], [3], [4], [5, 6], [7]]
    assert dataset.documents.tolist() == [0, 2, 3, 5]
    assert counts.as_dict() == {"num_documents": 3, "num_sentences": 5, "num_tokens": 7, "num_empty_sentences": 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.txt", "tokens.bin", "tokens.idx"]


def test_processes_write_the_same_bytes(tmp_path: Path, letters: Encoding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_BLOCK_BYTES", 1000)
    text = _write(tmp_path, "".join(f"{'abc' * (number % 9)}d\nxyz\n\n" for number in range(400)))
    for workers in (1, 2):
        encode_text(text, tmp_path / f"{workers}", encoding=letters, num_workers=workers, work=tmp_path / "work")
    assert (tmp_path / "1.bin").read_bytes() == (tmp_path / "2.bin").read_bytes()
    assert (tmp_path / "1.idx").read_bytes() == (tmp_path / "2.idx").read_bytes()


def test_a_stopped_call_is_gone_on_with(tmp_path: Path, letters: Encoding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_BLOCK_BYTES", 10)
    text = _write(tmp_path, "abc\n\n" * 20)
    done: list[int] = []
    original = encoding._encode_block

    def stop_at_five(block: encoding.TextBlock, number: int, work: Path) -> int:
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(number)
        return original(block, number, work)

    monkeypatch.setattr(encoding, "_encode_block", stop_at_five)
    with pytest.raises(KeyboardInterrupt):
        encode_text(text, tmp_path / "tokens", encoding=letters, num_workers=1, work=tmp_path / "work")
    assert not (tmp_path / "tokens.bin").exists()
    done.append(-1)
    encode_text(text, tmp_path / "tokens", encoding=letters, num_workers=1, work=tmp_path / "work")
    assert done == [0, 1, 2, 3, 4, -1, *range(5, 10)]
    assert IndexedDataset(tmp_path / "tokens").tokens.tolist() == [1, 2, 3] * 20


def test_a_text_without_tokens_is_refused(tmp_path: Path, letters: Encoding) -> None:
    text = _write(tmp_path, "_\n\n")
    with pytest.raises(DataError, match="no token"):
        encode_text(text, tmp_path / "tokens", encoding=letters, num_workers=1, work=tmp_path / "work")
    assert not (tmp_path / "tokens.bin").exists()
