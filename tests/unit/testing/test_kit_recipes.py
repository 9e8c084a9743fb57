"""What the kit says of recipes: all that `domainlm recipe check` says, wherever their data and the machine are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from domainlm.api import RecipeSpec
from domainlm.errors import UserError
from domainlm.plugin import Registry
from domainlm.testing import CheckError, check_recipe, plugin_registry

SOUND = """
name = "first"
[corpus]
spec = "core/text"
files = ["none.txt"]
[vocabulary]
size = 100
[model]
size = "core/tiny"
[pretraining]
num_steps = 1
max_tokens = 32
num_sequences_per_step = 4
num_sequences_per_micro_batch = 4
[[tasks]]
spec = "core/conll"
files = { train = ["train.tsv"], dev = ["dev.tsv"] }
"""
LARGE = """
[scales.large]
"model.size" = "core/large"
"parallel.tensor" = 16
"pretraining.num_sequences_per_step" = 4096
"pretraining.num_sequences_per_micro_batch" = 4096
"runtime.device" = "cuda"
"""
PLUGIN = """
from domainlm import hookimpl
from domainlm.api import ModelSizeSpec

@hookimpl
def domainlm_model_sizes():
    return [ModelSizeSpec(name="soups/pan", description="small", layers=1, hidden=32, heads=2)]
"""
START = '[start]\nkind = "{kind}"\n'
TASK = '[[tasks]]\nspec = "core/conll"\n'


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., int]:
    def run(text: str, registry: Registry | None = None) -> int:
        path = tmp_path / "first.toml"
        path.write_text(text, encoding="utf-8")
        spec = RecipeSpec(name="cook/first", description="x", path=path)
        return check_recipe(spec, registry or plugin_registry())

    return run


def test_a_recipe_without_file_is_found(tmp_path: Path) -> None:
    with pytest.raises(CheckError, match="the recipe's file is not there"):
        check_recipe(RecipeSpec(name="cook/first", description="x", path=tmp_path / "first.toml"), plugin_registry())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("core/tiny", "core/tyni"), "nearest: core/tiny"),
        (("max_tokens = 32", "max_tokens = 4096"), "max_tokens is above"),
        (("micro_batch = 4", "micro_batch = 3"), "does not divide"),
        (('files = ["none.txt"]', "sample = { num_documents = 9 }"), "writes no synthetic sample"),
        (("size = 100", ""), "no size of its own"),
        (("size = 100", 'spec = "core/file"'), "reads a file, and none is named"),
        (("size = 100", 'spec = "core/start"'), "the start is random"),
        (("[[tasks]]", '[general]\nspec = "core/none"\nfiles = ["x"]\n[[tasks]]'), "general.spec: unknown corpus"),
        (
            ("[[tasks]]", '[general]\nspec = "core/text"\nfiles = ["none.txt"]\nheld_out_share = 0.4\n[[tasks]]'),
            "learn from documents that .general. holds out",
        ),
        (("[[tasks]]", '[requires]\ndomainlm = ">=99"\n[[tasks]]'), "version .* of domainlm is installed"),
        (("[[tasks]]", '[requires]\nplugins = { domainlm-none = "" }\n[[tasks]]'), "not installed"),
        (("[[tasks]]", "[parallel]\ntensor = 7\n[[tasks]]"), "cannot be divided evenly"),
        (("[[tasks]]", f"{TASK}files = {{ train = ['other.tsv'] }}\n[[tasks]]"), "two tasks have one name"),
        (("[[tasks]]", '[[tasks]]\nafter = "soups"'), "a task that is not in the recipe"),
        (("[[tasks]]", START.format(kind="huggingface") + "[[tasks]]"), "the model to start from is not named"),
        (
            ("[[tasks]]", START.format(kind="megatron") + 'path = "x"\n[[tasks]]'),
            "comes without its vocabulary",
        ),
        (("[[tasks]]", START.format(kind="model") + 'hub = "x"\n[[tasks]]'), "comes from the hub"),
        (("[[tasks]]", '[scales.slow]\n"pretraining.max_tokens" = 4096\n[[tasks]]'), "max_tokens is above"),
    ],
)
def test_what_recipe_check_refuses_is_found(check: Callable[..., int], change: tuple[str, str], problem: str) -> None:
    assert check(SOUND) == 1
    with pytest.raises(UserError, match=problem):
        check(SOUND.replace(*change))


@pytest.mark.parametrize(
    "addition",
    [
        LARGE,
        START.format(kind="huggingface") + 'hub = "none/none"\nrevision = "main"\n',
        START.format(kind="huggingface") + 'path = "none"\n',
        START.format(kind="model") + 'path = "${checkpoint}"\noptimizer = "carried"\n[variables]\ncheckpoint = ""\n',
        START.format(kind="megatron") + 'path = "none.pt"\nvocabulary = "none.txt"\n',
        START.format(kind="general")
        + 'num_steps = 1\nvocabulary = "none.txt"\n[general]\nspec = "core/jsonl"\nfiles = ["none.jsonl"]\n',
        '[[mixture.corpora]]\nspec = "core/jsonl"\nfiles = ["none/*.jsonl"]\n',
        '[general]\nspec = "core/text"\nfiles = ["other.txt"]\nheld_out_share = 0.4\n',
        '[study]\nselect = ["finetuning.num_epochs"]\n[study.axes]\n"finetuning.num_epochs" = [1]\n',
    ],
)
def test_neither_data_nor_a_large_machine_is_needed(check: Callable[..., int], addition: str) -> None:
    assert check(SOUND.replace("size = 100", 'spec = "core/wordpiece"\nsize = 100') + addition) == 1


@pytest.mark.parametrize("tables", ["", '[model]\nsize = "core/tiny"\narchitecture = "bert"\n'])
def test_a_start_that_is_not_there_may_say_the_size_and_the_vocabulary(check: Callable[..., int], tables: str) -> None:
    text = SOUND.replace('[model]\nsize = "core/tiny"\n', tables).replace("[vocabulary]\nsize = 100\n", "")
    tall = text.replace("[pretraining]", "[pretraining]\nnum_frozen_layers = 40")
    start = START.format(kind="huggingface") + 'path = "none"\n'
    assert check(text + start) == 1
    if tables:
        with pytest.raises(UserError, match="more layers are frozen"):
            check(tall + start)
    else:
        assert check(tall + start) == 1  # the model may have so many


def test_a_folder_stands_for_the_files_that_the_spec_names(check: Callable[..., int]) -> None:
    text = SOUND.replace('files = { train = ["train.tsv"], dev = ["dev.tsv"] }', 'folder = "none"')
    select = '[study]\nselect = ["finetuning.num_epochs"]\n[study.axes]\n"finetuning.num_epochs" = [1]\n'
    assert check(text + select) == 1  # the folder is to hold a dev split
    with pytest.raises(UserError, match="this spec names no files"):
        check(text.replace("core/conll", "core/brat"))


def test_a_plugin_that_is_not_installed_may_be_required_by_its_own_recipe(
    check: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "domainlm_soups.py").write_text(PLUGIN, encoding="utf-8")
    text = SOUND + '[requires]\nplugins = { domainlm-soups = ">=1" }\n'
    with pytest.raises(UserError, match="not installed"):
        check(text)
    assert check(text, plugin_registry("domainlm_soups")) == 1
