"""Questions with contexts and answers, in the JSON of SQuAD v1.1 and v2.0.

    {"version": "1.1", "data": [{"title": "...", "paragraphs": [{"context": "...", "qas": [
        {"id": "...", "question": "...", "answers": [{"text": "...", "answer_start": 17}]}]}]}]}

Version 2.0 adds "is_impossible" to a question; "plausible_answers" and other keys are ignored. `answer_start` counts
characters (Unicode code points). An answer that does not stand at its offset is looked for: it is moved to the nearest
place where it stands, and counted. One that stands nowhere keeps its text, which counts as right, but has no place to
train on. What is wrong with one answer, question or paragraph costs that one alone, and is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

from domainlm.api import Answer, DataError, ProblemLog, SpanExample
from domainlm.builtin.formats.json_file import read_json
from domainlm.builtin.formats.names import file_stem
from domainlm.builtin.formats.records import id_of, is_encodable
from domainlm.text.occurrences import find_occurrences

MOVED = "answer not at its offset: moved to where it stands"
NOWHERE = "answer not in its context: counts as right, not trained on"
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the file something stands, for the problems."""

    path: Path
    problems: ProblemLog
    inside: str

    def at(self, key: str) -> _Place:
        return _Place(self.path, self.problems, f"{self.inside}.{key}" if self.inside else key)

    def tell(self, kind: str, detail: str) -> None:
        self.problems.add(kind, detail[:_SHOWN], path=f"{self.path}: {self.inside}")


def read_squad(
    path: Path, problems: ProblemLog, *, takes_article: Callable[[int], bool] = lambda _: True
) -> Iterator[SpanExample]:
    """Give out the questions of one file in SQuAD's JSON, in order.

    Args:
        path: the file, plain or `.gz`. It is read whole.
        problems: told of answers moved or without a place, and of whatever is left out.
        takes_article: whether to give out the questions of an article, by its number from 1. Those of the others are
            read all the same, so that a question has the same id whichever articles are taken.

    Raises:
        DataError: the file cannot be read, is not JSON in this layout, or holds no sound question.
    """
    content = read_json(path)
    articles = content.get("data") if isinstance(content, dict) else None
    if not isinstance(articles, list):
        raise DataError(
            "not SQuAD's layout",
            where=path,
            given=f"an object with the keys {', '.join(content)}"[:200] if isinstance(content, dict) else "no object",
            allowed='{"data": [{"paragraphs": [{"context": ..., "qas": [...]}]}]}',
        )
    ids: set[str] = set()
    for article, context, entry, place in _questions(articles, _Place(path, problems, "")):
        example = _example(context, entry, place, f"{file_stem(path)}:{len(ids) + 1}")
        if example is None:
            continue
        name = example.id
        if name in ids:
            place.tell("id given twice", f"{name}, renamed")
        while name in ids:
            name = f"{name}#{len(ids) + 1}"
        ids.add(name)
        if takes_article(article):
            yield replace(example, id=name)
    if not ids:
        raise DataError("no question with an answer", where=path, given=problems.summary() or None)


def _questions(articles: list[Any], place: _Place) -> Iterator[tuple[int, str, Mapping[str, Any], _Place]]:
    """Each question's article (counted from 1), context, entry and place."""
    numbers = (number for number, article in enumerate(articles, start=1) if isinstance(article, dict))
    for number, (article, at_article) in zip(numbers, _objects(articles, place, "data"), strict=True):
        for paragraph, at_paragraph in _objects(article.get("paragraphs"), at_article, "paragraphs"):
            context = paragraph.get("context")
            if _is_text(context):
                for entry, at_entry in _objects(paragraph.get("qas"), at_paragraph, "qas"):
                    yield number, context, entry, at_entry
            else:
                at_paragraph.tell("paragraph without a context", "left out with its questions")


def _objects(listed: object, place: _Place, key: str) -> Iterator[tuple[Mapping[str, Any], _Place]]:
    if not isinstance(listed, list):
        place.at(key).tell(f'no list of "{key}"', f"got {type(listed).__name__}, left out")
        return
    for number, entry in enumerate(listed):
        at_entry = place.at(f"{key}[{number}]")
        if isinstance(entry, dict):
            yield entry, at_entry
        else:
            at_entry.tell(f'entry of "{key}" is not an object', f"got {type(entry).__name__}, left out")


def _example(context: str, entry: Mapping[str, Any], place: _Place, default_id: str) -> SpanExample | None:
    question = entry.get("question")
    if not _is_text(question):
        place.tell("entry without a question", "left out")
        return None
    answers: list[Answer] = []
    accepted: list[str] = []
    is_impossible = entry.get("is_impossible") is True
    listed = entry.get("answers")
    for answer, at_answer in () if listed is None and is_impossible else _objects(listed, place, "answers"):
        text = answer.get("text")
        if not _is_text(text):
            at_answer.tell("answer without a text", "left out")
            continue
        accepted.append(text)
        start = _find(context, text, answer.get("answer_start"), at_answer)
        if start is not None:
            answers.append(Answer(start, text))
    if accepted and is_impossible:
        place.tell("impossible question with answers: taken as one that has answers", accepted[0])
    elif not accepted and not is_impossible:
        place.tell("question without an answer", "left out")
        return None
    return SpanExample(
        id=id_of(entry, default_id),
        question=question,
        context=context,
        answers=tuple(answers),
        accepted=() if len(answers) == len(accepted) else tuple(accepted),
        is_impossible=not accepted,
    )


def _find(context: str, text: str, start: object, place: _Place) -> int | None:
    """Where the answer stands: at its offset, or nearest to it; None where that cannot be told."""
    is_number = isinstance(start, int) and not isinstance(start, bool)
    if isinstance(start, int) and is_number and start >= 0 and context.startswith(text, start):
        return start
    found = find_occurrences(context, text)
    if not found:
        place.tell(NOWHERE, repr(text))
        return None
    if not isinstance(start, int) or not is_number:
        if len(found) > 1:
            place.tell("answer without an offset, in several places: not trained on", repr(text))
            return None
        start = found[0]
    nearest = min(found, key=lambda each: abs(each - start))
    place.tell(MOVED, f"{start} to {nearest}: {text!r}")
    return nearest


def _is_text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip()) and is_encodable(value)
