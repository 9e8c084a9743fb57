"""Masked-language-model pretraining as the loop sees it: batches, their source, the loss; and the scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from domainlm.cancellation import check_cancelled
from domainlm.model.encoder import EncoderInputs
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import Device
from domainlm.text.batches import Batches, MaskedBatch, PretrainingBatches
from domainlm.train.nonfinite import check_score

MASKED_LM = "masked_lm"
SENTENCE_ORDER = "sentence_order"
_NUM_WIDTHS = 8


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PretrainingBatch:
    """`MaskedBatch` as tensors; shapes as there.

    Attributes:
        num_tokens: real sub-tokens, known without asking the device.
    """

    tokens: torch.Tensor
    token_types: torch.Tensor
    lengths: torch.Tensor
    masked_positions: torch.Tensor
    masked_labels: torch.Tensor
    is_swapped: torch.Tensor | None = None
    num_tokens: int
    positions: torch.Tensor | None = None
    samples: torch.Tensor | None = None
    firsts: torch.Tensor | None = None

    @classmethod
    def of(cls, batch: MaskedBatch) -> Self:
        """The same numbers as tensors on the CPU."""

        def optional(array: NDArray[np.int64] | None) -> torch.Tensor | None:
            return None if array is None else torch.from_numpy(array)

        return cls(
            tokens=torch.from_numpy(batch.tokens),
            token_types=torch.from_numpy(batch.token_types),
            lengths=torch.from_numpy(batch.lengths),
            masked_positions=torch.from_numpy(batch.masked_positions),
            masked_labels=torch.from_numpy(batch.masked_labels),
            is_swapped=optional(batch.is_swapped),
            positions=optional(batch.positions),
            samples=optional(batch.samples),
            firsts=optional(batch.firsts),
            num_tokens=batch.num_tokens,
        )

    def widened(self, width: int) -> Self:
        """The same rows with padding up to `width` slots, which is at least what they have; the CPU's tensors."""
        slots = self.tokens.shape[1]
        if slots == width:
            return self

        def padded(tensor: torch.Tensor) -> torch.Tensor:
            return functional.pad(tensor, (0, width - slots))

        def moved(places: torch.Tensor) -> torch.Tensor:
            return places // slots * width + places % slots

        return replace(
            self,
            tokens=padded(self.tokens),
            token_types=padded(self.token_types),
            masked_positions=moved(self.masked_positions),
            positions=None if self.positions is None else padded(self.positions),
            samples=None if self.samples is None else padded(self.samples),
            firsts=None if self.firsts is None else moved(self.firsts),
        )

    def to(self, device: torch.device) -> Self:
        """The same micro-batch with its tensors on `device`."""
        if device.type == "cpu":
            return self

        def moved(tensor: torch.Tensor) -> torch.Tensor:
            return tensor.pin_memory().to(device, non_blocking=True)

        def optional(tensor: torch.Tensor | None) -> torch.Tensor | None:
            return None if tensor is None else moved(tensor)

        return replace(
            self,
            tokens=moved(self.tokens),
            token_types=moved(self.token_types),
            lengths=moved(self.lengths),
            masked_positions=moved(self.masked_positions),
            masked_labels=moved(self.masked_labels),
            is_swapped=optional(self.is_swapped),
            positions=optional(self.positions),
            samples=optional(self.samples),
            firsts=optional(self.firsts),
        )


