"""The labels that are scored are among those that are told apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from domainlm.api import DataError, ProblemLog, SequenceExample, Split, TaskSpec
from domainlm.recipe.task_settings import SequenceSettings
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.sequence.data import SequenceData, make_examples

_EXAMPLES = (SequenceExample("1", "The Vega left.", "left"), SequenceExample("2", "She stayed.", "stayed"))


def _read(*_: object) -> Iterator[SequenceExample]:
    yield from _EXAMPLES


_SPEC = TaskSpec(name="harbour/moves", description="x", kind="sequence", read=_read)


def _made(spec: TaskSpec) -> SequenceData:
    return make_examples(spec, {"train": SplitExamples(_EXAMPLES, ProblemLog(), "train.tsv")}, SequenceSettings())


def test_one_that_training_lacks_is_named() -> None:
    with pytest.raises(DataError, match="no split has an example of a label that is to be scored") as caught:
        _made(replace(_SPEC, scored_types=("lft",)))
    assert (caught.value.given, caught.value.nearest) == ("lft", "left")


def test_one_that_few_examples_of_training_lack_is_scored_as_never_found() -> None:
    sank = SequenceExample("3", "The Lyra sank.", "sank")
    splits: dict[Split, SplitExamples] = {
        "train": SplitExamples(_EXAMPLES, ProblemLog(), "train.tsv"),
        "test": SplitExamples((*_EXAMPLES, sank), ProblemLog(), "test.tsv"),
    }
    data = make_examples(replace(_SPEC, scored_types=("left", "sank")), splits, SequenceSettings())

    assert (data.labels, data.scored) == (("left", "stayed"), ("left", "sank"))


def test_one_that_the_types_name_may_be_missing() -> None:
    data = _made(replace(_SPEC, types=("left", "stayed", "sank"), scored_types=("sank",)))

    assert data.scored == ("sank",)
