"""The figures of the nine tables, as printed in Shin et al. 2020 (EMNLP 2020, aclanthology.org/2020.emnlp-main.379).

Scores are per cent. Nothing here is measured by this project.
"""

from __future__ import annotations

SOURCE = (
    "Shin et al., BioMegatron: Larger Biomedical Domain Language Model, EMNLP 2020, "
    "https://aclanthology.org/2020.emnlp-main.379"
)

_NerReRow = tuple[str, str, str, str, float, float, float]

TABLE1: tuple[_NerReRow, ...] = (
    ("BC5CDR-chem", "BioBERT", "110m", "BERT-cased", 90.0, 93.4, 91.7),
    ("BC5CDR-chem", "PubMedBERT", "110m", "PubMedBERT 30k", 92.1, 93.2, 92.6),
    ("BC5CDR-chem", "BioMegatron", "345m", "bio 30k", 92.1, 93.6, 92.9),
    ("BC5CDR-chem", "BioMegatron", "345m", "bio 50k", 92.9, 92.0, 92.5),
    ("BC5CDR-chem", "BioMegatron", "800m", "BERT-cased", 91.3, 92.9, 92.1),
    ("BC5CDR-chem", "BioMegatron", "1.2b", "BERT-uncased", 92.0, 90.5, 91.3),
    ("BC5CDR-disease", "BioBERT", "110m", "BERT-cased", 85.0, 89.4, 87.2),
    ("BC5CDR-disease", "PubMedBERT", "110m", "PubMedBERT 30k", 86.2, 88.4, 87.3),
    ("BC5CDR-disease", "BioMegatron", "345m", "bio 30k", 85.2, 88.8, 87.0),
    ("BC5CDR-disease", "BioMegatron", "345m", "bio 50k", 86.1, 91.0, 88.5),
    ("BC5CDR-disease", "BioMegatron", "800m", "BERT-cased", 85.8, 90.1, 87.9),
    ("BC5CDR-disease", "BioMegatron", "1.2b", "BERT-uncased", 83.8, 89.2, 86.4),
    ("NCBI-disease", "BioBERT", "110m", "BERT-cased", 85.0, 90.0, 87.5),
    ("NCBI-disease", "PubMedBERT", "110m", "PubMedBERT 30k", 85.9, 87.7, 86.8),
    ("NCBI-disease", "BioMegatron", "345m", "bio 30k", 85.6, 88.6, 87.1),
    ("NCBI-disease", "BioMegatron", "345m", "bio 50k", 83.7, 90.4, 87.0),
    ("NCBI-disease", "BioMegatron", "800m", "BERT-cased", 87.0, 88.8, 87.8),
    ("NCBI-disease", "BioMegatron", "1.2b", "BERT-uncased", 83.5, 90.1, 86.7),
    ("ChemProt", "BioBERT", "110m", "BERT-cased", 76.5, 73.3, 74.8),
    ("ChemProt", "PubMedBERT", "110m", "PubMedBERT 30k", 73.6, 77.7, 75.6),
    ("ChemProt", "BioMegatron", "345m", "bio 30k", 77.8, 72.5, 75.1),
    ("ChemProt", "BioMegatron", "345m", "bio 50k", 74.5, 79.7, 77.0),
    ("ChemProt", "BioMegatron", "800m", "BERT-cased", 80.4, 68.9, 74.3),
    ("ChemProt", "BioMegatron", "1.2b", "BERT-uncased", 82.0, 65.6, 72.9),
)
"""Data set, model, parameters, vocabulary; precision, recall, F1."""

TABLE2 = (
    ("BioBERT-Base", "110m", "BERT-cased", 30.8, 64.1, 41.1),
    ("BioBERT-Large", "345m", "BERT-cased", 42.8, 62.8, 50.1),
    ("BioMegatron", "345m", "BERT-uncased", 46.2, 62.6, 52.5),
    ("BioMegatron", "800m", "BERT-uncased", 45.2, 58.6, 50.4),
    ("BioMegatron", "1.2b", "BERT-uncased", 47.4, 60.9, 52.4),
)
"""Model, parameters, vocabulary; strict and lenient accuracy and MRR on BioASQ-7b factoid questions, after SQuAD."""

TABLE3 = (
    ("BERT-cased", 3.012, 2.42),
    ("PubMedBERT-uncased 30k", 1.654, 1.236),
    ("bio 30k cased", 1.753, 1.272),
    ("bio 50k cased", 1.478, 1.116),
)
"""Vocabulary; sub-tokens per word of the entities of BC5CDR-chem and of BC5CDR-disease."""

TABLE4 = (("345m", 33.1, 50.4, 39.8), ("800m", 37.7, 56.3, 45.1), ("1.2b", 40.6, 53.7, 45.6))
"""Size; strict and lenient accuracy and MRR on BioASQ-7b factoid questions, without SQuAD."""

TABLE5_STEPS = (1e3, 1e4, 1e5, 2e5, 3e5, 4e5, 5e5)
TABLE5 = {
    "BC5CDR-chem": (63.2, 74.3, 89.7, 89.37, 91.8, 92.1, 91.2),
    "BC5CDR-disease": (39.4, 63.6, 79.8, 81.2, 79.2, 81.9, 81.8),
    "ChemProt": (0.0, 34.1, 63.4, 71.1, 70.4, 69.7, 68.3),
}
"""F1 by steps of continued pretraining, of a general-domain model of 1.2b."""

TABLE6 = (("Megatron-345m", 38.5, 52.6, 43.7), ("Megatron-1.2b", 29.3, 39.7, 32.7))
"""Model that has not seen PubMed; strict and lenient accuracy and MRR on BioASQ-7b factoid questions."""

TABLE7 = (
    ("BioMegatron-345m", 90.4, 84.2),
    ("BioMegatron-345m-ft", 86.5, 77.9),
    ("BioMegatron-800m", 91.6, 86.1),
    ("BioMegatron-1.2b-ft", 91.8, 86.4),
    ("BERT-large", 90.9, 81.8),
    ("RoBERTa", 94.6, 89.4),
    ("Megatron-3.9b", 95.8, 91.2),
)
"""Model ("-ft": from a general-domain checkpoint); F1 on the development sets of SQuAD v1.1 and v2.0."""

TABLE8 = (
    ("NER", "CoNLL-2003", 14987, 0.18),
    ("NER", "BC5CDR", 5235, 0.08),
    ("RE", "MRPC", 3668, 0.48),
    ("RE", "ChemProt", 19461, 0.27),
    ("QA", "SQuAD-v1.0", 87599, 0.4),
    ("QA", "BioASQ-7b", 5537, 0.02),
)
"""Task, data set; samples and label bias of the training set."""

TABLE9 = (
    ("BioBERT", "abstracts", "4.5 billion"),
    ("PubMedBERT", "abstracts + full text", "16.8 billion"),
    ("BioMegatron", "abstracts + full-text commercial collection", "6.1 billion"),
)
"""Model, corpus, words."""
