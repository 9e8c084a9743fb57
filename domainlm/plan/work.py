"""What is to be computed, and over how many ranks: the input of every formula."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from domainlm.model.config import ModelConfig

Precision = Literal["fp32", "bf16", "bf16_weights", "fp16"]
"""What `runtime.precision` of a recipe may be."""
Schedule = Literal["gpipe", "1f1b", "interleaved"]
Attention = Literal["plain", "fused"]

FP32_BYTES = 4
HALF_BYTES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Degrees:
    """Sizes of the grid."""

    data: int = 1
    pipeline: int = 1
    tensor: int = 1

    @property
    def world_size(self) -> int:
        """Number of ranks."""
        return self.data * self.pipeline * self.tensor

    def __str__(self) -> str:
        return f"data {self.data} x pipeline {self.pipeline} x tensor {self.tensor}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A step of pretraining or fine-tuning, as far as costs go.

    Attributes:
        config: shape of the encoder.
        sentence_order: with the head for pairs of segments, whatever is asked of them.
        max_tokens: slots of a sequence.
        num_sequences_per_step: global batch.
        num_sequences_per_micro_batch: sequences of one micro-batch on one replica.
        masked_share: share of the slots that are predicted.
        precision: as `runtime.precision` of a recipe.
        attention: "plain" keeps the probabilities of all pairs of tokens for the backward pass; "fused" recomputes
            them (Dao et al. 2022).
        mask_bytes: of one element's dropout mask.
        checkpoint_every: activations of every so many-th layer are recomputed; 0 keeps them all.
        shard_optimizer: the optimizer's state is divided over the replicas.
        schedule: order of a pipeline's micro-batches.
        num_stages_per_rank: of an interleaved pipeline.
        gradient_bytes: of a gradient: fp32, also of narrower weights, whose gradients are added up in their copies.
        layers_per_stage: first to last; None balances them.
        packs_rows: several samples in a row.
        divides_vocabulary: the word embedding is divided over all ranks of a replica, not over tensor ranks alone; the
            schedule is then "gpipe".
        label: what messages call the phase; its table of the recipe where empty.
    """

    config: ModelConfig
    sentence_order: bool = True
    max_tokens: int = 512
    num_sequences_per_step: int = 64
    num_sequences_per_micro_batch: int = 32
    masked_share: float = 0.15
    precision: Precision = "fp32"
    attention: Attention = "fused"
    mask_bytes: int = 1
    checkpoint_every: int = 0
    shard_optimizer: bool = False
    schedule: Schedule = "1f1b"
    num_stages_per_rank: int = 1
    layers_per_stage: tuple[int, ...] | None = None
    gradient_bytes: int = FP32_BYTES
    packs_rows: bool = False
    divides_vocabulary: bool = False
    label: str = field(default="", compare=False)

    @property
    def table(self) -> str:
        """The recipe's table with the settings of the phase; in fine-tuning nothing is masked."""
        return "pretraining" if self.masked_share else "finetuning"

    @property
    def phase(self) -> str:
        """What messages call the phase."""
        return self.label or self.table

    @property
    def value_bytes(self) -> int:
        """Bytes of a value that matrix products read and write."""
        return FP32_BYTES if self.precision == "fp32" else HALF_BYTES

    @property
    def state_bytes(self) -> int:
        """Bytes of a value between the layers: autocast leaves sums and normalisations in fp32."""
        return HALF_BYTES if self.precision == "bf16_weights" else FP32_BYTES

    @property
    def weight_bytes(self) -> int:
        """Bytes of a weight."""
        return HALF_BYTES if self.precision == "bf16_weights" else FP32_BYTES

    @property
    def optimizer_bytes(self) -> int:
        """Bytes per parameter of Adam's two moments, and of the fp32 copy where the weight itself is narrower."""
        return 3 * FP32_BYTES if self.precision == "bf16_weights" else 2 * FP32_BYTES

    @property
    def num_slots_per_micro_batch(self) -> int:
        """Slots, padding included, of one micro-batch."""
        return self.num_sequences_per_micro_batch * self.max_tokens

    @property
    def num_masked_per_micro_batch(self) -> int:
        """Slots to predict in one micro-batch."""
        return round(self.num_slots_per_micro_batch * self.masked_share)

    @property
    def num_unread_per_micro_batch(self) -> int:
        """Slots of one micro-batch whose last hidden states no head reads."""
        return self._num_unread(self.num_slots_per_micro_batch, self.num_sequences_per_micro_batch)

    @property
    def num_unread_per_step(self) -> int:
        """Slots of one step whose last hidden states no head reads."""
        return self._num_unread(self.num_tokens_per_step, self.num_sequences_per_step)

    def _num_unread(self, num_slots: int, num_sequences: int) -> int:
        """Slots that are neither masked nor the first of a sequence."""
        if not self.masked_share:
            return 0  # some fine-tuning reads every state
        return max(0, num_slots - round(num_slots * self.masked_share) - num_sequences * self.sentence_order)

    @property
    def num_tokens_per_step(self) -> int:
        """Slots, padding included, of one step."""
        return self.num_sequences_per_step * self.max_tokens

    def num_micro_batches(self, data_degree: int) -> int:
        """Micro-batches that each replica works through in a step; the last one may be smaller."""
        return -(-self.num_sequences_per_step // (data_degree * self.num_sequences_per_micro_batch))
