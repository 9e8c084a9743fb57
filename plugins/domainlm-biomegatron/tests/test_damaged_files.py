"""Thousands of damaged files for every reader of the plugin: a clear error or a counted skip, offsets never moved."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import CorpusSpec, ProblemLog, SequenceExample, SpanExample, TaskSpec
from domainlm.testing import blocks_of, check_locality, check_survival, lines_of
from domainlm.testing.survival import Parts
from domainlm_biomegatron.readers.bioasq import read_bioasq
from domainlm_biomegatron.readers.bioc import read_bioc
from domainlm_biomegatron.readers.chemprot import read_chemprot
from domainlm_biomegatron.readers.jats import read_all
from domainlm_biomegatron.readers.pubmed import read_pubmed
from domainlm_biomegatron.readers.pubmedqa import read_pubmedqa
from domainlm_biomegatron.readers.pubtator import read_pubtator
from domainlm_biomegatron.specs.sequence_tasks import SEQUENCE_TASKS

NUM_FILES = int(os.environ.get("DOMAINLM_DAMAGED_FILES", "200"))
"""Damaged copies for each reader; `tox -e damage` reads thousands."""

THINGS = [("aspirin", "headache"), ("Bévacine", "migraine"), ("quinine", "malaria"), ("zinc", "rickets")]


def texts() -> Iterator[tuple[int, str, str, str, str]]:
    """Number, title, abstract, and what both are about."""
    for number, (drug, disease) in enumerate(THINGS, start=101):
        yield number, f"On {drug} in {disease}.", f"We gave {drug} to 12 of them. Most got well.", drug, disease


def pubtator() -> bytes:
    blocks = []
    for number, title, abstract, drug, disease in texts():
        rows = [(title.index(drug), drug, "Chemical"), (title.index(disease), disease, "Disease")]
        rows.append((len(title) + 1 + abstract.index(drug), drug, "Chemical"))
        lines = [f"{number}|t|{title}", f"{number}|a|{abstract}"]
        lines += [f"{number}\t{start}\t{start + len(text)}\t{text}\t{kind}\tD0{number}" for start, text, kind in rows]
        blocks.append("\n".join([*lines, f"{number}\tCID\tD01\tD02"]))
    return ("\n\n".join(blocks) + "\n").encode()


def bioc_json() -> bytes:
    documents = []
    for number, title, _, drug, _ in texts():
        annotation = {
            "infons": {"type": "Chemical"},
            "text": drug,
            "locations": [{"offset": 5 + title.index(drug), "length": len(drug)}],
        }
        documents.append({"id": str(number), "passages": [{"offset": 5, "text": title, "annotations": [annotation]}]})
    return json.dumps({"source": "made up", "documents": documents}).encode()


def bioc_xml() -> bytes:
    documents = [
        f"<document><id>{number}</id><passage><offset>5</offset><text>{title}</text>"
        f'<annotation id="T1"><infon key="type">Chemical</infon><location offset="{5 + title.index(drug)}" '
        f'length="{len(drug)}"/><text>{drug}</text></annotation></passage></document>\n'
        for number, title, _, drug, _ in texts()
    ]
    return f"<?xml version='1.0' encoding='UTF-8'?>\n<collection>\n{''.join(documents)}</collection>".encode()


def chemprot() -> dict[str, bytes]:
    abstracts, entities, relations = [], [], []
    for number, title, abstract, drug, disease in texts():
        abstracts.append(f"{number}\t{title}\t{abstract}\n")
        for name, text, kind in (("T1", drug, "CHEMICAL"), ("T2", disease, "GENE-Y")):
            start = title.index(text)
            entities.append(f"{number}\t{name}\t{kind}\t{start}\t{start + len(text)}\t{text}\n")
        relations.append(f"{number}\tCPR:4\tY \tINHIBITOR\tArg1:T1\tArg2:T2\n")
    parts = {"abstracts": abstracts, "entities": entities, "relations": relations}
    return {f"chemprot_training_{part}.tsv": "".join(lines).encode() for part, lines in parts.items()}


def bioasq() -> bytes:
    questions = [
        {
            "id": f"q{number}",
            "type": "factoid",
            "body": f"What helps against {disease}?",
            "snippets": [{"text": abstract}, {"text": title}],
            "exact_answer": [[drug, f"{drug} acid"]],
        }
        for number, title, abstract, drug, disease in texts()
    ]
    return json.dumps({"questions": questions}).encode()


def pubmedqa() -> bytes:
    entries = {
        str(number): {"QUESTION": f"Does {drug} help?", "CONTEXTS": [title, abstract], "final_decision": "yes"}
        for number, title, abstract, drug, _ in texts()
    }
    return json.dumps(entries).encode()


def pubmed() -> bytes:
    articles = [
        f'<PubmedArticle><MedlineCitation><PMID Version="1">{number}</PMID><Article><ArticleTitle>{title}'
        f"</ArticleTitle><Abstract><AbstractText>{abstract}</AbstractText></Abstract></Article></MedlineCitation>"
        "</PubmedArticle>\n"
        for number, title, abstract, _, _ in texts()
    ]
    return f"<PubmedArticleSet>\n{''.join(articles)}</PubmedArticleSet>".encode()


JATS = (
    b'<article><front><article-meta><article-id pub-id-type="pmc">5</article-id><title-group><article-title>On zinc'
    b"</article-title></title-group><abstract><p>Short.</p></abstract></article-meta></front>\n<body><sec><title>Methods"
    b"</title><p>We gave zinc to 12 of them [<xref>1</xref>].</p>\n<p>Most got well.</p></sec></body></article>"
)


@dataclass(frozen=True)
class Case:
    """A sound file of one format, and how it can be divided."""

    name: str
    spec: TaskSpec | CorpusSpec
    files: Mapping[str, bytes]
    parts: Parts | str | None = None
    states_mentions: bool = False
    verify: Callable[[Any, Mapping[str, bytes]], None] | None = None


def answers_are_synonyms(example: SpanExample, files: Mapping[str, bytes]) -> None:
    """An answer is, whatever its case, one of the accepted texts, and these stand in the file."""
    (content,) = files.values()
    strings = set(_strings(json.loads(content)))
    assert set(example.accepted) | {example.question} <= strings
    assert {answer.text.casefold() for answer in example.answers} <= {each.strip().casefold() for each in strings}


def texts_are_whole(example: SequenceExample, files: Mapping[str, bytes]) -> None:
    """Question and contexts stand in the file as they are."""
    (content,) = files.values()
    strings = "\n".join(_strings(json.loads(content)))
    assert example.text in strings
    assert (example.second_text or "") in strings


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for each in value if isinstance(value, list) else value.values():
            yield from _strings(each)


def tokens(read: Callable[[Path, ProblemLog], Iterator[Any]]) -> TaskSpec:
    return TaskSpec(name="biomegatron/damaged", description="a reader", kind="token", read=read)


def spans(read: Callable[[Path, ProblemLog], Iterator[Any]]) -> TaskSpec:
    return TaskSpec(name="biomegatron/damaged", description="a reader", kind="span", read=read)


def documents(read: Callable[[Path, ProblemLog], Iterator[Any]]) -> CorpusSpec:
    return CorpusSpec(name="biomegatron/damaged", description="a reader", read=read)


CHEMPROT, PUBMEDQA = SEQUENCE_TASKS
assert (CHEMPROT.read, PUBMEDQA.read) == (read_chemprot, read_pubmedqa)
CASES = [
    Case("pubtator", tokens(read_pubtator), {"a.txt": pubtator()}, blocks_of, states_mentions=True),
    Case("bioc-json", tokens(read_bioc), {"a.json": bioc_json()}, "documents", states_mentions=True),
    Case("bioc-xml", tokens(read_bioc), {"a.xml": bioc_xml()}, states_mentions=True),
    Case("chemprot", CHEMPROT, chemprot(), lines_of, states_mentions=True),
    Case("bioasq", spans(read_bioasq), {"a.json": bioasq()}, "questions", verify=answers_are_synonyms),
    Case("pubmedqa", PUBMEDQA, {"a.json": pubmedqa()}, "", verify=texts_are_whole),
    Case("pubmed", documents(read_pubmed), {"a.xml": pubmed()}),
    Case("jats", documents(read_all), {"a.xml": JATS}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_damaged_anywhere(case: Case) -> None:
    counts = check_survival(
        case.spec, case.files, num_files=NUM_FILES, states_mentions=case.states_mentions, verify=case.verify
    )

    assert counts.num_files == NUM_FILES
    assert counts.num_refused > NUM_FILES // 20


@pytest.mark.parametrize("case", [case for case in CASES if case.parts is not None], ids=lambda case: case.name)
def test_damaged_in_one_record(case: Case) -> None:
    assert case.parts is not None
    counts = check_locality(case.spec, case.files, parts=case.parts, num_files=NUM_FILES)

    assert counts.num_files == NUM_FILES
    assert counts.num_counted > NUM_FILES // 20
