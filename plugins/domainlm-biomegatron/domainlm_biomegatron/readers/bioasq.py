"""Factoid questions of BioASQ task B, each with the snippets that may answer it.

The official JSON (training and golden files alike): {"questions": [{"id", "type", "body", "exact_answer", "snippets":
[{"text", ...}], ...}]}. The exact answer of a factoid question is a list of lists of synonyms; older files have a list
or a string. Every snippet becomes an example of its question's group. The answers of an example are all places where
any of the synonyms stands in the snippet, whatever its case; the synonyms count as right wherever they are found. So a
question whose answer stands in no snippet is read, and scored, like any other.

The layout that BioBERT's authors made of such files is read too: SQuAD's JSON, with ids "question:n" or "question_n".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

from domainlm.api import Answer, DataError, ProblemLog, SpanExample
from domainlm.reading import find_occurrences, read_json, read_squad

FACTOID = "factoid"
_OTHER_TYPES = frozenset({"yesno", "list", "summary"})
_PART = re.compile(r"(.+)[:_][0-9]+")


@dataclass(frozen=True, slots=True)
class _Question:
    """A factoid question: its snippets' texts, and all synonyms of its exact answer as they stand."""

    id: str
    body: str
    snippets: tuple[str, ...]
    accepted: tuple[str, ...]


def read_bioasq(path: Path, problems: ProblemLog) -> Iterator[SpanExample]:
    """Give out an example for each snippet of each factoid question; one with an empty context where there is none.

    A file in which no factoid question has an exact answer is one of questions to be answered: its examples have none,
    so it can be predicted for, not trained or scored on.

    Args:
        path: the file, plain or `.gz`; it is read whole.
        problems: told of questions without an exact answer, where others have one, and of whatever is left out.

    Raises:
        DataError: the file cannot be read, is in neither layout, or has no factoid question.
    """
    content = read_json(path)
    if isinstance(content, dict) and "questions" not in content and "data" in content:
        yield from map(_grouped, read_squad(path, problems))
        return
    questions = list(_questions(content, path, problems))
    if not questions:
        raise DataError("no factoid question", where=path, given=problems.summary() or None)
    is_answered = any(question.accepted for question in questions)
    for question in questions:
        if is_answered and not question.accepted:
            problems.add("factoid question without an exact answer", "left out", path=f"{path}: {question.id}")
            continue
        for number, snippet in enumerate(question.snippets or ("",), start=1):
            yield SpanExample(
                id=f"{question.id}:{number}",
                question=question.body,
                context=snippet,
                answers=_answers(snippet, question.accepted),
                accepted=question.accepted,
                group=question.id,
            )


def _questions(content: object, path: Path, problems: ProblemLog) -> Iterator[_Question]:
    listed = content.get("questions") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise DataError(
            "not BioASQ's layout", where=path, allowed='{"questions": [{"id", "type", "body", "snippets"}]}'
        )
    ids: set[str] = set()
    for number, entry in enumerate(listed):
        place = f"{path}: questions[{number}]"
        if not isinstance(entry, dict):
            problems.add("question is not an object", f"got {type(entry).__name__}, left out", path=place)
        elif entry.get("type") != FACTOID:
            if str(entry.get("type")) not in _OTHER_TYPES:
                problems.add("question of no known type", f"{entry.get('type')!r:.60}, left out", path=place)
        else:
            name, body = entry.get("id"), entry.get("body")
            if not _is_text(name) or not _is_text(body):
                problems.add("factoid question without id or body", "left out", path=place)
            elif name in ids:
                problems.add("id given twice", f"{name}, the later one left out", path=place)
            else:
                ids.add(name)
                snippets = tuple(_snippets(entry, place, problems))
                yield _Question(name, body, snippets, tuple(_synonyms(entry.get("exact_answer"), place, problems)))


def _snippets(entry: Mapping[str, Any], place: str, problems: ProblemLog) -> Iterator[str]:
    listed = entry.get("snippets", [])
    if not isinstance(listed, list):
        problems.add("snippets are not a list", f"got {type(listed).__name__}, left out", path=place)
        return
    for number, snippet in enumerate(listed):
        text = snippet.get("text") if isinstance(snippet, dict) else None
        if _is_text(text):
            yield text
        else:
            problems.add("snippet without a text", "left out", path=f"{place}.snippets[{number}]")


def _synonyms(exact: object, place: str, problems: ProblemLog) -> Iterator[str]:
    """All strings of an exact answer, whether it is a string, a list or a list of lists; each once."""
    seen: set[str] = set()
    for each in exact if isinstance(exact, list) else [exact]:
        for text in each if isinstance(each, list) else [each]:
            if _is_text(text) and text not in seen:
                seen.add(text)
                yield text
            elif text is not None and not _is_text(text):
                problems.add("exact answer that is empty or no text", f"{text!r}"[:60], path=place)


def _answers(snippet: str, accepted: tuple[str, ...]) -> tuple[Answer, ...]:
    """Every place of every synonym."""
    found = {
        Answer(start, snippet[start : start + len(text)])
        for text in map(str.strip, accepted)
        for start in find_occurrences(snippet, text, ignores_case=True)
    }
    return tuple(sorted(found))


def _grouped(example: SpanExample) -> SpanExample:
    match = _PART.fullmatch(example.id)
    return replace(example, group=match[1] if match else example.id)


def _is_text(value: object) -> TypeGuard[str]:
    if not isinstance(value, str) or not value.strip():
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
