"""Masked batches for pretraining, as a function of seed and position alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from domainlm.errors import DataError
from domainlm.text.cuts import Text
from domainlm.text.indexed import IndexedDataset
from domainlm.text.layout import Ids, lay_out, offsets
from domainlm.text.masking import MaskDraws, Masking, TokenTable, mask
from domainlm.text.packing import PackedRows, RowShape
from domainlm.text.pairs import SecondObjective, num_special, segments
from domainlm.text.randomness import permutation, uniforms
from domainlm.text.samples import SampleMap

_NUM_TOKEN_DRAWS = 3
_NUM_SPAN_DRAWS = 4


@dataclass(frozen=True, slots=True, eq=False)
class MaskedBatch:
    """Sequences with sub-tokens to predict.

    Attributes:
        tokens: what the model reads, int64 [batch, tokens].
        token_types: 0 for the first segment and the padding, 1 for the second, int64 [batch, tokens].
        lengths: number of real tokens of each row; they come first, int64 [batch].
        masked_positions: row * tokens + slot of each sub-token to predict, ascending, int64 [num_masked].
        masked_labels: what stood there, int64 [num_masked].
        is_swapped: the label of each sample's pair, row by row, int64 [num_samples]: 0 where it is as in the text, 1
            where its segments are swapped, or the second one is from another document; None without pairs.
        positions: place of each token in its sample, int64 [batch, tokens]; None where each row is one sample.
        samples: which sample of its row a token belongs to, int64 [batch, tokens]; None as above.
        firsts: row * tokens + slot of each sample's [CLS], int64 [num_samples]; None as above.
    """

    tokens: Ids
    token_types: Ids
    lengths: Ids
    masked_positions: Ids
    masked_labels: Ids
    is_swapped: Ids | None
    positions: Ids | None = None
    samples: Ids | None = None
    firsts: Ids | None = None

    @property
    def num_tokens(self) -> int:
        """Real tokens of all rows, special ones included."""
        return int(self.lengths.sum())


class Batches(Protocol):
    """An endless sequence of sequences, from which batches are taken by position."""

    def batch(self, positions: Sequence[int]) -> MaskedBatch:
        """The sequences at some positions (at least one), in this order, padded to a common length."""

    def epochs(self, num_positions: int) -> dict[str, float]:
        """How often each corpus has been read when so many positions have been taken."""


class PretrainingBatches:
    """The sequences of one corpus, in an order of its own in every epoch.

    Position p lies in epoch `p // num_sequences`. A sequence (its samples, their segments and order, its masks) is a
    function of the seed, the epoch and its place in the text. So it does not matter how positions are divided among
    ranks and micro-batches, nor where a run was interrupted.

    A row is one sample, `[CLS] A [SEP] B [SEP]` or without pairs `[CLS] A [SEP]`; or, with packing, as many samples as
    fill it, each of one document.

    Args:
        dataset: the tokens.
        table: special ids, and which entries continue words.
        max_tokens: longest row, special tokens included.
        second_objective: what is to be told of a sample's two segments.
        masking: which sub-tokens to predict.
        seed: of order, segments and masks.
        packing: several samples in one row.
        name: of the corpus.
    """

    def __init__(
        self,
        dataset: IndexedDataset,
        table: TokenTable,
        *,
        max_tokens: int,
        second_objective: SecondObjective,
        masking: Masking,
        seed: int,
        packing: bool = False,
        name: str = "corpus",
    ) -> None:
        self._text = Text.of(dataset, table.is_continuation)
        self._table = table
        self._shape = RowShape(max_tokens, num_special(second_objective))
        self._second_objective: SecondObjective = second_objective
        self._masking = masking
        self._seed = seed
        self._name = name
        self._is_packed = packing
        self._rows: PackedRows | SampleMap
        if packing:
            self._rows = PackedRows(self._text, self._shape, seed)
        else:
            self._rows = SampleMap(self._text, self._shape.capacity)
        self._orders: dict[int, Ids] = {}

    @property
    def num_sequences(self) -> int:
        """Rows of an epoch."""
        return len(self._rows)

    @property
    def num_samples(self) -> int:
        """Samples of an epoch."""
        return self._rows.num_samples

    def epochs(self, num_positions: int) -> dict[str, float]:
        """How often the corpus has been read when so many positions have been taken, by its name."""
        return {self._name: num_positions / self.num_sequences}

    def batch(self, positions: Sequence[int]) -> MaskedBatch:
        """The rows at some positions (at least one), in this order, padded to a common length."""
        epochs, ranks = np.divmod(np.asarray(positions, dtype=np.int64), self.num_sequences)
        places = self._places(epochs, ranks)
        row_of, starts, stops = self._rows.samples(places)
        crossing, draws = self._draws(epochs, places)
        begins = offsets(row_of, stops - starts + self._shape.num_special)
        # No [CLS] is ever masked: the draws of its slot decide about its sample.
        found = segments(self._text, self._second_objective, starts, stops, draws[:3, row_of, begins])
        rows = lay_out(found, row_of, self._table, self._shape.max_tokens, self._read)
        by_token = [plane[:, : rows.tokens.shape[1]] for plane in draws]
        masked_positions, labels = mask(rows.tokens, self._table, self._masking, MaskDraws(crossing, *by_token))
        return MaskedBatch(
            tokens=rows.tokens,
            token_types=rows.token_types,
            lengths=rows.lengths,
            masked_positions=masked_positions,
            masked_labels=labels,
            is_swapped=found.is_changed,
            positions=rows.positions if self._is_packed else None,
            samples=rows.samples if self._is_packed else None,
            firsts=rows.firsts if self._is_packed else None,
        )

    def _draws(self, epochs: Ids, places: Ids) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Numbers from 0 to 1 for each row, [batch], and for each of its slots, [planes, batch, max_tokens]."""
        num_planes = _NUM_SPAN_DRAWS if self._masking.unit == "span" else _NUM_TOKEN_DRAWS
        draws = uniforms(self._seed, epochs, places, 1 + num_planes * self._shape.max_tokens)
        return draws[:, 0], draws[:, 1:].reshape(len(places), num_planes, -1).transpose(1, 0, 2)

    def _places(self, epochs: Ids, ranks: Ids) -> Ids:
        """Number of the rows at some ranks of some epochs' orders."""
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

    def _read(self, sources: Ids) -> Ids:
        tokens = self._text.tokens[sources].astype(np.int64)
        if int(tokens.max()) >= self._table.size or int(tokens.min()) < 0:
            raise DataError(
                "the dataset holds token ids that the vocabulary does not have",
                given=int(tokens.max()),
                allowed=f"0 to {self._table.size - 1:,}",
                remedy="encode the text with this vocabulary",
            )
        return tokens
