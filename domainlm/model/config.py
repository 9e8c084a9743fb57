"""The shape of an encoder, as numbers. Imports no torch, so that recipes can be checked quickly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, get_args

from domainlm.api import Architecture, ModelSizeSpec
from domainlm.errors import ModelError, nearest_name

NUM_TOKEN_TYPES = 2
"""First and second segment (Devlin et al. 2019)."""

Activation = Literal["gelu", "gelu_tanh"]

_OPTIONAL = ("layer_norm_epsilon", "activation")
_EPSILONS: Mapping[Architecture, float] = {"megatron": 1e-5, "bert": 1e-12}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Everything that decides the names and shapes of an encoder's weights and what it computes from them.

    Attributes:
        layers: number of Transformer layers.
        hidden: width of the hidden states.
        heads: attention heads; divides `hidden`.
        feed_forward: width of the feed-forward sub-layer.
        max_positions: longest sequence in sub-tokens.
        architecture: layer normalisation before ("megatron") or after ("bert") each sub-layer.
        dropout: of hidden states and attention.
        vocabulary_size: entries that can be read and predicted.
        padded_vocabulary_size: rows of the word embedding; those beyond `vocabulary_size` are never used.
        layer_norm_epsilon: added to the variance in layer normalisation; None for the architecture's own.
        activation: GELU (Hendrycks and Gimpel 2016) as it is defined, or "gelu_tanh", its approximation.

    Raises:
        ModelError: the numbers do not fit together.
    """

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    max_positions: int
    architecture: Architecture
    dropout: float
    vocabulary_size: int
    padded_vocabulary_size: int
    layer_norm_epsilon: float | None = None
    activation: Activation = "gelu"

    def __post_init__(self) -> None:
        for name in ("layers", "hidden", "heads", "feed_forward", "max_positions", "vocabulary_size"):
            _check_positive(name, getattr(self, name))
        if self.hidden % self.heads:
            raise ModelError(
                f"hidden {self.hidden} is not divisible by heads {self.heads}",
                where="model",
                remedy=f"choose heads among the divisors of {self.hidden}",
            )
        if self.architecture not in get_args(Architecture):
            raise ModelError(
                "unknown architecture", where="model", given=self.architecture, allowed=get_args(Architecture)
            )
        if self.activation not in get_args(Activation):
            raise ModelError(
                "unknown activation", where="model", given=str(self.activation), allowed=get_args(Activation)
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ModelError("wrong dropout", where="model", given=self.dropout, allowed="from 0.0 to below 1.0")
        if self.padded_vocabulary_size < self.vocabulary_size:
            raise ModelError(
                "the word embedding has fewer rows than the vocabulary has entries",
                where="model",
                given=self.padded_vocabulary_size,
                allowed=f"at least {self.vocabulary_size}",
            )
        self._check_epsilon()

    def _check_epsilon(self) -> None:
        given = self.layer_norm_epsilon
        if given is None:
            return
        if isinstance(given, bool) or not isinstance(given, float) or not 0.0 < given < 1.0:
            raise ModelError("wrong layer_norm_epsilon", where="model", given=repr(given), allowed="between 0 and 1")
        if given == _EPSILONS[self.architecture]:  # said or not, it is the same model
            object.__setattr__(self, "layer_norm_epsilon", None)

    @classmethod
    def from_spec(
        cls,
        spec: ModelSizeSpec,
        *,
        vocabulary_size: int,
        vocabulary_multiple: int,
        architecture: Architecture | None = None,
        dropout: float | None = None,
    ) -> Self:
        """The encoder of a declared size for a vocabulary.

        Args:
            spec: the size.
            vocabulary_size: number of entries.
            vocabulary_multiple: the word embedding gets the next multiple of this many rows.
            architecture: in place of the spec's own.
            dropout: in place of the spec's own.
        """
        return cls(
            layers=spec.layers,
            hidden=spec.hidden,
            heads=spec.heads,
            feed_forward=spec.feed_forward or 4 * spec.hidden,
            max_positions=spec.max_positions,
            architecture=architecture or spec.architecture,
            dropout=spec.dropout if dropout is None else dropout,
            vocabulary_size=vocabulary_size,
            padded_vocabulary_size=-(-vocabulary_size // vocabulary_multiple) * vocabulary_multiple,
        )

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `as_dict`; `ModelError` names keys that are missing or unknown."""
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise ModelError(f"unknown key {key!r}", where="model", allowed=known, nearest=nearest_name(key, known))
        for key in known:
            if key not in values and key not in _OPTIONAL:
                raise ModelError(f"{key!r} is missing", where="model", allowed=known)
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """All fields as JSON values; without `layer_norm_epsilon` and `activation` where they are the usual ones."""
        values = asdict(self)
        if self.activation == "gelu":
            del values["activation"]
        if self.layer_norm_epsilon is None:
            del values["layer_norm_epsilon"]
        return values

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.hidden // self.heads

    @property
    def epsilon(self) -> float:
        """Added to the variance in layer normalisation: by default what Megatron-LM and BERT's own code use."""
        return _EPSILONS[self.architecture] if self.layer_norm_epsilon is None else self.layer_norm_epsilon

    @property
    def num_parameters(self) -> int:
        """Weights of the encoder: embeddings and layers, without pooler and heads."""
        hidden, feed_forward = self.hidden, self.feed_forward
        norm = 2 * hidden
        attention = 4 * (hidden * hidden + hidden)
        dense = hidden * feed_forward + feed_forward + feed_forward * hidden + hidden
        embeddings = (self.padded_vocabulary_size + self.max_positions + NUM_TOKEN_TYPES) * hidden
        # One further normalisation: at the end of the layers ("megatron"), or of the embeddings ("bert").
        return embeddings + self.layers * (attention + dense + 2 * norm) + norm


def _check_positive(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"wrong {name}", where="model", given=repr(value), allowed="a whole number from 1")
