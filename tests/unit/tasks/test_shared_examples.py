"""Examples that training and other splits share are counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.api import Answer, Entity, ProblemLog, SequenceExample, SpanExample, Split, TokenExample
from domainlm.plugin import load_plugins
from domainlm.tasks.reading import read_splits
from domainlm.tasks.shared_examples import ALSO_IN_TRAINING, count_shared


def test_one_file_for_all_splits_is_told(tmp_path: Path) -> None:
    path, other = tmp_path / "train.tsv", tmp_path / "other.tsv"
    path.write_text("The\tO\nVega\tB-Ship\n\nAll\tO\nwell\tO\n\nThe\tO\nVega\tI-Ship\n")
    other.write_text("All\tO\nwell\tO\n\nThe\tO\nLyra\tB-Ship\n")
    task = load_plugins().registry.task("core/conll", where="")
    splits = read_splits(task, {"train": (path,), "dev": (path,), "test": (other,)})
    counted = {split: data.problems.counts[ALSO_IN_TRAINING] for split, data in splits.items()}
    assert counted == {"train": 0, "dev": 3, "test": 1}
    (first,) = splits["test"].problems.examples
    assert (first.where, first.detail) == ("other:1", "All well")
    assert len(splits["dev"].examples) == 3


@pytest.mark.parametrize(
    ("train", "test", "is_shared"),
    [
        (TokenExample("a", "Vega", ((0, 4),)), TokenExample("b", "Vega", ((0, 4),), (Entity(0, 4, "Ship"),)), True),
        (TokenExample("a", "Vega", ((0, 4),)), TokenExample("a", "Lyra", ((0, 4),)), False),
        (SequenceExample("a", "Late.", "good"), SequenceExample("b", "Late.", "bad"), True),
        (SequenceExample("a", "Late.", "bad"), SequenceExample("b", "Late.", "bad", "None"), False),
        (SequenceExample("a", "V, L", "x", None, (Entity(0, 1, "s"),)), SequenceExample("b", "V, L", "x"), False),
        (SpanExample("a", "Who?", "Vega", (Answer(0, "Vega"),)), SpanExample("b", "Who?", "Vega"), True),
        (SpanExample("a", "Who?", "Vega"), SpanExample("b", "What?", "Vega"), False),
    ],
)
def test_what_a_model_reads_is_compared(train: object, test: object, is_shared: bool) -> None:
    problems: dict[Split, ProblemLog] = {"train": ProblemLog(), "test": ProblemLog()}
    count_shared({"train": (train,), "test": (test,)}, problems)
    assert not problems["train"].counts
    assert problems["test"].counts == ({ALSO_IN_TRAINING: 1} if is_shared else {})
