"""Small datasets to cut samples from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from domainlm.text.indexed import IndexedDataset
from domainlm.text.masking import TokenTable

Documents = Sequence[Sequence[Sequence[int]]]
MakeDataset = Callable[[Documents], IndexedDataset]

PAD, UNK, CLS, SEP, MASK = range(5)
FIRST_CONTINUATION = 50
VOCABULARY_SIZE = 100


@pytest.fixture(scope="session")
def table() -> TokenTable:
    """Ids 0 to 4 are special, 5 to 49 start words, 50 to 99 continue them."""
    ids = np.arange(VOCABULARY_SIZE)
    return TokenTable(PAD, CLS, SEP, MASK, VOCABULARY_SIZE, ids >= FIRST_CONTINUATION, ids < FIRST_CONTINUATION // 10)


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory: pytest.TempPathFactory, write_dataset: Callable[..., None]) -> MakeDataset:
    """Write documents, given as sentences of ids, and open them."""

    def make(documents: Documents) -> IndexedDataset:
        prefix = tmp_path_factory.mktemp("dataset") / "tokens"
        write_dataset(prefix, documents)
        return IndexedDataset(prefix)

    return make
