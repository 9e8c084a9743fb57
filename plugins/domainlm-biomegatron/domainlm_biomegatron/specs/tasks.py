"""The named-entity tasks of the BioMegatron study (Shin et al. 2020, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from domainlm.api import ProblemLog, SampleWriter, Split, TaskSpec, TokenExample
from domainlm_biomegatron.fetching.tasks import BC5CDR, NCBI_DISEASE
from domainlm_biomegatron.readers.entities import (
    read_chemicals,
    read_chemicals_and_diseases,
    read_diseases,
    read_ncbi_disease,
)
from domainlm_biomegatron.sample.writers import write_bc5cdr, write_ncbi_disease

Reader = Callable[[Path, ProblemLog], Iterator[TokenExample]]

# Stated in section 4.1: 30 epochs, learning rate 5e-5, 128 sub-tokens, dropout 0.5 before the classifier's layers, one
# or two layers (one is taken), cross-entropy. The batch is not stated. BC5CDR is labelled sub-token by sub-token. Each
# label is taken by itself: no decoding over the sentence is mentioned.
_FINETUNING: Mapping[str, object] = {
    "num_epochs": 30,
    "max_tokens": 128,
    "labelling": "every_sub_token",
    "decoding": "argmax",
    "head": {"num_fc_layers": 1, "dropout": 0.5},
    "optimizer": {"learning_rate": 5e-5},
}
# "Whole entity as a single label" (section 5.1): one label a word.
_NCBI_FINETUNING: Mapping[str, object] = {**_FINETUNING, "labelling": "first_sub_token"}

_BC5CDR_FILES: Mapping[Split, tuple[str, ...]] = {
    "train": ("CDR_TrainingSet.PubTator.txt", "train.PubTator.txt", "train.tsv"),
    "dev": ("CDR_DevelopmentSet.PubTator.txt", "dev.PubTator.txt", "devel.tsv"),
    "test": ("CDR_TestSet.PubTator.txt", "test.PubTator.txt", "test.tsv"),
}
_NCBI_FILES: Mapping[Split, tuple[str, ...]] = {
    "train": ("NCBItrainset_corpus.txt", "train.tsv"),
    "dev": ("NCBIdevelopset_corpus.txt", "devel.tsv"),
    "test": ("NCBItestset_corpus.txt", "test.tsv"),
}
_IOB_SOURCE = "tokenised IOB files: https://github.com/cambridgeltl/MTL-Bioinformatics-2016 (CC BY 4.0)"
_BC5CDR_SOURCE = (
    "BioCreative V CDR corpus, https://biocreative.bioinformatics.udel.edu/tasks/biocreative-v/track-3-cdr/ "
    f"(public domain, US Government work); {_IOB_SOURCE}"
)
_NCBI_SOURCE = (
    "NCBI disease corpus, https://www.ncbi.nlm.nih.gov/CBBresearch/Dogan/DISEASE/ (public domain, US Government work); "
    f"{_IOB_SOURCE}"
)
_BC5CDR_SAMPLE = SampleWriter(
    write=write_bc5cdr,
    description="synthetic PubTator documents with invented chemicals and diseases, no real abstract",
)


def _bc5cdr(name: str, things: str, read: Reader, types: tuple[str, ...]) -> TaskSpec:
    return TaskSpec(
        name=name,
        description=f"{things} in PubMed abstracts (BioCreative V CDR corpus)",
        kind="token",
        read=read,
        types=types,
        files=_BC5CDR_FILES,
        defaults=_FINETUNING,
        sample=_BC5CDR_SAMPLE,
        source=_BC5CDR_SOURCE,
        fetch=BC5CDR,
    )


TASKS = (
    _bc5cdr("biomegatron/bc5cdr", "chemicals and diseases", read_chemicals_and_diseases, ("Chemical", "Disease")),
    _bc5cdr("biomegatron/bc5cdr-chem", "chemicals", read_chemicals, ("Chemical",)),
    _bc5cdr("biomegatron/bc5cdr-disease", "diseases", read_diseases, ("Disease",)),
    TaskSpec(
        name="biomegatron/ncbi-disease",
        description="diseases in PubMed abstracts (NCBI disease corpus), its four types as one",
        kind="token",
        read=read_ncbi_disease,
        types=("Disease",),
        files=_NCBI_FILES,
        defaults=_NCBI_FINETUNING,
        sample=SampleWriter(
            write=write_ncbi_disease,
            description="synthetic PubTator documents with invented diseases, no real abstract",
        ),
        source=_NCBI_SOURCE,
        fetch=NCBI_DISEASE,
    ),
)
