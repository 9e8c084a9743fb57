from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domainlm.api import Answer, ProblemLog, SpanExample, TokenExample
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.reading import SplitExamples, limit_splits


def sentences(number: int) -> SplitExamples:
    examples = (TokenExample(id=str(n), text="Ash", words=((0, 3),), entities=()) for n in range(number))
    return SplitExamples(tuple(examples), ProblemLog(), "made up")


def test_training_and_scored_splits_have_limits_of_their_own() -> None:
    splits = {"train": sentences(10), "dev": sentences(10), "test": sentences(3)}
    limited = limit_splits(splits, FinetuningSettings(max_examples=4, max_scored_examples=5))  # type: ignore[arg-type]
    # By hand: places 0, 10/4, 20/4, 30/4 of ten, rounded down.
    assert [example.id for example in limited["train"].examples] == ["0", "2", "5", "7"]
    assert [example.id for example in limited["dev"].examples] == ["0", "2", "4", "6", "8"]
    assert len(limited["test"].examples) == 3
    assert [limited[split].part for split in ("train", "dev", "test")] == [(4, 10), (5, 10), None]  # type: ignore[index]


def test_without_limits_nothing_is_left_out() -> None:
    splits = {"train": sentences(4)}
    assert limit_splits(splits, FinetuningSettings()) == splits  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12), st.integers(1, 12))
def test_contexts_of_one_question_stay_together(sizes: list[int], limit: int) -> None:
    examples = [
        SpanExample(
            id=f"{question}:{part}",
            question="Where?",
            context="Here.",
            answers=(Answer(0, "Here"),),
            group=f"question {question}",
        )
        for question, size in enumerate(sizes)
        for part in range(size)
    ]
    data = SplitExamples(tuple(examples), ProblemLog(), "made up")
    kept = limit_splits({"train": data}, FinetuningSettings(max_examples=limit))["train"].examples
    groups = list(dict.fromkeys(example.group for example in kept))
    assert len(groups) == min(limit, len(sizes))
    assert [e for e in examples if e.group in groups] == list(kept)


def test_a_part_is_counted_in_groups() -> None:
    examples = tuple(
        SpanExample(id=f"{n}", question="Where?", context="Here.", answers=(Answer(0, "Here"),), group=f"{n // 3}")
        for n in range(12)
    )
    data = SplitExamples(examples, ProblemLog(), "made up")
    limited = limit_splits({"dev": data}, FinetuningSettings(max_scored_examples=3))["dev"]
    assert (len(limited.examples), limited.part) == (9, (3, 4))
