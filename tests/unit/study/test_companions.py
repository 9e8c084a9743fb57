"""Files that a task's reader opens beside those that the recipe names: stages that read them depend on them."""

from __future__ import annotations

from pathlib import Path

import pytest

from domainlm.files import sha256_of
from domainlm.plugin import load_plugins
from domainlm.recipe.load import load_recipe
from domainlm.recipe.lock import lock_record
from domainlm.recipe.resolve import resolve
from domainlm.study.files import FileHashes
from domainlm.study.graph import Graph, build_graph

RECIPE = """
name = "harbour"
[corpus]
spec = "core/text"
files = ["logs.txt"]
[[mixture.corpora]]
name = "training texts"
spec = "core/task-text"
[vocabulary]
size = 60
[model]
size = "core/tiny"
[[tasks]]
spec = "SPEC"
name = "ships"
files = { train = ["train.ann"], dev = ["dev.ann"] }
"""
TRAIN = "[pretraining]\nnum_steps = 1\n"
MEASURE = """
[measure]
break_up_rate = true
task_facts = ["words"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "logs.txt").write_text("The Vega left.\n", "utf-8")
    for split in ("train", "dev"):
        (tmp_path / f"{split}.ann").write_text("T1\tShip 4 8\tVega\n", "utf-8")
        (tmp_path / f"{split}.txt").write_text("The Vega sank.\n", "utf-8")
    return tmp_path


def graph_of(folder: Path, text: str) -> Graph:
    (folder / "harbour.toml").write_text(text, "utf-8")
    resolved = resolve(load_recipe(folder / "harbour.toml"), load_plugins(candidates=[]).registry)
    return build_graph(resolved, FileHashes(), lambda _: {"torch": "2"})


def keys(folder: Path, spec: str = "core/brat") -> dict[str, set[str]]:
    """The keys of all stages by their kind, of a recipe that trains and of one that measures."""
    text = RECIPE.replace("SPEC", spec)
    found: dict[str, set[str]] = {}
    for graph in (graph_of(folder, text + TRAIN), graph_of(folder, text + MEASURE)):
        for stage in graph.ordered():
            found.setdefault(stage.kind, set()).add(stage.key)
    return found


@pytest.mark.parametrize(
    ("split", "readers"),
    [
        ("train", {"task-text", "corpus", "break-up", "task-facts", "finetune"}),
        ("dev", {"corpus", "break-up", "task-facts", "finetune"}),
    ],
)
def test_stages_depend_on_the_text_beside_the_annotations(folder: Path, split: str, readers: set[str]) -> None:
    before = keys(folder)
    (folder / f"{split}.txt").write_text("The Vega sails.\n", "utf-8")
    after = keys(folder)
    assert readers <= {kind for kind in before if before[kind] != after[kind]}
    assert ("task-text" in readers) == (before["task-text"] != after["task-text"])


def test_where_nothing_is_opened_beside_nothing_is_in_the_identity(folder: Path) -> None:
    before = keys(folder, "core/conll")
    (folder / "train.txt").write_text("The Vega sails.\n", "utf-8")
    assert keys(folder, "core/conll") == before
    for stage in graph_of(folder, RECIPE.replace("SPEC", "core/conll") + TRAIN).ordered():
        assert "companions" not in str(stage.identity())


@pytest.mark.parametrize("rest", [TRAIN, MEASURE])
def test_the_lock_names_them(folder: Path, rest: str) -> None:
    (folder / "harbour.toml").write_text(RECIPE.replace("SPEC", "core/brat") + rest, "utf-8")
    registry = load_plugins(candidates=[]).registry
    lock = lock_record(resolve(load_recipe(folder / "harbour.toml"), registry), registry, sha256_of, {})
    assert lock["files"]["train.txt"] == {"sha256": sha256_of(folder / "train.txt"), "bytes": 15}
