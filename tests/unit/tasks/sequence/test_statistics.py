"""Statistics of sequence tasks, worked by hand."""

from __future__ import annotations

from domainlm.api import Mention, PairRules, ProblemLog, Relation, RelationExample, SequenceExample, TaskSpec
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.sequence.statistics import describe


def _facts(spec: TaskSpec, *examples: object) -> dict[str, float]:
    return {fact.name: fact.value for fact in describe(spec, SplitExamples(examples, ProblemLog(), "log"), None)}


def test_relations() -> None:
    """Four relations: one between sentences, two of one pair; so two of them are all that can be found."""
    spec = TaskSpec(name="t/r", description="r", kind="sequence", read=lambda *_: iter(()), pairs=PairRules())
    text = "The Vega left Oslo and Kiel. The Lyra came."
    mentions = (
        Mention("v", 4, 8, "ship"),
        Mention("o", 14, 18, "port"),
        Mention("k", 23, 27, "port"),
        Mention("l", 33, 37, "ship"),
    )
    relations = (
        Relation("l", "o", "left"),
        Relation("v", "k", "left"),
        Relation("v", "o", "fled"),
        Relation("v", "o", "left"),
    )
    facts = _facts(spec, RelationExample("a", text, mentions, relations), RelationExample("b", "No ship.", ()))

    assert facts["documents"] == 2
    assert facts["examples"] == 2
    assert (facts["examples of label fled"], facts["examples of label left"]) == (1, 1)
    assert (facts["relations"], facts["relations of label left"], facts["relations within a sentence"]) == (4, 3, 3)
    assert facts["reachable share of relations"] == 2 / 4
    assert facts["mentions in examples"] == 3
    assert facts["text length in words, mean"] == 7  # one sentence, its full stop a word
    assert "label bias" not in facts  # every pair is related


def test_texts() -> None:
    spec = TaskSpec(name="t/c", description="c", kind="sequence", read=lambda *_: iter(()), scored_types=("late",))
    labels = ["late", "late", "early", "early", "early"]
    facts = _facts(spec, *(SequenceExample(str(n), "a b", label, "c") for n, label in enumerate(labels)))

    assert facts["examples of label early"] == 3
    assert facts["label bias"] == 2 / 3
    assert facts["text length in words, maximum"] == 2
