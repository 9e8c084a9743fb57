"""Resolving: everything that can be checked is checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from domainlm.api import (
    CorpusSpec,
    Document,
    ModelSizeSpec,
    ProblemLog,
    SampleWriter,
    TaskSpec,
    TokenExample,
    VocabularySpec,
)
from domainlm.errors import MachineError, RecipeError, SpecError, UserError
from domainlm.plugin.provider import Provider
from domainlm.plugin.registry import Provided, Registry
from domainlm.recipe import memory
from domainlm.recipe.load import load_recipe
from domainlm.recipe.resolve import resolve
from domainlm.recipe.resolved import Resolved

RECIPE = """
name = "ships"
seeds = [0, 1]
[corpus]
spec = "harbour/logs"
files = ["log.txt"]
[vocabulary]
spec = "harbour/words"
size = 100
[model]
size = "harbour/dinghy"
[pretraining]
num_steps = 5
max_tokens = 64
[finetuning]
num_epochs = 3
max_tokens = 32
[[tasks]]
spec = "harbour/cargo"
folder = "annotated"
"""


def read_nothing(path: Path, problems: ProblemLog) -> Iterator[Document]:
    del path, problems
    return iter(())


def read_no_examples(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
    del path, problems
    return iter(())


def write_no_sample(folder: Path, seed: int, num_documents: int) -> Mapping[str, tuple[Path, ...]]:
    del folder, seed, num_documents
    return {}


@pytest.fixture
def registry() -> Registry:
    provider = Provider("domainlm-harbour", "1.0", "harbour")
    registry = Registry()
    registry.corpora.add(CorpusSpec(name="harbour/logs", description="Logs.", read=read_nothing), provider)
    registry.vocabularies.add(
        VocabularySpec(name="harbour/words", description="Words.", algorithm="wordpiece"), provider
    )
    registry.vocabularies.add(VocabularySpec(name="harbour/list", description="A list.", algorithm="file"), provider)
    registry.model_sizes.add(
        ModelSizeSpec(name="harbour/dinghy", description="Small.", layers=2, hidden=32, heads=2, max_positions=64),
        provider,
    )
    registry.model_sizes.add(
        ModelSizeSpec(name="harbour/tanker", description="Huge.", layers=96, hidden=12288, heads=96), provider
    )
    registry.tasks.add(
        TaskSpec(
            name="harbour/cargo",
            description="Cargo.",
            kind="token",
            read=read_no_examples,
            files={"train": ("train.tsv",), "dev": ("devel.tsv", "dev.tsv"), "test": ("test.tsv",)},
            defaults={"num_epochs": 30, "optimizer": {"weight_decay": 0.5}, "head": {"dropout": 0.5}},
            sample=SampleWriter(write=write_no_sample, description="Synthetic cargo."),
            source="ask the harbour master",
        ),
        provider,
    )
    return registry


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    (tmp_path / "annotated").mkdir()
    for name in ("train.tsv", "dev.tsv", "test.tsv.gz"):
        (tmp_path / "annotated" / name).write_bytes(b"x")
    (tmp_path / "log.txt").write_text("A ship.\n", encoding="utf-8")
    path = tmp_path / "ships.toml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def resolved(recipe: Path, registry: Registry, *overrides: str) -> Resolved:
    return resolve(load_recipe(recipe, overrides), registry)


def test_files_of_a_task_are_found_under_the_specs_names(recipe: Path, registry: Registry) -> None:
    task = resolved(recipe, registry).cells[0].tasks[0]
    assert task.name == "cargo"
    assert {split: [path.name for path in paths] for split, paths in task.files.items()} == {
        "train": ["train.tsv"],
        "dev": ["dev.tsv"],
        "test": ["test.tsv.gz"],
    }


def test_misspelled_defaults_are_the_plugin_s(recipe: Path, registry: Registry) -> None:
    spec, provider = registry.tasks["harbour/cargo"]
    registry.tasks._entries["harbour/cargo"] = Provided(replace(spec, defaults={"num_epoch": 3}), provider)
    with pytest.raises(SpecError) as caught:
        resolved(recipe, registry)
    assert caught.value.where == f"plugin {provider}, task harbour/cargo@1, defaults: num_epoch"
    assert (caught.value.given, caught.value.nearest) == ("num_epoch", "num_epochs")
    assert caught.value.remedy == "mend the defaults of the TaskSpec"


def test_finetuning_settings_are_laid_over_each_other(recipe: Path, registry: Registry) -> None:
    task = resolved(recipe, registry, "tasks.0.finetuning={optimizer={learning_rate=0.25}}").cells[0].tasks[0]
    assert task.finetuning.num_epochs == 3, "the recipe is above the spec"
    assert task.finetuning.head.dropout == 0.5, "the spec is above the schema"
    assert task.finetuning.optimizer.learning_rate == 0.25, "the task's own is above all"
    assert task.finetuning.optimizer.weight_decay == 0.5, "tables merge key by key"
    assert task.finetuning.optimizer.beta1 == 0.9
    assert resolved(recipe, registry).cells[0].tasks[0].finetuning.optimizer.learning_rate == 5e-5


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        (["corpus.spec=harbour/log"], SpecError, r"corpus\.spec(.|\n)*nearest: harbour/logs"),
        (["model.size=harbour/dingy"], SpecError, r"model\.size(.|\n)*nearest: harbour/dinghy"),
        (["tasks.0.spec=law/cases"], SpecError, r"tasks\.0\.spec(.|\n)*pip install"),
        (['corpus.files=["logs.txt"]'], UserError, r"logs\.txt"),
        (["tasks.0.folder=elsewhere"], RecipeError, r"no training file(.|\n)*train\.tsv(.|\n)*harbour master"),
        (['vocabulary={spec="harbour/words"}'], RecipeError, "has no size of its own"),
        (['vocabulary={spec="harbour/list"}'], RecipeError, "reads a file, and none is named"),
        (['vocabulary={spec="harbour/list",file="log.txt",size=9000}'], RecipeError, r"vocabulary\.size: .* read as"),
        (['vocabulary={spec="harbour/list",file="log.txt",min_frequency=3}'], RecipeError, r"\.min_frequency: .* read"),
        (
            ['vocabulary={spec="harbour/list",file="log.txt",max_characters=3}'],
            RecipeError,
            r"\.max_characters: .* read",
        ),
        (["vocabulary.file=x.txt"], RecipeError, "is learned from the corpus"),
        (["pretraining.num_sequences_per_micro_batch=24"], RecipeError, r"does not divide(.|\n)*64 / 24"),
        (["pretraining.max_tokens=128"], RecipeError, r"above the 64 positions of harbour/dinghy(.|\n)*16 to 64"),
        (["finetuning.max_tokens=65"], RecipeError, "finetuning of cargo"),
        (["pretraining.num_frozen_layers=3"], RecipeError, "than the 2 of harbour/dinghy"),
        (["finetuning.num_reset_layers=2", "finetuning.num_frozen_layers=1"], RecipeError, "finetuning of cargo"),
        (['corpus={spec="harbour/logs", sample={num_documents=3}}'], RecipeError, "writes no synthetic sample"),
        (['requires.plugins={domainlm-nowhere=""}'], RecipeError, "not installed"),
        (['requires.plugins={""=""}'], RecipeError, "a distribution without a name"),
        (['requires.plugins={pluggy=">=99"}'], RecipeError, r"version .* of pluggy is installed(.|\n)*>=99"),
        (['requires.plugins={pluggy="new"}'], RecipeError, "not a version specifier"),
    ],
)
def test_what_cannot_run_is_refused(
    recipe: Path, registry: Registry, overrides: list[str], error: type[UserError], message: str
) -> None:
    with pytest.raises(error, match=message):
        resolved(recipe, registry, *overrides)


@pytest.mark.parametrize("grid", ["parallel.data=2", "parallel.activation_checkpointing=every_layer"])
@pytest.mark.parametrize(
    "setting",
    [
        "pretraining.num_embedding_steps=1",
        "pretraining.num_frozen_layers=1",
        "pretraining.freezes_embeddings=true",
        "pretraining.optimizer.layer_decay=0.9",
        "finetuning.num_reset_layers=1",
        "finetuning.optimizer.layer_decay=0.9",
    ],
)
def test_grids_take_every_setting(recipe: Path, registry: Registry, setting: str, grid: str) -> None:
    found = resolved(recipe, registry, setting, grid, "finetuning.num_sequences_per_micro_batch=2")
    assert found.cells[0].grid.degrees.data == (2 if "data" in grid else 1)


def test_a_spec_says_of_its_own_file_whether_it_is_cased(recipe: Path, registry: Registry) -> None:
    own = VocabularySpec(
        name="harbour/own", description="Own.", algorithm="file", file=recipe.parent / "log.txt", cased=False
    )
    registry.vocabularies.add(own, Provider("domainlm-harbour", "1.0", "harbour"))
    named = f'file="{recipe.parent}/log.txt"'

    def cased(vocabulary: str) -> bool | None:
        return resolved(recipe, registry, f"vocabulary={{{vocabulary}}}").cells[0].vocabulary.cased

    assert cased('spec="harbour/own"') is False
    assert cased('spec="harbour/own", cased=true') is True
    assert cased(f'spec="harbour/own", {named}') is None, "of another file it says nothing"
    assert cased(f'spec="harbour/list", {named}') is None
    registry.vocabularies.add(
        VocabularySpec(name="harbour/unsaid", description="x", algorithm="file", file=recipe.parent / "log.txt"),
        Provider("domainlm-harbour", "1.0", "harbour"),
    )
    assert cased('spec="harbour/unsaid"') is None, "what it does not say is judged from the entries"
    assert cased('spec="harbour/words", size=100') is True


def test_two_tasks_of_one_name_are_refused(recipe: Path, registry: Registry) -> None:
    again = 'tasks=[{spec="harbour/cargo", folder="annotated"}, {spec="harbour/cargo", sample={num_documents=1}}]'
    with pytest.raises(RecipeError, match="two tasks have one name"):
        resolved(recipe, registry, again.replace('"annotated"', f'"{recipe.parent}/annotated"'))


def test_a_model_that_does_not_fit_is_refused_with_both_figures(
    recipe: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "total_memory", lambda: 24 * 2**30)
    with pytest.raises(MachineError, match=r"needs about \d{4}\.\d GiB, and this machine has 24\.0 GiB"):
        resolved(recipe, registry, "model.size=harbour/tanker")


def test_every_cell_is_resolved(recipe: Path, registry: Registry) -> None:
    cells = resolved(recipe, registry, 'study.axes={"finetuning.num_epochs"=[1, 2]}').cells
    assert [cell.tasks[0].finetuning.num_epochs for cell in cells] == [1, 2]


def test_settings_are_chosen_on_dev_alone(recipe: Path, registry: Registry) -> None:
    axes = 'study.axes={"finetuning.num_epochs"=[1, 2]}'
    chosen = 'study.select=["finetuning.num_epochs"]'
    assert len(resolved(recipe, registry, axes, chosen).cells) == 2
    with pytest.raises(RecipeError, match=r"select names 'finetuning\.max_tokens', which is no axis below finetuning"):
        resolved(recipe, registry, axes, 'study.select=["finetuning.max_tokens"]')
    with pytest.raises(RecipeError, match='patience needs choose = "best_dev"'):
        resolved(recipe, registry, "finetuning.patience=2", 'finetuning.choose="last"')
    (recipe.parent / "annotated" / "dev.tsv").unlink()
    with pytest.raises(RecipeError, match="no dev split to choose settings on") as caught:
        resolved(recipe, registry, axes, chosen)
    assert caught.value.given == "cargo"
