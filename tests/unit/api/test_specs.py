"""A spec with a wrong field is refused where it is declared, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import (
    CorpusSpec,
    ModelSizeSpec,
    OutputSpec,
    PairRules,
    ReferenceRow,
    SampleWriter,
    SpecError,
    TableLayout,
    TaskSpec,
    VocabularySpec,
)


def read(*_: object) -> Iterator[Any]:
    yield from ()


def write(folder: Path, *_: object) -> dict[str, tuple[Path, ...]]:
    return {"text": (folder / "x",)}


SOUND: dict[type, dict[str, Any]] = {
    CorpusSpec: {"name": "cook/soups", "description": "x", "read": read, "source": "kitchens"},
    TaskSpec: {
        "name": "cook/foods",
        "description": "x",
        "kind": "token",
        "read": read,
        "read_split": read,
        "companions": lambda _: (),
        "files": {"train": ("train.txt",)},
        "defaults": {"num_epochs": 1},
        "source": "kitchens",
    },
    VocabularySpec: {"name": "cook/words", "description": "x", "algorithm": "wordpiece", "size": 10},
    ModelSizeSpec: {"name": "cook/pan", "description": "x", "layers": 1, "hidden": 2, "heads": 1, "dropout": 0},
    OutputSpec: {"name": "cook/menu", "description": "x", "kinds": ("token",), "write": read},
    SampleWriter: {"write": write, "description": "synthetic"},
    PairRules: {"type_pairs": (("cook", "dish"),), "dummies": {"cook": "@C$"}},
    TableLayout: {"rows": ("arm",), "metrics": ("f1",), "headings": {"arm": "model"}},
    ReferenceRow: {"labels": {"arm": "a"}, "where": {"arm": "a"}, "values": {"f1": 1.0}},
}


@pytest.mark.parametrize("made", SOUND)
def test_sound_ones_are_taken(made: type) -> None:
    assert made(**SOUND[made])


@pytest.mark.parametrize(
    ("made", "field", "value"),
    [
        (CorpusSpec, "source", 3),
        (CorpusSpec, "sample", write),
        (TaskSpec, "source", 3),
        (TaskSpec, "read_split", 5),
        (TaskSpec, "companions", "x"),
        (TaskSpec, "defaults", [1]),
        (TaskSpec, "defaults", {1: 1}),
        (TaskSpec, "files", ("train.txt",)),
        (TaskSpec, "files", None),
        (VocabularySpec, "size", 9),
        (VocabularySpec, "size", 3),
        (ModelSizeSpec, "dropout", "0.1"),
        (ModelSizeSpec, "dropout", None),
        (OutputSpec, "kinds", None),
        (OutputSpec, "kinds", "token"),
        (SampleWriter, "write", None),
        (SampleWriter, "description", ""),
        (SampleWriter, "description", None),
        (PairRules, "dummies", ("cook",)),
        (PairRules, "type_pairs", ("cook",)),
        (PairRules, "type_pairs", (("cook", "dish", "pan"),)),
        (PairRules, "type_pairs", 3),
        (TableLayout, "headings", ("arm",)),
        (ReferenceRow, "labels", None),
        (ReferenceRow, "values", ("f1",)),
    ],
)
def test_a_wrong_field_is_named(made: type, field: str, value: object) -> None:
    with pytest.raises(SpecError, match=field):
        made(**{**SOUND[made], field: value})
