"""The vocabularies of the BioMegatron study (Shin et al. 2020, section 3.2 and table 3)."""

from __future__ import annotations

from domainlm.api import VocabularySpec


def _learned(thousands: int, *, cased: bool) -> VocabularySpec:
    """Learned on the recipe's corpus. The study learned cased ones, with SentencePiece on PubMed."""
    return VocabularySpec(
        name=f"biomegatron/bio-{thousands}k{'' if cased else '-uncased'}",
        description=f"{thousands},000 {'cased' if cased else 'uncased'} sub-tokens learned on the recipe's corpus "
        f"({'the study: SentencePiece on PubMed' if cased else 'not in the study: its own are cased'})",
        algorithm="wordpiece",
        size=1000 * thousands,
        cased=cased,
    )


VOCABULARIES = (
    _learned(30, cased=True),
    _learned(50, cased=True),
    _learned(30, cased=False),
    _learned(50, cased=False),
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
