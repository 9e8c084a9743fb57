from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domainlm.api import DataError, Entity, ProblemLog
from domainlm_biomegatron.readers.entities import read_chemicals, read_chemicals_and_diseases, read_ncbi_disease
from domainlm_biomegatron.readers.pubtator import read_documents, read_pubtator

Write = Callable[[str, str | bytes], Path]

HEAD = "5|t|Zoltan and flu.\n5|a|Zoltan helped. It cured flu in Oslo.\n"
GOOD = "5\t0\t6\tZoltan\tChemical\tD1\n5\t40\t43\tflu\tDisease\tD2\n"


def entity_texts(path: Path, problems: ProblemLog) -> list[tuple[str, list[tuple[str, str]]]]:
    return [
        (example.id, [(example.text[e.start : e.end], e.type) for e in example.entities])
        for example in read_pubtator(path, problems)
    ]


def test_sentences_carry_their_mentions(write: Write, problems: ProblemLog) -> None:
    path = write("a.txt", HEAD + GOOD + "5\tCID\tD1\tD2\n\n")
    examples = list(read_pubtator(path, problems))
    assert [example.text for example in examples] == ["Zoltan and flu.", "Zoltan helped.", "It cured flu in Oslo."]
    assert entity_texts(path, problems) == [
        ("5:0", [("Zoltan", "Chemical")]),
        ("5:1", []),
        ("5:2", [("flu", "Disease")]),
    ]
    assert examples[0].words == ((0, 6), (7, 10), (11, 14), (14, 15))
    assert not problems.counts


def test_a_mention_over_a_sentence_border_joins_the_sentences(write: Write, problems: ProblemLog) -> None:
    path = write("a.txt", HEAD + "5\t23\t40\thelped. It cured \tDisease\tD1\n5\t11\t22\tflu. Zoltan\tChemical\tD2\n")
    (example,) = read_pubtator(path, problems)
    assert example.text == "Zoltan and flu. Zoltan helped. It cured flu in Oslo."
    assert [example.text[e.start : e.end] for e in example.entities] == ["flu. Zoltan", "helped. It cured"]
    assert problems.counts == {"mention with blanks at its ends (which are cut)": 1}


def test_wrong_offsets_cost_only_their_own_mention(write: Write, problems: ProblemLog) -> None:
    wrong = "5\t1\t7\tZoltan\tChemical\tD1\n5\t900\t903\tflu\tDisease\tD2\n"
    path = write("a.txt", HEAD + wrong + GOOD)
    assert sum(len(entities) for _, entities in entity_texts(path, problems)) == 2
    assert problems.counts == {"mention text differs": 2}
    assert [problem.where for problem in problems.examples] == [f"{path}:3", f"{path}:4"]
    assert "'oltan '" in problems.examples[0].detail


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("5\tx\t7\tZoltan\tChemical\tD1", "malformed mention"),
        ("5\t0\t6\tZoltan", "malformed mention"),
        ("5\t0\t6\tZoltan\t\tD1", "malformed mention"),
        ("5\t4\t4\t \tChemical\tD1", "malformed mention"),
        ("5\t\u00b2\t6\tZoltan\tChemical\tD1", "malformed mention"),
        ("6\t0\t6\tZoltan\tChemical\tD1", "line of another document"),
        ("5\t0\t6\tZoltan\tChemical\tD1", "mention again"),
        ("free text", "line of no known kind"),
        ("6|a|An abstract.", "abstract without its title"),
    ],
)
def test_odd_lines_are_counted_with_their_place(line: str, kind: str, write: Write, problems: ProblemLog) -> None:
    path = write("a.txt", HEAD + GOOD + line + "\n")
    assert sum(len(entities) for _, entities in entity_texts(path, problems)) == 2
    (problem,) = problems.examples
    assert (problem.kind, problem.where) == (kind, f"{path}:5")


def test_composite_mentions_and_other_relations_are_fine(write: Write, problems: ProblemLog) -> None:
    lines = "5\t0\t14\tZoltan and flu\tDisease\tD1|D2\tZoltan|flu\n5\tAssociation\tD1\tD2\tNovel\n"
    assert entity_texts(write("a.txt", HEAD + lines), problems)[0] == ("5:0", [("Zoltan and flu", "Disease")])
    assert not problems.counts


