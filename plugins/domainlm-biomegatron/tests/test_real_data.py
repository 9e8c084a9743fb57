"""The readers on the real files: counts as data/README.md there states them."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from domainlm.api import ProblemLog
from domainlm_biomegatron.readers.entities import (
    read_chemicals,
    read_chemicals_and_diseases,
    read_diseases,
    read_ncbi_disease,
)
from domainlm_biomegatron.readers.jats import read_jats
from domainlm_biomegatron.readers.pubmed import read_pubmed
from domainlm_biomegatron.readers.pubtator import read_documents
from domainlm_biomegatron.sample.writers import write_everything

pytestmark = pytest.mark.real


def test_pubmed(data_dir: Path, problems: ProblemLog) -> None:
    paths = [path for path in sorted((data_dir / "xml" / "pubmed").iterdir()) if path.suffix != ".md5"]
    assert len(paths) == 17
    documents = [document for path in paths for document in read_pubmed(path, problems)]
    # 102 citations, 8 without an abstract, and one whose abstract is empty.
    assert problems.counts == {"citation without an abstract": 9, "deletion of a citation": 262 + 6}
    assert len(documents) == 102 - 9
    assert sum("sections" in document.meta for document in documents) == 33
    assert not any("&" in re.sub(r"&(?=[ A-Z])", "", p) for d in documents for p in d.paragraphs)


def test_pubmed_text_is_right_where_it_is_hard(data_dir: Path, problems: ProblemLog) -> None:
    path = data_dir / "xml" / "pubmed" / "pubmed26n1335.xml.gz"
    document = next(d for d in read_pubmed(path, problems) if d.id == "26228458")
    assert document.paragraphs[0].startswith("Obesity risk in rural, urban and rural-to-urban migrants")
    assert [p.split(":")[0] for p in document.paragraphs[1:]] == ["BACKGROUND", "METHODS", "RESULTS", "CONCLUSIONS"]
    assert "mean age (±s.d.) was 47.9 (±12.0) years" in document.paragraphs[3]


def test_jats(data_dir: Path, problems: ProblemLog) -> None:
    paths = sorted((data_dir / "xml" / "pmc").iterdir())
    assert len(paths) == 23
    documents = [document for path in paths for document in read_jats(path, problems)]
    assert len(documents) == 23
    assert not problems.counts
    licences = Counter(_licence_class(document.meta) for document in documents)
    assert licences == {"CC BY": 19, "CC BY-NC": 1, "CC0": 1, "public domain": 2}
    # The same articles as plain text, prepared by another program: within a few words.
    assert all(500 < sum(len(p.split()) for p in d.paragraphs) < 7000 for d in documents)


def _licence_class(meta: object) -> str:
    text = str(meta).lower()
    if "by-nc" in text:
        return "CC BY-NC"
    if "publicdomain/zero" in text and "licenses/by" not in text:
        return "CC0"
    if "publicdomain/mark" in text:
        return "public domain"
    return "CC BY" if re.search(r"licenses/by|creative commons attribution|cc by", text) else "other"


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
