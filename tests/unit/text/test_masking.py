from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from domainlm.text.masking import MaskDraws, Masking, MaskingUnit, TokenTable, choose_masked, corrupt
from domainlm.text.randomness import uniforms

_CLS, _SEP, _PAD, _UNK, _MASK = 2, 3, 0, 1, 4


def _draws(num_rows: int, num_columns: int, seed: int = 0) -> NDArray[np.float64]:
    return uniforms(seed, np.zeros(num_rows, dtype=np.int64), np.arange(num_rows), num_columns)


def _choose(tokens: NDArray[np.int64], table: TokenTable, masking: Masking, seed: int = 0) -> NDArray[np.bool_]:
    draws = _mask_draws(_draws(len(tokens), 1 + 2 * tokens.shape[1], seed))
    return choose_masked(tokens, table, masking, draws)[0]


def _mask_draws(draws: NDArray[np.float64]) -> MaskDraws:
    """One for each row, one for each slot, and again one for each slot."""
    keys, lengths = np.split(draws[:, 1:], 2, axis=1)
    return MaskDraws(draws[:, 0], keys, keys, keys, lengths)


def _words(row: NDArray[np.int64], table: TokenTable) -> list[list[int]]:
    """Slots of each word of a row, one sub-token at a time: the plain way to say what a word is."""
    words: list[list[int]] = []
    for slot, token in enumerate(row.tolist()):
        if table.is_special[token]:
            continue
        goes_on = table.is_continuation[token] and slot > 0 and not table.is_special[row[slot - 1]]
        words[-1].append(slot) if goes_on else words.append([slot])
    return words


_ROWS = st.lists(st.integers(0, 99), min_size=1, max_size=40)


