"""The artifact store: whole or not there, never computed twice, safe to share."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domainlm import cancellation
from domainlm.errors import StorageError
from domainlm.study import files as files_module
from domainlm.study import store as store_module
from domainlm.study.files import FileHashes
from domainlm.study.stage import Stage, StageContext
from domainlm.study.store import Store

KEY = "a" * 64


def make(store: Store, content: bytes = b"cargo", key: str = KEY) -> bool:
    """Make the artifact unless it is there; says whether it was made."""
    with store.work("hold", key) as folder:
        if folder is None:
            return False
        (folder / "bale.txt").write_bytes(content)
        store.finish(folder, {"key": key})
        return True


def test_what_is_done_is_sealed_though_it_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "_SECONDS_BETWEEN_ASKING", 0.0)

    def ask() -> None:
        raise KeyboardInterrupt

    with cancellation.cancellable(ask):
        assert make(Store(tmp_path))
        with pytest.raises(KeyboardInterrupt):
            cancellation.check_cancelled()


def test_an_artifact_is_made_once(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.find("hold", KEY) is None
    assert make(store)
    assert not make(store)
    artifact = store.find("hold", KEY)
    assert artifact is not None
    assert artifact.manifest["files"]["bale.txt"]["bytes"] == 5
    assert not list(tmp_path.rglob("*.partial"))


def test_a_file_that_a_killed_attempt_had_begun_is_no_part_of_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.work("hold", KEY) as folder:
        assert folder is not None
        (folder / "below").mkdir()
        for name in (".scores.json.4711.partial", "below/.train.txt.partial"):
            (folder / name).write_text("half")
    assert make(store)
    artifact = store.find("hold", KEY)
    assert artifact is not None
    assert [*artifact.manifest["files"]] == ["bale.txt"]
    assert sorted(path.name for path in artifact.folder.rglob("*")) == ["bale.txt", "below", "manifest.json"]


def test_work_left_by_a_stopped_run_is_handed_on(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def stop_half_way() -> None:
        with store.work("hold", KEY) as folder:
            assert folder is not None
            (folder / "half.txt").write_text("half", encoding="utf-8")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert store.find("hold", KEY) is None
    with store.work("hold", KEY) as again:
        assert again is not None
        assert (again / "half.txt").read_text(encoding="utf-8") == "half"


@pytest.mark.parametrize("damage", ["shorter", "missing", "no manifest", "foreign manifest"])
def test_a_damaged_artifact_is_set_aside_and_made_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path)
    make(store)
    folder = store.folder("hold", KEY)
    if damage == "shorter":
        (folder / "bale.txt").write_bytes(b"carg")
    elif damage == "missing":
        (folder / "bale.txt").unlink()
    elif damage == "no manifest":
        (folder / "manifest.json").write_text("{", encoding="utf-8")
    else:
        (folder / "manifest.json").write_text('{"key": "b"}', encoding="utf-8")
    left = {path.name: path.read_bytes() for path in folder.iterdir()}
    with caplog.at_level(logging.WARNING):
        assert store.find("hold", KEY) is None
        assert not caplog.records
        assert make(store)
    assert "set aside" in caplog.text
    aside = folder.with_name(f"{folder.name}.damaged-1")
    assert {path.name: path.read_bytes() for path in aside.iterdir()} == left
    assert store.find("hold", KEY) is not None


def test_looking_for_an_artifact_moves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    make(store)
    bale = store.folder("hold", KEY) / "bale.txt"
    bale.rename(tmp_path / "hidden")  # as a network file system may hide it for a moment
    assert store.find("hold", KEY) is None
    assert store.find("hold", KEY) is None
    (tmp_path / "hidden").rename(bale)
    assert store.find("hold", KEY) is not None
    assert not make(store)


def test_what_was_damaged_before_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = store.folder("hold", KEY)
    for content in (b"first", b"second", b"third"):
        assert make(store, content)
        (folder / "manifest.json").unlink()
    assert make(store)
    kept = [folder.with_name(f"{folder.name}.damaged-{number}") / "bale.txt" for number in (1, 2, 3)]
    assert [path.read_bytes() for path in kept] == [b"first", b"second", b"third"]


def test_what_another_run_made_meanwhile_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    make(store)
    (store.folder("hold", KEY) / "bale.txt").unlink()
    inspect = store_module._inspect

    def slowly(folder: Path, key: str) -> tuple[str | None, Mapping[str, Any]]:
        found = inspect(folder, key)
        monkeypatch.setattr(store_module, "_inspect", inspect)
        assert make(store, b"anew")
        return found

    monkeypatch.setattr(store_module, "_inspect", slowly)
    assert store.find("hold", KEY) is None
    assert not make(store)
    assert (store.folder("hold", KEY) / "bale.txt").read_bytes() == b"anew"


_MAKE_SLOWLY = f"""
import sys, time
from pathlib import Path
from domainlm.study.store import Store

