"""ChemProt: its official files, what is wrong with some, and its scores."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, Mention, ProblemLog, Relation, RelationExample
from domainlm.tasks.sequence.pairs import MULTIPLE, find_pairs
from domainlm.tasks.sequence.scoring import count_relations, pooled
from domainlm_biomegatron.readers.chemprot import EVALUATED, companions, read_chemprot
from domainlm_biomegatron.specs.sequence_tasks import SEQUENCE_TASKS

CHEMPROT = SEQUENCE_TASKS[0]
Write = Callable[[str, str | bytes], Path]

ABSTRACTS = "11\tAspirin and COX.\tAspirin blocks COX-1. It spares COX-2.\n"
ENTITIES = (
    "11\tT1\tCHEMICAL\t0\t7\tAspirin\n11\tT2\tCHEMICAL\t17\t24\tAspirin\n11\tT3\tGENE-N\t12\t15\tCOX\n"
    "11\tT4\tGENE-Y\t32\t37\tCOX-1\n11\tT5\tGENE-Y\t49\t54\tCOX-2\n"
)
RELATIONS = (
    "11\tCPR:4\tY \tINHIBITOR\tArg1:T2\tArg2:T4\n"
    "11\tCPR:4\tY \tINDIRECT-DOWNREGULATOR\tArg1:T2\tArg2:T4\n"
    "11\tCPR:10\tN \tNOT\tArg1:T2\tArg2:T5\n"
)


def _write(write: Write, abstracts: str = ABSTRACTS, entities: str = ENTITIES, relations: str = RELATIONS) -> Path:
    write("x_entities.tsv", entities)
    write("x_relations.tsv", relations)
    return write("x_abstracts.tsv", abstracts)


def _read(path: Path, problems: ProblemLog) -> list[RelationExample]:
    return list(read_chemprot(path, problems))


def test_a_split_is_read(write: Write, problems: ProblemLog) -> None:
    (document,) = _read(_write(write), problems)

    assert document.id == "11"
    assert document.text == "Aspirin and COX.\nAspirin blocks COX-1. It spares COX-2."
    assert [each.id for each in document.mentions] == ["T1", "T3", "T2", "T4", "T5"]
    assert all(document.text[each.start : each.end].startswith(("Aspirin", "COX")) for each in document.mentions)
    assert document.relations == (Relation("T2", "T4", "CPR:4"),)
    assert problems.counts == {
        "relation again (merged)": 1,
        "relation of a group that is not evaluated: counts as false": 1,
    }


def test_pairs_are_those_of_one_sentence(write: Write, problems: ProblemLog) -> None:
    """The title is a sentence of its own; nothing in "It spares COX-2." is a chemical."""
    (document,) = _read(_write(write), problems)
    assert CHEMPROT.pairs is not None
    pairs = find_pairs(document, CHEMPROT.pairs.type_pairs, problems)

    assert [(pair.first.id, pair.second.id, pair.labels) for pair in pairs] == [
        ("T1", "T3", ()),
        ("T2", "T4", ("CPR:4",)),
    ]


def test_the_gold_standard_will_do(write: Write, problems: ProblemLog) -> None:
    path = _write(write)
    path.with_name("x_relations.tsv").unlink()
    write("x_gold_standard.tsv", "11\tCPR:4\tArg1:T2\tArg2:T4\n")

    (document,) = _read(path, problems)
    assert document.relations == (Relation("T2", "T4", "CPR:4"),)


@pytest.mark.parametrize(
    ("entities", "relations", "kind"),
    [
        (ENTITIES.replace("Aspirin\n", "aspirin\n", 1), RELATIONS, "mention text differs"),
        (ENTITIES.replace("\t0\t7", "\t0\t7000000"), RELATIONS, "mention text differs"),
        (ENTITIES.replace("\t0\t7", "\t-1\t7"), RELATIONS, "malformed mention"),
        (ENTITIES.replace("T3", "T1"), RELATIONS, "mention id again"),
        (ENTITIES, RELATIONS + "11\tCPR:4\tY \tINHIBITOR\tArg1:T2\tArg2:T2\n", "relation of a mention with itself"),
        (ENTITIES, RELATIONS + "11\tCPR:4\tY \tX\tArg1:T2\tArg2:T9\n", "relation of a mention that is not there"),
        (ENTITIES, RELATIONS + "11\tCPR:4\tY \tX\tArg1:T2\n", "malformed relation"),
        (ENTITIES, RELATIONS + "12\tCPR:4\tY \tX\tArg1:T2\tArg2:T4\n", "annotations without their abstract"),
    ],
)
def test_what_is_wrong_is_counted(write: Write, problems: ProblemLog, entities: str, relations: str, kind: str) -> None:
    (document,) = _read(_write(write, entities=entities, relations=relations), problems)

    assert problems.counts[kind] == 1
    assert document.relations == (Relation("T2", "T4", "CPR:4"),)


def test_files_that_are_missing_are_named(write: Write, problems: ProblemLog) -> None:
    with pytest.raises(DataError, match="no file of entities beside"):
        _read(write("x_abstracts.tsv", ABSTRACTS), problems)
    write("x_entities.tsv", ENTITIES)
    with pytest.raises(DataError, match="no file of relations beside"):
        _read(write("x_abstracts.tsv", ABSTRACTS), problems)


def test_further_files_have_their_official_names() -> None:
    names = {path.name for path in companions(Path("chemprot_test_abstracts_gs.tsv.gz"))}
    assert {
        "chemprot_test_entities_gs.tsv",
        "chemprot_test_relations_gs.tsv",
        "chemprot_test_gold_standard.tsv",
    } <= names
    assert companions(Path("chemprot.tsv")) == ()


SNIPPETS = ["\t", "\n", "\r\n", "T1", "Arg1:", "CPR:4", "\u2028", "-", "99999999999999999999", "\u00e9", " ", "\x00"]


@given(st.data())
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damaged_files_never_move_an_offset(tmp_path: Path, data: st.DataObject) -> None:
    texts = {"abstracts": ABSTRACTS * 2, "entities": ENTITIES, "relations": RELATIONS}
    for _ in range(data.draw(st.integers(1, 4))):
        part = data.draw(st.sampled_from(sorted(texts)))
        text = texts[part]
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 6)))
        texts[part] = text[:start] + data.draw(st.sampled_from([*SNIPPETS, ""])) + text[end:]
    for part, text in texts.items():
        (tmp_path / f"x_{part}.tsv").write_bytes(text.encode())
    surfaces = {row[-1] for line in texts["entities"].split("\n") if len(row := line.rstrip("\r").split("\t")) == 6}
    try:
        documents = list(read_chemprot(tmp_path / "x_abstracts.tsv", ProblemLog()))
    except DataError:
        return
    for document in documents:
        for mention in document.mentions:
            assert any(document.text[mention.start : mention.end] == surface.strip() for surface in surfaces)
        ids = {mention.id for mention in document.mentions}
        assert all({each.first, each.second} <= ids and each.first != each.second for each in document.relations)


# --- the real files -------------------------------------------------------------------------------------------------

# data/README.md there: documents, entities by type, evaluated relations by group. The gold standard's 4,157, 2,416
# and 3,458 are also those of the literature (Peng et al. 2019: 4,154, 2,416, 3,458).
REAL = {
    "training": (1020, (13017, 8348, 4387), (768, 2254, 173, 235, 727)),
    "development": (612, (8004, 5151, 2412), (550, 1094, 116, 199, 457)),
    "test": (800, (10810, 6658, 3360), (665, 1661, 195, 293, 644)),
}
BLURB = {"training": 18035, "development": 11268, "test": 15745}
"""Examples in BLURB's version (Gu et al. 2020, table 2)."""
SCIBERT = {"training": "train", "development": "dev", "test": "test"}