@given(_ROWS, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_words_are_chosen_whole_and_close_to_the_rate(
    table: TokenTable, row: list[int], rate: float, seed: int
) -> None:
    tokens = np.array([row])
    chosen = np.flatnonzero(_choose(tokens, table, Masking(rate=rate), seed)[0]).tolist()
    words = _words(tokens[0], table)
    taken = [word for word in words if set(word) & set(chosen)]
    assert sorted(slot for word in taken for slot in word) == chosen
    assert bool(taken) == bool(words)
    if taken:
        wanted = rate * sum(len(word) for word in words)
        longest = max(len(word) for word in words)
        assert wanted - longest < len(chosen) < wanted + longest


@given(_ROWS, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_sub_tokens_are_chosen_one_by_one(table: TokenTable, row: list[int], rate: float, seed: int) -> None:
    tokens = np.array([row])
    chosen = _choose(tokens, table, Masking(rate=rate, unit="sub_token"), seed)[0]
    ordinary = ~table.is_special[tokens[0]]
    assert not (chosen & ~ordinary).any()
    if ordinary.any():
        assert chosen.sum() >= 1
        assert rate * ordinary.sum() - 1 < chosen.sum() < rate * ordinary.sum() + 1


@given(st.lists(_ROWS, min_size=2, max_size=4), st.integers(0, 2**32), st.sampled_from(get_args(MaskingUnit)))
def test_a_row_does_not_depend_on_its_batch(
    table: TokenTable, rows: list[list[int]], seed: int, unit: MaskingUnit
) -> None:
    width = max(len(row) for row in rows) + 3
    tokens = np.full((len(rows), width), _PAD)
    for number, row in enumerate(rows):
        tokens[number, : len(row)] = row
    draws = _mask_draws(_draws(len(rows), 1 + 2 * width, seed))
    masking = Masking(rate=0.3, unit=unit)
    together = choose_masked(tokens, table, masking, draws)[0]
    for number, row in enumerate(rows):
        own = [plane[number : number + 1, : len(row)] for plane in (draws.keys, draws.actions, draws.choices)]
        lengths = draws.lengths[number : number + 1, : len(row)]
        of_row = MaskDraws(draws.crossing[number : number + 1], *own, lengths)
        alone = choose_masked(np.array([row]), table, masking, of_row)[0]
        assert np.array_equal(alone[0], together[number, : len(row)])


def _row_of_words(*sizes: int) -> NDArray[np.int64]:
    pieces = [[5, *[50] * (size - 1)] for size in sizes]
    return np.array([_CLS, *[token for piece in pieces for token in piece], _SEP])


def test_the_expected_number_is_the_rate_times_the_ordinary_sub_tokens(table: TokenTable) -> None:
    row = _row_of_words(1, 1, 2, 1, 3, 1, 1, 2, 1, 1)  # 14 ordinary sub-tokens; rate 0.25 asks for 3.5
    tokens = np.tile(row, (20_000, 1))
    numbers = _choose(tokens, table, Masking(rate=0.25)).sum(axis=1)
    assert set(numbers.tolist()) <= {1, 2, 3, 4, 5, 6}  # off by less than the longest word
    assert abs(numbers.mean() - 3.5) < 5 * numbers.std() / 20_000**0.5


def test_two_words_by_hand(table: TokenTable) -> None:
    # Words of 1 and 3 sub-tokens, rate 0.5: room for 2. Either is first half of the time. The short one first: the
    # long one is taken too with probability (2 - 1) / 3. The long one first: taken in any case, and then no room.
    tokens = np.tile(_row_of_words(1, 3), (30_000, 1))
    chosen = _choose(tokens, table, Masking(rate=0.5))
    short, long = chosen[:, 1], chosen[:, 2]
    assert np.array_equal(long, chosen[:, 4])
    five_deviations = 5 * 0.5 / 30_000**0.5
    assert abs((short & ~long).mean() - 1 / 3) < five_deviations
    assert abs((short & long).mean() - 1 / 6) < five_deviations
    assert abs((long & ~short).mean() - 1 / 2) < five_deviations


def test_every_word_of_a_row_is_as_likely(table: TokenTable) -> None:
    tokens = np.tile(_row_of_words(*[1] * 20), (20_000, 1))
    shares = _choose(tokens, table, Masking(rate=0.15)).mean(axis=0)[1:-1]
    assert np.abs(shares - 0.15).max() < 5 * (0.15 * 0.85 / 20_000) ** 0.5


def test_special_tokens_part_words_and_are_never_chosen(table: TokenTable) -> None:
    tokens = np.tile(np.array([_CLS, 50, _SEP, 50, 51, _UNK, 50, _MASK, _PAD]), (500, 1))
    chosen = _choose(tokens, table, Masking(rate=0.5))
    assert not chosen[:, [0, 2, 5, 7, 8]].any()
    assert chosen[:, [1, 3, 6]].any(axis=0).all()
    assert np.array_equal(chosen[:, 3], chosen[:, 4])


def test_a_row_of_special_tokens_has_nothing_to_predict(table: TokenTable) -> None:
    tokens = np.array([[_CLS, _UNK, _SEP], [_CLS, 5, _SEP]])
    assert _choose(tokens, table, Masking()).tolist() == [[False] * 3, [False, True, False]]
    assert not _choose(tokens[:1], table, Masking()).any()


@pytest.mark.parametrize(("mask_share", "random_share"), [(0.8, 0.1), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.5, 0.25)])
def test_the_chosen_are_replaced_in_the_given_shares(table: TokenTable, mask_share: float, random_share: float) -> None:
    num_masked = 40_000
    labels = np.full(num_masked, 7)
    draws = _draws(2, num_masked)
    replaced = corrupt(labels, table, Masking(mask_share=mask_share, random_share=random_share), draws[0], draws[1])
    kept_share = 1.0 - mask_share - random_share + random_share / 95  # a random entry of 95 may be the same
    bound = 5 * 0.5 / num_masked**0.5
    assert abs((replaced == _MASK).mean() - mask_share) < bound
    assert abs((replaced == 7).mean() - kept_share) < bound
    assert not np.isin(replaced, [_PAD, _UNK, _CLS, _SEP]).any()


def test_random_entries_are_all_ordinary_ones_as_likely(table: TokenTable) -> None:
    draws = _draws(2, 95_000)
    drawn = corrupt(np.full(95_000, 7), table, Masking(mask_share=0.0, random_share=1.0), draws[0], draws[1])
    counts = np.bincount(drawn, minlength=100)
    assert counts[:5].sum() == 0
    assert np.abs(counts[5:] - 1000).max() < 5 * 1000**0.5


@pytest.mark.parametrize(
    "wrong", [{"rate": 0.0}, {"rate": 1.0}, {"mask_share": 0.8, "random_share": 0.3}, {"mask_share": -0.1}]
)
def test_wrong_shares_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"rate|share"):
        Masking(**wrong)  # type: ignore[arg-type]
