from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.errors import DataError
from domainlm.text.batches import MaskedBatch, PretrainingBatches
from domainlm.text.indexed import IndexedDataset
from domainlm.text.masking import Masking, MaskingUnit, TokenTable
from domainlm.text.pairs import SecondObjective

if TYPE_CHECKING:
    from conftest import MakeDataset

_PAD, _CLS, _SEP = 0, 2, 3


@pytest.fixture(scope="module")
def dataset(make_dataset: MakeDataset) -> IndexedDataset:
    """Sixty documents of one to nine sentences, some longer than a sample."""
    draws = np.random.default_rng(3)
    documents = [
        [draws.integers(5, 100, draws.integers(1, 25)).tolist() for _ in range(draws.integers(1, 10))]
        for _ in range(60)
    ]
    return make_dataset(documents)


def _batches(
    dataset: IndexedDataset,
    table: TokenTable,
    *,
    max_tokens: int = 32,
    sentence_order: bool = True,
    masking: Masking | None = None,
    seed: int = 5,
) -> PretrainingBatches:
    return PretrainingBatches(
        dataset,
        table,
        max_tokens=max_tokens,
        second_objective="sentence_order" if sentence_order else "none",
        masking=masking or Masking(),
        seed=seed,
    )


def _packed(
    dataset: IndexedDataset,
    table: TokenTable,
    *,
    second_objective: SecondObjective,
    max_tokens: int = 32,
    masking: Masking | None = None,
    seed: int = 5,
) -> PretrainingBatches:
    return PretrainingBatches(
        dataset,
        table,
        max_tokens=max_tokens,
        second_objective=second_objective,
        masking=masking or Masking(),
        seed=seed,
        packing=True,
    )


def _restored(batch: MaskedBatch) -> np.ndarray:
    """The tokens before masking, [batch, tokens]."""
    tokens = batch.tokens.copy()
    tokens.ravel()[batch.masked_positions] = batch.masked_labels
    return tokens


def _texts(batch: MaskedBatch) -> list[tuple[int, ...]]:
    """The text of each row in its original order."""
    texts = []
    swapped = batch.is_swapped if batch.is_swapped is not None else np.zeros(len(batch.lengths))
    for row, types, length, is_swapped in zip(_restored(batch), batch.token_types, batch.lengths, swapped, strict=True):
        first = [int(token) for token, kind in zip(row[:length], types, strict=False) if kind == 0][1:-1]
        second = [int(token) for token, kind in zip(row[:length], types, strict=False) if kind == 1][:-1]
        texts.append(tuple(second + first if is_swapped else first + second))
    return texts


@pytest.mark.parametrize("sentence_order", [True, False])
@pytest.mark.parametrize("max_tokens", [16, 20, 32, 128])
def test_rows_are_laid_out_as_bert_reads_them(
    dataset: IndexedDataset, table: TokenTable, max_tokens: int, sentence_order: bool
) -> None:
    batches = _batches(dataset, table, max_tokens=max_tokens, sentence_order=sentence_order)
    batch = batches.batch(range(batches.num_sequences))
    width = batch.tokens.shape[1]
    assert batch.lengths.max() <= width <= max_tokens
    assert width % 8 == 0 or width == max_tokens
    assert batch.num_tokens == batch.lengths.sum()
    for row, types, length in zip(_restored(batch), batch.token_types, batch.lengths.tolist(), strict=True):
        separators = np.flatnonzero(row == _SEP).tolist()
        assert row[0] == _CLS
        assert (row == _CLS).sum() == 1
        assert len(separators) == 1 + sentence_order
        assert separators[-1] == length - 1
        assert (row[length:] == _PAD).all()
        assert (row[:length] != _PAD).all()
        assert types.tolist() == [int(sentence_order and separators[0] < slot < length) for slot in range(width)]
    arrays = (batch.tokens, batch.token_types, batch.lengths, batch.masked_positions, batch.masked_labels)
    assert {array.dtype.name for array in arrays} == {"int64"}


@pytest.mark.parametrize("sentence_order", [True, False])
def test_an_epoch_holds_every_token_once(dataset: IndexedDataset, table: TokenTable, sentence_order: bool) -> None:
    batches = _batches(dataset, table, sentence_order=sentence_order)
    num = batches.num_sequences
    epochs = [_texts(batches.batch(range(epoch * num, (epoch + 1) * num))) for epoch in range(3)]
    ends = dataset.starts[dataset.documents[1:-1]]
    documents = [tuple(part.tolist()) for part in np.split(dataset.tokens, ends)]
    samples = sorted(epochs[0])
    assert sorted(epochs[1]) == sorted(epochs[2]) == samples
    assert sum(map(len, samples)) == len(dataset.tokens)
    assert epochs[0] != epochs[1]
    for text in samples:
        assert any(_is_inside(text, document) for document in documents)


