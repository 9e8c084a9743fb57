"""The recipes of the study: sound at the paper's scale and a laptop's, planned for 16 and 64 GPUs of 80 GB."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from domainlm.cli.plan import PlannedCell, Target, plan_recipe
from domainlm.plugin import Registry
from domainlm.recipe.load import LoadedRecipe, load_recipe
from domainlm.recipe.resolve import resolve
from domainlm.testing import plugin_registry
from domainlm_biomegatron.sample import writers
from domainlm_biomegatron.specs.recipes import RECIPES

GIB = 2**30
MEASURING = {"biomegatron/table3", "biomegatron/table8", "biomegatron/table9"}
STUDY = [spec.name for spec in RECIPES if spec.name != "biomegatron/quickstart"]
NUM_CELLS = {
    "biomegatron/table1": 4,
    "biomegatron/table2": 3,
    "biomegatron/table3": 5,
    "biomegatron/table4": 3,
    "biomegatron/table5": 7,
    "biomegatron/table6": 2,
    "biomegatron/table7": 4,
    "biomegatron/table8": 1,
    "biomegatron/table9": 3,
    "biomegatron/labelling": 2,
    "biomegatron/vocabulary-change": 4,
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return plugin_registry("domainlm_biomegatron.hooks")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as the recipes want it at full scale, with synthetic files and vocabularies of BERT's sizes."""
    root = tmp_path_factory.mktemp("data")
    writers.write_pubmed(root / "xml" / "pubmed", 0, 3)
    writers.write_pmc(root / "xml" / "pmc", 0, 1)
    for place in ("ner/bc5cdr", "ner/iob/BC5CDR-chem", "ner/iob/BC5CDR-disease"):
        writers.write_bc5cdr(root / place, 0, 3)
    writers.write_ncbi_disease(root / "ner" / "iob" / "NCBI-disease", 0, 3)
    writers.write_chemprot_abstracts(root / "re" / "chemprot", 0, 3)
    for written in writers.write_squad(root / "qa" / "squad", 0, 6).values():
        path = written[0]
        path.with_name(path.name.replace("v1.1", "v2.0")).write_bytes(path.read_bytes())
    writers.write_bioasq(root / "qa" / "bioasq", 0, 6)
    for name, size in (("cased", 28_996), ("uncased", 30_522)):
        path = root / "vocab" / f"bert-base-{name}-vocab.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"entry{number}\n" for number in range(size)), encoding="utf-8")
    for size in ("345m", "1.2b"):
        (root / "models" / f"megatron-bert-{size}-uncased").mkdir(parents=True)
    return root


def load(name: str, folder: Path, *overrides: str) -> LoadedRecipe:
    paths = {spec.name: spec.path for spec in RECIPES}
    return load_recipe(paths[name], [f"variables.data={folder}", *overrides], paths.__getitem__)


def planned(name: str, folder: Path, registry: Registry, num_devices: int) -> list[PlannedCell]:
    target = Target(num_devices=num_devices, memory_bytes=80 * GIB, operations_per_second=3e14)
    return list(plan_recipe(load(name, folder, "scale=full"), registry, target))


@pytest.mark.parametrize("name", STUDY)
def test_every_recipe_is_sound_at_full_scale(name: str, folder: Path, registry: Registry) -> None:
    resolved = resolve(load(name, folder, "scale=full"), registry)
    assert resolved.num_cells == NUM_CELLS[name]
    assert bool(resolved.measured) == (name in MEASURING)


@pytest.mark.parametrize("num_devices", [16, 64])
@pytest.mark.parametrize("name", [name for name in STUDY if name not in MEASURING])
def test_every_training_can_be_planned(name: str, num_devices: int, folder: Path, registry: Registry) -> None:
    cells = planned(name, folder, registry, num_devices)
    assert cells
    for cell in cells:
        plan = cell.chosen
        assert plan is not None, cell.reason
        degrees = plan.degrees
        assert degrees.data * degrees.pipeline * degrees.tensor == num_devices
        assert 0 < max(memory.total for memory in plan.memory) < 80 * GIB
        assert plan.operations_per_step > 0
        assert plan.seconds_per_step is not None
        # At least the six operations for each sub-token and parameter of the encoder's layers (Kaplan et al. 2020).
        least = 6 * cell.work.num_tokens_per_step * _layer_parameters(cell) / (num_devices * 3e14)
        assert plan.seconds_per_step >= least


def test_the_page_shows_the_plans_as_they_are(folder: Path, registry: Registry) -> None:
    page = Path(__file__).parents[3] / "docs" / "how-to" / "reproduce-biomegatron.md"
    table = page.read_text(encoding="utf-8").partition("| days on 16 GPUs |")[2].partition("\n\n")[0]
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    cells = {
        num_devices: [
            *planned("biomegatron/table1", folder, registry, num_devices),
            planned("biomegatron/table5", folder, registry, num_devices)[-1],
        ]
        for num_devices in (16, 64)
    }

    expected = []
    for few, many in zip(cells[16], cells[64], strict=True):
        assert few.chosen is not None
        assert many.chosen is not None
        days = [(plan.seconds_per_step or 0.0) * few.num_steps / 86_400 for plan in (few.chosen, many.chosen)]
        memory = max(each.total for each in few.chosen.memory) / GIB
        operations = few.chosen.operations_per_step * few.num_steps
        expected.append([f"{memory:.1f}", f"{operations:.2e}".replace("e+", "e"), *(f"{each:.3f}" for each in days)])
    assert [[row[2], *row[4:]] for row in shown] == expected


