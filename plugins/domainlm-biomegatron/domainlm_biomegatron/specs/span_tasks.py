"""Questions and answers: BioASQ factoid questions, after SQuAD (Shin et al. 2020, section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping

from domainlm.api import SampleWriter, TaskSpec
from domainlm.reading import read_squad
from domainlm_biomegatron.fetching.tasks import BIOASQ
from domainlm_biomegatron.readers.bioasq import read_bioasq
from domainlm_biomegatron.readers.squad_articles import read_squad_articles
from domainlm_biomegatron.sample.writers import write_bioasq, write_squad, write_squad_articles

# Stated in the paper: SQuAD for 10 epochs, then BioASQ for 30; two layers of 2,048, dropout 0.1, 512 sub-tokens,
# learning rate 3e-5. Its batch is 64 on each of 16 GPUs, which is the recipe's to say.
_FINETUNING: Mapping[str, object] = {
    "max_tokens": 512,
    "head": {"num_fc_layers": 2, "fc_hidden": 2048, "dropout": 0.1},
    "optimizer": {"learning_rate": 3e-5},
}

SPAN_TASKS = (
    TaskSpec(
        name="biomegatron/squad",
        description="SQuAD, which the study fine-tunes on before BioASQ",
        kind="span",
        read=read_squad,
        files={
            "train": ("train-v1.1.json", "train-v2.0.json"),
            "dev": ("dev-v1.1.json", "dev-v2.0.json"),
        },
        defaults={**_FINETUNING, "num_epochs": 10},
        sample=SampleWriter(
            write=write_squad,
            description="synthetic questions about invented chemicals, diseases and genes, none of SQuAD's",
        ),
        source="SQuAD v1.1 or v2.0, https://rajpurkar.github.io/SQuAD-explorer/ (CC BY-SA 4.0)",
    ),
    TaskSpec(
        name="biomegatron/squad-articles",
        description="SQuAD from one file: four of five articles to train on, each fifth one for dev",
        kind="span",
        read=read_squad,
        read_split=read_squad_articles,
        files={
            "train": ("dev-v1.1.json", "dev-v1.1.rebuilt.json", "dev-v2.0.json"),
            "dev": ("dev-v1.1.json", "dev-v1.1.rebuilt.json", "dev-v2.0.json"),
        },
        defaults={**_FINETUNING, "num_epochs": 10},
        sample=SampleWriter(
            write=write_squad_articles,
            description="synthetic questions about invented chemicals, diseases and genes, none of SQuAD's",
        ),
        source="SQuAD's development set, https://rajpurkar.github.io/SQuAD-explorer/ (CC BY-SA 4.0)",
    ),
    TaskSpec(
        name="biomegatron/bioasq",
        description="BioASQ task B factoid questions: answers in snippets of PubMed abstracts, five a question",
        kind="span",
        read=read_bioasq,
        files={
            "train": ("train*7b.json", "BioASQ-train*7b.json", "training0b.json", "BioASQ-train-factoid-7b.json"),
            "test": ("7B?_golden.json", "0B1_golden.json"),
        },
        defaults={**_FINETUNING, "num_epochs": 30},
        sample=SampleWriter(
            write=write_bioasq,
            description="synthetic questions about invented chemicals, diseases and genes, none of BioASQ's",
        ),
        source="BioASQ task B, http://participants-area.bioasq.org/datasets/ (registration; CC BY 2.5)",
        fetch=BIOASQ,
    ),
)
