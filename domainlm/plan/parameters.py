"""Which parameters a rank holds, tensor by tensor.

Matrices are divided as in Shoeybi et al. (2019), section 3: query, key, value and the inner layer by columns, the two
output layers by rows, the word embedding by vocabulary; normalisations, the biases of output layers and the small
embeddings are on every rank of a tensor group. The word embedding is also the decoder, so that a pipeline of several
stages holds it twice, on its first and on its last, unless all ranks of a replica divide it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from domainlm.model.config import NUM_TOKEN_TYPES, ModelConfig

_NUM_ORDERS = 2


class ParameterSize(NamedTuple):
    """One tensor of a rank.

    Attributes:
        name: as in the model; "N" stands for the number of a layer.
        size: number of values on this rank.
        is_decayed: has weight decay: a matrix, not a vector. Optimizers take matrices first.
    """

    name: str
    size: int
    is_decayed: bool


class Share(NamedTuple):
    """What part of the model a rank has.

    Attributes:
        num_layers: of the encoder.
        is_first: has the embeddings.
        is_last: has the heads.
        tensor_degree: ranks that its matrices are divided over.
        num_recomputed: of the layers, how many recompute their activations.
        vocabulary_degree: ranks that the word embedding is divided over, all of a replica; 0 where it is divided over
            the tensor ranks alone.
    """

    num_layers: int
    is_first: bool = True
    is_last: bool = True
    tensor_degree: int = 1
    num_recomputed: int = 0
    vocabulary_degree: int = 0

    def vocabulary_rows(self, config: ModelConfig) -> int:
        """Rows of the word embedding, where there are any."""
        return _part(config.padded_vocabulary_size, self.vocabulary_degree or self.tensor_degree)

    @property
    def has_decoder(self) -> bool:
        """Whether any of the decoder's work is done here."""
        return self.is_last or self.vocabulary_degree > 0


def parameters_of(config: ModelConfig, share: Share, *, sentence_order: bool) -> list[ParameterSize]:
    """The parameters of one rank, in the order of the model's modules."""
    found: list[ParameterSize] = []
    if share.is_first:
        found += _embeddings(config, share)
    elif share.vocabulary_degree:
        found.append(_words(config, share))
    for _ in range(share.num_layers):
        found += _layer(config, share.tensor_degree)
    if share.is_last:
        found += _heads(config, share, sentence_order=sentence_order)
    elif share.vocabulary_degree:
        found.append(ParameterSize("masked_lm.bias", share.vocabulary_rows(config), False))
    return found


def num_parameters(config: ModelConfig, *, sentence_order: bool) -> int:
    """Parameters of the whole model, heads of pretraining included, the tied word embedding counted once."""
    return sum(entry.size for entry in parameters_of(config, Share(config.layers), sentence_order=sentence_order))


def _words(config: ModelConfig, share: Share) -> ParameterSize:
    return ParameterSize("embeddings.word", share.vocabulary_rows(config) * config.hidden, True)


def _embeddings(config: ModelConfig, share: Share) -> Iterator[ParameterSize]:
    hidden = config.hidden
    yield _words(config, share)
    yield ParameterSize("embeddings.position", config.max_positions * hidden, True)
    yield ParameterSize("embeddings.token_type", NUM_TOKEN_TYPES * hidden, True)
    if config.architecture == "bert":
        yield from _norm("embeddings.norm", hidden)


def _layer(config: ModelConfig, tensor_degree: int) -> Iterator[ParameterSize]:
    hidden = config.hidden
    columns, inner = _part(3 * hidden, tensor_degree), _part(config.feed_forward, tensor_degree)
    yield ParameterSize("layers.N.attention.query_key_value.weight", columns * hidden, True)
    yield ParameterSize("layers.N.attention.query_key_value.bias", columns, False)
    yield ParameterSize("layers.N.attention.output.weight", hidden * _part(hidden, tensor_degree), True)
    yield ParameterSize("layers.N.attention.output.bias", hidden, False)
    yield from _norm("layers.N.attention_norm", hidden)
    yield ParameterSize("layers.N.feed_forward.inner.weight", inner * hidden, True)
    yield ParameterSize("layers.N.feed_forward.inner.bias", inner, False)
    yield ParameterSize("layers.N.feed_forward.output.weight", hidden * inner, True)
    yield ParameterSize("layers.N.feed_forward.output.bias", hidden, False)
    yield from _norm("layers.N.feed_forward_norm", hidden)


def _heads(config: ModelConfig, share: Share, *, sentence_order: bool) -> Iterator[ParameterSize]:
    hidden, rows = config.hidden, share.vocabulary_rows(config)
    if config.architecture == "megatron":
        yield from _norm("norm", hidden)
    if not share.is_first and not share.vocabulary_degree:
        yield _words(config, share)
    yield ParameterSize("masked_lm.bias", rows, False)
    yield ParameterSize("masked_lm.dense.weight", hidden * hidden, True)
    yield ParameterSize("masked_lm.dense.bias", hidden, False)
    yield from _norm("masked_lm.norm", hidden)
    if sentence_order:
        yield ParameterSize("sentence_order.pooler.weight", hidden * hidden, True)
        yield ParameterSize("sentence_order.pooler.bias", hidden, False)
        yield ParameterSize("sentence_order.classifier.weight", _NUM_ORDERS * hidden, True)
        yield ParameterSize("sentence_order.classifier.bias", _NUM_ORDERS, False)


def _norm(name: str, hidden: int) -> Iterator[ParameterSize]:
    yield ParameterSize(f"{name}.weight", hidden, False)
    yield ParameterSize(f"{name}.bias", hidden, False)


def _part(size: int, degree: int) -> int:
    return -(-size // degree)
