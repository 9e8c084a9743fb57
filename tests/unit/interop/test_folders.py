"""Folders that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.errors import StorageError
from domainlm.interop.folders import new_folder


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("out", [".", "..", "/", "../here"])
def test_the_working_folder_is_not_replaced(
    out: str, force: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "kept").write_text("", encoding="utf-8")
    monkeypatch.chdir(here)
    with pytest.raises(StorageError, match="working folder lies in it"), new_folder(Path(out), force=force):
        pass
    assert [path.name for path in here.iterdir()] == ["kept"]
    with new_folder(Path("new"), force=force) as partial:
        (partial / "made").write_text("", encoding="utf-8")
    assert (here / "new" / "made").is_file()


@pytest.mark.parametrize("source", ["model", "model/inner"])
def test_what_a_folder_is_made_of_is_not_replaced_by_it(source: str, tmp_path: Path) -> None:
    (tmp_path / "model" / "inner").mkdir(parents=True)
    with (
        pytest.raises(StorageError, match="made of lies in it"),
        new_folder(tmp_path / "model", force=True, source=tmp_path / source),
    ):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "inner"]


def test_what_stands_there_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number in range(2):
        with new_folder(out, force=number > 0) as partial:
            (partial / str(number)).write_text("", encoding="utf-8")
    assert [path.name for path in out.iterdir()] == ["1"]
    with pytest.raises(StorageError, match="is there already"), new_folder(out):
        pass
