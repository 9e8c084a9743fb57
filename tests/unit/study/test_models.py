"""The models below OUT/models, as run after run leaves them, and what their cards say they scored."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from domainlm.errors import StorageError
from domainlm.recipe.cells import cell_label
from domainlm.study import card, models
from domainlm.study.graph import Graph
from domainlm.study.models import copied_models, copy_models
from domainlm.study.results import Artifacts

RATE, STEPS = "finetuning.optimizer.learning_rate", "pretraining.num_steps"
Varied = Mapping[str, Any]


class Study:
    """Cells with made-up models, each a folder with one file that says whose it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cells: list[SimpleNamespace] = []
        self.artifacts: dict[str, SimpleNamespace] = {}

    def add(self, varied: Varied, *datasets: str) -> None:
        label = cell_label(varied, "harbour")
        definition = SimpleNamespace(label=label, varied=varied)
        tuned = tuple(SimpleNamespace(key=self._make(f"{label}: {name}"), name=name, seed=3) for name in datasets)
        model = SimpleNamespace(key=self._make(label))
        self.cells.append(SimpleNamespace(definition=definition, model=model, finetuning=tuned))

    def _make(self, content: str) -> str:
        key = f"key-{len(self.artifacts)}"
        (self.folder / key / "model").mkdir(parents=True)
        self.artifacts[key] = SimpleNamespace(folder=self.folder / key, manifest={})
        self.remake(key, content)
        return key

    def remake(self, key: str, content: str) -> None:
        """Write a model, also one that is there, and its manifest."""
        (self.folder / key / "model" / "config.json").write_text(content, encoding="utf-8")
        digest = hashlib.sha256(content.encode()).hexdigest()
        self.artifacts[key].manifest = {"files": {"model/config.json": {"sha256": digest}, "log": {"sha256": ""}}}

    def copy(self, out: Path) -> dict[str, str]:
        copy_models(cast("Graph", self), cast("Artifacts", self.artifacts), out)
        found = [path.parent for path in sorted(out.glob("*/*/config.json"))]
        return {str(path.relative_to(out)): (path / "config.json").read_text("utf-8") for path in found}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "store")


def test_names_that_would_be_the_same_are_told_apart(study: Study, tmp_path: Path) -> None:
    for arm in ("a/b", "a b", "A b", "c/d"):
        study.add({"arm": arm}, "ships", "e f", "e/f")
    found = study.copy(tmp_path / "models")
    assert len(found) == 4 * 4
    assert sorted(found.values()) == sorted(
        content
        for arm in ("a/b", "a b", "A b", "c/d")
        for content in (arm, *(f"{arm}: {n}" for n in ("ships", "e f", "e/f")))
    )
    assert {"c_d/language-model", "c_d/ships-seed-3"} < set(found)
    assert [str(path.relative_to(tmp_path / "models")) for path in copied_models(tmp_path / "models")] == sorted(found)


def test_a_model_that_was_made_again_in_other_bits_is_copied_again(study: Study, tmp_path: Path) -> None:
    study.add({STEPS: 4})
    assert list(study.copy(tmp_path / "models").values()) == ["num_steps=4"]
    study.remake("key-0", "num_steps=5")  # of the same size
    assert list(study.copy(tmp_path / "models").values()) == ["num_steps=5"]


def test_models_that_a_run_no_longer_has_are_removed_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "models"
    first, second = Study(tmp_path / "first"), Study(tmp_path / "second")
    for steps in (2, 4):
        first.add({STEPS: steps}, "ships", "boats")
    first.copy(out)
    own = out / "mine" / "language-model"
    own.mkdir(parents=True)
    (out / "num_steps=2" / "notes.txt").write_text("mine")
    (out / "num_steps=4" / "ships-seed-9").mkdir()
    second.add({STEPS: 4}, "ships")
    second.add({STEPS: 8}, "ships")
    found = second.copy(out)
    assert list(found) == [
        f"num_steps={steps}/{name}" for steps in (4, 8) for name in ("language-model", "ships-seed-3")
    ]
    assert own.is_dir()
    assert [path.name for path in (out / "num_steps=2").iterdir()] == ["notes.txt"]
    assert (out / "num_steps=4" / "ships-seed-9").is_dir()
    (out / "num_steps=2" / "notes.txt").unlink()
    Study(tmp_path / "third").copy(out)
    assert sorted(path.name for path in out.iterdir()) == ["mine", "num_steps=2", "num_steps=4"]


