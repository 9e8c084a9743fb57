"""Passages as a BioASQ task B file: factoid, list, yes/no and summary questions with snippets of PubMed abstracts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from domainlm_biomegatron.sample.compose import Passage
from domainlm_biomegatron.sample.pubmed_xml import pmid_of
from domainlm_biomegatron.sample.questions import Question, hex_id, questions_of

_URL = "http://www.ncbi.nlm.nih.gov/pubmed/"
_MIN_LISTED = 2


def bioasq_data(passages: Iterable[tuple[int, Passage]]) -> dict[str, object]:
    """Return the content of one file; the passages are given with the numbers they have in the PubMed sample."""
    questions: list[dict[str, object]] = []
    for number, passage in passages:
        asked = list(questions_of(passage))
        questions += _factoids(number, asked)
        questions += _yes_no(number, asked[:1])
        questions += _lists(number, passage)
        questions += _summary(number, asked)
    return {"questions": questions}


def _factoids(number: int, asked: Sequence[Question]) -> Iterator[dict[str, object]]:
    for question in asked:
        name = question.answer.thing.name
        yield _entry(number, "factoid", question.text, [question], [[name]], question.sentence.text)


def _yes_no(number: int, asked: Sequence[Question]) -> Iterator[dict[str, object]]:
    for question in asked:
        first, second = (mention.thing.name for mention in question.sentence.mentions)
        yield _entry(number, "yesno", f"Is {first} linked to {second}?", [question], "yes", question.sentence.text)


def _lists(number: int, passage: Passage) -> Iterator[dict[str, object]]:
    """Yield one question for all diseases that the facts of the abstract name."""
    told = [question for question in questions_of(passage) if question.answer.thing.kind == "disease"]
    names = list(dict.fromkeys(question.answer.thing.name for question in told))
    if len(names) >= _MIN_LISTED:
        body = f"Which diseases are named with drugs in synthetic record {pmid_of(number)}?"
        yield _entry(number, "list", body, told, [[name] for name in names], ", ".join(names) + ".")


def _summary(number: int, asked: Sequence[Question]) -> Iterator[dict[str, object]]:
    if asked:
        ideal = " ".join(dict.fromkeys(question.sentence.text for question in asked))
        body = f"What does synthetic record {pmid_of(number)} report?"
        entry = _entry(number, "summary", body, asked, None, ideal)
        yield entry


def _entry(
    number: int, kind: str, body: str, asked: Sequence[Question], exact: object, ideal: str
) -> dict[str, object]:
    url = f"{_URL}{pmid_of(number)}"
    snippets = {question.offset: _snippet(url, question) for question in asked}
    entry: dict[str, object] = {
        "body": body,
        "documents": [url],
        "ideal_answer": [ideal],
        "type": kind,
        "id": hex_id("bioasq", number, kind, body),
        "snippets": list(snippets.values()),
    }
    if exact is not None:
        entry["exact_answer"] = exact
    return entry


def _snippet(url: str, question: Question) -> dict[str, object]:
    return {
        "offsetInBeginSection": question.offset,
        "offsetInEndSection": question.offset + len(question.sentence.text),
        "text": question.sentence.text,
        "beginSection": "abstract",
        "document": url,
        "endSection": "abstract",
    }
