"""Rows of several samples: full, whole, cut where text may be cut, and the same everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.text import packing
from domainlm.text.cuts import Text
from domainlm.text.indexed import IndexedDataset
from domainlm.text.masking import TokenTable
from domainlm.text.packing import PackedRows, RowShape

if TYPE_CHECKING:
    from conftest import MakeDataset

_WORD, _PIECE = 5, 50
_SENTENCE = st.lists(st.sampled_from([_WORD, _WORD, _PIECE]), max_size=30).map(lambda rest: [_WORD, *rest][: len(rest)])
_DOCUMENTS = st.lists(st.lists(_SENTENCE, max_size=8), min_size=1, max_size=12)
_SHAPES = st.builds(RowShape, st.integers(16, 64), st.sampled_from([2, 3]))

MakeText = Callable[[int, float, float], Text]


@pytest.fixture(scope="module")
def make_text(make_dataset: MakeDataset, table: TokenTable) -> MakeText:
    """So many documents whose lengths have a mean and a deviation, in sentences of 27 tokens or so."""

    def make(num_documents: int, mean: float, deviation: float) -> Text:
        random = np.random.default_rng(0)
        lengths = np.maximum(random.normal(mean, deviation, num_documents), 8).astype(int)
        documents = []
        for length in lengths.tolist():
            ids = np.where(random.random(length) < 0.3, _PIECE, _WORD)
            ends = np.cumsum(3 + random.gamma(4.0, 6.0, length // 3 + 1).astype(int))
            documents.append([part.tolist() for part in np.split(ids, ends[ends < length])])
        return Text.of(make_dataset(documents), table.is_continuation)

    return make


def _share_filled(rows: PackedRows, shape: RowShape) -> float:
    _, starts, stops = rows.samples(np.arange(len(rows)))
    return float((stops - starts + shape.num_special).sum() / (len(rows) * shape.max_tokens))


@settings(max_examples=40)
@given(_DOCUMENTS, _SHAPES, st.integers(0, 2**64))
def test_every_token_is_in_one_sample_of_its_document(
    make_dataset: MakeDataset, table: TokenTable, documents: list[list[list[int]]], shape: RowShape, seed: int
) -> None:
    documents.append([[_WORD]])
    dataset = make_dataset(documents)
    rows = PackedRows(Text.of(dataset, table.is_continuation), shape, seed)
    row_of, starts, stops = rows.samples(np.arange(len(rows)))
    order = np.argsort(starts)
    assert starts[order].tolist() == [0, *stops[order][:-1].tolist()]
    assert stops.max() == len(dataset.tokens)
    assert (starts < stops).all()
    ends = np.cumsum([sum(map(len, document)) for document in documents]).tolist()
    assert set(ends) - {0} <= set(stops.tolist())
    slots = np.bincount(row_of, stops - starts + shape.num_special, minlength=len(rows))
    assert (slots > 0).all()
    assert slots.max() <= shape.max_tokens
    assert rows.num_samples == len(starts)


@settings(max_examples=40)
@given(_DOCUMENTS, _SHAPES)
def test_text_is_cut_between_words_where_there_are_any(
    make_dataset: MakeDataset, table: TokenTable, documents: list[list[list[int]]], shape: RowShape
) -> None:
    documents.append([[_WORD]])
    text = Text.of(make_dataset(documents), table.is_continuation)
    rows = PackedRows(text, shape, 1)
    _, starts, stops = rows.samples(np.arange(len(rows)))
    allowed = {*text.sentences.tolist(), *np.flatnonzero(~text.continues(np.arange(len(text.tokens)))).tolist()}
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        assert stop in allowed or not allowed & set(range(start + 1, stop))


@settings(max_examples=20)
@given(_DOCUMENTS, _SHAPES, st.integers(0, 2**64), st.lists(st.integers(0, 10_000), min_size=1, max_size=9))
def test_rows_are_the_same_however_they_are_asked_for(
    make_dataset: MakeDataset,
    table: TokenTable,
    documents: list[list[list[int]]],
    shape: RowShape,
    seed: int,
    places: list[int],
) -> None:
    documents.append([[_WORD]])
    text = Text.of(make_dataset(documents), table.is_continuation)
    rows = PackedRows(text, shape, seed)
    asked = np.array(places) % len(rows)
    row_of, starts, stops = rows.samples(asked)
    for number, place in enumerate(asked.tolist()):
        _, own_starts, own_stops = PackedRows(text, shape, seed).samples(np.array([place]))
        assert starts[row_of == number].tolist() == own_starts.tolist()
        assert stops[row_of == number].tolist() == own_stops.tolist()


# Mean and deviation of sub-tokens in a document: abstracts, titles, full texts, all a little over half a row of 512.
@pytest.mark.parametrize("num_special", [2, 3])
@pytest.mark.parametrize("max_tokens", [128, 512])
@pytest.mark.parametrize(
    ("num_documents", "mean", "deviation"), [(3_000, 300, 110), (6_000, 60, 30), (120, 6_000, 3_000), (2_500, 290, 10)]
)
def test_98_percent_of_the_slots_are_filled(
    make_text: MakeText, num_documents: int, mean: float, deviation: float, max_tokens: int, num_special: int
) -> None:
    shape = RowShape(max_tokens, num_special)
    assert _share_filled(PackedRows(make_text(num_documents, mean, deviation), shape, 0), shape) >= 0.98


def test_documents_that_fit_stay_whole_where_they_can(make_text: MakeText) -> None:
    # Some 24 % of abstracts of 290 tokens must be cut to fill rows of 512: 1.33 rows of 1.77 documents at the least.
    text = make_text(3_000, 290, 60)
    rows = PackedRows(text, RowShape(512, 2), 0)
    _, starts, _ = rows.samples(np.arange(len(rows)))
    assert rows.num_samples < 1.45 * 3_000
    assert np.isin(starts, text.sentences).mean() > 0.8


def test_windows_are_packed_each_by_itself(make_text: MakeText, monkeypatch: pytest.MonkeyPatch) -> None:
    text, shape = make_text(500, 300, 110), RowShape(128, 2)
    monkeypatch.setattr(packing, "WINDOW_TOKENS", 20_000)
    rows = PackedRows(text, shape, 0)
    row_of, starts, stops = rows.samples(np.arange(len(rows)))
    firsts = text.documents[np.searchsorted(text.documents, starts, side="right") - 1]
    windows = firsts // 20_000
    assert windows.max() == 7
    assert all(len(np.unique(windows[row_of == row])) == 1 for row in range(len(rows)))
    assert (stops - starts).sum() == len(text.tokens)


def test_another_seed_brings_other_samples_together(make_text: MakeText) -> None:
    text = make_text(500, 60, 20)
    together = []
    for seed in (0, 0, 1):
        row_of, starts, _ = PackedRows(text, RowShape(128, 2), seed).samples(np.arange(100))
        together.append([tuple(starts[row_of == row].tolist()) for row in range(100)])
    assert together[0] == together[1]
    assert len(set(together[0]) & set(together[2])) < 20


def test_a_million_samples_take_seconds(make_dataset: MakeDataset, table: TokenTable) -> None:
    random = np.random.default_rng(0)
    ends = np.cumsum(random.integers(20, 100, 400_000))
    everything = np.append(0, ends)
    text = Text(np.full(ends[-1], _WORD, np.uint16), everything, everything[::2].copy(), table.is_continuation)
    begin = time.process_time()
    rows = PackedRows(text, RowShape(128, 2), 0)
    assert time.process_time() - begin < 5.0
    assert rows.num_samples > 250_000


def test_a_sample_must_have_room(make_text: MakeText) -> None:
    with pytest.raises(ValueError, match="must hold a token"):
        PackedRows(make_text(1, 20, 1), RowShape(3, 3), 0)


def test_one_long_word_is_cut_all_the_same(make_dataset: MakeDataset, table: TokenTable) -> None:
    dataset: IndexedDataset = make_dataset([[[_PIECE] * 200]])
    rows = PackedRows(Text.of(dataset, table.is_continuation), RowShape(32, 2), 0)
    _, starts, stops = rows.samples(np.arange(len(rows)))
    assert sorted(stops - starts)[-6:] == [30] * 6
    assert (stops - starts).sum() == 200