def _is_inside(part: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    return any(whole[start : start + len(part)] == part for start in range(len(whole) - len(part) + 1))


@settings(max_examples=30)
@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=12), st.integers(0, 2**70), st.booleans())
def test_a_sample_does_not_depend_on_its_batch(
    dataset: IndexedDataset, table: TokenTable, positions: list[int], seed: int, sentence_order: bool
) -> None:
    together = _batches(dataset, table, seed=seed, sentence_order=sentence_order).batch(positions)
    width = together.tokens.shape[1]
    for row, position in enumerate(positions):
        alone = _batches(dataset, table, seed=seed, sentence_order=sentence_order).batch([position])
        length = int(alone.lengths[0])
        assert together.lengths[row] == length
        assert np.array_equal(together.tokens[row, :length], alone.tokens[0, :length])
        assert np.array_equal(together.token_types[row, :length], alone.token_types[0, :length])
        in_row = together.masked_positions // width == row
        assert np.array_equal(together.masked_positions[in_row] % width, alone.masked_positions)
        assert np.array_equal(together.masked_labels[in_row], alone.masked_labels)
        if together.is_swapped is not None and alone.is_swapped is not None:
            assert together.is_swapped[row] == alone.is_swapped[0]


def _samples(batch: MaskedBatch) -> list[tuple[tuple[int, ...], ...]]:
    """Of each sample of each row: its tokens before masking, token types, places, and the label of its pair."""
    assert batch.positions is not None
    assert batch.samples is not None
    assert batch.firsts is not None
    found = []
    restored, width = _restored(batch), batch.tokens.shape[1]
    for row, length in enumerate(batch.lengths.tolist()):
        numbers = batch.samples[row, :length]
        assert np.unique(numbers).tolist() == list(range(numbers.max() + 1))
        assert (np.diff(numbers) >= 0).all()
        for number in range(numbers.max() + 1):
            inside = np.flatnonzero(numbers == number)
            assert row * width + inside[0] == batch.firsts[len(found)]
            label = () if batch.is_swapped is None else (int(batch.is_swapped[len(found)]),)
            grids = (restored, batch.token_types, batch.positions)
            found.append((*(tuple(grid[row, inside].tolist()) for grid in grids), label))
    assert len(found) == len(batch.firsts)
    return found


@pytest.mark.parametrize("objective", get_args(SecondObjective))
@pytest.mark.parametrize("max_tokens", [16, 20, 32, 128])
def test_packed_rows_hold_whole_samples(
    dataset: IndexedDataset, table: TokenTable, max_tokens: int, objective: SecondObjective
) -> None:
    batches = _packed(dataset, table, max_tokens=max_tokens, second_objective=objective)
    batch = batches.batch(range(batches.num_sequences))
    assert batch.tokens.shape == (batches.num_sequences, max_tokens)
    samples = _samples(batch)
    assert len(samples) == batches.num_samples > batches.num_sequences
    for tokens, types, positions, _ in samples:
        separators = [slot for slot, token in enumerate(tokens) if token == _SEP]
        assert (tokens[0], tokens[-1]) == (_CLS, _SEP)
        assert tokens.count(_CLS) == 1
        assert len(separators) == 1 + (objective != "none")
        assert positions == tuple(range(len(tokens)))
        assert types == tuple(int(slot > separators[0]) for slot in range(len(tokens)))
    padding = np.arange(max_tokens) >= batch.lengths[:, None]
    assert (batch.tokens[padding] == _PAD).all()
    assert (batch.tokens[~padding] != _PAD).all()
    assert np.mean(batch.lengths) > 0.88 * max_tokens  # it is a small text


@pytest.mark.parametrize("objective", ["sentence_order", "none"])
def test_an_epoch_of_packed_rows_holds_every_token_once(
    dataset: IndexedDataset, table: TokenTable, objective: SecondObjective
) -> None:
    batches = _packed(dataset, table, second_objective=objective)
    num = batches.num_sequences
    counts = []
    for epoch in range(2):
        samples = _samples(batches.batch(range(epoch * num, (epoch + 1) * num)))
        text = [token for tokens, _, _, _ in samples for token in tokens if token not in {_CLS, _SEP}]
        counts.append(np.bincount(text, minlength=100).tolist())
    assert counts[0] == counts[1] == np.bincount(dataset.tokens, minlength=100).tolist()


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=12),
    st.integers(0, 2**70),
    st.sampled_from(get_args(SecondObjective)),
    st.sampled_from(get_args(MaskingUnit)),
)
def test_a_packed_row_does_not_depend_on_its_batch(
    dataset: IndexedDataset,
    table: TokenTable,
    positions: list[int],
    seed: int,
    objective: SecondObjective,
    unit: MaskingUnit,
) -> None:
    def make() -> PretrainingBatches:
        return _packed(dataset, table, seed=seed, second_objective=objective, masking=Masking(0.3, unit))

    together = make().batch(positions)
    alone = [make().batch([position]) for position in positions]
    assert _samples(together) == [sample for batch in alone for sample in _samples(batch)]
    width = together.tokens.shape[1]
    rows = together.masked_positions // width
    for row, batch in enumerate(alone):
        assert np.array_equal(together.masked_positions[rows == row] % width, batch.masked_positions)
        assert np.array_equal(together.masked_labels[rows == row], batch.masked_labels)
        assert np.array_equal(together.tokens[row, : batch.lengths[0]], batch.tokens[0, : batch.lengths[0]])


