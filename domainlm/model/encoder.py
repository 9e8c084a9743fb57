"""BERT's encoder in plain torch: Megatron-LM's order of layer normalisation, and the classic one.

B = batch, T = tokens, H = hidden, N = heads, D = width of a head.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from domainlm.model.attention import attend_jointly
from domainlm.model.config import NUM_TOKEN_TYPES, ModelConfig
from domainlm.model.dropout import Dropout
from domainlm.model.gather import fill_up, gather_rows, spread_rows
from domainlm.model.visible import Visible, what_is_visible


class EncoderInputs(NamedTuple):
    """What an encoder reads of a micro-batch: `encoder(*inputs)`.

    Attributes:
        tokens: ids [B, T].
        token_types: 0 or 1 [B, T].
        lengths: real tokens of each row, which come first [B]; nothing attends to the others.
        positions: place of each token in its sample, int64 [B, T]; None where each row is one sample.
        samples: which sample of its row a token belongs to, int64 [B, T]; attention stays within it. None as above; may
            be left out where nothing is trained.
        read: row * T + slot of the hidden states that heads will read, all different, int64 [R]. The last layer gives
            zeros for the others, which spares most of its products. None for all.
        firsts: row * T + slot of each sample's first token, int64 [S]; None as `positions`.
    """

    tokens: torch.Tensor
    token_types: torch.Tensor
    lengths: torch.Tensor
    positions: torch.Tensor | None = None
    samples: torch.Tensor | None = None
    read: torch.Tensor | None = None
    firsts: torch.Tensor | None = None

    def visible(self, dtype: torch.dtype) -> Visible:
        """What each token attends to, for weights of a dtype."""
        return what_is_visible(self.lengths, self.tokens.shape[1], dtype, self.samples, self.firsts)


def _embedding(num_rows: int, width: int) -> nn.Embedding:
    """As `nn.Embedding` makes it; but on the meta device it draws nothing, for which torch imports its compiler."""
    weight = torch.empty(num_rows, width)
    return nn.Embedding(num_rows, width, _weight=weight if weight.is_meta else nn.init.normal_(weight))


class Embeddings(nn.Module):
    """Sum of word, position and token-type embeddings; normalised here in the "bert" architecture alone."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.word = _embedding(config.padded_vocabulary_size, config.hidden)
        self.position = _embedding(config.max_positions, config.hidden)
        self.token_type = _embedding(NUM_TOKEN_TYPES, config.hidden)
        is_classic = config.architecture == "bert"
        self.norm = nn.LayerNorm(config.hidden, eps=config.epsilon) if is_classic else nn.Identity()
        self.dropout = Dropout(config.dropout)

    def forward(
        self, tokens: torch.Tensor, token_types: torch.Tensor, places: torch.Tensor | None = None
    ) -> torch.Tensor:
        """[B, T], [B, T] and, where they are not 0, 1, 2, ..., places in the sample [B, T] to [B, T, H]."""
        positions = self.position.weight[: tokens.shape[1]] if places is None else self.position(places)
        # Two rows are few: looking them up by a product has a backward pass without scattered sums.
        difference = self.token_type.weight[1] - self.token_type.weight[0]
        types = self.token_type.weight[0] + token_types.unsqueeze(-1).to(difference.dtype) * difference
        embedded: torch.Tensor = self.dropout(self.norm(self.word(tokens) + positions + types))
        return embedded


