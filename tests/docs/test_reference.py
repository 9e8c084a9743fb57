"""The reference says what the code does: recipe keys, commands, and what a run leaves."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import domainlm
from domainlm.plugin import load_plugins
from domainlm.recipe.varied import NOT_VARIED
from domainlm.study.run import run_recipe
from domainlm.tasks.load import Answerer, Classifier, LanguageModel, LoadedModel, Tagger

_RECIPE = """
name = "fog"
[corpus]
spec = "core/text"
files = ["text.txt"]
held_out_share = 0.3
leak_guard = { enabled = false }
[vocabulary]
size = 60
[model]
size = "core/tiny"
[general]
spec = "core/text"
files = ["text.txt"]
held_out_share = 0.3
[pretraining]
num_steps = 3
num_steps_per_score = 1
scored_steps = [1]
early_stop = { task = "weather" }
num_sequences_per_step = 4
num_sequences_per_micro_batch = 4
max_tokens = 16
[finetuning]
num_epochs = 1
max_tokens = 16
[[tasks]]
spec = "core/conll"
name = "weather"
files = { train = ["words.tsv"], dev = ["words.tsv"], test = ["words.tsv"] }
[runtime]
device = "cpu"
num_threads = 1
[study.axes]
"pretraining.num_steps" = [0, 3]
"""
_WORDS = "Fog\tB-weather\nat\tO\nOslo\tO\n\nRain\tB-weather\nat\tO\nCork\tI-port\n"  # I-port begins: noted as a problem
_FIELDS_OF_OTHER_LOGS = {
    "answer_start", "answer_end", "dev_exact_match", "dev_mrr", "dev_strict_accuracy", "dev_lenient_accuracy",
    "dev_accuracy", "dev_matthews", "dev_macro_precision", "dev_macro_recall", "dev_macro_f1",
    "next_sentence", "skipped", "overflow",
}  # fmt: skip
"""In other logs: of span and sequence tasks, of another objective, of steps without a loss."""
_CAPITALS = re.compile(r"[A-Z]+")


@pytest.fixture(scope="module")
def generate(root: Path) -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(root / "docs")
        return importlib.import_module("generate")


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a run of seconds, in which something was to be noted about the input."""
    folder = tmp_path_factory.mktemp("fog")
    days = [f"Fog at Oslo on day {day}.\nRain at Cork, {day} knots.\n" for day in range(30)]
    (folder / "text.txt").write_text("\n".join(days), encoding="utf-8")
    (folder / "words.tsv").write_text(_WORDS, encoding="utf-8")
    (folder / "recipe.toml").write_text(_RECIPE, encoding="utf-8")
    run_recipe(
        folder / "recipe.toml", out=folder / "out", store=None, overrides=(), plugins=load_plugins(candidates=[])
    )
    return folder / "out"


