"""The core is about no domain: the words of its first one stay in the plugin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

_WORDS = """
    bc2gm bc4chemd bc5cdr bioasq biobert bioc biocreative bioconcept biology biological biomed biomedical biomedicine
    biomegatron blurb bluebert cancer chem chemical chemicals chemprot clinic clinical
    clinician disease diseases dna dosage drug drugs enzyme enzymes gene genes genetic genetics
    genome genomic genomics hospital jats jnlpba linnaeus medical medication medicine medline mesh ncbi nlm pathology
    patient patients pharma pharmacology pmc pmcid pmid pmids protein proteins pubmed pubmedbert pubtator rna scibert
    symptom symptoms syndrome therapeutic therapy tissue toxicity tumor tumour umls virus
"""
_BIOMEDICAL = frozenset(_WORDS.split())


def _biomedical_words(text: str) -> set[str]:
    """Biomedical words in the text, also as parts of snake_case and CamelCase names."""
    found = set()
    for run in re.findall(r"[A-Za-z0-9]+", text):
        parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", run)
        places = range(len(parts) + 1)
        found |= {"".join(parts[start:end]).lower() for start in places for end in places[start + 1 :]} & _BIOMEDICAL
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class PubMedReader:", {"pubmed"}),
        ("def gene_name(): ...", {"gene"}),
        ("the BC5CDR corpus of MeSH terms", {"bc5cdr", "mesh"}),
        ("DiseaseSpan", {"disease"}),
        ("general generation, medium chemise, genre", set()),
    ],
)
def test_words_are_found_where_they_are(text: str, found: set[str]) -> None:
    assert _biomedical_words(text) == found


def test_the_core_speaks_of_no_biomedicine(root: Path) -> None:
    files = [path for path in sorted((root / "domainlm").rglob("*")) if path.suffix in {".py", ".j2", ".toml", ".css"}]
    assert len(files) > 50
    found = [
        f"{path.relative_to(root)}:{number}: {', '.join(sorted(words))}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (words := _biomedical_words(f"{path.stem} {line}"))
    ]
    assert found == []
