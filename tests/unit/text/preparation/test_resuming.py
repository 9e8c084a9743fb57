from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import domainlm
from domainlm.errors import MachineError
from domainlm.text.preparation import work
from domainlm.text.preparation.blocks import BlockName
from domainlm.text.preparation.parts import is_finished, new_part, part_folder
from domainlm.text.preparation.prepare import Preparation, Prepared, prepare_parts
from domainlm.text.preparation.work import Encoding, PartMaker

PreparationOf = Callable[..., Preparation]
FinishInto = Callable[..., Prepared]
FilesOf = Callable[[Path], dict[str, bytes]]
Prepare = Callable[..., tuple[Prepared, Path]]

_SCRIPT = """
import sys
from pathlib import Path

import preparation_helpers
from domainlm.text.preparation import blocks
from domainlm.text.preparation.blocks import group_files
from domainlm.text.preparation.prepare import Preparation, prepare_parts
from domainlm.text.preparation.reading import Input

if __name__ == "__main__":
    blocks.BLOCK_CHARACTERS = 300
    blocks.GROUP_BYTES = 1
    paths = [Path(given) for given in sys.argv[3:]]
    source = Input(groups=group_files(paths), read=preparation_helpers.read_slowly)
    identity = {"files": [path.name for path in paths]}
    preparation = Preparation(source=source, source_identity=identity, held_out_share=0.2)
    prepare_parts(preparation, Path(sys.argv[1]), num_workers=int(sys.argv[2]))
"""


def _parts(folder: Path) -> dict[str, float]:
    return {path.name: path.stat().st_ctime for path in folder.glob("parts/[0-9]*-*")}


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("num_workers", [1, 2])
def test_a_killed_preparation_goes_on_to_the_same_bytes(
    ships: list[Path],
    preparation_of: PreparationOf,
    finish_into: FinishInto,
    files_of: FilesOf,
    prepare: Prepare,
    tmp_path: Path,
    num_workers: int,
) -> None:
    _, expected = prepare(ships, "undisturbed")
    script = tmp_path / "killed.py"
    script.write_text(_SCRIPT)
    folder = tmp_path / "work"
    path = os.pathsep.join([str(Path(domainlm.__file__).parents[1]), str(Path(__file__).parent)])
    process = subprocess.Popen(
        [sys.executable, str(script), str(folder), str(num_workers), *map(str, ships)],
        env={**os.environ, "PYTHONPATH": path},
    )
    deadline = time.monotonic() + 40
    while len(_parts(folder)) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = _parts(folder)
    assert 3 <= len(before) < len(_parts(expected / "work-1"))
    preparation = preparation_of(ships)
    prepare_parts(preparation, folder, num_workers=1)
    finish_into(preparation, [folder], tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(expected)
    assert before.items() <= _parts(folder).items()  # what was finished was not made again


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("damage", ["cut", "missing file", "no manifest"])
def test_a_damaged_part_is_made_again(
    ships: list[Path],
    preparation_of: PreparationOf,
    finish_into: FinishInto,
    files_of: FilesOf,
    tmp_path: Path,
    damage: str,
) -> None:
    preparation = preparation_of(ships)
    prepare_parts(preparation, tmp_path / "work", num_workers=1)
    finish_into(preparation, [tmp_path / "work"], tmp_path / "before")
    part = tmp_path / "work" / "parts" / "000001-000001"
    if damage == "cut":
        (part / "train.txt").write_bytes((part / "train.txt").read_bytes()[:-5])
    else:
        (part / ("train.txt" if damage == "missing file" else "part.json")).unlink()
    prepare_parts(preparation, tmp_path / "work", num_workers=1)
    finish_into(preparation, [tmp_path / "work"], tmp_path / "after")
    assert files_of(tmp_path / "after") == files_of(tmp_path / "before")


@pytest.mark.usefixtures("small_blocks")
def test_finished_work_is_not_read_again(
    ships: list[Path], preparation_of: PreparationOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preparation = preparation_of(ships)
    prepare_parts(preparation, tmp_path / "work", num_workers=1)

    def never(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr(PartMaker, "make", never)
    for path in ships:
        path.unlink()
    prepare_parts(preparation, tmp_path / "work", num_workers=1)


@pytest.mark.usefixtures("small_blocks")
def test_an_error_half_way_leaves_no_half_part(
    ships: list[Path], preparation_of: PreparationOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(work, "write_table", fail)
    with pytest.raises(OSError, match="No space"):
        prepare_parts(preparation_of(ships), tmp_path / "work", num_workers=1)
    assert list((tmp_path / "work" / "parts").iterdir()) == []


def test_a_killed_worker_is_a_clear_error(
    ships: list[Path], preparation_of: PreparationOf, tmp_path: Path, helpers: ModuleType
) -> None:
    encoding = Encoding(helpers.kill_this_process, "<u2", "none")
    with pytest.raises(MachineError, match="was killed"):
        prepare_parts(preparation_of(ships, encoding=encoding), tmp_path / "work", num_workers=2)


@pytest.mark.usefixtures("folders_refuse_to_sync")
def test_a_part_is_finished_where_folders_cannot_be_synced(tmp_path: Path) -> None:
    name = BlockName(0, 0)
    with new_part(tmp_path, name) as folder:
        (folder / "train.txt").write_text("A ship.\n")
    assert is_finished(part_folder(tmp_path, name))
    assert [path.name for path in tmp_path.iterdir()] == [str(name)]
