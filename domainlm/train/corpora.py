"""From settings and encoded corpora to the batches of pretraining."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from domainlm.parallel.device import Device
from domainlm.parallel.world import World
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.text.batches import Batches, PretrainingBatches
from domainlm.text.masking import Masking, TokenTable
from domainlm.text.mixing import MixedBatches, corpus_seed, shares_of_sizes
from domainlm.text.several import open_dataset
from domainlm.train.ahead import Ahead
from domainlm.train.objective import BatchSource
from domainlm.train.pretraining import PretrainingBatch, PretrainingSource, width_multiple
from domainlm.vocab.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class EncodedCorpus:
    """A corpus to train on.

    Attributes:
        name: for reports.
        tokens: prefix of its indexed dataset.
        weight: in a mixture; None where sizes decide.
    """

    name: str
    tokens: Path
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Mixture:
    """Corpora to read in turns.

    Attributes:
        corpora: at least one; all have weights, or none has.
        exponent: of the sizes, where there are no weights.
    """

    corpora: Sequence[EncodedCorpus]
    exponent: float = 1.0


def mixed_batches(settings: PretrainingSettings, mixture: Mixture, vocabulary: Vocabulary) -> Batches:
    """The sequences of pretraining, as the settings ask for.

    Args:
        settings: length, packing, masks, second objective, seed.
        mixture: what to read.
        vocabulary: what encoded it.
    """
    parts = {
        corpus.name: corpus_batches(
            settings,
            corpus.tokens,
            vocabulary,
            corpus_seed(settings.seed, number),
            packing=settings.packing,
            name=corpus.name,
        )
        for number, corpus in enumerate(mixture.corpora)
    }
    if len(parts) == 1:
        return next(iter(parts.values()))
    weights = [corpus.weight for corpus in mixture.corpora if corpus.weight is not None]
    if not weights:
        weights = shares_of_sizes([part.num_sequences for part in parts.values()], mixture.exponent)
    return MixedBatches(parts, weights, seed=settings.seed, pad=vocabulary.pad_id)


def epochs_read(settings: PretrainingSettings, mixture: Mixture, vocabulary: Path) -> dict[str, float]:
    """How often a whole pretraining reads each corpus, by its name.

    Args:
        settings: its steps and all that decides its sequences.
        mixture: what it reads.
        vocabulary: folder of the vocabulary.
    """
    batches = mixed_batches(settings, mixture, Vocabulary.load(vocabulary))
    return batches.epochs(settings.num_steps * settings.num_sequences_per_step)


def corpus_batches(
    settings: PretrainingSettings,
    tokens: Path,
    vocabulary: Vocabulary,
    seed: int,
    *,
    packing: bool = False,
    name: str = "corpus",
) -> PretrainingBatches:
    """The sequences of one corpus.

    Args:
        settings: length, masks, second objective.
        tokens: prefix of its indexed dataset.
        vocabulary: what encoded it.
        seed: of order, segments and masks.
        packing: several samples in one row.
        name: of the corpus.
    """
    masking = settings.masking
    return PretrainingBatches(
        open_dataset(tokens),
        token_table(vocabulary),
        max_tokens=settings.max_tokens,
        second_objective=settings.second_objective,
        masking=Masking(
            rate=masking.rate, unit=masking.unit, mask_share=masking.mask_share, random_share=masking.random_share
        ),
        seed=seed,
        packing=packing,
        name=name,
    )


def token_table(vocabulary: Vocabulary) -> TokenTable:
    """What batches need to know of a vocabulary."""
    is_special = np.zeros(vocabulary.size, dtype=np.bool_)
    is_special[list(vocabulary.special_ids)] = True
    return TokenTable(
        pad=vocabulary.pad_id,
        cls=vocabulary.cls_id,
        sep=vocabulary.sep_id,
        mask=vocabulary.mask_id,
        size=vocabulary.size,
        is_continuation=np.array(vocabulary.is_continuation, dtype=np.bool_),
        is_special=is_special,
    )


def pretraining_source(
    settings: PretrainingSettings, mixture: Mixture, vocabulary: Vocabulary, world: World, device: Device
) -> BatchSource[PretrainingBatch]:
    """This data rank's part of every step; for a GPU ahead of time, where a CPU has its cores busy anyhow."""
    source = PretrainingSource(
        mixed_batches(settings, mixture, vocabulary),
        settings.num_sequences_per_step,
        settings.num_sequences_per_micro_batch,
        data_rank=world.grid.data_rank,
        data_degree=world.grid.data_degree,
        width_multiple=width_multiple(settings.max_tokens) if device.compiles else 1,
    )
    return source if device.torch_device.type == "cpu" else Ahead(source)