@dataclass(frozen=True, slots=True)
class PretrainingSource:
    """Takes each step's sequences from the endless shuffled order, in micro-batches.

    Attributes:
        batches: the order.
        num_sequences_per_step: global batch.
        num_sequences_per_micro_batch: sequences at once; the last micro-batch may be smaller.
        data_rank: whose part of each step to take: parts are contiguous, and together they are the step.
        data_degree: number of parts; at most `num_sequences_per_step`.
        width_multiple: rows are padded to a multiple of so many slots.
    """

    batches: Batches
    num_sequences_per_step: int
    num_sequences_per_micro_batch: int
    data_rank: int = 0
    data_degree: int = 1
    width_multiple: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.data_rank < self.data_degree <= self.num_sequences_per_step:
            rank, degree = self.data_rank, self.data_degree
            raise ValueError(f"data rank {rank} of {degree} has no part of {self.num_sequences_per_step} sequences")

    def micro_batches(self, step: int) -> Sequence[PretrainingBatch]:
        """This data rank's micro-batches of the step that follows `step` done ones."""
        size, total = self.num_sequences_per_micro_batch, self.num_sequences_per_step
        start, stop = (total * rank // self.data_degree for rank in (self.data_rank, self.data_rank + 1))
        positions = range(step * total + start, step * total + stop)
        found = [
            PretrainingBatch.of(self.batches.batch(positions[start : start + size]))
            for start in range(0, len(positions), size)
        ]
        multiple = self.width_multiple
        return [batch.widened(-(-batch.tokens.shape[1] // multiple) * multiple) for batch in found]


@dataclass(frozen=True, slots=True)
class PretrainingObjective:
    """Cross-entropy of the masked sub-tokens (Devlin et al. 2019) and of what is told of the pairs.

    Attributes:
        second: name of the second part of the loss, where batches have pairs.
    """

    second: str = SENTENCE_ORDER

    def counts(self, batch: PretrainingBatch) -> Mapping[str, int]:
        """Masked sub-tokens, and samples where they are pairs."""
        counts = {MASKED_LM: len(batch.masked_labels)}
        if batch.is_swapped is not None:
            counts[self.second] = len(batch.is_swapped)
        return counts

    def loss_sums(self, model: nn.Module, batch: PretrainingBatch) -> Mapping[str, torch.Tensor]:
        """Sums of both losses, fp32 scalars."""
        assert isinstance(model, PretrainingModel)
        return self.losses(model, model.encoder(*self.inputs(batch)), batch)

    def inputs(self, batch: PretrainingBatch) -> EncoderInputs:
        """What the encoder reads, and which of its hidden states `losses` will read."""
        read = batch.masked_positions
        if batch.is_swapped is not None:
            # The first token of a sample is a special one, which is never masked: no place comes twice.
            rows, slots = batch.tokens.shape
            firsts = torch.arange(0, rows * slots, slots, device=read.device) if batch.firsts is None else batch.firsts
            read = torch.cat([read, firsts])
        return EncoderInputs(
            batch.tokens, batch.token_types, batch.lengths, batch.positions, batch.samples, read, batch.firsts
        )

    def losses(self, model: nn.Module, states: torch.Tensor, batch: PretrainingBatch) -> Mapping[str, torch.Tensor]:
        """Sums of both losses from the hidden states."""
        assert isinstance(model, PretrainingModel)
        words, orders = model.losses(
            states, batch.masked_positions, batch.masked_labels, batch.is_swapped, batch.firsts
        )
        return {MASKED_LM: words} if orders is None else {MASKED_LM: words, self.second: orders}


def width_multiple(max_tokens: int) -> int:
    """For compiled layers, made anew for every width: the largest divisor up to an eighth of the longest row."""
    return max(each for each in range(1, max(1, max_tokens // _NUM_WIDTHS) + 1) if max_tokens % each == 0)


@torch.no_grad()
def score_sequences(
    model: PretrainingModel, batches: PretrainingBatches, device: Device, num_rows: int, second: str = SENTENCE_ORDER
) -> dict[str, float]:
    """Loss and accuracy of a language model over every sequence of one epoch, dropout off.

    Args:
        model: on the device.
        batches: the sequences, masked, a sample each.
        device: where to compute, and in which precision.
        num_rows: sequences at once.
        second: the objective of the pairs, where there are any.

    Returns:
        "masked_lm_loss" in nats per masked sub-token, "masked_lm_accuracy", "num_masked" and, with pairs,
        "sentence_order_accuracy" or "next_sentence_accuracy".

    Raises:
        ModelError: the loss is not finite.
    """
    model.eval()
    loss, num_right, num_masked, num_in_order, num_pairs = 0.0, 0, 0, 0, 0
    with device.predicting(model):
        for start in range(0, batches.num_sequences, num_rows):
            check_cancelled()
            rows = range(start, min(start + num_rows, batches.num_sequences))
            batch = PretrainingBatch.of(batches.batch(rows)).to(device.torch_device)
            words, orders = model(batch.tokens, batch.token_types, batch.lengths, batch.masked_positions)
            loss += float(functional.cross_entropy(words.float(), batch.masked_labels, reduction="sum").double())
            num_right += int((words.argmax(-1) == batch.masked_labels).sum())
            num_masked += len(batch.masked_labels)
            if orders is not None and batch.is_swapped is not None:
                num_in_order += int((orders.argmax(-1) == batch.is_swapped).sum())
                num_pairs += len(rows)
    check_score(loss)
    scores = {
        "masked_lm_loss": loss / max(1, num_masked),
        "masked_lm_accuracy": num_right / max(1, num_masked),
        "num_masked": float(num_masked),
    }
    if num_pairs:
        scores[f"{second}_accuracy"] = num_in_order / num_pairs
    return scores
