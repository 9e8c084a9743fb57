"""Each file of the sample keeps the rules of its official format."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import ProblemLog
from domainlm_biomegatron.readers.jats import read_jats
from domainlm_biomegatron.readers.pubmed import read_pubmed
from domainlm_biomegatron.readers.pubtator import read_documents
from domainlm_biomegatron.sample.writers import write_everything, write_pubmed

NUM_DOCUMENTS = 60
CHEMPROT_PARTS = {"training": "", "development": "", "test": "_gs"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_everything(folder, 3, NUM_DOCUMENTS)
    return folder


def abstracts_of(sample: Path) -> dict[str, str]:
    """The abstracts of the PubMed sample as BioASQ's offsets count in them, by PMID, for those without sections."""
    documents = [d for path in sorted((sample / "pubmed").iterdir()) for d in read_pubmed(path, ProblemLog())]
    return {d.id: d.paragraphs[1] for d in documents if "sections" not in d.meta}


def test_pubmed_is_read_without_a_problem(sample: Path) -> None:
    problems = ProblemLog()
    documents = [d for path in (sample / "pubmed").iterdir() for d in read_pubmed(path, problems)]
    assert len(documents) == NUM_DOCUMENTS
    assert not problems.counts
    assert all(d.paragraphs[0].startswith("[Synthetic] ") and int(d.id) > 99_000_000 for d in documents)
    assert 0 < sum("sections" in d.meta for d in documents) < NUM_DOCUMENTS
    for special in ("p < 0.0", " & ", "(± "):
        assert any(special in d.text for d in documents), special


def test_pubmed_files_hold_a_thousand_citations(tmp_path: Path) -> None:
    paths = write_pubmed(tmp_path, 0, 1001)["text"]
    assert [path.name for path in paths] == ["pubmed99n0001.xml.gz", "pubmed99n0002.xml.gz"]
    assert [sum(1 for _ in read_pubmed(path, ProblemLog())) for path in paths] == [1000, 1]


def test_jats_is_read_without_what_does_not_belong(sample: Path) -> None:
    problems = ProblemLog()
    documents = [d for path in (sample / "pmc").iterdir() for d in read_jats(path, problems)]
    assert len(documents) == NUM_DOCUMENTS // 10
    assert not problems.counts
    for document in documents:
        assert document.meta["licence_url"].endswith("/publicdomain/zero/1.0/")
        assert len(document.paragraphs) == 10
        assert not re.search(r"Numbers of no meaning|alpha|Nobody|\[1\]| \.", document.text)


