"""The heads of pretraining: masked words, and pairs of segments."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from domainlm.model.config import ModelConfig
from domainlm.model.decoder_loss import VocabularyShare, decoder_loss_sum
from domainlm.model.encoder import gelu_kind

NUM_ORDERS = 2
"""As in the text, changed."""


class MaskedLanguageModelHead(nn.Module):
    """Predicts sub-tokens from hidden states (Devlin et al. 2019): dense, GELU, norm, the word embedding as decoder.

    Attributes:
        share: set where this process holds some entries of the vocabulary only; then there are losses, and no logits.
        postpone: set where the decoder follows later: takes what it reads and the labels, and gives a zero.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.vocabulary_size = config.vocabulary_size
        self.share: VocabularyShare | None = None
        self.postpone: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None
        self.approximate = gelu_kind(config)
        self.dense = nn.Linear(config.hidden, config.hidden)
        self.norm = nn.LayerNorm(config.hidden, eps=config.epsilon)
        self.bias = nn.Parameter(torch.zeros(config.padded_vocabulary_size))

    def forward(self, states: torch.Tensor, word_embedding: torch.Tensor) -> torch.Tensor:
        """Logits over the true vocabulary; rows of padding are left out, so they can never be predicted.

        Args:
            states: hidden states of the sub-tokens to predict, [num_masked, hidden].
            word_embedding: weights that are also the decoder's, [padded_vocabulary_size, hidden].

        Returns:
            [num_masked, vocabulary_size].
        """
        assert self.share is None, "logits of a part of the vocabulary"
        size = self.vocabulary_size
        return functional.linear(self._transform(states), word_embedding[:size], self.bias[:size])

    def loss_sum(self, states: torch.Tensor, word_embedding: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Sum of the cross-entropies of all predictions in nats, an fp32 scalar: as from `forward`, in less memory.

        Args:
            states: [num_masked, hidden].
            word_embedding: [padded_vocabulary_size, hidden].
            labels: what stood there, below the vocabulary's size, [num_masked].
        """
        transformed = self._transform(states)
        if self.postpone is not None:
            return self.postpone(transformed, labels)
        return decoder_loss_sum(transformed, word_embedding, self.bias, labels, self.vocabulary_size, self.share)

    def _transform(self, states: torch.Tensor) -> torch.Tensor:
        transformed: torch.Tensor = self.norm(functional.gelu(self.dense(states), approximate=self.approximate))
        return transformed


class SentenceOrderHead(nn.Module):
    """Tells whether two segments are as in the text, from the first position: dense, tanh, dense (Devlin et al. 2019).

    If they are not, they were swapped (Lan et al. 2020), or the second one is from elsewhere: as the objective says.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.pooler = nn.Linear(config.hidden, config.hidden)
        self.classifier = nn.Linear(config.hidden, NUM_ORDERS)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """[batch, tokens, hidden] to logits [batch, 2]."""
        scores: torch.Tensor = self.classifier(torch.tanh(self.pooler(states[:, 0])))
        return scores
