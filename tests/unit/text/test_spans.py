"""Spans of words to predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm.text.masking import MaskDraws, Masking, TokenTable, choose_masked, mask
from domainlm.text.spans import cover, span_lengths

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLS, _SEP, _MASK = 2, 3, 4


def test_lengths_are_those_of_spanbert() -> None:
    # Joshi et al. 2020, section 3.1: "l ~ Geo(p), p = 0.2 ... clip at 10 ... This yields a mean span length of 3.8".
    draws = (np.arange(1_000_000) + 0.5) / 1_000_000
    lengths = span_lengths(draws)
    assert lengths.mean() == pytest.approx(3.8, abs=0.005)
    assert (lengths.min(), lengths.max()) == (1, 10)
    counts = np.bincount(lengths)[1:]
    assert counts[1:] / counts[:-1] == pytest.approx(np.full(9, 0.8), rel=1e-3)
    assert span_lengths(np.array([0.0, np.nextafter(1.0, 0.0)])).tolist() == [1, 10]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(1, 10)), min_size=1, max_size=40),
)
def test_a_word_belongs_to_the_first_span_over_it(words: list[tuple[bool, int, int]]) -> None:
    runs = np.cumsum([begins for begins, _, _ in words])
    keys = np.array([key for _, key, _ in words], dtype=float)
    lengths = np.array([length for _, _, length in words])
    best, owners = cover(runs, keys, lengths)
    for word in range(len(words)):
        over = [start for start in range(word + 1) if runs[start] == runs[word] and start + int(lengths[start]) > word]
        assert best[word] == min(keys[start] for start in over)
        assert owners[word] in over
        assert keys[owners[word]] == best[word]


def _tokens(num_rows: int, num_words: int) -> NDArray[np.int64]:
    return np.tile(np.array([_CLS, *[5] * num_words, _SEP]), (num_rows, 1))


def _draws(shape: tuple[int, int]) -> MaskDraws:
    random = np.random.default_rng(0)
    return MaskDraws(random.random(shape[0]), *(random.random(shape) for _ in range(4)))


def _run_lengths(chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    edges = np.diff(np.pad(chosen, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    return np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1]


@pytest.mark.parametrize("rate", [0.15, 0.4])
def test_runs_are_chosen_at_the_rate(table: TokenTable, rate: float) -> None:
    tokens = _tokens(4_000, 400)
    chosen, _ = choose_masked(tokens, table, Masking(rate=rate, unit="span"), _draws(tokens.shape))
    assert chosen.sum(axis=1).mean() == pytest.approx(rate * 400, abs=0.05)
    runs = _run_lengths(chosen)
    alone = _run_lengths(choose_masked(tokens, table, Masking(rate=rate), _draws(tokens.shape))[0])
    assert runs.mean() > 1.5 * alone.mean()


def test_runs_do_not_reach_over_special_tokens(table: TokenTable) -> None:
    # Two runs of two words: no span has more, and at a rate of half of 4 words one run or one word of each is chosen.
    tokens = np.tile(np.array([_CLS, 5, 6, _SEP, 7, 8, _SEP]), (5_000, 1))
    chosen, actions = choose_masked(tokens, table, Masking(rate=0.5, unit="span"), _draws(tokens.shape))
    assert not chosen[:, [0, 3, 6]].any()
    assert (actions[:, 2] != actions[:, 4]).all()


def test_a_span_is_replaced_as_one(table: TokenTable) -> None:
    tokens = _tokens(500, 60)
    tokens[:, 5::3] = 50  # words of several sub-tokens
    masking = Masking(rate=0.3, unit="span", mask_share=0.5, random_share=0.0)
    before = tokens.copy()
    draws = _draws(tokens.shape)
    chosen, actions = choose_masked(before, table, masking, draws)
    places, labels = mask(tokens, table, masking, draws)
    assert np.array_equal(places, np.flatnonzero(chosen))
    assert np.array_equal(labels, before[chosen])
    assert np.array_equal(tokens == _MASK, chosen & (actions < 0.5))
    # A run of the chosen has far fewer actions than words.
    num_runs = len(_run_lengths(chosen))
    num_actions = len(np.unique(actions[chosen]))
    assert num_runs <= num_actions < 1.6 * num_runs
