"""The readers on the real files: counts as data/README.md there states them."""

from __future__ import annotations

import gzip
import json
import re
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from domainlm.api import ProblemLog
from domainlm.tasks.statistics import describe_splits
from domainlm_biomegatron.readers.entities import (
    read_chemicals,
    read_chemicals_and_diseases,
    read_diseases,
    read_ncbi_disease,
)
from domainlm_biomegatron.readers.jats import read_all, read_commercial
from domainlm_biomegatron.readers.pubmed import read_pubmed
from domainlm_biomegatron.readers.pubtator import read_documents
from domainlm_biomegatron.sample.writers import write_everything
from domainlm_biomegatron.specs.tasks import TASKS

pytestmark = pytest.mark.real


PUBMED_CITATIONS = {
    "biopython_pubmed1.xml": 2,
    "biopython_pubmed2.xml": 2,
    "biopython_pubmed4.xml": 1,
    "biopython_pubmed5.xml": 1,
    "biopython_pubmed6.xml": 1,
    "biopython_pubmed7.xml": 1,
    "metapub_11618220.xml": 1,
    "metapub_219391.xml": 1,
    "metapub_23657305.xml": 1,
    "metapub_24084238.xml": 1,
    "metapub_24349601.xml": 1,
    "metapub_24794070.xml": 1,
    "metapub_26568896.xml": 1,
    "pubmed-29768149.xml": 1,
    "pubmed20n1016.xml.gz": 26,
    "pubmed26n1334.xml.gz": 30,
    "pubmed26n1335.xml.gz": 30,
}
PUBMED_DELETIONS = {"pubmed20n1016.xml.gz": 262, "pubmed26n1335.xml.gz": 6}


@pytest.mark.parametrize("name", PUBMED_CITATIONS)
def test_each_pubmed_file_is_read_to_its_end(data_dir: Path, problems: ProblemLog, name: str) -> None:
    documents = list(read_pubmed(data_dir / "xml" / "pubmed" / name, problems))
    deletions = problems.counts["deletion of a citation"]
    assert deletions == PUBMED_DELETIONS.get(name, 0)
    assert len(documents) == PUBMED_CITATIONS[name] + deletions
    left_out = problems.counts["citation without an abstract"] + problems.counts["citation not in English"]
    assert sum(not document.paragraphs for document in documents) == left_out + deletions


def test_pubmed(data_dir: Path, problems: ProblemLog) -> None:
    paths = [path for path in sorted((data_dir / "xml" / "pubmed").iterdir()) if path.suffix != ".md5"]
    assert sorted(path.name for path in paths) == sorted(PUBMED_CITATIONS)
    documents = [document for path in paths for document in read_pubmed(path, problems)]
    assert problems.counts == {
        "citation without an abstract": 8,
        "citation not in English": 1,
        "another abstract of a citation (left out)": 5,
        "deletion of a citation": 262 + 6,
    }
    kept = [document for document in documents if document.paragraphs]
    assert len(kept) == 102 - 8 - 1
    assert sum("sections" in document.meta for document in kept) == 33
    assert not any("&" in re.sub(r"&(?=[ A-Z])", "", p) for d in kept for p in d.paragraphs)


def test_formulas_in_abstracts_are_read_without_the_layout_of_the_file(data_dir: Path, problems: ProblemLog) -> None:
    (document,) = read_pubmed(data_dir / "xml" / "pubmed" / "biopython_pubmed6.xml", problems)
    assert "maximal oxygen uptake ( V.O2max ) 67.6 ± 4.1 ml·kg-1·min-1]" in document.paragraphs[1]


def test_pubmed_text_is_right_where_it_is_hard(data_dir: Path, problems: ProblemLog) -> None:
    path = data_dir / "xml" / "pubmed" / "pubmed26n1335.xml.gz"
    document = next(d for d in read_pubmed(path, problems) if d.id == "26228458")
    assert document.paragraphs[0].startswith("Obesity risk in rural, urban and rural-to-urban migrants")
    assert [p.split(":")[0] for p in document.paragraphs[1:]] == ["BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS"]
    assert "mean age (±s.d.) was 47.9 (±12.0) years" in document.paragraphs[3]


NOT_CC_BY = {
    "PMC1865086.nxml": "CC0",
    "PMC3230393.nxml": "public domain",
    "ehp-116-1694.nxml": "public domain",
    "mds526.nxml": "CC BY-NC",
}


