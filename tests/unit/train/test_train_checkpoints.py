"""Checkpoints: whole or passed over, whatever happens to the disk or the process."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from domainlm.errors import ModelError
from domainlm.parallel.shards import Shard
from domainlm.train.checkpoints import disk, runs, writing
from domainlm.train.checkpoints.reading import Checkpoint
from domainlm.train.checkpoints.runs import Checkpoints, Contents, remove_checkpoints

Logged = Callable[[], str]


@pytest.fixture
def best(tmp_path: Path) -> Path:
    path = tmp_path / "best.bin"
    path.write_bytes(b"best")
    return path


def _contents(step: int, best: Path, **changes: Any) -> Contents:  # noqa: ANN401
    contents: dict[str, Any] = {
        "weights": [Shard.whole("w", torch.full((40, 30), float(step)))],
        "optimizer": [Shard.whole("w|step", torch.tensor(float(step)))],
        "milestones": {"keep": {"best": step}},
        "files": {"keep": {"best.bin": best}},
    }
    return Contents(**(contents | changes))


def _save(work: Path, step: int, best: Path, *, num_kept: int = 2, every: int | None = None, **changes: Any) -> Path:  # noqa: ANN401
    checkpoints = Checkpoints(work, "run", num_kept, num_steps_per_kept=every)
    checkpoints.begin(step, _contents(step, best, **changes))
    saved = checkpoints.seal()
    assert saved is not None
    return saved.folder


def _read(found: Checkpoint, kind: Any, name: str) -> torch.Tensor:  # noqa: ANN401
    with found.tensors(kind) as reader:
        return reader.read(name).clone()


def _latest(work: Path) -> Checkpoint:
    found = Checkpoints(work, "run", 2).latest()
    assert found is not None
    return found


def _names(work: Path) -> list[str]:
    return sorted(path.name for path in (work / "checkpoints").iterdir())


def test_the_newest_gives_everything_back(tmp_path: Path, best: Path) -> None:
    assert Checkpoints(tmp_path, "run", 2).latest() is None
    _save(tmp_path, 5, best)
    folder = _save(tmp_path, 10, best)
    found = _latest(tmp_path)

    assert (found.folder, found.step, found.unsettled) == (folder, 10, None)
    assert torch.equal(_read(found, "weights", "w"), torch.full((40, 30), 10.0))
    assert _read(found, "optimizer", "w|step").item() == 10.0
    assert found.state == {"keep": {"best": 10}}
    assert {name: path.read_bytes() for name, path in found.files("keep").items()} == {"best.bin": b"best"}
    assert found.files("other") == {}


def test_files_of_a_checkpoint_outlive_their_replacement(tmp_path: Path, best: Path) -> None:
    _save(tmp_path, 1, best)
    better = best.with_name("better")
    better.write_bytes(b"better")
    better.replace(best)

    assert _latest(tmp_path).files("keep")["best.bin"].read_bytes() == b"best"


@pytest.mark.parametrize("num_kept", [1, 3])
def test_only_the_last_are_kept(tmp_path: Path, best: Path, num_kept: int) -> None:
    for step in range(1, 6):
        _save(tmp_path, step, best, num_kept=num_kept)

    assert _names(tmp_path) == [f"step-{step:08}" for step in range(6 - num_kept, 6)]


def test_steps_beyond_eight_digits_are_in_order(tmp_path: Path, best: Path) -> None:
    _save(tmp_path, 99_999_999, best)
    _save(tmp_path, 100_000_000, best)

    assert _latest(tmp_path).step == 100_000_000


def test_a_settled_step_comes_after_the_unsettled_one(tmp_path: Path, best: Path) -> None:
    _save(tmp_path, 7, best, unsettled={"loss": 0.5})
    assert _latest(tmp_path).unsettled == {"loss": 0.5}
    _save(tmp_path, 7, best)

    assert _latest(tmp_path).unsettled is None
    _save(tmp_path, 8, best, num_kept=1)
    assert _names(tmp_path) == ["step-00000008"]


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _change_step(path: Path) -> None:
    path.write_text(path.read_text().replace('"step": 10', '"step": 11'))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped bit": (lambda folder: _flip(folder / "weights-00000.safetensors"), "weights-00000.safetensors is damaged"),
    "truncated": (
        lambda folder: os.truncate(folder / "optimizer-00000.safetensors", 9),
        "optimizer-00000.safetensors has 9 bytes",
    ),
    "missing file": (lambda folder: (folder / "files/keep/best.bin").unlink(), "best.bin is missing"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "manifest is missing"),
    "half a manifest": (lambda folder: os.truncate(folder / "manifest.json", 40), "manifest is missing or damaged"),
    "empty manifest": (lambda folder: (folder / "manifest.json").write_text('{"format": 2}'), "manifest is damaged"),
    "other format": (lambda folder: (folder / "manifest.json").write_text('{"format": 1}'), "format is not known"),
    "flipped bit in the manifest": (lambda folder: _change_step(folder / "manifest.json"), "manifest is damaged"),
    "no folder": (lambda folder: (shutil.rmtree(folder), folder.write_text("")), "manifest is missing"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_ones_are_named_and_passed_over(tmp_path: Path, best: Path, logged: Logged, damage: str) -> None:
    harm, says = DAMAGES[damage]
    _save(tmp_path, 5, best)
    folder = _save(tmp_path, 10, best, files={"keep": {"best.bin": shutil.copy(best, tmp_path / "copy")}})
    harm(folder)

    assert _latest(tmp_path).step == 5
    assert f"checkpoint {folder} is passed over" in logged()
    assert says in logged()


def test_one_that_follows_a_damaged_one_is_kept(tmp_path: Path, best: Path) -> None:
    _save(tmp_path, 5, best, num_kept=1)
    damaged = tmp_path / "checkpoints" / "step-00000010"
    damaged.mkdir()
    _save(tmp_path, 7, best, num_kept=1)
    assert _latest(tmp_path).step == 7

    _save(tmp_path, 10, best, num_kept=1)
    assert _names(tmp_path) == ["step-00000010"]
    assert _latest(tmp_path).step == 10


def test_unfinished_ones_are_named_and_removed(tmp_path: Path, best: Path, logged: Logged) -> None:
    _save(tmp_path, 5, best)
    unfinished = tmp_path / "checkpoints" / ".step-00000010.partial"
    shutil.copytree(tmp_path / "checkpoints" / "step-00000005", unfinished)

    assert _latest(tmp_path).step == 5
    assert f"checkpoint {unfinished} was not finished" in logged()
    assert not unfinished.exists()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, best: Path) -> None:
    folder = _save(tmp_path, 5, best)
    with pytest.raises(ModelError, match=r"(?s)belongs to another run.*remedy") as caught:
        Checkpoints(tmp_path, "another", 2).latest()
    assert str(folder) in str(caught.value)


def test_a_full_disk_leaves_the_earlier_ones(tmp_path: Path, best: Path) -> None:
    _save(tmp_path, 5, best)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            _save(tmp_path, 10, best)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert _names(tmp_path) == ["step-00000005"]
    assert _latest(tmp_path).step == 5


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (writing, "write_tensors"),
        (disk, "link_or_copy"),
        (writing, "describe_file"),
        (runs, "synced_file"),
        (runs, "sync_folder"),
    ],
)
def test_failing_at_any_write_leaves_the_earlier_ones(
    tmp_path: Path, best: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str
) -> None:
    _save(tmp_path, 5, best)
    with monkeypatch.context() as patch:

        def fail(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(module, name, fail)
        with pytest.raises(OSError, match="No space left") as caught:
            _save(tmp_path, 10, best)

    assert caught.value.errno == errno.ENOSPC
    assert _names(tmp_path) == ["step-00000005"]
    assert _latest(tmp_path).step == 5


@pytest.mark.usefixtures("folders_refuse_to_sync")
def test_checkpoints_are_saved_where_folders_cannot_be_synced(tmp_path: Path, best: Path) -> None:
    _save(tmp_path, 5, best)
    assert _latest(tmp_path).step == 5


def test_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, best: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "another file system")

    monkeypatch.setattr(os, "link", refuse)
    _save(tmp_path, 5, best)

    assert _latest(tmp_path).files("keep")["best.bin"].read_bytes() == b"best"


def test_removal_is_all_or_nothing(tmp_path: Path, best: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _save(tmp_path, 5, best)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)  # as if killed after the first moment
        remove_checkpoints(tmp_path)
        assert Checkpoints(tmp_path, "run", 2).latest() is None
    remove_checkpoints(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["best.bin"]


def test_the_same_state_gives_the_same_bytes(tmp_path: Path, best: Path) -> None:
    first, second = _save(tmp_path / "a", 5, best), _save(tmp_path / "b", 5, best)

    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert [(first / name).read_bytes() for name in names] == [(second / name).read_bytes() for name in names]
    assert set(json.loads((first / "manifest.json").read_text())["files"]) == {
        "weights-00000.safetensors",
        "optimizer-00000.safetensors",
        "files/keep/best.bin",
    }


def test_every_nth_is_kept_for_good(tmp_path: Path, best: Path) -> None:
    for step in range(1, 11):
        _save(tmp_path, step, best, num_kept=1, every=4)
    assert _names(tmp_path) == ["step-00000004", "step-00000008", "step-00000010"]

    remove_checkpoints(tmp_path, 4)
    assert _names(tmp_path) == ["step-00000004", "step-00000008"]
    remove_checkpoints(tmp_path)
    assert not (tmp_path / "checkpoints").exists()


def test_nothing_is_copied_for_what_training_waits_for(tmp_path: Path, best: Path) -> None:
    weight, written, real = torch.ones(40, 30), list[Any](), writing.write_part

    def record(folder: Path, rank: int, held: Any, placed: Any) -> Any:  # noqa: ANN401
        written.extend(held["weights"])
        return real(folder, rank, held, placed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "write_part", record)
        for name, in_background in (("waiting", False), ("beside", True)):
            checkpoints = Checkpoints(tmp_path / name, "run", 1, in_background=in_background)
            checkpoints.begin(5, _contents(5, best, weights=[Shard.whole("w", weight)]))
            if not in_background:
                assert not checkpoints.is_writing
                weight.fill_(2.0)  # all is written: what comes now is not in it
            checkpoints.seal()
            weight.fill_(1.0)

    assert [piece.tensor.data_ptr() == weight.data_ptr() for piece in written] == [True, False]
    assert torch.equal(_read(_latest(tmp_path / "waiting"), "weights", "w"), torch.ones(40, 30))
    waiting, beside = (sorted((tmp_path / name).rglob("*.safetensors")) for name in ("waiting", "beside"))
    assert waiting
    assert [path.read_bytes() for path in waiting] == [path.read_bytes() for path in beside]


def test_a_full_disk_is_told_when_training_waits_as_well(tmp_path: Path, best: Path) -> None:
    _save(tmp_path, 5, best)
    checkpoints = Checkpoints(tmp_path, "run", 1, in_background=False)

    def fail(*_: Any) -> Any:  # noqa: ANN401
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "write_part", fail)
        checkpoints.begin(10, _contents(10, best))
        with pytest.raises(OSError, match="No space left"):
            checkpoints.seal()
    assert _names(tmp_path) == ["step-00000005"]


@pytest.mark.parametrize("in_background", [True, False])
def test_a_slow_disk_is_no_hanging_rank(
    tmp_path: Path, best: Path, granted: Callable[[], bool], *, in_background: bool
) -> None:
    seen, real = list[bool](), writing.write_part

    def slow(*arguments: Any) -> Any:  # noqa: ANN401
        seen.append(granted())
        return real(*arguments)

    checkpoints = Checkpoints(tmp_path, "run", 1, in_background=in_background)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "write_part", slow)
        checkpoints.begin(5, _contents(5, best))
        checkpoints.seal()
    assert seen == [True]


def test_what_changes_while_it_is_written_is_not_in_it(tmp_path: Path, best: Path) -> None:
    """The thread waits until the training has changed the weights in place."""
    weight, changed, real = torch.zeros(40, 30), threading.Event(), writing.write_part
    checkpoints = Checkpoints(tmp_path, "run", 1)

    def late(*arguments: Any) -> Any:  # noqa: ANN401
        assert changed.wait(10)
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "write_part", late)
        checkpoints.begin(5, _contents(5, best, weights=[Shard.whole("w", weight)]))
        assert checkpoints.is_writing
        assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [".step-00000005.partial"]
        weight.fill_(1.0)
        changed.set()
        checkpoints.seal()

    assert not checkpoints.is_pending
    assert torch.equal(_read(_latest(tmp_path), "weights", "w"), torch.zeros(40, 30))
