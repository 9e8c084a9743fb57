"""What a run finds in its output folder: it writes over its own results, and over nothing else."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.errors import StorageError
from domainlm.plugin import load_plugins
from domainlm.study import models
from domainlm.study.out_folder import FILES, FOLDERS
from domainlm.study.run import describe_run, run_recipe

RECIPE = """
name = "ships"
[corpus]
spec = "core/text"
files = ["{folder}/logs.txt"]
held_out_share = 0.1
[vocabulary]
size = 60
[model]
size = "core/tiny"
[pretraining]
num_steps = 0
max_tokens = 16
[finetuning]
num_epochs = 1
max_tokens = 16
[[tasks]]
spec = "core/conll"
name = "ships"
[tasks.files]
train = ["{folder}/train.tsv"]
test = ["{folder}/test.tsv"]
[runtime]
num_threads = 1
"""
OWN = ("logs/notes.txt", "logs/pretrain-mine.jsonl", "tables/table-mine.csv", "models/mine/language-model/config.json")


def write(path: Path, text: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def contents(folder: Path) -> dict[Path, bytes]:
    """What lies there, but for the remembered hashes of inputs."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "input-hashes.json")
    return {path: path.read_bytes() for path in files}


@pytest.fixture
def write_recipe(tmp_path: Path, write_ships: Callable[[Path], None]) -> Callable[[str], Path]:
    """Writes the inputs into a folder below tmp_path, and beside it a recipe that reads them."""

    def written(folder: str) -> Path:
        (tmp_path / folder).mkdir(parents=True)
        write_ships(tmp_path / folder)
        return write(tmp_path / "ships.toml", RECIPE.format(folder=folder))

    return written


def run(recipe: Path, out: Path, store: Path | None = None) -> None:
    run_recipe(recipe, out=out, store=store, overrides=(), plugins=load_plugins())


def refused(recipe: Path, out: Path) -> str:
    """What a run and a dry run say; nothing is changed by them."""
    before = contents(recipe.parent)
    with pytest.raises(StorageError) as error:
        run(recipe, out)
    with pytest.raises(StorageError) as dry:
        describe_run(recipe, out=out, store=None, overrides=(), plugins=load_plugins())
    assert str(dry.value) == str(error.value)
    assert contents(recipe.parent) == before
    return str(error.value)


def test_a_folder_whose_inputs_lie_in_logs_is_refused(write_recipe: Callable[[str], Path], tmp_path: Path) -> None:
    assert "given:   logs/" in refused(write_recipe("logs"), tmp_path)


@pytest.mark.parametrize("name", [*FILES, *(f"{folder}/notes.txt" for folder in FOLDERS)])
def test_a_folder_with_such_names_that_is_no_run_s_is_refused(
    write_recipe: Callable[[str], Path], tmp_path: Path, name: str
) -> None:
    recipe = write_recipe("data")
    write(tmp_path / "out" / name)
    said = refused(recipe, tmp_path / "out")
    assert "holds what no run has written here" in said
    assert name.removesuffix("notes.txt") in said


@pytest.mark.parametrize("folder", [*FOLDERS, "artifacts", "workers"])
def test_inputs_where_the_run_writes_are_refused_whosever_the_folder(
    write_recipe: Callable[[str], Path], tmp_path: Path, folder: str
) -> None:
    recipe = write_recipe(f"out/{folder}/deep")
    write(tmp_path / "out" / ".recipe.json", '{"name": "ships"}')
    assert f"given:   out/{folder}/deep/logs.txt" in refused(recipe, tmp_path / "out")


def test_a_link_hides_no_input(write_recipe: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = write_recipe("data")
    write(tmp_path / "out" / ".recipe.json", '{"name": "ships"}')
    (tmp_path / "out" / "logs").symlink_to(tmp_path / "data")
    assert "an input of the recipe lies where the run would write" in refused(recipe, tmp_path / "out")


@pytest.mark.timeout(60)
def test_a_run_leaves_alone_what_is_not_its_own(write_recipe: Callable[[str], Path], tmp_path: Path) -> None:
    """Beside its inputs, then again with files of the user among its own, and logs and tables that it no longer has."""
    recipe = write_recipe("data")
    for name in FOLDERS:
        (tmp_path / name).mkdir()  # empty: nothing could be lost
    run(recipe, tmp_path)
    left = {path.name for path in tmp_path.iterdir()} - {"data", "ships.toml", ".lock", ".recipe.json", "artifacts"}
    assert left == {*FILES, *FOLDERS}
    before = contents(tmp_path / "logs")
    own = [write(tmp_path / name) for name in OWN]
    old = [write(tmp_path / name) for name in ("logs/finetune-0123456789ab.jsonl", "tables/table-99.csv")]
    damaged = write(next(iter(before)), "x")
    run(recipe, tmp_path)
    assert all(path.read_text("utf-8") == "mine" for path in own)
    assert not any(path.exists() for path in old)
    assert damaged.read_bytes() == before[damaged]
    assert {path for path in contents(tmp_path / "logs") if path not in own} == set(before)


def test_a_disk_that_models_fill_keeps_results_and_report(
    write_recipe: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(model: Path, folder: Path) -> None:
        raise OSError(errno.ENOSPC, f"no space for {model}", str(folder))

    recipe, out = write_recipe("data"), tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(models, "_copy", fill)
        with pytest.raises(StorageError, match="the disk is full"):
            run(recipe, out)
    assert (out / "report.md").is_file()
    before = (out / "results.json").read_bytes()
    run(recipe, out)
    assert (out / "models" / "ships" / "ships-seed-0" / "model.safetensors").is_file()
    assert (out / "results.json").read_bytes() == before
