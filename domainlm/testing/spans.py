"""Checks of what readers of span tasks yield."""

from __future__ import annotations

from collections.abc import Iterable

from domainlm.api import SpanExample, TaskSpec
from domainlm.testing.failure import CheckError


def check_span_example(example: object, _: TaskSpec, where: str) -> None:
    """Check a question with its context and answers.

    Raises:
        CheckError: the first rule that is broken.
    """
    if not isinstance(example, SpanExample):
        raise CheckError("the reader must give SpanExamples", where=where, given=repr(example)[:200])
    if not example.question.strip():
        raise CheckError("the question is empty", where=where)
    if not example.context.strip() and not example.group:
        raise CheckError("the context is empty", where=where, remedy="leave it out, or give the question's group")
    for answer in example.answers:
        found = example.context[max(answer.start, 0) : max(answer.end, 0)]
        if answer.start < 0 or not answer.text or found != answer.text:
            raise CheckError(
                "an answer does not stand at its offset",
                where=where,
                given=f"{answer.text!r} at {answer.start}",
                allowed=repr(found),
            )
    if bool(example.gold) == example.is_impossible:
        raise CheckError(
            "a question needs an answer, or is_impossible where there is none",
            where=where,
            given=f"{len(example.gold)} answers, is_impossible={example.is_impossible}",
        )


def count_answers(examples: Iterable[SpanExample]) -> int:
    """How many answers have a place in their context."""
    return sum(len(example.answers) for example in examples)