def _real(data_dir: Path, part: str) -> tuple[list[RelationExample], ProblemLog]:
    suffix = "_gs" if part == "test" else ""
    folder = data_dir / "re" / "chemprot" / f"chemprot_{part}{suffix}"
    problems = ProblemLog()
    return list(read_chemprot(folder / f"chemprot_{part}_abstracts{suffix}.tsv.gz", problems)), problems


@pytest.mark.real
@pytest.mark.parametrize("part", REAL)
def test_real_counts(data_dir: Path, part: str) -> None:
    documents, problems = _real(data_dir, part)
    num_documents, entities, groups = REAL[part]
    types = Counter(mention.type for document in documents for mention in document.mentions)
    labels = Counter(relation.label for document in documents for relation in document.relations)

    assert len(documents) == num_documents
    assert (types["CHEMICAL"], types["GENE-Y"], types["GENE-N"]) == entities
    assert tuple(labels[group] for group in EVALUATED) == groups
    assert set(problems.counts) == {
        "relation again (merged)",
        "relation of a group that is not evaluated: counts as false",
    }


@pytest.mark.real
@pytest.mark.parametrize("part", REAL)
def test_all_real_relations_are_within_a_sentence(data_dir: Path, part: str) -> None:
    """What is lost is the second label of the few pairs with two: 10, 4 and 14 relations."""
    documents, _ = _real(data_dir, part)
    problems = ProblemLog()
    assert CHEMPROT.pairs is not None
    pairs = [pair for document in documents for pair in find_pairs(document, CHEMPROT.pairs.type_pairs, problems)]
    num_relations = sum(REAL[part][2])

    assert problems.counts == {MULTIPLE: {"training": 10, "development": 4, "test": 14}[part]}
    assert sum(len(pair.labels) for pair in pairs) == num_relations
    assert sum(bool(pair.labels) for pair in pairs) == num_relations - problems.counts[MULTIPLE]
    assert len(pairs) == pytest.approx(BLURB[part], rel=0.02)


