"""Masked batches for pretraining, as a function of seed and position alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domainlm.errors import DataError
from domainlm.text.indexed import IndexedDataset
from domainlm.text.masking import Masking, TokenTable, choose_masked, corrupt
from domainlm.text.randomness import permutation, uniforms
from domainlm.text.samples import SampleMap

Ids = NDArray[np.int64]
_MULTIPLE = 8
"""Rows are padded to a multiple of this many tokens, which matrix kernels like."""

_NUM_ROW_DRAWS = 3
_NUM_TOKEN_DRAWS = 3


@dataclass(frozen=True, slots=True, eq=False)
class MaskedBatch:
    """Sequences with sub-tokens to predict.

    Attributes:
        tokens: what the model reads, int64 [batch, tokens].
        token_types: 0 for the first segment and the padding, 1 for the second, int64 [batch, tokens].
        lengths: number of real tokens of each row; they come first, int64 [batch].
        masked_positions: row * tokens + slot of each sub-token to predict, ascending, int64 [num_masked].
        masked_labels: what stood there, int64 [num_masked].
        is_swapped: 1 where the segment that came second in the text stands first, int64 [batch]; None without pairs.
    """

    tokens: Ids
    token_types: Ids
    lengths: Ids
    masked_positions: Ids
    masked_labels: Ids
    is_swapped: Ids | None

    @property
    def num_tokens(self) -> int:
        """Real tokens of all rows, special ones included."""
        return int(self.lengths.sum())


class PretrainingBatches:
    """An endless sequence of masked samples, from which batches are taken by position.

    Position p lies in epoch `p // num_sequences`, each epoch having an order of its own. A sample (its segments, their
    order, its masks) is a function of the seed, the epoch and its place in the text. So it does not matter how
    positions are divided among ranks and micro-batches, nor where a run was interrupted.

    Rows read `[CLS] A [SEP] B [SEP]`, or `[CLS] A [SEP]` without sentence order.

    Args:
        dataset: the tokens.
        table: special ids, and which entries continue words.
        max_tokens: longest row, special tokens included.
        sentence_order: make two segments of each sample and swap them half of the time (Lan et al. 2020).
        masking: which sub-tokens to predict.
        seed: of order, segments and masks.
    """

    def __init__(
        self,
        dataset: IndexedDataset,
        table: TokenTable,
        *,
        max_tokens: int,
        sentence_order: bool,
        masking: Masking,
        seed: int,
    ) -> None:
        self._dataset = dataset
        self._table = table
        self._max_tokens = max_tokens
        self._sentence_order = sentence_order
        self._masking = masking
        self._seed = seed
        self._samples = SampleMap(dataset, max_tokens - (3 if sentence_order else 2), table.is_continuation)
        self._orders: dict[int, Ids] = {}

    @property
    def num_sequences(self) -> int:
        """Samples of an epoch."""
        return len(self._samples)

    def batch(self, positions: Sequence[int]) -> MaskedBatch:
        """The samples at some positions (at least one), in this order, padded to a common length."""
        epochs, ranks = np.divmod(np.asarray(positions, dtype=np.int64), self.num_sequences)
        places = self._places(epochs, ranks)
        num_draws = _NUM_ROW_DRAWS + _NUM_TOKEN_DRAWS * self._max_tokens
        draws = uniforms(self._seed, epochs, places, num_draws)
        tokens, token_types, lengths, is_swapped = self._segments(places, draws)
        by_token = draws[:, _NUM_ROW_DRAWS:].reshape(len(places), _NUM_TOKEN_DRAWS, -1)[:, :, : tokens.shape[1]]
        chosen = choose_masked(tokens, self._table, self._masking, draws[:, 2], by_token[:, 0])
        labels = tokens[chosen]
        tokens[chosen] = corrupt(labels, self._table, self._masking, by_token[:, 1][chosen], by_token[:, 2][chosen])
        return MaskedBatch(tokens, token_types, lengths, np.flatnonzero(chosen), labels, is_swapped)

    def _places(self, epochs: Ids, ranks: Ids) -> Ids:
        """Place in the text of the samples at some ranks of some epochs' orders."""
        places = np.empty_like(ranks)
        for epoch in np.unique(epochs).tolist():
            in_epoch = epochs == epoch
            places[in_epoch] = self._order(epoch)[ranks[in_epoch]]
        return places

    def _order(self, epoch: int) -> Ids:
        if epoch not in self._orders:
            # A batch may reach over the end of an epoch: keep two.
            self._orders = {kept: self._orders[kept] for kept in (epoch - 1, epoch + 1) if kept in self._orders}
            self._orders[epoch] = permutation(self._seed, epoch, self.num_sequences)
        return self._orders[epoch]

    def _segments(self, places: Ids, draws: NDArray[np.float64]) -> tuple[Ids, Ids, Ids, Ids | None]:
        """Unmasked tokens, token types, lengths, and which rows are swapped."""
        starts, stops = self._samples.starts[places], self._samples.stops[places]
        if not self._sentence_order:
            tokens, token_types, lengths = self._lay_out(starts, stops - starts)
            return tokens, token_types, lengths, None
        pivots = self._samples.pivots(places, draws[:, 0])
        swapped = (draws[:, 1] < 0.5) & (pivots < stops)
        firsts, seconds = np.where(swapped, pivots, starts), np.where(swapped, starts, pivots)
        num_first = np.where(swapped, stops - pivots, pivots - starts)
        tokens, token_types, lengths = self._lay_out(firsts, num_first, seconds, stops - starts - num_first)
        return tokens, token_types, lengths, swapped.astype(np.int64)

    def _lay_out(
        self, firsts: Ids, num_first: Ids, seconds: Ids | None = None, num_second: Ids | None = None
    ) -> tuple[Ids, Ids, Ids]:
        """Put segments, given by start and number of tokens [batch], into padded rows with special tokens."""
        table = self._table
        ends_first = num_first[:, None] + 1  # slot of the first [SEP]
        ends = ends_first if num_second is None else ends_first + num_second[:, None] + 1
        lengths = ends[:, 0] + 1
        width = min(-(-int(lengths.max()) // _MULTIPLE) * _MULTIPLE, self._max_tokens)
        slots = np.arange(width)[None, :]
        sources = firsts[:, None] + slots - 1
        if seconds is not None:
            sources = np.where(slots > ends_first, seconds[:, None] + slots - ends_first - 1, sources)
        is_text = (slots > 0) & (slots < ends) & (slots != ends_first)
        tokens = np.where(slots < ends, table.sep, table.pad)
        tokens[:, 0] = table.cls
        np.put_along_axis(tokens, ends, table.sep, axis=1)
        tokens[is_text] = self._read(sources[is_text])
        token_types = ((slots > ends_first) & (slots <= ends)).astype(np.int64)
        return tokens.astype(np.int64, copy=False), token_types, lengths

    def _read(self, sources: Ids) -> Ids:
        tokens = self._dataset.tokens[sources].astype(np.int64)
        if int(tokens.max()) >= self._table.size or int(tokens.min()) < 0:
            raise DataError(
                "the dataset holds token ids that the vocabulary does not have",
                given=int(tokens.max()),
                allowed=f"0 to {self._table.size - 1:,}",
                remedy="encode the text with this vocabulary",
            )
        return tokens
