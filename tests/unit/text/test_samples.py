from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.text.cuts import Text
from domainlm.text.masking import TokenTable
from domainlm.text.pairs import divide
from domainlm.text.samples import SampleMap

if TYPE_CHECKING:
    from conftest import MakeDataset

_WORD, _PIECE = 5, 50
_DOCUMENTS = st.lists(
    st.lists(st.lists(st.sampled_from([_WORD, _WORD, _PIECE]), max_size=12), max_size=6), min_size=1, max_size=5
)


def _spans(samples: SampleMap) -> list[tuple[int, int]]:
    return list(zip(samples.starts.tolist(), samples.stops.tolist(), strict=True))


def _lengths(
    make_dataset: MakeDataset, table: TokenTable, documents: list[list[list[int]]], capacity: int
) -> list[int]:
    return [
        stop - start
        for start, stop in _spans(SampleMap(Text.of(make_dataset(documents), table.is_continuation), capacity))
    ]


@pytest.mark.parametrize(
    ("sentences", "capacity", "lengths"),
    [
        ([3, 3, 3], 9, [9]),
        ([3, 3, 3], 8, [6, 3]),
        ([3, 3, 3], 5, [3, 3, 3]),
        ([2, 9, 2], 9, [2, 9, 2]),
        ([2, 10, 2], 9, [2, 9, 3]),  # the rest of a sentence that was cut goes with the next one
        ([25], 10, [10, 10, 5]),
    ],
)
def test_whole_sentences_are_taken_while_they_fit(
    make_dataset: MakeDataset, table: TokenTable, sentences: list[int], capacity: int, lengths: list[int]
) -> None:
    document = [[_WORD] * length for length in sentences]
    assert _lengths(make_dataset, table, [document], capacity) == lengths


def test_a_sample_ends_with_its_document(make_dataset: MakeDataset, table: TokenTable) -> None:
    documents = [[[_WORD] * 2], [[_WORD] * 2, [_WORD] * 3], [], [[]], [[_WORD]]]
    assert _lengths(make_dataset, table, documents, 100) == [2, 5, 1]


@pytest.mark.parametrize(
    ("sentence", "lengths"),
    [
        ([_WORD, _WORD, _PIECE, _PIECE, _WORD, _PIECE], [4, 2]),
        ([_WORD, _WORD, _WORD, _PIECE, _PIECE, _WORD], [2, 4]),
        ([_WORD, _WORD, _WORD, _WORD, _PIECE, _WORD], [3, 3]),
        ([_WORD, _PIECE, _PIECE, _PIECE, _PIECE, _PIECE], [4, 2]),  # a word longer than a sample
        ([_PIECE] * 9, [4, 4, 1]),
    ],
)
def test_long_sentences_are_cut_between_words(
    make_dataset: MakeDataset, table: TokenTable, sentence: list[int], lengths: list[int]
) -> None:
    assert _lengths(make_dataset, table, [[sentence]], 4) == lengths


@given(_DOCUMENTS, st.integers(1, 15))
def test_every_token_is_in_one_sample_of_its_document(
    make_dataset: MakeDataset, table: TokenTable, documents: list[list[list[int]]], capacity: int
) -> None:
    documents.append([[_WORD]])
    dataset = make_dataset(documents)
    spans = _spans(SampleMap(Text.of(dataset, table.is_continuation), capacity))
    assert spans[0][0] == 0
    assert spans[-1][1] == len(dataset.tokens)
    assert all(before[1] == after[0] for before, after in pairwise(spans))
    assert all(0 < stop - start <= capacity for start, stop in spans)
    ends = np.cumsum([sum(map(len, document)) for document in documents]).tolist()
    assert set(ends) - {0} <= {stop for _, stop in spans}
    sentence_starts = set(dataset.starts.tolist())
    for start, _ in spans:
        if start not in sentence_starts:  # only within a sentence that is too long for one sample
            sentence = int(np.searchsorted(dataset.starts, start, side="right")) - 1
            assert dataset.lengths[sentence] > capacity


@given(_DOCUMENTS, st.integers(1, 15), st.floats(0.0, 1.0, exclude_max=True))
def test_samples_are_divided_at_sentences_else_words_else_anywhere(
    make_dataset: MakeDataset, table: TokenTable, documents: list[list[list[int]]], capacity: int, draw: float
) -> None:
    documents.append([[_WORD]])
    dataset = make_dataset(documents)
    text = Text.of(dataset, table.is_continuation)
    samples = SampleMap(text, capacity)
    pivots = divide(text, samples.starts, samples.stops, np.full(len(samples), draw)).tolist()
    sentence_starts = set(dataset.starts[dataset.lengths > 0].tolist())
    for (start, stop), pivot in zip(_spans(samples), pivots, strict=True):
        inner = range(start + 1, stop)
        sentences = [place for place in inner if place in sentence_starts]
        words = [place for place in inner if not table.is_continuation[dataset.tokens[place]]]
        assert pivot in (sentences or words or inner or [stop])


def test_pivots_are_spread_evenly(make_dataset: MakeDataset, table: TokenTable) -> None:
    text = Text.of(make_dataset([[[_WORD] * 2] * 5]), table.is_continuation)
    samples = SampleMap(text, 100)
    draws = (np.arange(1000) + 0.5) / 1000
    pivots = divide(text, samples.starts.repeat(1000), samples.stops.repeat(1000), draws)
    assert np.unique(pivots, return_counts=True)[0].tolist() == [2, 4, 6, 8]
    assert np.unique(pivots, return_counts=True)[1].tolist() == [250] * 4


def test_a_sample_must_have_room(make_dataset: MakeDataset, table: TokenTable) -> None:
    with pytest.raises(ValueError, match="must hold a token"):
        SampleMap(Text.of(make_dataset([[[_WORD]]]), table.is_continuation), 0)


def test_two_hundred_thousand_sentences_are_mapped_at_once(make_dataset: MakeDataset, table: TokenTable) -> None:
    lengths = np.random.default_rng(0).integers(1, 60, 200_000)
    flat = [[_WORD] * length for length in lengths.tolist()]
    dataset = make_dataset([flat[start : start + 10] for start in range(0, len(flat), 10)])
    begin = time.perf_counter()
    samples = SampleMap(Text.of(dataset, table.is_continuation), 125)
    assert time.perf_counter() - begin < 20.0  # quadratic time would be minutes
    assert len(samples) > 50_000