def test_jats(data_dir: Path, problems: ProblemLog) -> None:
    paths = sorted((data_dir / "xml" / "pmc").iterdir())
    assert len(paths) == 23
    documents = {path.name: list(read_all(path, problems)) for path in paths}
    assert not problems.counts
    assert {name: [d.meta["licence_class"] for d in found] for name, found in documents.items()} == {
        path.name: [NOT_CC_BY.get(path.name, "CC BY")] for path in paths
    }
    # The same articles as plain text, prepared by another program: within a few words.
    assert all(500 < sum(len(p.split()) for p in d.paragraphs) < 7000 for found in documents.values() for d in found)


def test_traces_of_what_is_left_out(data_dir: Path, problems: ProblemLog) -> None:
    """No empty brackets, no stops after commas, no blanks before stops, no citation's mark."""
    documents = [d for path in sorted((data_dir / "xml" / "pmc").iterdir()) for d in read_all(path, problems)]
    traces = re.compile(r"\(\s*\)|\[\s*\]|,\.|[ ,][,.;](?= |$)|[(\[] |\ue000")
    assert [match[0] for d in documents for p in d.paragraphs for match in traces.finditer(p)] == []


def test_the_commercial_corpus_leaves_out_what_is_not_for_commerce(data_dir: Path, problems: ProblemLog) -> None:
    paths = sorted((data_dir / "xml" / "pmc").iterdir())
    documents = [document for path in paths for document in read_commercial(path, problems)]
    assert sum(bool(document.paragraphs) for document in documents) == 22
    assert problems.counts == {"article under a licence not wanted: CC BY-NC": 1}
    assert problems.examples[0].detail.startswith("PMC3574550, http")


