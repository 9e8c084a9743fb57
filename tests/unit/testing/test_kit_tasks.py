"""What the kit says of tasks, and of readers of one split of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from domainlm.api import (
    SPLITS,
    DataError,
    Document,
    Entity,
    ProblemLog,
    SampleWriter,
    Split,
    TaskSpec,
    TokenExample,
)
from domainlm.errors import UserError
from domainlm.testing import CheckError, check_task


def _lines(path: Path) -> list[str]:
    if not path.is_file() or not path.stat().st_size:
        raise DataError("missing or empty", where=path)
    return path.read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True)
class _Reads:
    """A reader that gives these, whatever is in the file; other processes can be handed it."""

    examples: tuple[object, ...]

    def __call__(self, path: Path, _: ProblemLog) -> Iterator[Any]:
        _lines(path)
        yield from self.examples


_TEXT = "Boil two eggs"
_WORDS = ((0, 4), (5, 8), (9, 13))
_EGGS = Entity(9, 13, "food")


def _example(words: tuple[tuple[int, int], ...] = _WORDS, entities: tuple[Entity, ...] = (_EGGS,)) -> TokenExample:
    return TokenExample("1", _TEXT, words, entities)


def _task(tmp_path: Path, *examples: object, **changes: Any) -> tuple[TaskSpec, Path]:  # noqa: ANN401 - any field
    path = tmp_path / "recipes.txt"
    path.write_text(_TEXT, encoding="utf-8")
    spec = TaskSpec(name="cook/foods", description="foods", kind="token", read=_Reads(examples), types=("food",))
    return replace(spec, **changes), path


def test_a_sound_task_passes_with_its_counts(tmp_path: Path) -> None:
    counts = check_task(*_task(tmp_path, _example(), defaults={"num_epochs": 3}))

    assert (counts.num_examples, counts.num_words, counts.num_entities) == (1, 3, {"food": 1})


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        (Document("a", ("Stir.",)), "an example that is not sound"),
        (_example(words=((0, 4), (9, 14))), "a word lies outside the text"),
        (_example(words=((0, 4), (3, 8))), "words must ascend and not overlap"),
        (_example(words=((5, 8), (0, 4))), "words must ascend and not overlap"),
        (_example(words=((0, 5),)), "a word begins or ends with a blank"),
        (_example(entities=(Entity(9, 14, "food"),)), "an entity lies outside the text"),
        (_example(entities=(Entity(8, 13, "food"),)), "an entity begins or ends with a blank"),
        (_example(entities=(Entity(9, 13, "dish"),)), "undeclared type"),
        (_example(entities=(_EGGS, Entity(0, 4, "food"))), "sorted, each once"),
        (_example(entities=(_EGGS, _EGGS)), "sorted, each once"),
        (_example(words=((0, 4),)), "covers no word"),
        (_example(entities=()), "no example has an entity"),
    ],
)
def test_bad_examples_are_found(tmp_path: Path, example: object, problem: str) -> None:
    with pytest.raises(CheckError, match=problem):
        check_task(*_task(tmp_path, example))


def _write_meals(folder: Path, seed: int, _: int) -> Mapping[str, tuple[Path, ...]]:
    path = folder / "meals.txt"
    path.write_text(f"train\ntrain\ndev\n\n{seed}", encoding="utf-8")
    return {"train": (path,), "dev": (path,)}


def _read_meals(path: Path, split: Split | None) -> Iterator[TokenExample]:
    for number, line in enumerate(_lines(path)):
        if line in SPLITS and split in (None, line):
            yield TokenExample(str(number), _TEXT, _WORDS, (_EGGS,))


def _every_meal(path: Path, _: ProblemLog) -> Iterator[TokenExample]:
    yield from _read_meals(path, None)


def _meals(read_split: Callable[[Path, Split, ProblemLog], Iterator[Any]]) -> TaskSpec:
    return TaskSpec(
        name="cook/meals",
        description="meals, all splits in a file",
        kind="token",
        read=_every_meal,
        read_split=read_split,
        sample=SampleWriter(write=_write_meals, description="synthetic"),
    )


def _meals_of(path: Path, split: Split, _: ProblemLog) -> Iterator[TokenExample]:
    yield from _read_meals(path, split)


def test_a_reader_of_one_split_of_a_file_is_tried(tmp_path: Path) -> None:
    spec = _meals(_meals_of)
    (path,) = _write_meals(tmp_path, 0, 1)["train"]

    assert check_task(spec).num_examples == check_task(spec, path).num_examples == 3  # the file holds no test split


def _forgiving(path: Path, split: Split, _: ProblemLog) -> Iterator[TokenExample]:
    if path.is_file():
        yield from _read_meals(path, split)


def _no_dev(path: Path, split: Split, _: ProblemLog) -> Iterator[TokenExample]:
    yield from _read_meals(path, split if split == "train" else "test")


def _unsound(path: Path, split: Split, _: ProblemLog) -> Iterator[TokenExample]:
    yield from (replace(example, words=((0, 99),)) for example in _read_meals(path, split) if split == "dev")


def _bare(path: Path, _: Split, __: ProblemLog) -> Iterator[str]:
    yield from _lines(path)


def _none(path: Path, _: Split, __: ProblemLog) -> Iterator[TokenExample]:
    yield from (_example() for _ in _lines(path)[:0])


@pytest.mark.parametrize(
    ("read_split", "problem"),
    [
        (_forgiving, 'read_split "train": a missing file must raise'),
        (_no_dev, 'read_split "dev",(.|\n)*the reader gives nothing'),
        (_unsound, 'read_split "train",(.|\n)*the reader gives nothing'),
        (_bare, "an example that is not sound"),
    ],
)
def test_a_bad_reader_of_one_split_is_found(
    read_split: Callable[[Path, Split, ProblemLog], Iterator[Any]], problem: str
) -> None:
    with pytest.raises(CheckError, match=problem):
        check_task(_meals(read_split))


def test_of_a_file_some_split_must_be_there(tmp_path: Path) -> None:
    (path,) = _write_meals(tmp_path, 0, 1)["train"]

    with pytest.raises(CheckError, match="a word lies outside the text"):
        check_task(_meals(_unsound), path)
    with pytest.raises(CheckError, match="nothing of any split"):
        check_task(_meals(_none), path)


def test_two_examples_with_one_id_are_found(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="one id"):
        check_task(*_task(tmp_path, _example(), _example()))


def test_a_default_that_is_no_setting_is_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="num_epochs") as caught:
        check_task(*_task(tmp_path, _example(), defaults={"num_epoch": 3}))

    assert "task cook/foods@1, defaults" in str(caught.value)


def _no_companions(path: Path) -> Any:  # noqa: ANN401 - what no type checker has seen
    return path.name


def test_companions_that_are_no_paths_are_found(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"`companions` must give paths\n  given:   'recipes"):
        check_task(*_task(tmp_path, _example(), companions=_no_companions))


def test_a_spec_that_other_processes_cannot_be_handed_is_found(tmp_path: Path) -> None:
    def read(path: Path, _: ProblemLog) -> Iterator[Any]:
        _lines(path)
        yield _example()

    spec, path = _task(tmp_path, _example())
    for change in ({"read": read}, {"read_split": lambda path, *_: read(path, _)}, {"companions": lambda _: ()}):
        with pytest.raises(CheckError, match=r"cannot be handed to the processes(.|\n)*top of a module"):
            check_task(replace(spec, **change), path)
    with pytest.raises(CheckError, match="cannot be handed to the processes"):
        check_task(replace(spec, defaults=MappingProxyType({"num_epochs": 3})), path)