@pytest.mark.parametrize(
    ("folder", "names", "types"),
    [
        ("bc5cdr", ("CDR_TrainingSet", "CDR_DevelopmentSet", "CDR_TestSet"), {"Chemical", "Disease"}),
        ("ncbi-disease", ("NCBItrainset", "NCBIdevelopset", "NCBItestset"), {"SpecificDisease"}),
    ],
)
def test_pubtator_offsets_are_exact(sample: Path, folder: str, names: tuple[str, ...], types: set[str]) -> None:
    problems = ProblemLog()
    pmids: list[str] = []
    for name, count in zip(names, (NUM_DOCUMENTS, NUM_DOCUMENTS // 2, NUM_DOCUMENTS // 2), strict=True):
        (path,) = (sample / folder).glob(f"{name}*.txt")
        documents = list(read_documents(path, problems))
        assert len(documents) == count
        assert {entity.type for document in documents for entity in document.entities} == types
        pmids += [document.pmid for document in documents]
    assert len(set(pmids)) == len(pmids)
    assert not problems.counts


def test_relations_join_what_the_document_names(sample: Path) -> None:
    files = (sample / "bc5cdr").iterdir()
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    named = {(row[0], row[5]) for row in (line.split("\t") for line in lines) if len(row) == 6}
    relations = [row for row in (line.split("\t") for line in lines) if len(row) == 4]
    assert relations
    for pmid, kind, chemical, disease in relations:
        assert kind == "CID"
        assert (chemical[:4], disease[:4]) == ("D991", "D992")
        assert {(pmid, chemical), (pmid, disease)} <= named


def rows_of(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("part", CHEMPROT_PARTS)
def test_chemprot_files_agree(sample: Path, part: str) -> None:
    suffix = CHEMPROT_PARTS[part]
    folder = sample / "chemprot" / f"chemprot_{part}{suffix}"
    texts = {
        pmid: f"{title} {abstract}"
        for pmid, title, abstract in rows_of(folder / f"chemprot_{part}_abstracts{suffix}.tsv")
    }
    kinds: dict[tuple[str, str], str] = {}
    for pmid, term, kind, start, end, name in rows_of(folder / f"chemprot_{part}_entities{suffix}.tsv"):
        assert texts[pmid][int(start) : int(end)] == name
        assert kind in {"CHEMICAL", "GENE-Y", "GENE-N"}
        kinds[pmid, term] = kind
    evaluated = []
    relations = rows_of(folder / f"chemprot_{part}_relations{suffix}.tsv")
    for pmid, group, flag, relation, first, second in relations:
        assert kinds[pmid, first.removeprefix("Arg1:")] == "CHEMICAL"
        assert kinds[pmid, second.removeprefix("Arg2:")] in {"GENE-Y", "GENE-N"}
        assert flag == ("Y " if group in {"CPR:3", "CPR:4", "CPR:5", "CPR:6", "CPR:9"} else "N ")
        assert relation == relation.upper()
        if flag == "Y ":
            evaluated.append([pmid, group, first, second])
    assert relations
    assert rows_of(folder / f"chemprot_{part}_gold_standard.tsv") == evaluated


@pytest.mark.parametrize(("name", "num_answers"), [("train", 1), ("dev", 3)])
def test_squad_answers_stand_at_their_offsets(sample: Path, name: str, num_answers: int) -> None:
    data = json.loads((sample / "squad" / f"{name}-v1.1.json").read_text(encoding="utf-8"))
    assert set(data) == {"data", "version"}
    assert data["version"] == "1.1"
    ids = []
    for article in data["data"]:
        assert set(article) == {"title", "paragraphs"}
        for paragraph in article["paragraphs"]:
            for question in paragraph["qas"]:
                assert len(question["answers"]) == num_answers
                ids.append(question["id"])
                for answer in question["answers"]:
                    start = answer["answer_start"]
                    assert paragraph["context"][start : start + len(answer["text"])] == answer["text"]
    assert len(ids) == len(set(ids)) > NUM_DOCUMENTS // 3
    assert all(re.fullmatch("[0-9a-f]{24}", name) for name in ids)


def bioasq_questions(sample: Path) -> list[dict[str, Any]]:
    files = [sample / "bioasq" / "training0b.json", sample / "bioasq" / "0B1_golden.json"]
    return [q for file in files for q in json.loads(file.read_text(encoding="utf-8"))["questions"]]


def test_bioasq_snippets_are_parts_of_the_pubmed_sample(sample: Path) -> None:
    abstracts = abstracts_of(sample)
    checked = 0
    for question in bioasq_questions(sample):
        assert question["snippets"]
        for snippet in question["snippets"]:
            assert snippet["document"] in question["documents"]
            pmid = snippet["document"].rsplit("/", 1)[1]
            start, end = snippet["offsetInBeginSection"], snippet["offsetInEndSection"]
            assert end - start == len(snippet["text"])
            if pmid in abstracts:
                assert abstracts[pmid][start:end] == snippet["text"]
                checked += 1
    assert checked > 20


def test_bioasq_answers_have_the_shape_of_their_kind(sample: Path) -> None:
    questions = bioasq_questions(sample)
    assert {question["type"] for question in questions} == {"factoid", "list", "yesno", "summary"}
    assert len({question["id"] for question in questions}) == len(questions)
    for question in questions:
        exact: Any = question.get("exact_answer")
        assert (exact is None) == (question["type"] == "summary")
        if question["type"] == "factoid":
            ((name,),) = exact
            assert any(name.lower() in snippet["text"].lower() for snippet in question["snippets"])
        elif question["type"] == "list":
            assert len(exact) >= 2
            assert all(isinstance(synonyms, list) for synonyms in exact)
        elif question["type"] == "yesno":
            assert exact in {"yes", "no"}


def test_the_same_arguments_give_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    write_everything(tmp_path, 3, NUM_DOCUMENTS)
    files = sorted(path.relative_to(sample) for path in sample.rglob("*") if path.is_file())
    assert len(files) == 1 + 1 + 6 + 3 + 3 + 12 + 2 + 2
    assert all((tmp_path / file).read_bytes() == (sample / file).read_bytes() for file in files)


def test_test_documents_name_mostly_what_training_documents_do_not(sample: Path) -> None:
    def names(part: str) -> set[str]:
        (path,) = (sample / "bc5cdr").glob(f"CDR_{part}Set*")
        return {row[5] for row in rows_of(path) if len(row) == 6}

    test = names("Test")
    assert len(test - names("Training")) / len(test) > 0.7


def test_all_say_that_they_are_synthetic(sample: Path) -> None:
    readme = (sample / "README.txt").read_text(encoding="utf-8")
    assert readme.startswith(
        "Synthetic sample written by domainlm-biomegatron: all names, facts and records are invented."
    )
    assert "Made with seed 3 for 60 documents." in readme
    for path in sample.rglob("*"):
        if path.suffix in {".txt", ".nxml", ".json"} or "abstracts" in path.name:
            assert "synthetic" in path.read_text(encoding="utf-8").lower(), path