def test_the_papers_bias_is_positives_per_negative() -> None:
    """Table 8 of Shin et al. (2020): 19,461 and 0.27, "minority / majority labels".

    19,461 lines has the training file of BLUE (Peng et al. 2019; github.com/ncbi-nlp/BLUE_Benchmark, issue 17), the
    first of which names the columns; 4,154 of its examples are related.
    """
    assert round(4154 / (19_461 - 1 - 4154), 2) == 0.27


@pytest.mark.real
@pytest.mark.parametrize("part", REAL)
def test_real_examples_are_those_of_scibert(data_dir: Path, part: str) -> None:
    """SciBERT's examples, with the left mention in << >> and the right one in [[ ]], blanks left out of both.

    They have all lines of relations, repeated ones included, and other sentences in some 3 %.
    """
    documents, _ = _real(data_dir, part)
    assert CHEMPROT.pairs is not None
    ours = Counter(
        _marked(
            document.text, pair.sentence, sorted((pair.first, pair.second), key=lambda each: (each.start, each.end))
        )
        for document in documents
        for pair in find_pairs(document, CHEMPROT.pairs.type_pairs, None)
        for _ in pair.labels
    )
    path = data_dir / "re" / "chemprot-scibert-jsonl" / f"{SCIBERT[part]}.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    theirs = Counter(re.sub(r"\s", "", json.loads(line)["text"]) for line in lines)

    assert theirs.total() == {"training": 4169, "development": 2427, "test": 3469}[part]
    assert (ours & theirs).total() / theirs.total() > 0.96


def _marked(text: str, sentence: tuple[int, int], mentions: list[Mention]) -> str:
    marks = [(each.start, opening) for each, opening in zip(mentions, ("<<", "[["), strict=True)]
    marks += [(each.end, closing) for each, closing in zip(mentions, (">>", "]]"), strict=True)]
    start, end = sentence
    shown = text[:end]
    for place, mark in sorted(marks, reverse=True):
        shown = shown[:place] + mark + shown[place:]
    return re.sub(r"\s", "", shown[start:])


@pytest.mark.real
def test_the_official_evaluation_of_the_sample(data_dir: Path) -> None:
    """The organisers ship 142 predictions for 239 relations, and what their program says of them."""
    folder = data_dir / "re" / "chemprot" / "chemprot_sample"
    gold, found = (
        {
            ((row[0], row[2], row[3]), row[1])
            for line in (folder / f"chemprot_sample_{name}.tsv").read_text().splitlines()
            if len(row := line.split("\t")) == 4
        }
        for name in ("gold_standard", "predictions")
    )
    said = {
        key: float(value)
        for line in (folder / "chemprot_sample_predictions_eval.txt").read_text().splitlines()
        if (key := line.partition(":")[0]) and (value := line.partition(":")[2].strip())
    }
    counts = pooled(count_relations(gold, found, sorted({label for _, label in gold | found})))

    assert (counts.gold, counts.found, counts.correct) == (239, 142, 121)
    assert counts.correct == said["TP"]
    assert counts.precision == pytest.approx(said["Precision"])
    assert counts.recall == pytest.approx(said["Recall"])
    assert counts.f1 == pytest.approx(said["F-score"])
