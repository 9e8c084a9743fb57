"""Pretraining on the training texts of the recipe's tasks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from domainlm import hookimpl
from domainlm.api import ProblemLog, SequenceExample, Split, TaskSpec
from domainlm.errors import RecipeError
from domainlm.plugin import load_plugins
from domainlm.plugin.discovery import Candidate
from domainlm.plugin.provider import Provider
from domainlm.study.run import describe_run, run_recipe

RECIPE = """
name = "tapt"
[corpus]
spec = "core/task-text"
held_out_share = 0.3
[vocabulary]
size = 60
min_frequency = 1
[model]
size = "core/tiny"
[pretraining]
num_steps = 1
num_sequences_per_step = 4
num_sequences_per_micro_batch = 4
max_tokens = 16
second_objective = "none"
[finetuning]
num_epochs = 1
max_tokens = 16
[runtime]
num_threads = 1
"""
TASK = """
[[tasks]]
spec = "core/conll"
name = "ships"
files = { train = ["train.tsv"], dev = ["dev.tsv"], test = ["dev.tsv"] }
"""
OTHER = RECIPE.replace('"core/task-text"', '"core/text"\nfiles = ["dev.tsv"]')
SHIPS = ("vega", "orion", "lyra", "argo", "hydra", "corvus")


def write(folder: Path, text: str) -> Path:
    rows = [f"The\tO\n{ship}\tB-Ship\nleft\tO\nbay\tO\n{number}\tO\n" for number in range(20) for ship in SHIPS]
    (folder / "train.tsv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "dev.tsv").write_text("secret\tB-Ship\nsank\tO\n", encoding="utf-8")
    recipe = folder / "tapt.toml"
    recipe.write_text(text, encoding="utf-8")
    return recipe


def test_the_corpus_is_what_the_training_splits_say(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_recipe(write(tmp_path, RECIPE + TASK), out=out, store=None, overrides=(), plugins=load_plugins())
    (manifest,) = (out / "artifacts" / "task-text").glob("*/manifest.json")
    assert json.loads(manifest.read_text())["facts"] == {"num_documents": {"ships": 12}}
    (text,) = (out / "artifacts" / "corpus").glob("*/text")
    lines = {line for name in ("train", "held_out") for line in (text / f"{name}.txt").read_text().splitlines() if line}
    assert lines == {f"The {ship} left bay {number}" for number in range(20) for ship in SHIPS}
    assert json.loads((out / "results.json").read_text())["rows"][0]["corpus"] == "core/task-text"


def read_all(path: Path, problems: ProblemLog) -> Iterator[SequenceExample]:
    for number, line in enumerate(path.read_text("utf-8").splitlines()):
        _, label, text = line.split("\t")
        yield SequenceExample(str(number), text, label)


def read_split(path: Path, split: Split, problems: ProblemLog) -> Iterator[SequenceExample]:
    splits = [line.split("\t")[0] for line in path.read_text("utf-8").splitlines()]
    yield from (example for example in read_all(path, problems) if splits[int(example.id)] == split)


def test_of_a_file_of_several_splits_the_training_texts_alone(tmp_path: Path) -> None:
    task = TaskSpec(
        name="wreck/reports",
        description="a file of all splits",
        kind="sequence",
        read=read_all,
        read_split=read_split,
        defaults={"num_epochs": 1, "max_tokens": 16},
    )
    module = ModuleType("wreck")
    module.domainlm_tasks = hookimpl(lambda: [task], specname="domainlm_tasks")  # type: ignore[attr-defined]
    lines = [
        f"{split}\t{label}\tThe {ship} {label} in the {split} bay {number}"
        for number in range(8)
        for split in ("train", "dev", "test")
        for ship, label in zip(SHIPS, ("sank", "sailed") * 3, strict=True)
    ]
    recipe = write(tmp_path, RECIPE + '[[tasks]]\nspec = "wreck/reports"\nfiles = { SPLITS }\n')
    (tmp_path / "all.txt").write_text("\n".join(lines), encoding="utf-8")
    files = ", ".join(f'{split} = ["all.txt"]' for split in ("train", "dev", "test"))
    recipe.write_text(recipe.read_text().replace("SPLITS", files), encoding="utf-8")
    out = tmp_path / "out"
    plugins = load_plugins(candidates=[Candidate(Provider("wreck", "1", "main"), lambda: module)])
    run_recipe(recipe, out=out, store=None, overrides=(), plugins=plugins)
    (text,) = (out / "artifacts" / "corpus").glob("*/text")
    said = " ".join((text / f"{name}.txt").read_text("utf-8") for name in ("train", "held_out"))
    assert [said.count(f"the {split} bay") for split in ("train", "dev", "test")] == [48, 0, 0]


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (RECIPE, "needs tasks"),
        (OTHER + '[general]\nspec = "core/task-text"\n', "general(.|\n)*add \\[\\[tasks"),
        (OTHER + '[[mixture.corpora]]\nspec = "core/task-text"\n', "mixture.corpora(.|\n)*add \\[\\[tasks"),
        (RECIPE.replace("held_out_share", 'files = ["dev.tsv"]\nheld_out_share') + TASK, "leave out files and sample"),
    ],
)
def test_it_takes_tasks_and_no_files(recipe: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, recipe)
    with pytest.raises(RecipeError, match=message):
        describe_run(path, out=tmp_path / "out", store=None, overrides=(), plugins=load_plugins())
