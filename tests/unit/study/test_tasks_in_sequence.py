"""Tasks that start from one another's models, in a whole run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from domainlm.errors import RecipeError
from domainlm.plugin import load_plugins
from domainlm.recipe.load import load_recipe
from domainlm.recipe.resolve import resolve
from domainlm.study.files import FileHashes
from domainlm.study.graph import build_graph
from domainlm.study.run import run_recipe

RECIPE = """
name = "harbour"
seeds = [3, 5]
[corpus]
spec = "core/text"
files = ["logs.txt"]
held_out_share = 0.5
[vocabulary]
size = 50
[model]
size = "core/tiny"
[pretraining]
num_steps = 0
max_tokens = 32
[finetuning]
num_epochs = 1
num_sequences_per_step = 4
num_sequences_per_micro_batch = 4
max_tokens = 32
head = { num_fc_layers = 1 }
optimizer = { learning_rate = 1e-12 }
[[tasks]]
spec = "core/squad"
name = "logbooks"
after = "letters"
files = { train = ["logbooks.json"], test = ["logbooks.json"] }
[[tasks]]
spec = "core/squad"
name = "letters"
after = "ships"
files = { train = ["letters.json"], test = ["letters.json"] }
[[tasks]]
spec = "core/conll"
name = "ships"
files = { train = ["ships.tsv"], test = ["ships.tsv"] }
[runtime]
num_threads = 1
"""


def _questions(*contexts: str) -> str:
    paragraphs = [
        {
            "context": context,
            "qas": [
                {
                    "id": context,
                    "question": "Which ship?",
                    "answers": [{"text": context.split()[1], "answer_start": 4}],
                }
            ],
        }
        for context in contexts
    ]
    return json.dumps({"data": [{"paragraphs": paragraphs}]})


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("harbour")
    lines = [
        f"The {ship} left with {cargo}." for ship in ("Hydra", "Argo", "Lyra") for cargo in ("sand", "wool", "iron")
    ]
    (folder / "logs.txt").write_text("\n\n".join(lines) + "\n")
    (folder / "logbooks.json").write_text(_questions("The Vega left.", "The Lyra left with oil."))
    (folder / "letters.json").write_text(_questions("The Orion left.", "The Vega left with salt."))
    (folder / "ships.tsv").write_text("The\tO\nVega\tB-ship\nleft\tO\n\nThe\tO\nLyra\tB-ship\n")
    path = folder / "harbour.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    run_recipe(recipe, out=out, store=None, overrides=(), plugins=load_plugins(candidates=[]))
    return out


def test_a_task_starts_from_the_model_of_the_same_seed(finished: Path) -> None:
    (cell,) = (path for path in (finished / "models").iterdir() if path.is_dir())
    weights = {
        (name, seed): load_file(cell / f"{name}-seed-{seed}" / "model.safetensors")
        for name in ("ships", "letters", "logbooks")
        for seed in (3, 5)
    }
    for seed in (3, 5):
        ships, letters, logbooks = (weights[name, seed] for name in ("ships", "letters", "logbooks"))
        assert not any(name.startswith("encoder.") and ships[name].isnan().any() for name in ships)
        # Hardly anything is learned, so what differs was not carried over: the head of another kind of task.
        assert _distance(ships, letters, "encoder.") < 1e-6
        assert ships["head.output.weight"].shape != letters["head.output.weight"].shape
        assert _distance(letters, logbooks, "") < 1e-6
    assert _distance(weights["logbooks", 3], weights["logbooks", 5], "head.") > 1e-3


def _distance(left: dict[str, Any], right: dict[str, Any], prefix: str) -> float:
    return max(float((left[name] - right[name]).abs().max()) for name in left if name.startswith(prefix))


def test_rows_say_what_a_model_was_fine_tuned_on_before(finished: Path) -> None:
    rows = json.loads((finished / "results.json").read_text())["rows"]
    found = {row["dataset"]: row["after"] for row in rows if row["stage"] == "finetune"}
    assert found == {"ships": "", "letters": "ships", "logbooks": "ships, then letters"}


def test_what_came_before_is_part_of_what_a_model_is(recipe: Path) -> None:
    def keys(*overrides: str) -> dict[tuple[str, int], str]:
        resolved = resolve(load_recipe(recipe, overrides), load_plugins(candidates=[]).registry)
        (cell,) = build_graph(resolved, FileHashes(None), lambda _: {"torch": "2"}).cells
        return {(stage.name, stage.seed): stage.key for stage in cell.finetuning}

    before = keys()
    assert len(set(before.values())) == 6
    after = keys("tasks.2.finetuning.num_epochs=2")  # ships, with which the others begin
    assert not set(before.values()) & set(after.values())
    after = keys("tasks.0.finetuning.num_epochs=2")
    assert {name for name in before if before[name] != after[name]} == {("logbooks", 3), ("logbooks", 5)}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ('tasks.2.after="leters"', "nearest: letters"),
        ('tasks.2.after="logbooks"', "logbooks after letters after ships after logbooks"),
        ('tasks.2.after="ships"', "ships after ships"),
    ],
)
def test_unknown_names_and_circles_are_refused(recipe: Path, override: str, message: str) -> None:
    loaded = load_recipe(recipe, [override])
    with pytest.raises(RecipeError, match=message):
        resolve(loaded, load_plugins(candidates=[]).registry)