def _documented(root: Path, heading: str) -> list[str]:
    """The first column of the table below a heading of the page on results."""
    page = (root / "docs" / "reference" / "results.md").read_text(encoding="utf-8")
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL)
    assert section is not None, heading
    cells = re.findall(r"^\| (`.*?) \|", section[1], re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def _keys(records: Iterable[dict[str, Any]]) -> set[str]:
    return {key for record in records for key in record}


def test_generated_pages_are_up_to_date(root: Path, generate: ModuleType) -> None:
    stale = []
    for name, content in generate.PAGES.items():
        page = (root / "docs" / "reference" / name).read_text(encoding="utf-8")
        stale += [] if generate.rewritten(page, content()) == page else [name]
    assert stale == [], "run: python docs/generate.py"


def test_every_public_name_is_on_the_page_of_python(root: Path) -> None:
    page = (root / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    assert [name for name in domainlm.__all__ if f"`domainlm.{name}`" not in page] == []


@pytest.mark.parametrize("kind", [Tagger, Classifier, Answerer, LanguageModel])
def test_what_a_kind_of_model_can_do_is_on_the_page_of_python(kind: type[LoadedModel], root: Path) -> None:
    page = (root / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    own = [name for name, each in vars(kind).items() if inspect.isfunction(each) and hasattr(LoadedModel, name)]
    public = {name for name in own if not name.startswith("_")} - {"predict"}  # of the command line
    described = dict(re.findall(r"^### `model\.(\w+)`\n(.*?)(?=^###? )", page, re.MULTILINE | re.DOTALL))
    assert public, "nothing to compare"
    assert {name for name in public if f'Models of kind "{kind.kind}".' not in described[name]} == set()


@pytest.mark.usefixtures("generate")
def test_an_argument_without_explanation_is_found() -> None:
    interface = importlib.import_module("generating.interface")

    def sail(ship: str, port: str) -> None:
        """Sail.

        Args:
            ship: which.
        """

    with pytest.raises(ValueError, match="sail: the docstring explains other arguments"):
        list(interface._function("## sail", "sail", sail))


def test_the_arithmetic_of_scaling_holds_what_was_measured(generate: ModuleType) -> None:
    """Shoeybi et al. 2019: 76 % of one GPU's speed on 512 GPUs (abstract); 1.2, 2.5, 4.2 and 8.3 billion (table 1)."""
    rows = [row.strip("| ").split(" | ") for row in generate.scaling_tables().splitlines() if " B | data" in row]
    assert list(dict.fromkeys(row[0] for row in rows)) == ["1.2 B", "2.5 B", "4.2 B", "8.3 B"]
    low, high = (float(cell.rstrip("%")) for cell in rows[-1][2:4])
    assert rows[-1][1] == "data 64 x pipeline 1 x tensor 8"
    assert low <= 76 <= high


def test_a_page_without_its_marks_is_refused(generate: ModuleType) -> None:
    with pytest.raises(ValueError, match="lacks"):
        generate.rewritten("# Recipes\n", "content")


def test_every_key_and_option_is_on_its_page(root: Path) -> None:
    recipe = (root / "docs" / "reference" / "recipe.md").read_text(encoding="utf-8")
    assert "## `[pretraining.optimizer]`" in recipe
    assert "| `learning_rate` | number above 0.0 | `0.0001` | Peak learning rate. |" in recipe
    commands = (root / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert "### `domainlm vocab rate`" in commands
    assert "| `--dry-run` |" in commands


def test_every_spec_of_the_core_is_on_its_page(root: Path) -> None:
    page = (root / "docs" / "reference" / "recipe.md").read_text(encoding="utf-8")
    registry = load_plugins(candidates=[]).registry
    named = {name for table in registry.tables[:4] for name in table}
    rows = re.findall(r"^\| `(core/[\w-]+)` \| (.+) \|$", page.partition("## The core's specs\n")[2], re.MULTILINE)
    assert {name for name, _ in rows} == named
    # bert-base-uncased: 109,482,240 parameters, 590,592 of them in a pooler
    assert dict(rows)["core/base"] == "12 layers, 768 wide, as BERT-base | 12 | 108.9 million"


def test_what_cannot_be_varied_is_on_the_page(root: Path) -> None:
    page = (root / "docs" / "reference" / "recipe.md").read_text(encoding="utf-8")
    sentence = page.partition("- `[study.axes]` varies any key but ")[2].partition(".")[0]
    assert set(re.findall(r"`(\w+)`", sentence)) == set(NOT_VARIED)


def test_the_readme_shows_a_table_of_the_quickstart_as_it_is(root: Path) -> None:
    file = root / "plugins" / "domainlm-biomegatron" / "domainlm_biomegatron" / "recipes" / "quickstart.toml"
    recipe = tomllib.loads(file.read_text(encoding="utf-8"))
    (values,) = recipe["study"]["axes"].values()
    names = [task.get("name", task["spec"].partition("/")[2]) for task in recipe["tasks"]]
    readme = (root / "README.md").read_text(encoding="utf-8")

    table = readme.partition("from a run: begin -->\n")[2].partition("<!--")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()]
    assert list(recipe["study"]["axes"]) == ["pretraining.num_steps"]
    assert rows[0] == ["model", *names]
    assert [row[0] for row in rows[2:]] == [f"num_steps={value}" for value in values], "run it, and put in its table"


def test_fields_of_results_are_those_of_the_page(out: Path, root: Path) -> None:
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))

    assert results["problems"], "nothing was noted, so that the fields cannot be compared"
    assert list(results) == _documented(root, "results.json")
    assert _keys(results["rows"]) == set(_documented(root, "A row"))
    assert _keys(results["curves"]) == set(_documented(root, "A curve"))
    assert _keys(results["early_stops"]) == set(_documented(root, "An early stop"))
    assert _keys(results["problems"]) == set(_documented(root, "A problem"))
    assert list(results["lock"]) == _documented(root, "The lock record")


def test_fields_of_logs_are_those_of_the_page(out: Path, root: Path) -> None:
    lines = [
        json.loads(line)
        for log in (out / "logs").glob("*.jsonl")
        for line in log.read_text(encoding="utf-8").splitlines()
    ]

    assert _keys(lines) | _FIELDS_OF_OTHER_LOGS == set(_documented(root, "A line of a log"))


def test_the_output_folder_is_that_of_the_page(out: Path, root: Path) -> None:
    patterns = {path: _CAPITALS.sub("[^/]+", re.escape(path)) for path in _documented(root, "The output folder")}
    unmatched = set(patterns)
    unnamed = []
    for file in sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()):
        matching = {
            path for path, pattern in patterns.items() if re.match(pattern + ("" if path[-1] == "/" else "$"), file)
        }
        unmatched -= matching
        unnamed += [] if matching else [file]
    assert (unnamed, unmatched) == ([], set())