def test_masks_segments_and_order_change_with_the_epoch_and_the_seed(
    dataset: IndexedDataset, table: TokenTable
) -> None:
    batches = _batches(dataset, table)
    num = batches.num_sequences
    first, second = (batches.batch(range(epoch * num, (epoch + 1) * num)) for epoch in range(2))
    other = _batches(dataset, table, seed=6).batch(range(num))
    for changed in (second, other):
        by_text = dict(zip(_texts(changed), changed.tokens.tolist(), strict=True))
        same = [by_text[text] == row for text, row in zip(_texts(first), first.tokens.tolist(), strict=True)]
        assert np.mean(same) < 0.1  # some samples are a few tokens long


def test_positions_may_reach_over_the_end_of_an_epoch(dataset: IndexedDataset, table: TokenTable) -> None:
    batches = _batches(dataset, table)
    num = batches.num_sequences
    over = batches.batch(range(num - 2, num + 2))
    assert _texts(over) == _texts(batches.batch([num - 2, num - 1])) + _texts(batches.batch([num, num + 1]))


def test_masked_positions_are_ascending_and_hold_what_stood_there(dataset: IndexedDataset, table: TokenTable) -> None:
    batch = _batches(dataset, table, masking=Masking(mask_share=1.0, random_share=0.0)).batch(range(50))
    assert (np.diff(batch.masked_positions) > 0).all()
    assert (batch.tokens.ravel()[batch.masked_positions] == table.mask).all()
    assert (batch.tokens == table.mask).sum() == len(batch.masked_positions) == len(batch.masked_labels)
    assert not table.is_special[batch.masked_labels].any()


def test_what_is_kept_and_randomised_is_not_marked(dataset: IndexedDataset, table: TokenTable) -> None:
    batch = _batches(dataset, table, masking=Masking(mask_share=0.0, random_share=0.0)).batch(range(50))
    assert np.array_equal(_restored(batch), batch.tokens)
    assert len(batch.masked_positions) >= 50


def test_the_rate_holds_over_an_epoch(dataset: IndexedDataset, table: TokenTable) -> None:
    batches = _batches(dataset, table, max_tokens=128)
    batch = batches.batch(range(20 * batches.num_sequences))
    share = len(batch.masked_labels) / (20 * len(dataset.tokens))
    assert 0.148 < share < 0.16  # short samples always have one word to predict


def test_segments_are_swapped_half_of_the_time(dataset: IndexedDataset, table: TokenTable) -> None:
    is_swapped = _batches(dataset, table).batch(range(5000)).is_swapped
    assert is_swapped is not None
    assert abs(is_swapped.mean() - 0.5) < 5 * 0.5 / 5000**0.5
    assert _batches(dataset, table, sentence_order=False).batch([0]).is_swapped is None


def test_a_document_of_one_token_has_an_empty_second_segment(make_dataset: MakeDataset, table: TokenTable) -> None:
    batches = _batches(make_dataset([[[7]]]), table)
    for position in range(10):
        batch = batches.batch([position])
        assert _restored(batch)[0, :4].tolist() == [_CLS, 7, _SEP, _SEP]
        assert batch.lengths.tolist() == [4]
        assert batch.is_swapped is not None
        assert batch.is_swapped.tolist() == [0]


def test_two_tokens_make_a_pair(make_dataset: MakeDataset, table: TokenTable) -> None:
    batches = _batches(make_dataset([[[7, 50]]]), table)
    rows = {tuple(_restored(batches.batch([position]))[0, :5].tolist()) for position in range(20)}
    assert rows == {(_CLS, 7, _SEP, 50, _SEP), (_CLS, 50, _SEP, 7, _SEP)}


@pytest.mark.parametrize("sentence", [[7, 100, 8], [100] * 70])
@pytest.mark.parametrize("sentence_order", [True, False])
def test_ids_that_the_vocabulary_lacks_are_refused(
    make_dataset: MakeDataset, table: TokenTable, sentence: list[int], sentence_order: bool
) -> None:
    batches = _batches(make_dataset([[sentence]]), table, sentence_order=sentence_order)
    with pytest.raises(DataError, match="vocabulary does not have"):
        batches.batch([0])
