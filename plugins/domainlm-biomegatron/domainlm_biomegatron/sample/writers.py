"""Writes the samples: each a function of its folder, seed and number of documents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from domainlm_biomegatron.sample.bioasq_json import bioasq_data
from domainlm_biomegatron.sample.bioc_json import bioc_data
from domainlm_biomegatron.sample.chemprot_tsv import GENE_FACTS, chemprot_files
from domainlm_biomegatron.sample.compose import Author, Mixture, Passage
from domainlm_biomegatron.sample.draws import Draws
from domainlm_biomegatron.sample.files import NOTICE, write_text
from domainlm_biomegatron.sample.jats_xml import article_name, jats_article
from domainlm_biomegatron.sample.names import Kind
from domainlm_biomegatron.sample.pubmed_xml import pubmed_xml
from domainlm_biomegatron.sample.pubmedqa_json import pubmedqa_data
from domainlm_biomegatron.sample.pubtator_text import BC5CDR_TYPES, NCBI_TYPES, pubtator_text
from domainlm_biomegatron.sample.squad_json import squad_data
from domainlm_biomegatron.sample.world import the_world

Files = Mapping[str, tuple[Path, ...]]

# Pretraining text says a lot about what names stand for; labelled text says little, and its dev and test parts name
# things that the training part does not: what they are has to be known from elsewhere.
_READING = Mixture(facts=0.15, plain=0.5, neutral=0.25, themed=0.9, labelled=0.5)
_LABELLED_TRAIN = Mixture(facts=0.1, plain=0.1, neutral=0.7, themed=0.0, labelled=1.0)
_LABELLED_TEST = Mixture(facts=0.1, plain=0.1, neutral=0.7, themed=0.0, labelled=0.1)
_RELATIONS = Mixture(facts=0.6, plain=0.1, neutral=0.2, themed=0.0, labelled=0.5, fact_names=GENE_FACTS)

_CITATIONS_PER_FILE = 1000
_NUM_SENTENCES = (6, 10)
_NUM_BODY_PARAGRAPHS = 8
# Documents of different samples have different numbers, and so different PMIDs.
_FIRST_NUMBERS = {
    "pubmed": 0,
    "pmc": 200_000,
    "bc5cdr": 300_000,
    "ncbi": 400_000,
    "chemprot": 500_000,
    "squad": 600_000,
    "pubmedqa": 700_000,
}
_SPLIT_STEP = 30_000
_SPLITS = ("train", "dev", "test")


def write_pubmed(folder: Path, seed: int, num_documents: int) -> Files:
    """Write PubMed XML files of up to 1,000 citations each."""
    paths = []
    for index, first in enumerate(range(0, num_documents, _CITATIONS_PER_FILE), start=1):
        count = min(_CITATIONS_PER_FILE, num_documents - first)
        passages = _passages("pubmed", seed, first, count, _READING)
        paths.append(write_text(folder / f"pubmed99n{index:04}.xml.gz", pubmed_xml(passages)))
    return {"text": tuple(paths)}


def write_pmc(folder: Path, seed: int, num_documents: int) -> Files:
    """Write JATS articles, one a file."""
    author = Author(the_world(), _READING)
    paths = []
    for number, passage in _passages("pmc", seed, _FIRST_NUMBERS["pmc"], num_documents, _READING):
        draws = Draws("pmc body", seed, number)
        body = [author.passage(draws, _length(draws)).abstract for _ in range(_NUM_BODY_PARAGRAPHS)]
        paths.append(write_text(folder / article_name(number), jats_article(number, passage, body)))
    return {"text": tuple(paths)}


def write_pubmed_and_pmc(folder: Path, seed: int, num_documents: int) -> Files:
    """Write three citations to each article, about the study's proportion of words in real text; at least one each."""
    num_articles = max(1, num_documents // 4)
    citations = write_pubmed(folder / "pubmed", seed, max(1, num_documents - num_articles))
    articles = write_pmc(folder / "pmc", seed, num_articles)
    return {"text": citations["text"] + articles["text"]}


def write_bc5cdr(folder: Path, seed: int, num_documents: int) -> Files:
    """Write PubTator files with chemicals, diseases and CID relations, under the official names."""
    names = {"train": "CDR_TrainingSet", "dev": "CDR_DevelopmentSet", "test": "CDR_TestSet"}
    named = {split: folder / f"{name}.PubTator.txt" for split, name in names.items()}
    return _write_pubtator(named, "bc5cdr", seed, num_documents, BC5CDR_TYPES)


def write_ncbi_disease(folder: Path, seed: int, num_documents: int) -> Files:
    """Write PubTator files with diseases alone, under the official names."""
    names = {"train": "NCBItrainset", "dev": "NCBIdevelopset", "test": "NCBItestset"}
    named = {split: folder / f"{name}_corpus.txt" for split, name in names.items()}
    return _write_pubtator(named, "ncbi", seed, num_documents, NCBI_TYPES)


def write_bioc(folder: Path, seed: int, num_documents: int) -> Files:
    """Write BioC collections in JSON with the documents of the BC5CDR sample."""
    written: dict[str, tuple[Path, ...]] = {}
    for split, first, count in _split_numbers("bc5cdr", num_documents):
        mixture = _LABELLED_TRAIN if split == "train" else _LABELLED_TEST
        data = bioc_data(_passages("bc5cdr", seed, first, count, mixture), BC5CDR_TYPES)
        written[split] = (write_text(folder / f"{split}.BioC.json", _json(data)),)
    return written


def write_chemprot(folder: Path, seed: int, num_documents: int) -> Files:
    """Write ChemProt's four files of each split, in its folders and under its names."""
    parts = {"train": ("training", ""), "dev": ("development", ""), "test": ("test", "_gs")}
    written: dict[str, tuple[Path, ...]] = {}
    for split, first, count in _split_numbers("chemprot", num_documents):
        name, suffix = parts[split]
        files = chemprot_files(_passages("chemprot", seed, first, count, _RELATIONS))
        inside = folder / f"chemprot_{name}{suffix}"
        texts = {
            f"chemprot_{name}_abstracts{suffix}.tsv": files.abstracts,
            f"chemprot_{name}_entities{suffix}.tsv": files.entities,
            f"chemprot_{name}_relations{suffix}.tsv": files.relations,
            f"chemprot_{name}_gold_standard.tsv": files.gold_standard,
        }
        lines_of = {inside / file: "".join(f"{line}\n" for line in lines) for file, lines in texts.items()}
        written[split] = tuple(write_text(path, text) for path, text in lines_of.items())
    return written


def write_chemprot_abstracts(folder: Path, seed: int, num_documents: int) -> Files:
    """Write the same, and name of each split the file that its reader is given: the abstracts."""
    written = write_chemprot(folder, seed, num_documents)
    return {split: tuple(path for path in paths if "abstracts" in path.name) for split, paths in written.items()}


def write_pubmedqa(folder: Path, seed: int, num_documents: int) -> Files:
    """Write PubMedQA files, named as those that the authors' program writes."""
    names = {"train": "pqal_fold0/train_set.json", "dev": "pqal_fold0/dev_set.json", "test": "test_set.json"}
    return {
        split: (
            write_text(
                folder / names[split], _json(pubmedqa_data(_passages("pubmedqa", seed, first, count, _RELATIONS)))
            ),
        )
        for split, first, count in _split_numbers("pubmedqa", num_documents)
    }


def write_squad(folder: Path, seed: int, num_documents: int) -> Files:
    """Write SQuAD v1.1 files: train and dev."""
    written: dict[str, tuple[Path, ...]] = {}
    for split, first, count in _split_numbers("squad", num_documents)[:2]:
        data = squad_data(_passages("squad", seed, first, count, _READING), 1 if split == "train" else 3)
        written[split] = (write_text(folder / f"{split}-v1.1.json", _json(data)),)
    return written


def write_squad_articles(folder: Path, seed: int, num_documents: int) -> Files:
    """Write one SQuAD v1.1 file, which holds training and dev articles; at least ten."""
    _, (split, first, _), *_ = _split_numbers("squad", num_documents)
    data = squad_data(_passages("squad", seed, first, max(10, num_documents), _READING), 3)
    path = write_text(folder / f"{split}-v1.1.json", _json(data))
    return {"train": (path,), "dev": (path,)}


def write_bioasq(folder: Path, seed: int, num_documents: int) -> Files:
    """Write BioASQ task B files about citations of the PubMed sample with the same seed: training, then golden."""
    num_train = max(1, num_documents * 2 // 3)
    parts = {
        "train": ("training0b.json", 0, num_train),
        "test": ("0B1_golden.json", num_train, max(1, num_documents - num_train)),
    }
    return {
        split: (write_text(folder / name, _json(bioasq_data(_passages("pubmed", seed, first, count, _READING)))),)
        for split, (name, first, count) in parts.items()
    }


def write_everything(folder: Path, seed: int, num_documents: int) -> None:
    """Write every sample into a folder of its own below `folder`, and a README.txt that says what they are."""
    readme = (Path(__file__).parent / "README.txt").read_text(encoding="utf-8")
    write_text(folder / "README.txt", readme.format(notice=NOTICE, seed=seed, num_documents=num_documents))
    write_pubmed(folder / "pubmed", seed, num_documents)
    write_pmc(folder / "pmc", seed, max(1, num_documents // 10))
    write_bc5cdr(folder / "bc5cdr", seed, num_documents)
    write_ncbi_disease(folder / "ncbi-disease", seed, num_documents)
    write_chemprot(folder / "chemprot", seed, num_documents)
    write_squad(folder / "squad", seed, num_documents)
    write_bioasq(folder / "bioasq", seed, num_documents)


def _write_pubtator(
    named: Mapping[str, Path], sample: str, seed: int, num_documents: int, types: Mapping[Kind, str]
) -> Files:
    written: dict[str, tuple[Path, ...]] = {}
    for split, first, count in _split_numbers(sample, num_documents):
        mixture = _LABELLED_TRAIN if split == "train" else _LABELLED_TEST
        passages = _passages(sample, seed, first, count, mixture)
        text = pubtator_text(passages, types, relations="chemical" in types)
        written[split] = (write_text(named[split], text),)
    return written


def _split_numbers(sample: str, num_documents: int) -> list[tuple[str, int, int]]:
    """Return (split, number of its first document, number of documents): dev and test are half of train."""
    counts = {"train": num_documents, "dev": max(1, num_documents // 2), "test": max(1, num_documents // 2)}
    first = _FIRST_NUMBERS[sample]
    return [(split, first + index * _SPLIT_STEP, counts[split]) for index, split in enumerate(_SPLITS)]


def _passages(sample: str, seed: int, first: int, count: int, mixture: Mixture) -> Iterator[tuple[int, Passage]]:
    author = Author(the_world(), mixture)
    for number in range(first, first + count):
        draws = Draws(sample, seed, number)
        yield number, author.passage(draws, _length(draws))


def _length(draws: Draws) -> int:
    return draws.between(*_NUM_SENTENCES)


def _json(data: object) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
