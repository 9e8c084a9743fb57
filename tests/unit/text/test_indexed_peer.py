"""Megatron-LM's own IndexedDataset reads what is written here, and what it writes is read here, to the byte.

`tox -e peers` installs it. It runs in a process of its own: importing it warns of much.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from domainlm.text.indexed import IndexedDataset
from domainlm.text.several import numbered_prefix, open_dataset

WriteDataset = Callable[..., None]


def _has_peer() -> bool:
    return importlib.util.find_spec("megatron") is not None and importlib.util.find_spec("megatron.core") is not None


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),  # importing it takes a while
    pytest.mark.skipif(not _has_peer(), reason="needs megatron-core: tox -e peers"),
]

_READ = """
import json, sys
from megatron.core.datasets.indexed_dataset import IndexedDataset
dataset = IndexedDataset(sys.argv[1])
print(json.dumps({
    "sequences": [dataset[number].tolist() for number in range(len(dataset))],
    "lengths": dataset.sequence_lengths.tolist(),
    "documents": dataset.document_indices.tolist(),
    "dtype": str(dataset[0].dtype),
}))
"""

_WRITE = """
import json, sys
import numpy, torch
from megatron.core.datasets.indexed_dataset import IndexedDatasetBuilder
prefix, dtype, documents = sys.argv[1], numpy.dtype(sys.argv[2]).type, json.loads(sys.argv[3])
builder = IndexedDatasetBuilder(prefix + ".bin", dtype=dtype)
for document in documents:
    builder.add_document(
        torch.tensor([token for sentence in document for token in sentence]), [len(sentence) for sentence in document]
    )
builder.finalize(prefix + ".idx")
"""


def _run(program: str, *arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False, timeout=140
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _documents(largest: int) -> list[list[list[int]]]:
    random = np.random.default_rng(0)
    return [
        [random.integers(0, largest, random.integers(1, 30)).tolist() for _ in range(random.integers(1, 6))]
        for _ in range(20)
    ]


@pytest.mark.parametrize(("dtype", "largest"), [("uint16", 65_499), ("int32", 1_000_000)])
def test_the_peer_reads_ours(tmp_path: Path, write_dataset: WriteDataset, dtype: str, largest: int) -> None:
    documents = _documents(largest)
    write_dataset(tmp_path / "ours", documents, dtype)

    found: dict[str, Any] = json.loads(_run(_READ, str(tmp_path / "ours")).splitlines()[-1])

    assert found["sequences"] == [sentence for document in documents for sentence in document]
    assert found["lengths"] == [len(sentence) for document in documents for sentence in document]
    assert found["documents"] == np.cumsum([0, *map(len, documents)]).tolist()
    assert found["dtype"] == dtype


@pytest.mark.parametrize(("dtype", "largest"), [("uint16", 65_499), ("int32", 1_000_000)])
def test_ours_reads_the_peers(tmp_path: Path, write_dataset: WriteDataset, dtype: str, largest: int) -> None:
    documents = _documents(largest)
    _run(_WRITE, str(tmp_path / "theirs"), dtype, json.dumps(documents))
    write_dataset(tmp_path / "ours", documents, dtype)

    dataset = IndexedDataset(tmp_path / "theirs")

    assert [dataset[number].tolist() for number in range(len(dataset))] == [
        sentence for document in documents for sentence in document
    ]
    assert dataset.documents.tolist() == np.cumsum([0, *map(len, documents)]).tolist()
    for ending in (".bin", ".idx"):
        assert (tmp_path / f"theirs{ending}").read_bytes() == (tmp_path / f"ours{ending}").read_bytes()


def test_each_of_several_files_is_the_peers(tmp_path: Path, write_dataset: WriteDataset) -> None:
    documents = _documents(1_000)
    write_dataset(numbered_prefix(tmp_path / "train", 0), documents[:12])
    _run(_WRITE, str(numbered_prefix(tmp_path / "train", 1)), "uint16", json.dumps(documents[12:]))

    dataset = open_dataset(tmp_path / "train")

    assert len(dataset) == sum(map(len, documents))
    assert dataset.tokens[:].tolist() == [
        token for document in documents for sentence in document for token in sentence
    ]
