"""The vocabularies of the BioMegatron study (Shin et al. 2020, section 3.2 and table 3)."""

from __future__ import annotations

from domainlm.api import VocabularySpec

VOCABULARIES = (
    VocabularySpec(
        name="biomegatron/bio-30k",
        description="30,000 cased sub-tokens learned on the recipe's corpus (the study: SentencePiece on PubMed)",
        algorithm="wordpiece",
        size=30_000,
        cased=True,
    ),
    VocabularySpec(
        name="biomegatron/bio-50k",
        description="50,000 cased sub-tokens learned on the recipe's corpus (the study: SentencePiece on PubMed)",
        algorithm="wordpiece",
        size=50_000,
        cased=True,
    ),
    VocabularySpec(
        name="biomegatron/bert-cased",
        description="BERT's general vocabulary, cased, 28,996 entries: give its vocab.txt with file = ...",
        algorithm="file",
        cased=True,
    ),
    VocabularySpec(
        name="biomegatron/bert-uncased",
        description="BERT's general vocabulary, uncased, 30,522 entries: give its vocab.txt with file = ...",
        algorithm="file",
        cased=False,
    ),
)
