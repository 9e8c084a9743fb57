"""What is said where a stage was begun on another kind of machine and so begins anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from filelock import FileLock

from domainlm.api import RunInfo
from domainlm.plugin import load_plugins
from domainlm.study.runner import Runner
from domainlm.study.stage import Stage, StageContext
from domainlm.study.store import Store


@dataclass(frozen=True, kw_only=True)
class Voyage(Stage):
    """A stage that trains, or is stopped while it does."""

    kind: ClassVar[str] = "voyage"

    label: str = field(default="a voyage", compare=False)
    inputs: Mapping[str, Stage] = field(default_factory=dict)
    miles: int = 100
    threads: int | None = 8
    device: str = "AVX2"
    is_stopped: bool = field(default=False, compare=False)

    def identity(self) -> Mapping[str, Any]:
        hardware = {"torch": "2", "device": "cpu", "device_name": self.device, "num_threads": self.threads}
        return {"miles": self.miles, "range": (1, 2), "hardware": hardware}

    def make(self, context: StageContext) -> Mapping[str, Any]:
        if self.is_stopped:
            raise KeyboardInterrupt
        assert (context.folder / "begun.json").is_file()
        return {}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def make(store: Store, *stages: Stage) -> None:
    info = RunInfo(name="harbour", recipe_path=store.root, out=store.root, num_stages=1)
    runner = Runner(store, info, load_plugins(candidates=[]).observers)
    runner._titles = {stage.key: stage.label for stage in stages}
    runner._make_all(stages)


def stop(store: Store, stage: Voyage) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(store, stage)


def test_a_stage_begun_with_other_threads_is_named_once_with_the_remedy(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    begun = Voyage(is_stopped=True)
    stop(store, begun)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    make(store, Voyage(threads=4))
    make(store, Voyage(threads=4))
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    partial = f"{store.folder(begun.kind, begun.key)}.partial"
    assert f"begins anew here, though {partial} is begun: that was with num_threads 8" in warning
    assert "this is with num_threads 4. To go on from it, set runtime.num_threads = 8;" in warning


def test_another_kind_of_device_is_named_too(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    stop(store, Voyage(is_stopped=True))
    make(store, Voyage(device="AVX512", threads=None))
    assert "that was with device_name AVX2, num_threads 8, this is with device_name AVX512, num_threads None" in (
        caplog.text
    )
    assert "run this on such a machine" in caplog.text


def test_what_differs_otherwise_or_goes_on_is_not_named(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    stop(store, Voyage(is_stopped=True))
    make(store, Voyage(threads=4, miles=200))  # another stage
    make(store, Voyage(threads=3), Voyage())  # both are this run's
    assert "begins anew" not in caplog.text
    stop(store, Voyage(threads=5, is_stopped=True))
    (store.folder("voyage", Voyage(threads=5).key).with_suffix(".partial") / "begun.json").write_text("[]")
    make(store, Voyage(threads=6))
    assert "begins anew" not in caplog.text


def test_what_another_run_is_making_is_not_to_be_removed(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    begun = Voyage(is_stopped=True)
    stop(store, begun)
    with FileLock(store.folder(begun.kind, begun.key).with_suffix(".lock")):
        make(store, Voyage(threads=4))
    assert "begins anew" not in caplog.text


def test_the_note_is_no_part_of_what_is_finished(store: Store) -> None:
    make(store, Voyage())
    artifact = store.find("voyage", Voyage().key)
    assert artifact is not None
    assert [path.name for path in artifact.folder.iterdir()] == ["manifest.json"]