def test_the_first_of_two_documents_with_one_pmid_is_kept(write: Write, problems: ProblemLog) -> None:
    path = write("a.txt", HEAD + GOOD + "\n" + HEAD.replace("helped", "failed") + GOOD + "\n6|t|Next.\n6|a|\n")
    assert [document.pmid for document in read_documents(path, problems)] == ["5", "6"]
    assert problems.counts == {"PMID again (the first document is kept)": 1}


def test_documents_need_no_blank_line_between_and_no_abstract(write: Write, problems: ProblemLog) -> None:
    path = write("a.txt", "\r\n1|t|One.\r\n1\t0\t3\tOne\tGene\tG\r\n2|t|Two.\r\n2|a|Text.\r\n")
    documents = list(read_documents(path, problems))
    assert [(document.title, document.abstract, len(document.entities)) for document in documents] == [
        ("One.", "", 1),
        ("Two.", "Text.", 0),
    ]
    assert not problems.counts


@pytest.mark.parametrize(
    "content", [b"", b"no annotations here\n", b"1|t|caf\xe9\n", gzip.compress(b"1|t|T\n", mtime=0)[:15]]
)
def test_files_of_no_use_are_refused(content: bytes, write: Write, problems: ProblemLog) -> None:
    path = write("a.txt.gz" if content[:1] == b"\x1f" else "a.txt", content)
    with pytest.raises(DataError) as error:
        list(read_pubtator(path, problems))
    assert str(path) in str(error.value)


# --- the tasks' readers: PubTator or IOB, and the types of a task ---------------------------------------------------

IOB = "Zoltan\tB-Chemical\ncured\tO\nflu\tB-Disease\n.\tO\n\n"


def test_both_formats_are_told_apart_by_content(write: Write, problems: ProblemLog) -> None:
    for path in (write("a.tsv", IOB), write("b.tsv", HEAD + GOOD), write("c.gz", gzip.compress(IOB.encode()))):
        found = [e.type for example in read_chemicals_and_diseases(path, problems) for e in example.entities]
        assert found == ["Chemical", "Disease"]
    assert not problems.counts


def test_a_task_gets_its_own_types_only(write: Write, problems: ProblemLog) -> None:
    examples = list(read_chemicals(write("a.tsv", IOB), problems))
    assert [example.entities for example in examples] == [(Entity(0, 6, "Chemical"),)]


def test_ncbi_types_become_one(write: Write, problems: ProblemLog) -> None:
    lines = "5\t0\t6\tZoltan\tModifier\tD1\n5\t11\t14\tflu\tSpecificDisease\tD2\n5\t40\t43\tflu\tDiseaseClass\tD2\n"
    found = [e.type for x in read_ncbi_disease(write("a.txt", HEAD + lines), problems) for e in x.entities]
    assert found == ["Disease"] * 3


def test_a_file_of_another_task_is_refused(write: Write, problems: ProblemLog) -> None:
    path = write("a.tsv", "Zoltan\tB-Ship\nsank\tO\n\n")
    with pytest.raises(DataError, match="annotates other types only"):
        list(read_chemicals(path, problems))


# --- no mention is lost or moved, whatever the text -----------------------------------------------------------------

TEXTS = st.text(alphabet="ab .!?()\u00e9\u03b1", min_size=1, max_size=60).filter(lambda text: text.strip() != "")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_every_mention_lies_in_exactly_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    title, abstract = data.draw(TEXTS), data.draw(TEXTS)
    text = f"{title} {abstract}"
    starts = st.integers(0, len(text) - 1)
    spans = {(start, data.draw(st.integers(start + 1, len(text)))) for start in data.draw(st.lists(starts, max_size=6))}
    lines = "".join(f"1\t{start}\t{end}\t{text[start:end]}\tT\tD\n" for start, end in spans if text[start:end].strip())
    path = tmp_path_factory.getbasetemp() / "property.txt"
    path.write_text(f"1|t|{title}\n1|a|{abstract}\n{lines}", encoding="utf-8")

    found = [x.text[e.start : e.end] for x in read_pubtator(path, ProblemLog()) for e in x.entities]
    stripped = set()
    for start, end in spans:
        mention = text[start:end]
        if mention.strip():
            lead = len(mention) - len(mention.lstrip())
            stripped.add((start + lead, start + lead + len(mention.strip())))
    assert sorted(found) == sorted(text[start:end] for start, end in stripped)
