"""A spec with a wrong field is refused where it is declared, whatever is wrong with it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import (
    CorpusSpec,
    ModelSizeSpec,
    OutputSpec,
    PairRules,
    RecipeSpec,
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
    RecipeSpec: {"name": "cook/first", "description": "x", "path": Path(__file__).parent / "first.toml"},
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
        (TaskSpec, "types", ("food", "drink", "food")),
        (TaskSpec, "scored_types", ("food", "food")),
        (RecipeSpec, "path", "recipes/first.toml"),
        (RecipeSpec, "path", Path("recipes/first.toml")),
        (VocabularySpec, "file", "/vocab.txt"),
        (VocabularySpec, "file", Path("vocab.txt")),
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


@pytest.mark.parametrize("made", SOUND)
def test_fields_that_there_are_not_are_refused_with_those_that_there_are(made: type) -> None:
    *_, last = SOUND[made]
    given = {f"{name}s" if name == last else name: value for name, value in SOUND[made].items()}
    with pytest.raises(SpecError) as caught:
        made(**given)

    assert caught.value.where in (made.__name__, f"{made.__name__} {SOUND[made].get('name')!r}")
    assert caught.value.problem == "no such field"
    assert (caught.value.given, caught.value.nearest) == (f"{last}s", last)


def test_fields_that_are_left_out_or_unnamed_are_said() -> None:
    with pytest.raises(SpecError, match=r"^CorpusSpec 'cook/soups': needs description and read\n"):
        CorpusSpec(name="cook/soups")  # type: ignore[call-arg]
    with pytest.raises(SpecError, match=r"^CorpusSpec: fields are given by their names\n  given:   'cook/soups'"):
        CorpusSpec("cook/soups", "x", read)  # type: ignore[misc]


@pytest.mark.parametrize("made", SOUND)
def test_a_copy_is_like_it_and_signatures_stay(made: type) -> None:
    spec = made(**SOUND[made])
    assert replace(spec) == spec
    assert set(SOUND[made]) <= set(inspect.signature(made).parameters)


def _path_alone(_: Path) -> Iterator[Any]:
    yield from ()


def _with_default(_: Path, __: object, *, strict: bool = True) -> Iterator[Any]:
    yield from ()


def _needs_more(_: Path, __: object, ___: object) -> Iterator[Any]:
    yield from ()


@wraps(_path_alone)
def _wrapper(path: Path, _: object) -> Iterator[Any]:
    return _path_alone(path)


@pytest.mark.parametrize("function", [_path_alone, _needs_more, partial(_path_alone, Path())])
def test_a_reader_that_takes_other_arguments_is_refused(function: Any) -> None:  # noqa: ANN401 - wrong ones
    with pytest.raises(SpecError, match="read cannot be called as it will be") as caught:
        CorpusSpec(name="cook/soups", description="x", read=function)
    assert caught.value.allowed == "a function: read(path, problems)"


@pytest.mark.parametrize("function", [_with_default, partial(_needs_more, Path()), zip, _wrapper])
def test_a_reader_may_take_more_that_need_not_be_given(function: Any) -> None:  # noqa: ANN401 - of any kind
    assert CorpusSpec(name="cook/soups", description="x", read=function)


def test_a_scored_label_is_among_the_types() -> None:
    with pytest.raises(SpecError, match="scored_types") as caught:
        TaskSpec(name="cook/meals", description="x", kind="sequence", read=read, types=("a", "b"), scored_types=("c",))
    assert caught.value.given == "c"


def test_a_relative_path_is_told_what_to_write() -> None:
    with pytest.raises(SpecError) as caught:
        RecipeSpec(name="cook/first", description="x", path=Path("recipes/first.toml"))
    assert str(caught.value.remedy).startswith("write Path(__file__).parent / 'recipes/first.toml'")
