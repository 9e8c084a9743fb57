"""Relations and yes/no/maybe questions: ChemProt (Shin et al. 2020, section 4.2) and PubMedQA."""

from __future__ import annotations

from collections.abc import Mapping

from domainlm.api import PairRules, SampleWriter, TaskSpec
from domainlm_biomegatron.fetching.tasks import CHEMPROT
from domainlm_biomegatron.readers.chemprot import EVALUATED, companions, read_chemprot
from domainlm_biomegatron.readers.pubmedqa import DECISIONS, read_pubmedqa, read_pubmedqa_split
from domainlm_biomegatron.sample.writers import write_chemprot_abstracts, write_pubmedqa

_NO_RELATION = "false"
# Stated in the paper for entities and relations alike: 30 epochs, rate 5e-5, 128 sub-tokens, dropout 0.5 before the
# classifier's layers, one or two of them (one is taken). The batch is not stated.
_FINETUNING: Mapping[str, object] = {
    "num_epochs": 30,
    "max_tokens": 128,
    "head": {"num_fc_layers": 1, "dropout": 0.5},
    "optimizer": {"learning_rate": 5e-5},
}
# Ours: PubMedQA is not among the study's tasks.
_PUBMEDQA_FINETUNING: Mapping[str, object] = {
    "num_epochs": 10,
    "max_tokens": 512,
    "num_sequences_per_micro_batch": 8,
    "optimizer": {"learning_rate": 5e-5},
}

SEQUENCE_TASKS = (
    TaskSpec(
        name="biomegatron/chemprot",
        description="what chemicals do to genes in PubMed abstracts (ChemProt, BioCreative VI): five classes or none",
        kind="sequence",
        read=read_chemprot,
        companions=companions,
        types=(_NO_RELATION, *EVALUATED),
        scored_types=EVALUATED,
        pairs=PairRules(
            type_pairs=(("CHEMICAL", "GENE-Y"), ("CHEMICAL", "GENE-N")),
            no_relation=_NO_RELATION,
            # As in BLUE (Peng et al. 2019) and BioBERT (Lee et al. 2019).
            dummies={"CHEMICAL": "@CHEMICAL$", "GENE-Y": "@GENE$", "GENE-N": "@GENE$"},
            overlap_dummy="@CHEM-GENE$",
        ),
        files={
            "train": ("chemprot_training/chemprot_training_abstracts.tsv", "chemprot_training_abstracts.tsv"),
            "dev": ("chemprot_development/chemprot_development_abstracts.tsv", "chemprot_development_abstracts.tsv"),
            "test": ("chemprot_test_gs/chemprot_test_abstracts_gs.tsv", "chemprot_test_abstracts_gs.tsv"),
        },
        defaults=_FINETUNING,
        sample=SampleWriter(
            write=write_chemprot_abstracts,
            description="synthetic ChemProt files with invented chemicals and genes, no real abstract",
        ),
        source=(
            "ChemProt corpus, https://biocreative.bioinformatics.udel.edu/tasks/biocreative-vi/track-5/ (for research)"
        ),
        fetch=CHEMPROT,
    ),
    TaskSpec(
        name="biomegatron/pubmedqa",
        description="yes, no or maybe: does an abstract answer its title's question (PubMedQA, labelled part)",
        kind="sequence",
        read=read_pubmedqa,
        read_split=read_pubmedqa_split,
        types=DECISIONS,
        files={
            "train": ("ori_pqal.json", "pqal_fold0/train_set.json"),
            "dev": ("ori_pqal.json", "pqal_fold0/dev_set.json"),
            "test": ("ori_pqal.json", "test_set.json"),
        },
        defaults=_PUBMEDQA_FINETUNING,
        sample=SampleWriter(
            write=write_pubmedqa,
            description="synthetic questions about invented chemicals and genes, no real abstract",
        ),
        source="PubMedQA (Jin et al. 2019), https://github.com/pubmedqa/pubmedqa (MIT)",
    ),
)
