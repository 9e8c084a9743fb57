"""Choosing the sub-tokens that a masked language model has to predict (Devlin et al. 2019, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from domainlm.text.spans import cover, span_lengths

MaskingUnit = Literal["whole_word", "sub_token", "span"]


@dataclass(frozen=True, slots=True)
class Masking:
    """The objective.

    Attributes:
        rate: share of the sub-tokens (special tokens not counted) to predict.
        unit: choose words with all their sub-tokens, sub-tokens one by one, or runs of whole words.
        mask_share: of the chosen sub-tokens, share replaced by [MASK].
        random_share: of the chosen sub-tokens, share replaced by a random entry; the rest stays as it is.
    """

    rate: float = 0.15
    unit: MaskingUnit = "whole_word"
    mask_share: float = 0.8
    random_share: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < 1.0:
            raise ValueError(f"rate must be between 0 and 1, not {self.rate}")
        if self.mask_share < 0.0 or self.random_share < 0.0 or self.mask_share + self.random_share > 1.0:
            raise ValueError(f"mask_share {self.mask_share} and random_share {self.random_share} are no shares of 1")


@dataclass(frozen=True, eq=False)
class TokenTable:
    """What batches need to know of a vocabulary.

    Attributes:
        pad: id of [PAD].
        cls: id of [CLS].
        sep: id of [SEP].
        mask: id of [MASK].
        size: number of entries; every id is below it.
        is_continuation: whether an entry goes on with a word that began before it, bool [size].
        is_special: whether an entry stands for no text, bool [size]; such are never chosen, nor put in place of others.
    """

    pad: int
    cls: int
    sep: int
    mask: int
    size: int
    is_continuation: NDArray[np.bool_]
    is_special: NDArray[np.bool_]

    @cached_property
    def ordinary(self) -> NDArray[np.int64]:
        """Ids that are not special, ascending."""
        return np.flatnonzero(~self.is_special)


@dataclass(frozen=True, slots=True, eq=False)
class MaskDraws:
    """Numbers from 0 (inclusive) to 1 (exclusive) that decide about the masks of some rows.

    Attributes:
        crossing: about the word that partly fits, [batch].
        keys: a word's place in the order is that of its first sub-token's, [batch, tokens].
        actions: replace by [MASK], by a random entry, or not at all, [batch, tokens].
        choices: which random entry, [batch, tokens].
        lengths: words of the span that begins at each word, [batch, tokens]; of no matter where no spans are chosen.
    """

    crossing: NDArray[Any]
    keys: NDArray[Any]
    actions: NDArray[Any]
    choices: NDArray[Any]
    lengths: NDArray[Any] | None = None


def mask(
    tokens: NDArray[np.int64], table: TokenTable, masking: Masking, draws: MaskDraws
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Choose sub-tokens to predict and replace them, in place.

    Args:
        tokens: ids with special tokens and padding, [batch, tokens]; corrupted by the call.
        table: the vocabulary.
        masking: the objective.
        draws: what decides.

    Returns:
        Places of the chosen ones in the flattened `tokens`, ascending, and what stood there, both [num_masked].
    """
    chosen, actions = choose_masked(tokens, table, masking, draws)
    labels = tokens[chosen]
    tokens[chosen] = corrupt(labels, table, masking, actions[chosen], draws.choices[chosen])
    return np.flatnonzero(chosen), labels


def choose_masked(
    tokens: NDArray[np.int64], table: TokenTable, masking: Masking, draws: MaskDraws
) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Choose the sub-tokens to predict, row by row.

    A row's words are taken in random order while they fit into `rate` times its number of ordinary sub-tokens. The
    first word that only partly fits is taken with the probability that equals the fitting part, and ends the choice.
    So the expected number of chosen sub-tokens is `rate` times the ordinary ones exactly, and each row's number is off
    by less than one word. The first word is always taken, so a row with any ordinary token has something to predict.

    With spans it is the spans that come in random order, a word where the first one begins that covers it; the words of
    a span come one after the other, and the last span may be cut short. All of a span are replaced in the same way.

    Args:
        tokens: ids with special tokens and padding, [batch, tokens].
        table: which ids are special and which continue a word. A sub-token after a special one always starts a word.
        masking: rate and unit.
        draws: what decides.

    Returns:
        Which sub-tokens are chosen, and the actions' draws, [batch, tokens]. A row depends on its own tokens and draws.
    """
    ordinary = ~table.is_special[tokens]
    starts = _word_starts(tokens, ordinary, table, masking.unit)
    if not starts.any():
        return np.zeros(tokens.shape, dtype=np.bool_), draws.actions
    word_of = np.cumsum(starts).reshape(tokens.shape) - 1
    sizes = np.bincount(word_of[ordinary])
    rows = np.nonzero(starts)[0]
    keys, actions = draws.keys[starts], draws.actions
    if masking.unit == "span":
        assert draws.lengths is not None
        runs = np.cumsum(~ordinary)[starts.ravel()] + rows * tokens.shape[1]
        keys, owners = cover(runs, keys, span_lengths(draws.lengths[starts]))
        actions = draws.actions[starts][owners][word_of]

    order = np.lexsort((keys, rows))  # by row, and within a row by key; `rows` is ascending already
    sizes = sizes[order]
    num_ordinary = ordinary.sum(axis=1)
    before_row = np.cumsum(num_ordinary) - num_ordinary
    before_word = np.cumsum(sizes) - sizes - before_row[rows]
    room = masking.rate * num_ordinary[rows] - before_word
    taken = (draws.crossing[rows] * sizes < room) | (before_word == 0)

    is_taken = np.empty(len(taken), dtype=np.bool_)
    is_taken[order] = taken
    chosen: NDArray[np.bool_] = ordinary & is_taken[word_of]
    return chosen, actions


def _word_starts(
    tokens: NDArray[np.int64], ordinary: NDArray[np.bool_], table: TokenTable, unit: MaskingUnit
) -> NDArray[np.bool_]:
    if unit == "sub_token":
        return ordinary
    continues = table.is_continuation[tokens]
    continues[:, 0] = False
    continues[:, 1:] &= ordinary[:, :-1]
    return ordinary & ~continues


def corrupt(
    labels: NDArray[np.int64], table: TokenTable, masking: Masking, actions: NDArray[Any], choices: NDArray[Any]
) -> NDArray[np.int64]:
    """What stands in the text in place of the sub-tokens to predict, [num_masked].

    Args:
        labels: the sub-tokens to predict, [num_masked].
        table: the mask id, and the ids to draw random entries from.
        masking: the shares.
        actions: from 0 to 1, [num_masked]: replace by [MASK], by a random entry, or not at all.
        choices: from 0 to 1, [num_masked]: which random entry.
    """
    random_entries = table.ordinary[(choices * len(table.ordinary)).astype(np.int64)]
    randomised = actions < masking.mask_share + masking.random_share
    return np.where(actions < masking.mask_share, table.mask, np.where(randomised, random_entries, labels))
