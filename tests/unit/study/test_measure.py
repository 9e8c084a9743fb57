"""Recipes that train nothing: what they measure, worked out by hand, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from domainlm import hookimpl
from domainlm.api import RunSummary
from domainlm.cli.plan import Target, plan_recipe
from domainlm.errors import UserError
from domainlm.plugin import load_plugins
from domainlm.plugin.discovery import Candidate
from domainlm.plugin.provider import Provider
from domainlm.recipe.load import load_recipe
from domainlm.recipe.resolve import resolve
from domainlm.study.run import describe_run, run_recipe

RECIPE = """
name = "harbour"
[vocabulary]
spec = "core/file"
file = "vocab.txt"
cased = true
[[tasks]]
spec = "core/conll"
name = "ships"
files = { train = ["train.tsv"], dev = ["dev.tsv"] }
[measure]
break_up_rate = true
task_facts = ["words", "label bias"]
splits = ["train", "dev"]
"""
CORPUS = """
name = "texts"
[corpus]
spec = "core/text"
files = ["logs.txt"]
held_out_share = 0.5
[[mixture.corpora]]
name = "letters"
spec = "core/text"
files = ["letters.txt"]
held_out_share = 0.5
[measure]
corpus_facts = ["documents", "words"]
"""
# So the word Aurora has three sub-tokens and the word Fulmar one: 4 for 2 words in train, and 3 for 1 in dev.
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "The", "Au", "##ro", "##ra", "Fulmar", "sank"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    (tmp_path / "train.tsv").write_text("The\tO\nAurora\tB-Ship\nsank\tO\n\nFulmar\tB-Ship\nsank\tO\n", "utf-8")
    (tmp_path / "dev.tsv").write_text("Aurora\tB-Ship\nsank\tO\n", "utf-8")
    ships = ("Aurora", "Borealis", "Cormorant", "Dolphin", "Esperance", "Fulmar", "Gannet", "Heron")
    (tmp_path / "logs.txt").write_text("\n\n".join(f"The {ship} came in." for ship in ships), "utf-8")
    (tmp_path / "letters.txt").write_text("\n\n".join(f"Dear {ship}." for ship in ships), "utf-8")
    (tmp_path / "harbour.toml").write_text(RECIPE, "utf-8")
    (tmp_path / "texts.toml").write_text(CORPUS, "utf-8")
    return tmp_path


def measure(folder: Path, name: str, *overrides: str) -> list[dict[str, Any]]:
    out = folder / f"out-{name}"
    run_recipe(folder / f"{name}.toml", out=out, store=None, overrides=overrides, plugins=load_plugins(candidates=[]))
    assert (out / "report.md").is_file()
    rows: list[dict[str, Any]] = json.loads((out / "results.json").read_text("utf-8"))["rows"]
    assert {row["stage"] for row in rows} == {"measure"}
    return rows


def test_rates_and_facts_of_a_task(folder: Path) -> None:
    rows = measure(folder, "harbour")
    values = {(row["metric"], row["split"]): row["value"] for row in rows}
    assert values == {
        ("break_up_rate", "train"): 4 / 2,
        ("break_up_rate", "dev"): 3 / 1,
        ("num_words", "train"): 5,
        ("num_words", "dev"): 2,
        ("label_bias", "train"): 2 / 5,
        ("label_bias", "dev"): 1 / 2,
    }
    (rate,) = (row for row in rows if (row["metric"], row["split"]) == ("break_up_rate", "train"))
    assert rate["counts"] == {"num_entities": 2, "num_words": 2, "num_sub_tokens": 4}
    assert (rate["dataset"], rate["vocabulary"], rate["vocabulary_size"]) == ("ships", "core/file", len(VOCABULARY))


def test_corpora_are_counted_one_by_one_and_together(folder: Path) -> None:
    """Eight documents each, of four and of two words; some are held out, and count, too."""
    values = {(row["dataset"], row["metric"]): row["value"] for row in measure(folder, "texts")}
    assert values == {
        ("core/text", "num_documents"): 8,
        ("core/text", "num_words"): 32,
        ("letters", "num_documents"): 8,
        ("letters", "num_words"): 16,
        ("together", "num_documents"): 16,
        ("together", "num_words"): 48,
    }


def test_a_second_run_makes_nothing_anew(folder: Path) -> None:
    measure(folder, "harbour")
    again = describe_run(
        folder / "harbour.toml",
        out=folder / "out-harbour",
        store=None,
        overrides=(),
        plugins=load_plugins(candidates=[]),
    )
    assert "to do" not in again


@pytest.mark.parametrize(
    ("is_interrupted", "damaged", "status"),
    [(False, "wrecks", "failed"), (True, "", "interrupted"), (False, "wrecks ships", "failed")],
)
def test_the_end_of_a_run_tells_of_results_that_were_written(
    folder: Path, damaged: str, status: str, *, is_interrupted: bool
) -> None:
    heard: list[RunSummary] = []

    class Watch:
        @hookimpl
        def domainlm_task_scored(self) -> None:
            if is_interrupted:
                raise KeyboardInterrupt

        @hookimpl
        def domainlm_run_ended(self, summary: RunSummary) -> None:
            heard.append(summary)

    (folder / "wrecks.tsv").write_bytes((folder / "train.tsv").read_bytes())
    recipe = RECIPE + '[[tasks]]\nspec = "core/conll"\nname = "wrecks"\nfiles = { train = ["wrecks.tsv"] }\n'
    (folder / "harbour.toml").write_text(recipe, "utf-8")
    for name in damaged.split():
        (folder / {"ships": "train.tsv", "wrecks": "wrecks.tsv"}[name]).write_bytes(b"\xff")
    plugins = load_plugins(candidates=[Candidate(Provider("dash", "1", "main"), Watch)])
    with pytest.raises(KeyboardInterrupt if is_interrupted else UserError):
        run_recipe(folder / "harbour.toml", out=folder / "out", store=None, overrides=(), plugins=plugins)
    (summary,) = heard
    written = folder / "out" / "results.json"
    assert (summary.status, summary.results) == (status, written if written.is_file() else None)
    assert written.is_file() == (damaged != "wrecks ships")  # else there is nothing to report


LATE = """
[[tasks]]
spec = "core/classification-tsv"
name = "late"
files = { train = ["late.tsv"] }
"""


@pytest.fixture
def mixed(folder: Path) -> Path:
    """A token task and a sequence task, without a vocabulary."""
    (folder / "late.tsv").write_text("came at noon\tearly\ncame at dusk\tlate\nsank\tearly\n", "utf-8")
    (folder / "harbour.toml").write_text(RECIPE.replace("break_up_rate = true\n", "") + LATE, "utf-8")
    return folder


@pytest.mark.parametrize("name", ["word", "entities", "questions", "break-up rate", "mentions of ship"])
def test_an_unknown_fact_is_refused_before_anything_is_read(mixed: Path, name: str) -> None:
    registry = load_plugins(candidates=[]).registry
    with pytest.raises(UserError, match="no such fact") as caught:
        resolve(load_recipe(mixed / "harbour.toml", [f'measure.task_facts=["words", "{name}"]']), registry)
    assert caught.value.given == name
    assert {"words", "label bias", "relations", "examples of label ..."} <= set(caught.value.allowed)


def test_a_task_whose_kind_lacks_a_fact_is_passed_over(mixed: Path) -> None:
    facts = '["words", "examples", "examples of label late", "relations"]'
    rows = measure(mixed, "harbour", f"measure.task_facts={facts}", 'measure.splits=["train"]')
    assert {(row["dataset"], row["metric"]): row["value"] for row in rows} == {
        ("ships", "num_words"): 5,
        ("ships", "num_examples"): 2,
        ("late", "num_examples"): 3,
        ("late", "num_examples_of_label_late"): 1,
    }


def test_a_label_that_the_data_lacks_fails_that_task_alone_whatever_was_measured_before(mixed: Path) -> None:
    measure(mixed, "harbour", 'measure.task_facts=["examples of label late", "words"]')
    with pytest.raises(UserError, match=r"1 of 2 stages failed(.|\n)*no such fact"):
        measure(mixed, "harbour", 'measure.task_facts=["examples of label lata", "words"]')
    results = json.loads((mixed / "out-harbour" / "results.json").read_text("utf-8"))
    assert {row["dataset"] for row in results["rows"]} == {"ships"}
    (failure,) = results["failures"]
    assert "nearest: examples of label late" in failure["error"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        (("measure.break_up_rate=false", "measure.task_facts=[]"), "missing"),  # then it would have to train
        (("tasks=[]",), "no tasks to measure"),
        (('measure.splits=["night"]',), "train"),
    ],
)
def test_what_cannot_be_measured_is_refused(folder: Path, changes: tuple[str, ...], complaint: str) -> None:
    registry = load_plugins(candidates=[]).registry
    with pytest.raises(UserError, match=complaint):
        resolve(load_recipe(folder / "harbour.toml", changes), registry)


def test_there_is_nothing_to_plan(folder: Path) -> None:
    registry = load_plugins(candidates=[]).registry
    assert list(plan_recipe(load_recipe(folder / "harbour.toml"), registry, Target())) == []


def test_two_vocabularies_are_two_models(folder: Path) -> None:
    """Rows, recipe and report name a varied file alike, without the place where it lies on this machine."""
    (folder / "few.txt").write_text("\n".join(VOCABULARY[:-2]), encoding="utf-8")
    recipe = (folder / "harbour.toml").read_text("utf-8")
    axes = '[study.axes]\n"vocabulary.file" = ["vocab.txt", "few.txt"]\n'
    (folder / "harbour.toml").write_text(recipe + axes, encoding="utf-8")
    rows = measure(folder, "harbour")
    assert {row["model"]: row["cell"] for row in rows} == {
        f"file={name}": {"vocabulary.file": name} for name in ("vocab.txt", "few.txt")
    }
    assert str(folder) not in (folder / "out-harbour" / "results.json").read_text("utf-8")
    report = (folder / "out-harbour" / "report.md").read_text("utf-8")
    assert "This run is not complete" not in report
