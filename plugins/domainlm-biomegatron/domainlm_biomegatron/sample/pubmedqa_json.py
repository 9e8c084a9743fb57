"""Facts about chemicals and genes as PubMedQA's labelled questions: yes, no or maybe."""

from __future__ import annotations

from collections.abc import Iterable

from domainlm_biomegatron.sample.compose import Passage
from domainlm_biomegatron.sample.pubmed_xml import pmid_of

# What is asked, and which facts of a chemical and a gene say yes or no; every other fact leaves it open.
_QUESTIONS = {
    "Does {chemical} inhibit {gene}?": (
        {"inhibitor", "downregulator", "antagonist"},
        {"activator", "upregulator", "not"},
    ),
    "Is {gene} activated by {chemical}?": (
        {"activator", "upregulator", "agonist"},
        {"inhibitor", "downregulator", "not"},
    ),
}


def pubmedqa_data(passages: Iterable[tuple[int, Passage]]) -> dict[str, object]:
    """Return the content of a file; a passage without such a fact gives no question."""
    return {
        str(pmid_of(number)): entry for number, passage in passages if (entry := _entry(number, passage)) is not None
    }


def _entry(number: int, passage: Passage) -> dict[str, object] | None:
    sentence = next((each for each in passage.sentences if each.fact), None)
    if sentence is None:
        return None
    question, (yes, no) = list(_QUESTIONS.items())[number % len(_QUESTIONS)]
    decision = "yes" if sentence.fact in yes else "no" if sentence.fact in no else "maybe"
    names = {kind: sentence.mention_of(kind).thing.name for kind in ("chemical", "gene")}
    return {
        "QUESTION": question.format(**names),
        "CONTEXTS": [each.text for each in passage.sentences],
        "LABELS": ["RESULTS"] * len(passage.sentences),
        "MESHES": [],
        "LONG_ANSWER": sentence.text,
        "final_decision": decision,
    }