def copied(study: Study, out: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that are written by one more copy."""
    written: list[str] = []
    copy = models._copy

    def noting(model: Path, folder: Path) -> None:
        written.append(folder.name)
        copy(model, folder)

    with monkeypatch.context() as patch:
        patch.setattr(models, "_copy", noting)
        study.copy(out)
    return written


def test_what_is_there_is_not_copied_again(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, folder = tmp_path / "models", tmp_path / "models" / "harbour"
    study.add({}, "ships", "boats")
    everything = ["language-model", "ships-seed-3", "boats-seed-3"]
    assert copied(study, out, monkeypatch) == everything
    (folder / "boats-seed-3" / "README.md").write_text("mine")
    assert copied(study, out, monkeypatch) == []
    assert (folder / "boats-seed-3" / "README.md").is_file()
    (folder / "ships-seed-3" / "config.json").write_text("shorter")
    (folder / "language-model" / "config.json").unlink()
    assert copied(study, out, monkeypatch) == ["language-model", "ships-seed-3"]
    # The same files from another artifact, others of the same sizes, and the note of an earlier version.
    key = study.cells[0].finetuning[0].key
    study.artifacts["another"] = study.artifacts[key]
    study.cells[0].finetuning[0].key = "another"
    assert copied(study, out, monkeypatch) == []
    study.remake(key, "harbour: shops")
    assert copied(study, out, monkeypatch) == ["ships-seed-3"]
    (out / ".written.json").write_text(json.dumps([f"harbour/{name}" for name in everything]))
    assert copied(study, out, monkeypatch) == everything
    assert copied(study, out, monkeypatch) == []


def test_a_full_disk_is_one_clear_error_and_copying_goes_on(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "models"
    study.add({}, "ships", "boats")

    def fill(source: Path, place: Path) -> None:
        if "ships" in source.read_text("utf-8"):
            place.write_text("h")
            raise OSError(errno.ENOSPC, "No space left on device", str(place))
        shutil.copyfile(source, place)

    with monkeypatch.context() as patch:
        patch.setattr("domainlm.study.models.shutil.copy2", fill)
        with pytest.raises(StorageError, match="the disk is full"):
            study.copy(out)
    assert sorted(path.name for path in out.rglob("*") if path.is_dir()) == ["harbour", "language-model"]
    assert copied(study, out, monkeypatch) == ["ships-seed-3", "boats-seed-3"]


def test_somebody_else_s_folder_is_not_replaced(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "models"
    study.add({}, "ships")
    study.copy(out)
    own = out / "harbour" / "boats-seed-3" / "notes.txt"
    own.parent.mkdir()
    own.write_text("mine")
    study.cells.clear()
    study.add({}, "ships", "boats")
    with pytest.raises(StorageError, match=r"boats-seed-3: a folder that no run has written"):
        study.copy(out)
    assert own.read_text("utf-8") == "mine"


@pytest.mark.parametrize("noted", ['["../mine", "/etc/x", "../../x", 3, "mine"]', "{}", "no JSON"])
def test_what_is_noted_leads_nowhere_else(tmp_path: Path, noted: str) -> None:
    out = tmp_path / "models"
    (tmp_path / "mine").mkdir()
    (out / "mine").mkdir(parents=True)
    (out / ".written.json").write_text(noted)
    assert Study(tmp_path / "store").copy(out) == {}
    assert (tmp_path / "mine").is_dir()
    assert (out / "mine").is_dir()


def results() -> dict[str, Any]:
    """Two models, learning rates chosen on dev: for ships 0.2, for boats 0.1; the chosen axis comes first."""
    rows = []
    for steps in (0, 9):
        common = {"cell": {STEPS: steps}, "model": f"num_steps={steps}"}
        loss = {"stage": "lm-score", "dataset": "logs", "split": "held-out", "metric": "masked_lm_loss", "protocol": ""}
        rows.append({**loss, "seed": 0, "value": 2.0 + steps, **common})
        for dataset, rate in (("ships", 0.2), ("boats", 0.1)):
            f1 = {"stage": "finetune", "dataset": dataset, "split": "test", "metric": "f1", "protocol": "strict"}
            rows.append({**f1, "seed": 3, "value": rate + steps, "settings": {RATE: rate}, **common})
    study = {"axes": {RATE: [0.1, 0.2], STEPS: [0, 9]}, "select": [RATE]}
    return {"recipe": {"name": "harbour", "study": study}, "lock": {}, "rows": rows}


def scores(folder: Path, content: dict[str, Any]) -> list[str]:
    lines = list(card._scores(card.rows_about(folder, json.loads(json.dumps(content)))))
    return [line.split(" | ")[-1].removesuffix(" |") for line in lines if line.startswith("| ") and "seed" not in line]


def test_a_card_has_the_scores_of_its_model_alone() -> None:
    content = results()
    assert scores(Path("learning_rate=0.2_num_steps=9/ships-seed-3"), content) == ["9.2"]
    assert scores(Path("learning_rate=0.1_num_steps=0/boats-seed-3"), content) == ["0.1"]
    for rate in (0.1, 0.2):
        assert scores(Path(f"learning_rate={rate}_num_steps=9/language-model"), content) == ["11", "9.2", "9.1"]
    del content["recipe"]["study"]
    for row in content["rows"]:
        row["cell"], row["settings"] = {}, {}
    assert scores(Path("harbour/boats-seed-3"), content) == ["0.1", "9.1"]


@pytest.mark.parametrize("name", ["learning_rate=0.1_num_steps=9/ships-seed-3", "moved/ships-seed-3", "x/y"])
def test_a_card_without_scores_says_so(name: str) -> None:
    rows = card.rows_about(Path(name), results())
    assert rows == []
    assert "results.json of the run has no scores of this model." in list(card._scores(rows))
    only_types = [{**row, "type": "ship"} for row in results()["rows"]]
    assert "results.json of the run has no scores of this model." in list(card._scores(only_types))


def test_cards_know_models_whose_names_end_in_a_hash(study: Study, tmp_path: Path) -> None:
    content: dict[str, Any] = {"recipe": {"name": "harbour", "study": {"arms": []}}, "rows": []}
    common = {"split": "test", "metric": "f1", "protocol": "strict", "seed": 3}
    for value, arm in enumerate(("a/b", "a b")):
        study.add({"arm": arm}, "ships")
        content["rows"].append({**common, "dataset": "ships", "value": value, "cell": {"arm": arm}})
    study.copy(tmp_path)
    said = {
        (path / "config.json").read_text("utf-8"): scores(path, content)
        for path in copied_models(tmp_path)
        if path.name != "language-model"
    }
    assert said == {"a/b: ships": ["0"], "a b: ships": ["1"]}
