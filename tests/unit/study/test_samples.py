"""The stage that writes a sample: whatever paths a plugin returns, it names its files or says what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from domainlm.api import CorpusSpec, ProblemLog, SampleWriter, TaskSpec
from domainlm.errors import PluginError
from domainlm.study.stage import StageContext
from domainlm.study.stages.sources import SampleStage, sample_files
from domainlm.train.observer import NullObserver

Write = Callable[[Path, int, int], Any]


def write(folder: Path, seed: int, num_documents: int) -> dict[str, tuple[Path, ...]]:
    (folder / "deep").mkdir()
    path = folder / "deep" / "soup.txt"
    path.write_text(f"{seed} {num_documents}", "utf-8")
    return {"text": (path,)}


def absolute(folder: Path, seed: int, num_documents: int) -> dict[str, tuple[Path, ...]]:
    return write(folder.absolute(), seed, num_documents)


def relative(folder: Path, seed: int, num_documents: int) -> dict[str, tuple[Path, ...]]:
    return {"text": tuple(path.relative_to(Path.cwd()) for path in absolute(folder, seed, num_documents)["text"])}


def elsewhere(folder: Path, seed: int, num_documents: int) -> dict[str, tuple[Path, ...]]:
    return write(folder.parent, seed, num_documents)


def as_text(folder: Path, seed: int, num_documents: int) -> dict[str, tuple[str, ...]]:
    return {"text": (str(write(folder, seed, num_documents)["text"][0]),)}


def as_task(folder: Path, seed: int, num_documents: int) -> dict[str, tuple[Path, ...]]:
    return {"train": write(folder, seed, num_documents)["text"]}


def reads_nothing(_: Path, __: ProblemLog) -> Any:  # noqa: ANN401 - never called
    raise AssertionError


def make(function: Write, folder: Path, *, is_task: bool = False) -> dict[str, tuple[Path, ...]]:
    sample = SampleWriter(write=function, description="synthetic")
    spec: CorpusSpec | TaskSpec = CorpusSpec(name="cook/soups", description="x", read=reads_nothing, sample=sample)
    if is_task:
        spec = TaskSpec(name="cook/soups", description="x", kind="token", read=reads_nothing, sample=sample)
    stage = SampleStage(label="soups", inputs={}, spec=spec, num_documents=3, seed=7)
    stage.make(StageContext(folder, {}, ProblemLog(), NullObserver()))
    return sample_files(folder)


@pytest.mark.parametrize("function", [write, absolute, relative])
@pytest.mark.parametrize("is_absolute", [False, True])
def test_paths_may_be_absolute_or_not_as_the_folder_may(
    function: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_absolute: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("work").mkdir()
    folder = Path("work").absolute() if is_absolute else Path("work")
    (path,) = make(function, folder)["text"]
    assert path == folder / "data" / "deep" / "soup.txt"
    assert path.read_text("utf-8") == "7 3"


@pytest.mark.parametrize(
    ("function", "is_task", "problem"),
    [
        (elsewhere, False, "names a file it did not write into its folder"),
        (as_text, False, "must return a tuple of paths"),
        (as_task, False, 'must have files under "text"'),
        (write, True, 'must have files under "train"'),
        (lambda *_: None, False, "must return its files by split"),
        (lambda *_: 1 // 0, False, "the sample could not be written: ZeroDivisionError"),
    ],
)
def test_a_writer_that_breaks_a_rule_is_named(function: Write, problem: str, tmp_path: Path, *, is_task: bool) -> None:
    with pytest.raises(PluginError, match=rf"plugin {__name__}, .*cook/soups@1, {__file__}:.*{problem}"):
        make(function, tmp_path, is_task=is_task)
