"""The encoder with the heads of pretraining."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.model.gather import gather_rows
from domainlm.model.heads import MaskedLanguageModelHead, SentenceOrderHead


class PretrainingModel(nn.Module):
    """Masked language model, with or without `sentence_order`, the head of either objective about pairs.

    The head runs on the masked positions alone: at a rate of 15 % that spares most of the largest matrix product.
    """

    def __init__(self, config: ModelConfig, *, sentence_order: bool) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.masked_lm = MaskedLanguageModelHead(config)
        self.sentence_order = SentenceOrderHead(config) if sentence_order else None

    def forward(
        self, tokens: torch.Tensor, token_types: torch.Tensor, lengths: torch.Tensor, masked_positions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits of the masked sub-tokens and of the pairs, each row being one sample.

        Args:
            tokens: [batch, tokens].
            token_types: [batch, tokens].
            lengths: real tokens of each row, [batch].
            masked_positions: row * tokens + slot of each sub-token to predict, [num_masked].

        Returns:
            [num_masked, vocabulary_size]; and [batch, 2], or None without the head of pairs.
        """
        states: torch.Tensor = self.encoder(tokens, token_types, lengths)
        masked = gather_rows(states.flatten(0, 1), masked_positions)
        words = self.masked_lm(masked, self.encoder.embeddings.word.weight)
        return words, None if self.sentence_order is None else self.sentence_order(states)

    def losses(
        self,
        states: torch.Tensor,
        masked_positions: torch.Tensor,
        masked_labels: torch.Tensor,
        is_swapped: torch.Tensor | None,
        firsts: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Sums of the cross-entropies in nats, fp32 scalars: what `forward` would give, without all of its logits.

        Args:
            states: hidden states of all slots, from the encoder, [batch, tokens, hidden].
            masked_positions: as in `forward`, [num_masked].
            masked_labels: what stood there, [num_masked].
            is_swapped: 1 where a sample's pair is not as in the text, [num_samples]; None leaves the second loss out.
            firsts: row * tokens + slot of each sample's first token, [num_samples]; None where each row is a sample.

        Returns:
            Over the masked sub-tokens; and over the samples, or None without pairs.
        """
        masked = gather_rows(states.flatten(0, 1), masked_positions)
        words = self.masked_lm.loss_sum(masked, self.encoder.embeddings.word.weight, masked_labels)
        if self.sentence_order is None or is_swapped is None:
            return words, None
        if firsts is not None:
            states = gather_rows(states.flatten(0, 1), firsts)[:, None]
        orders = self.sentence_order(states).float()
        return words, functional.cross_entropy(orders, is_swapped, reduction="sum")
