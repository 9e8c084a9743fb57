"""Corpora in turns: exact shares, whatever is asked when."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.text.batches import MaskedBatch, PretrainingBatches
from domainlm.text.indexed import IndexedDataset
from domainlm.text.masking import Masking, TokenTable
from domainlm.text.mixing import NUM_TURNS, MixedBatches, Turns, corpus_seed, shares_of_sizes
from domainlm.text.pairs import SecondObjective

if TYPE_CHECKING:
    from conftest import MakeDataset

_WEIGHTS = st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=6)


def test_shares_are_those_of_the_paper() -> None:
    # Conneau and Lample 2019, section 3.1: q_i = p_i^a / sum p_j^a. By hand, 100 and 1: 10 to 1 at 0.5.
    assert shares_of_sizes([100, 1], 0.5) == pytest.approx([10 / 11, 1 / 11])
    assert shares_of_sizes([30, 10], 1.0) == pytest.approx([0.75, 0.25])
    assert shares_of_sizes([7, 1_000_000, 3], 0.0) == pytest.approx([1 / 3] * 3)


@settings(max_examples=40)
@given(_WEIGHTS, st.integers(0, 2**64), st.lists(st.integers(0, 10**12), min_size=1, max_size=20))
def test_each_position_is_the_next_of_its_corpus(weights: list[float], seed: int, positions: list[int]) -> None:
    turns = Turns(weights, seed)
    corpora, places = turns.at(np.array(positions))
    for position, corpus, place in zip(positions, corpora.tolist(), places.tolist(), strict=True):
        before, after = turns.taken(position), turns.taken(position + 1)
        assert sum(before) == position
        assert place == before[corpus]
        assert [there - here for here, there in zip(before, after, strict=True)] == [
            int(other == corpus) for other in range(len(weights))
        ]


@settings(max_examples=40)
@given(_WEIGHTS, st.integers(0, 2**64))
def test_shares_are_exact_at_every_moment(weights: list[float], seed: int) -> None:
    turns = Turns(weights, seed)
    wanted = np.array(weights) / sum(weights)
    assert np.abs(np.array(turns.shares) - wanted).max() <= (len(weights) + 1) / NUM_TURNS
    assert turns.taken(3 * NUM_TURNS) == [round(3 * share * NUM_TURNS) for share in turns.shares]
    corpora, _ = turns.at(np.arange(NUM_TURNS))
    for corpus, share in enumerate(turns.shares):
        so_far = np.cumsum(corpora == corpus)
        assert np.abs(so_far - share * np.arange(1, NUM_TURNS + 1)).max() <= len(weights) + 1


def test_turns_are_no_fixed_pattern() -> None:
    first, _ = Turns([1.0, 3.0], 0).at(np.arange(4000))
    other, _ = Turns([1.0, 3.0], 1).at(np.arange(4000))
    assert (first == other).mean() < 0.8
    gaps = np.diff(np.flatnonzero(first == 0))
    assert set(gaps.tolist()) == set(range(1, 8))


@pytest.mark.parametrize("weights", [[], [0.0, 1.0], [-1.0, 2.0], [float("nan")], [float("inf"), 1.0]])
def test_weights_must_be_above_zero(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        Turns(weights, 0)


# --- batches ---


@pytest.fixture(scope="module")
def datasets(make_dataset: MakeDataset) -> list[IndexedDataset]:
    """Corpora of 40, 15 and 5 documents."""
    draws = np.random.default_rng(3)
    return [
        make_dataset(
            [
                [draws.integers(5, 100, draws.integers(1, 15)).tolist() for _ in range(draws.integers(1, 6))]
                for _ in range(number)
            ]
        )
        for number in (40, 15, 5)
    ]


def _parts(
    datasets: list[IndexedDataset], table: TokenTable, objective: SecondObjective, *, packing: bool
) -> dict[str, PretrainingBatches]:
    return {
        f"corpus {number}": PretrainingBatches(
            dataset,
            table,
            max_tokens=32,
            second_objective=objective,
            masking=Masking(),
            seed=corpus_seed(7, number),
            packing=packing,
        )
        for number, dataset in enumerate(datasets)
    }


def _rows(batch: MaskedBatch) -> list[tuple[object, ...]]:
    """Everything about each row, without its padding."""
    width = batch.tokens.shape[1]
    firsts = np.arange(len(batch.lengths)) * width if batch.firsts is None else batch.firsts
    found = []
    for row, length in enumerate(batch.lengths.tolist()):
        masked = batch.masked_positions // width == row
        grids = [batch.tokens, batch.token_types, batch.positions, batch.samples]
        label = None if batch.is_swapped is None else batch.is_swapped[firsts // width == row].tolist()
        found.append(
            (
                *(None if grid is None else grid[row, :length].tolist() for grid in grids),
                (batch.masked_positions[masked] % width).tolist(),
                batch.masked_labels[masked].tolist(),
                (firsts[firsts // width == row] % width).tolist(),
                label,
            )
        )
        assert (batch.tokens[row, length:] == 0).all()
    return found


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 400_000), min_size=1, max_size=12),
    st.sampled_from(get_args(SecondObjective)),
    st.booleans(),
)
def test_a_mixed_batch_holds_the_rows_of_its_corpora(
    datasets: list[IndexedDataset], table: TokenTable, positions: list[int], objective: SecondObjective, packing: bool
) -> None:
    parts = _parts(datasets, table, objective, packing=packing)
    mixed = MixedBatches(parts, [0.6, 0.3, 0.1], seed=7, pad=table.pad)
    batch = mixed.batch(positions)
    corpora, places = Turns([0.6, 0.3, 0.1], 7).at(np.array(positions))
    expected = [
        _rows(list(parts.values())[corpus].batch([place]))[0]
        for corpus, place in zip(corpora.tolist(), places.tolist(), strict=True)
    ]
    assert _rows(batch) == expected
    assert (np.diff(batch.masked_positions) > 0).all() or len(batch.masked_positions) < 2


@settings(max_examples=15)
@given(st.data(), st.booleans())
def test_any_division_gives_the_same_sequence(
    datasets: list[IndexedDataset], table: TokenTable, data: st.DataObject, packing: bool
) -> None:
    def make() -> MixedBatches:
        return MixedBatches(
            _parts(datasets, table, "sentence_order", packing=packing), [2.0, 1.0, 1.0], seed=7, pad=table.pad
        )

    start = data.draw(st.integers(0, 300))
    cuts = data.draw(st.lists(st.integers(start, start + 40), max_size=5).map(sorted))
    bounds = [start, *cuts, start + 40]
    whole = _rows(make().batch(range(start, start + 40)))
    parts = [make().batch(range(a, b)) for a, b in pairwise(bounds) if b > a]
    assert [row for part in parts for row in _rows(part)] == whole


def test_epochs_are_counted_for_each_corpus(datasets: list[IndexedDataset], table: TokenTable) -> None:
    parts = _parts(datasets, table, "none", packing=True)
    mixed = MixedBatches(parts, [0.5, 0.25, 0.25], seed=7, pad=table.pad)
    sizes = [part.num_sequences for part in parts.values()]
    assert mixed.epochs(NUM_TURNS) == pytest.approx(
        {
            f"corpus {number}": share * NUM_TURNS / size
            for number, (share, size) in enumerate(zip([0.5, 0.25, 0.25], sizes, strict=True))
        }
    )
    assert next(iter(parts.values())).epochs(sizes[0] * 3) == {"corpus": 3.0}
