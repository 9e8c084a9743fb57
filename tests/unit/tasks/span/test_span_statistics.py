from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.api import Answer, ProblemLog, SpanExample, TaskSpec
from domainlm.builtin.formats.squad import read_squad
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.span.statistics import describe
from domainlm.vocab.vocabulary import Vocabulary

TASK = TaskSpec(name="test/questions", description="questions", kind="span", read=read_squad)
CONTEXT = "The Vega left Oslo. The Vega sank."
EXAMPLES = (
    SpanExample("1", "?", CONTEXT, (Answer(4, "Vega"), Answer(24, "Vega"))),
    SpanExample("2", "?", CONTEXT, (Answer(14, "Oslo"), Answer(14, "Oslo"))),
    SpanExample("3", "?", CONTEXT, (Answer(4, "Vega"), Answer(4, "Vega left"))),
    SpanExample("4", "?", CONTEXT, is_impossible=True),
    SpanExample("g:1", "?", "Old.", accepted=("Kiel",), group="g"),
    SpanExample("g:2", "?", "To Kiels.", (Answer(3, "Kiel"),), accepted=("Kiel",), group="g"),
    SpanExample("h:1", "?", "", accepted=("Kiel",), group="h"),
)


def test_facts_are_those_counted_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "vocab.txt"
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nThe\nVega\nleft\nOslo\n.\nsank\nOld\nTo\nKiels\n")
    data = SplitExamples(EXAMPLES, ProblemLog(), "here")
    found = {fact.name: fact.value for fact in describe(TASK, data, Vocabulary.load(path, cased=True))}
    assert found == {
        "questions": 6,
        "examples": 7,
        "contexts": 3,
        "impossible questions": 1,
        "answers": 7,
        "examples with several places": 2,
        "examples without a place": 2,
        "questions answered verbatim": 4,
        "share of questions answered verbatim": 4 / 5,
        "repeats of the most frequent answer": 2,  # "vega", of two examples
        "label bias": 1 / 2,
        "answer length in words, mean": pytest.approx(7 / 6),  # 1 1 1 1 2 1
        "answer length in words, median": 1.0,
        "answer length in words, maximum": 2,
        "context length in words, mean": pytest.approx((9 + 2 + 3) / 3),
        "context length in words, median": 3.0,
        "context length in words, maximum": 9,
        "reachable share of questions": 3 / 5,  # "Kiel" is part of a sub-token
    }
