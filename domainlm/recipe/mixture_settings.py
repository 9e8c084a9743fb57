"""The keys of a recipe's [mixture]."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from domainlm.recipe.base import Settings, Share
from domainlm.recipe.corpus_settings import CorpusSettings

Weight = Annotated[float, Field(gt=0.0)]


class MixedCorpusSettings(CorpusSettings):
    """A corpus to pretrain on besides [corpus]; its keys are those of [corpus] and these."""

    name: str | None = None
    """What reports call it; the spec's name if not given."""
    weight: Weight | None = None
    """Share of the sequences, in proportion to the other weights."""


class MixtureSettings(Settings):
    """Corpora that pretraining reads in turns with [corpus]: replay of general text, several sources."""

    weight: Weight | None = None
    """Weight of [corpus]. Give every corpus a weight, or none and an exponent."""
    exponent: Share = 1.0
    """Without weights: the share of each corpus is proportional to its size to this power; 1 keeps the sizes, 0 gives
    equal shares. Below 1 small corpora are read more often (Conneau and Lample 2019); the power is one over a
    temperature."""
    corpora: Annotated[tuple[MixedCorpusSettings, ...], Field(strict=False)] = ()
    """The other corpora. The vocabulary is learned, and language models are scored, on [corpus] only."""

    @model_validator(mode="after")
    def _weights(self) -> MixtureSettings:
        given = [weight is not None for weight in (self.weight, *(corpus.weight for corpus in self.corpora))]
        if any(given) and not self.corpora:
            raise ValueError("a weight needs other corpora to be weighed against: add [[mixture.corpora]]")
        if any(given) and not all(given):
            raise ValueError("give a weight to [mixture], for [corpus], and to each of [[mixture.corpora]], or to none")
        if self.exponent != 1.0 and (any(given) or not self.corpora):
            raise ValueError("an exponent is for [[mixture.corpora]] without weights: leave it, or the weights, out")
        return self