store = Store(Path(sys.argv[1]))
with store.work("hold", "{KEY}") as folder:
    if folder is not None:
        time.sleep(0.3)
        store.finish(folder, {{"key": "{KEY}"}})
print("waited" if folder is None else "made")
"""


@pytest.mark.timeout(240)
def test_of_two_processes_one_makes_and_one_waits(tmp_path: Path) -> None:
    # Programs of their own: a spawned child could not import this module, which belongs to no package.
    command = [sys.executable, "-c", _MAKE_SLOWLY, str(tmp_path)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(worker.communicate(timeout=200)[0].strip() for worker in workers)
    assert said == ["made", "waited"]
    assert [worker.returncode for worker in workers] == [0, 0]
    assert Store(tmp_path).find("hold", KEY) is not None


def test_a_file_in_the_way_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="is a file, not a folder"):
        Store(tmp_path / "taken").prepare()
    for below in ("below", "below/artifacts"):
        with pytest.raises(StorageError, match="is a file, not a folder") as caught:
            Store(tmp_path / "taken" / below).prepare()
        assert caught.value.where == str(tmp_path / "taken")


def test_hashes_are_remembered_until_the_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"abc")
    cache = tmp_path / "hashes.json"
    # FIPS 180-2, appendix B.1: the hash of "abc".
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    hashes = FileHashes(cache)
    assert hashes.of(path) == expected
    hashes.save()
    with monkeypatch.context() as patched:
        patched.setattr("domainlm.study.files.sha256_of", lambda _: pytest.fail("hashed again"))
        assert FileHashes(cache).of(path) == expected
    path.write_bytes(b"abcd")
    assert FileHashes(cache).of(path) != expected


def test_hashes_are_written_once_and_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write = files_module.write_json

    def counted(path: Path, content: dict[str, str]) -> None:
        written.append(len(content))
        write(path, content)

    monkeypatch.setattr(files_module, "write_json", counted)
    hashes = FileHashes(tmp_path / "hashes.json")
    paths = [tmp_path / f"{number}.txt" for number in range(20)]
    for path in paths:
        path.write_text(path.name, "utf-8")
    for path in paths[:10]:
        hashes.of(path)
    assert written == []
    monkeypatch.setattr(files_module, "_SECONDS_PER_SAVE", 0.0)
    hashes.of(paths[10])
    assert written == [11]
    monkeypatch.setattr(files_module, "_SECONDS_PER_SAVE", 30.0)
    for path in paths:
        hashes.of(path)
    hashes.save()
    hashes.save()
    assert written == [11, 20]


def test_hashes_of_two_processes_are_merged_and_none_make_a_folder(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text(name, "utf-8")
    cache = tmp_path / "store" / "hashes.json"
    first, second = FileHashes(cache), FileHashes(cache)
    first.of(tmp_path / "a")
    second.of(tmp_path / "b")
    first.save()
    assert not cache.parent.exists()
    cache.parent.mkdir()
    first.save()
    second.save()
    remembered = json.loads(cache.read_text("utf-8"))
    assert sorted(stamp.partition("|")[0] for stamp in remembered) == [str(tmp_path / "a"), str(tmp_path / "b")]


@dataclass(frozen=True, kw_only=True)
class Loading(Stage):
    """A stage for the tests of keys."""

    kind: ClassVar[str] = "loading"
    cargo: str
    tons: int

    def identity(self) -> Mapping[str, Any]:
        return {"cargo": self.cargo, "tons": self.tons}

    def make(self, context: StageContext) -> Mapping[str, Any]:
        return {"folder": str(context.folder)}


@given(st.text(), st.integers(), st.text(), st.integers())
def test_keys_follow_the_identity_and_the_inputs_but_not_the_label(a: str, m: int, b: str, n: int) -> None:
    one = Loading(label="x", inputs={}, cargo=a, tons=m)
    same = Loading(label="y", inputs={}, cargo=a, tons=m)
    other = Loading(label="x", inputs={}, cargo=b, tons=n)
    assert one.key == same.key
    assert (one.key == other.key) == ((a, m) == (b, n))
    above = Loading(label="x", inputs={"below": one}, cargo=a, tons=m)
    assert above.key != one.key
    assert [stage.key for stage in above.with_inputs()] == [one.key, above.key]