def test_an_archive_gives_what_the_folder_gives(data_dir: Path, problems: ProblemLog, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(data_dir / "xml" / "pmc", "pmc")
    found = {d.id: d.paragraphs for d in read_all(tmp_path / "a.tar.gz", problems)}
    paths = (data_dir / "xml" / "pmc").iterdir()
    assert found == {d.id: d.paragraphs for path in paths for d in read_all(path, problems)}
    assert len(found) == 23
    assert not problems.counts


@pytest.mark.parametrize(
    ("split", "chemicals", "diseases"), [("train", 5203, 4182), ("dev", 5347, 4244), ("test", 5385, 4424)]
)
def test_bc5cdr(data_dir: Path, problems: ProblemLog, split: str, chemicals: int, diseases: int) -> None:
    path = data_dir / "ner" / "bc5cdr" / f"{split}.PubTator.txt"
    documents = list(read_documents(path, problems))
    types = Counter(entity.type for document in documents for entity in document.entities)
    assert (len(documents), types["Chemical"], types["Disease"]) == (500, chemicals, diseases)
    examples = list(read_chemicals_and_diseases(path, problems))
    assert sum(len(example.entities) for example in examples) == chemicals + diseases
    assert not problems.counts


@pytest.mark.parametrize(
    ("part", "documents", "mentions", "counts"),
    [
        # 593 documents with 5,145 mentions, of which one comes twice (11 mentions of 12, one with wrong offsets)
        ("train", 592, 5133, {"mention text differs": 1, "PMID again (the first document is kept)": 1}),
        ("develop", 100, 787, {}),
        ("test", 100, 960, {}),
    ],
)
def test_ncbi_disease(
    data_dir: Path, problems: ProblemLog, part: str, documents: int, mentions: int, counts: dict[str, int]
) -> None:
    path = data_dir / "ner" / "ncbi-disease" / f"NCBI{part}set_corpus.txt"
    examples = list(read_ncbi_disease(path, problems))
    assert len({example.id.split(":")[0] for example in examples}) == documents
    assert sum(len(example.entities) for example in examples) == mentions
    assert problems.counts == counts


@pytest.mark.parametrize(
    ("split", "official", "num_words"),
    [("train", "train", 118_170), ("devel", "dev", 117_453), ("test", "test", 124_750)],
)
def test_words_are_those_of_the_iob_files(
    data_dir: Path, problems: ProblemLog, split: str, official: str, num_words: int
) -> None:
    """The tokenised files were made from the official ones with another program; both have the same number of words."""
    tokenised = data_dir / "ner" / "iob" / "BC5CDR-chem" / f"{split}.tsv.gz"
    assert sum(len(example.words) for example in read_chemicals(tokenised, problems)) == num_words
    pubtator = data_dir / "ner" / "bc5cdr" / f"{official}.PubTator.txt"
    assert sum(len(example.words) for example in read_diseases(pubtator, problems)) == num_words


# --- the sample beside the official files ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_everything(folder, 0, 30)
    return folder


def test_the_sample_has_the_columns_of_chemprot(data_dir: Path, sample: Path) -> None:
    for ours in (sample / "chemprot").rglob("*.tsv"):
        theirs = data_dir / "re" / "chemprot" / ours.parent.name / ours.name
        content = theirs.read_bytes() if theirs.exists() else gzip.decompress(Path(f"{theirs}.gz").read_bytes())
        official = [line.split("\t") for line in content.decode().splitlines()]
        rows = [line.split("\t") for line in ours.read_text(encoding="utf-8").splitlines()]
        assert {len(row) for row in rows} == {len(row) for row in official}
        if "relations" in ours.name:
            assert {tuple(row[1:4]) for row in rows} <= {tuple(row[1:4]) for row in official}


def test_the_sample_has_the_keys_of_squad_and_bioasq(data_dir: Path, sample: Path) -> None:
    with gzip.open(data_dir / "qa" / "squad" / "dev-v1.1.rebuilt.json.gz", "rt") as file:
        official = json.load(file)
    ours = json.loads((sample / "squad" / "dev-v1.1.json").read_text(encoding="utf-8"))
    assert _keys(ours) == _keys(official)
    with gzip.open(data_dir / "qa" / "bioasq" / "11B1_golden.json.gz", "rt") as file:
        official = json.load(file)
    ours = json.loads((sample / "bioasq" / "0B1_golden.json").read_text(encoding="utf-8"))
    assert _keys(ours) == _keys(official)


def _keys(value: object, path: str = "") -> set[str]:
    """The keys of a JSON value with where they stand, list places left out."""
    if isinstance(value, dict):
        inner = [_keys(entry, f"{path}/{key}") for key, entry in value.items()]
        return {f"{path}/{key}" for key in value}.union(*inner)
    return set().union(*(_keys(entry, path) for entry in value)) if isinstance(value, list) else set()


# --- statistics -----------------------------------------------------------------------------------------------------


def _facts(task_name: str, path: Path) -> dict[str, float]:
    (task,) = (task for task in TASKS if task.name == task_name)
    ((facts, _),) = describe_splits(task, {"train": (path,)}).values()
    return {fact.name: fact.value for fact in facts}


def test_the_label_bias_of_bc5cdr_is_that_of_table_8(data_dir: Path) -> None:
    """0.08 (Shin et al. 2020, table 8) as entities per word. Their 5,235 samples are another cut into sentences."""
    facts = _facts("biomegatron/bc5cdr", data_dir / "ner" / "bc5cdr" / "train.PubTator.txt")
    assert round(facts["label bias"], 2) == 0.08
    assert (facts["documents"], facts["words"]) == (500, 118_170)
    assert (facts["mentions of type Chemical"], facts["mentions of type Disease"]) == (5203, 4182)


@pytest.mark.parametrize(
    ("task", "folder", "split", "sentences", "words", "entities"),
    [
        ("ncbi-disease", "NCBI-disease", "train", 5_424, 135_701, 5_134),
        ("ncbi-disease", "NCBI-disease", "devel", 923, 23_969, 787),
        ("ncbi-disease", "NCBI-disease", "test", 940, 24_497, 960),
        ("bc5cdr-chem", "BC5CDR-chem", "train", 4_560, 118_170, 5_203),
        ("bc5cdr-chem", "BC5CDR-chem", "devel", 4_581, 117_453, 5_347),
        ("bc5cdr-chem", "BC5CDR-chem", "test", 4_797, 124_750, 5_385),
        ("bc5cdr-disease", "BC5CDR-disease", "train", 4_560, 118_170, 4_182),
        ("bc5cdr-disease", "BC5CDR-disease", "devel", 4_581, 117_453, 4_246),
        ("bc5cdr-disease", "BC5CDR-disease", "test", 4_797, 124_750, 4_424),
    ],
)
def test_iob_files(
    data_dir: Path, task: str, folder: str, split: str, sentences: int, words: int, entities: int
) -> None:
    facts = _facts(f"biomegatron/{task}", data_dir / "ner" / "iob" / folder / f"{split}.tsv.gz")
    assert (facts["examples"], facts["words"], facts["labelled entities"]) == (sentences, words, entities)
    assert facts["reachable share of mentions"] == 1.0
