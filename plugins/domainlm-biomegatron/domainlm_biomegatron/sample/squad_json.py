"""Passages as a SQuAD v1.1 file."""

from __future__ import annotations

from collections.abc import Iterable

from domainlm_biomegatron.sample.compose import Passage
from domainlm_biomegatron.sample.pubmed_xml import pmid_of
from domainlm_biomegatron.sample.questions import hex_id, questions_of


def squad_data(passages: Iterable[tuple[int, Passage]], num_answers: int) -> dict[str, object]:
    """Return the content of one file.

    Args:
        passages: each with its number; a passage is an article of one paragraph.
        num_answers: how often each answer is given: once in training files, three times in dev files, as official
            ones have several annotators' answers.
    """
    articles = [_article(number, passage, num_answers) for number, passage in passages]
    return {"data": [article for article in articles if article is not None], "version": "1.1"}


def _article(number: int, passage: Passage, num_answers: int) -> dict[str, object] | None:
    context = passage.abstract
    asked = []
    for question in questions_of(passage):
        start = question.offset + question.answer.start
        answer = {"answer_start": start, "text": context[start : question.offset + question.answer.end]}
        entry = {
            "question": question.text,
            "id": hex_id("squad", number, question.text),
            "answers": [answer] * num_answers,
        }
        asked.append(entry)
    if not asked:
        return None
    return {"title": f"Synthetic_{pmid_of(number)}", "paragraphs": [{"context": context, "qas": asked}]}