class OutputLinear(nn.Linear):
    """What ends a half of a layer: a product in autocast's format, to which the bias is added in the bias's own.

    The sum is added to fp32 states: rounded to bfloat16 together with its bias, a product far smaller than that would
    lose its digits. fairscale's `RowParallelLinear`, which takes this one's place where a layer is divided, adds its
    bias after the sum over the ranks, so that one process and several compute alike.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
        """[..., in_features] to [..., out_features]; under autocast in the wider of product and bias."""
        if not torch.is_autocast_enabled(input.device.type):
            return super().forward(input)
        return functional.linear(input, self.weight) + self.bias


class SelfAttention(nn.Module):
    """Multi-head self-attention; the number of heads here is read off the weights' shape, so that it may be a share."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_width = config.head_width
        self.query_key_value = nn.Linear(config.hidden, 3 * config.hidden)
        self.output = OutputLinear(config.hidden, config.hidden)
        self.dropout_rate = config.dropout

    def forward(self, states: torch.Tensor, visible: Visible, read: torch.Tensor | None = None) -> torch.Tensor:
        """[B, T, H] to [B, T, H], or to the rows `read` of it [R, H].

        The rows of `query_key_value` are grouped by head: query, key and value of the first head come first.
        """
        projected = self.query_key_value(states)
        batch, tokens, width = projected.shape
        grouped = projected.view(batch, tokens, width // (3 * self.head_width), 3, self.head_width)
        mixed = attend_jointly(grouped, visible, self.dropout_rate if self.training else 0.0)
        joined = mixed.reshape(batch, tokens, -1)
        attended: torch.Tensor = self.output(joined if read is None else gather_rows(joined.flatten(0, 1), read))
        return attended


class FeedForward(nn.Module):
    """Two linear maps with GELU (Hendrycks and Gimpel 2016) between them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.hidden, config.feed_forward)
        self.activation = nn.GELU(approximate=gelu_kind(config))
        self.output = OutputLinear(config.feed_forward, config.hidden)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """[..., H] to [..., H]."""
        mapped: torch.Tensor = self.output(self.activation(self.inner(states)))
        return mapped


class Layer(nn.Module):
    """One Transformer layer.

    "megatron" (Shoeybi et al. 2019, section 3): x + f(norm(x)), the sum itself is not normalised.
    "bert" (Devlin et al. 2019): norm(x + f(x)).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.norms_first = config.architecture == "megatron"
        self.attention = SelfAttention(config)
        self.attention_norm = nn.LayerNorm(config.hidden, eps=config.epsilon)
        self.feed_forward = FeedForward(config)
        self.feed_forward_norm = nn.LayerNorm(config.hidden, eps=config.epsilon)
        self.dropout = Dropout(config.dropout)

    def forward(self, states: torch.Tensor, visible: Visible, read: torch.Tensor | None = None) -> torch.Tensor:
        """[B, T, H] to [B, T, H]; with `read` (see `EncoderInputs`) zeros wherever it does not point."""
        num_rows = states.shape[0] * states.shape[1]
        taken = None if read is None else fill_up(read, num_rows)
        attended = self.dropout(
            self.attention(self.attention_norm(states) if self.norms_first else states, visible, taken)
        )
        kept = states if taken is None else gather_rows(states.flatten(0, 1), taken)
        mapped = self._fed_forward(kept + attended)
        return mapped if read is None else spread_rows(mapped[: len(read)], read, num_rows).view_as(states)

    def _fed_forward(self, total: torch.Tensor) -> torch.Tensor:
        """The second half, each token for itself, [..., H] to [..., H]."""
        if self.norms_first:
            mapped: torch.Tensor = total + self.dropout(self.feed_forward(self.feed_forward_norm(total)))
            return mapped
        states = self.attention_norm(total)
        normed: torch.Tensor = self.feed_forward_norm(states + self.dropout(self.feed_forward(states)))
        return normed


class Encoder(nn.Module):
    """Embeddings, layers and, in the "megatron" architecture, a normalisation at the end."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        is_megatron = config.architecture == "megatron"
        self.norm = nn.LayerNorm(config.hidden, eps=config.epsilon) if is_megatron else nn.Identity()

    def forward(
        self,
        tokens: torch.Tensor,
        token_types: torch.Tensor,
        lengths: torch.Tensor,
        positions: torch.Tensor | None = None,
        samples: torch.Tensor | None = None,
        read: torch.Tensor | None = None,
        firsts: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Hidden states [B, T, H]; the arguments are those of `EncoderInputs`."""
        inputs = EncoderInputs(tokens, token_types, lengths, positions, samples, firsts=firsts)
        visible = inputs.visible(self.embeddings.word.weight.dtype)
        states = self.embeddings(tokens, token_types, positions)
        last = len(self.layers) - 1
        for number, layer in enumerate(self.layers):
            states = layer(states, visible, read if number == last else None)
        normed: torch.Tensor = self.norm(states)
        return normed


def gelu_kind(config: ModelConfig) -> str:
    """The activation as torch's `gelu` calls it."""
    return "tanh" if config.activation == "gelu_tanh" else "none"