def _layer_parameters(cell: PlannedCell) -> int:
    config = cell.work.config
    return 12 * config.layers * config.hidden**2


@pytest.mark.parametrize("name", sorted(MEASURING))
def test_there_is_nothing_to_plan_where_nothing_is_trained(name: str, folder: Path, registry: Registry) -> None:
    assert planned(name, folder, registry, 16) == []


def test_from_scratch_is_about_one_epoch_of_the_papers_words(folder: Path, registry: Registry) -> None:
    """Shin et al. 2020: 4.5 + 1.6 billion words, about one epoch; a word has one to two sub-tokens."""
    for cell in planned("biomegatron/table1", folder, registry, 16):
        assert 6.1e9 < cell.num_steps * cell.work.num_tokens_per_step < 2 * 6.1e9


def test_the_steps_of_table_5_are_the_papers(folder: Path) -> None:
    cells = load("biomegatron/table5", folder, "scale=full").cells
    assert [cell.recipe.pretraining.num_steps for cell in cells] == [1e3, 1e4, 1e5, 2e5, 3e5, 4e5, 5e5]


def test_the_mixture_is_the_papers(folder: Path) -> None:
    mixture = load("biomegatron/table1", folder).recipe.mixture
    assert (mixture.weight, [corpus.weight for corpus in mixture.corpora]) == (4.5, [1.6])


@pytest.mark.parametrize("name", STUDY)
def test_the_laptop_scale_is_small(name: str, folder: Path) -> None:
    for cell in load(name, folder, "scale=laptop").cells:
        assert cell.recipe.pretraining.num_steps <= 250
        assert cell.recipe.model.size in (None, "biomegatron/1m", "biomegatron/2m", "biomegatron/5m")
        assert cell.recipe.runtime.device in ("auto", "cpu")


def test_settings_that_the_paper_states_are_those_of_the_resolved_recipes(folder: Path, registry: Registry) -> None:
    """Sections 4.1 to 4.3: 30 epochs, 5e-5, 128, dropout 0.5; SQuAD 10 epochs, BioASQ 30, 3e-5, 512, 64 on 16 GPUs."""
    for task in resolve(load("biomegatron/table1", folder), registry).cells[0].tasks:
        settings = task.finetuning
        assert (settings.num_epochs, settings.max_tokens, settings.head.dropout) == (30, 128, 0.5)
        assert settings.optimizer.learning_rate == 5e-5
    squad, bioasq = resolve(load("biomegatron/table2", folder), registry).cells[0].tasks
    assert (squad.finetuning.num_epochs, bioasq.finetuning.num_epochs, bioasq.after) == (10, 30, "SQuAD")
    for settings in (squad.finetuning, bioasq.finetuning):
        assert (settings.max_tokens, settings.head.num_fc_layers, settings.head.fc_hidden) == (512, 2, 2048)
        assert (settings.head.dropout, settings.optimizer.learning_rate) == (0.1, 3e-5)
        assert settings.num_sequences_per_step == 64 * 16


def test_table_7_chooses_no_epoch_on_the_split_that_it_scores(folder: Path, registry: Registry) -> None:
    for cell in resolve(load("biomegatron/table7", folder, "scale=full"), registry).cells:
        assert [sorted(task.files) for task in cell.tasks] == [["dev", "train"]] * 2
        assert [task.finetuning.choose for task in cell.tasks] == ["last"] * 2


@pytest.mark.real
@pytest.mark.parametrize("name", STUDY)
def test_every_recipe_is_sound_on_real_data(name: str, data_dir: Path, registry: Registry) -> None:
    assert resolve(load(name, data_dir, "scale=laptop"), registry).num_cells >= 1


def test_what_is_not_stated_is_said_to_be_so() -> None:
    text = (RECIPES[0].path.parent / "common.toml").read_text(encoding="utf-8")
    tables = tomllib.loads(text)
    assert tables["pretraining"]["num_steps"] == 17_000
    assert text.count("# not stated") >= 8
    finetuning = tables["finetuning"]
    chosen = ["choose", *finetuning["optimizer"], *finetuning["schedule"]]
    assert chosen == ["choose", "weight_decay", "max_gradient_norm", "warmup_share", "decay"]
    after = text.partition("[finetuning]")[2].partition("[parallel]")[0].splitlines()
    for key in chosen:
        assert [line for line in after if line.startswith(f"{key} = ") and "# not stated" in line], key


@pytest.mark.parametrize("scale", ["full", "laptop"])
@pytest.mark.parametrize("name", ["biomegatron/table1", "biomegatron/table5", "biomegatron/vocabulary-change"])
def test_chemprot_is_shown_as_blues_file_shows_it(name: str, scale: str, folder: Path) -> None:
    """Of BLUE are the 19,461 lines that table 8 counts; its pairs are @CHEMICAL$ and @GENE$ (Peng et al. 2019)."""
    for cell in load(name, folder, f"scale={scale}").cells:
        (task,) = (task for task in cell.recipe.tasks if task.name == "ChemProt")
        assert task.finetuning is not None
        assert task.finetuning.sequence.mentions == "dummies"
