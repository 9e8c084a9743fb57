from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from domainlm.api import ModelSizeSpec
from domainlm.testing import check_plugin
from domainlm_biomegatron.hooks import domainlm_output_formats
from domainlm_biomegatron.specs.sizes import SIZES
from domainlm_biomegatron.specs.tasks import TASKS
from domainlm_biomegatron.specs.vocabularies import VOCABULARIES

PLUGIN = Path(__file__).resolve().parents[1]


def test_everything_declared_keeps_the_rules() -> None:
    report = check_plugin("domainlm_biomegatron.hooks")
    assert not report.skipped
    assert {name.split("@")[0] for name in report.checked} >= {
        "biomegatron",
        "biomegatron/pubmed",
        "biomegatron/pmc",
        "biomegatron/bc5cdr",
        "biomegatron/bc5cdr-chem",
        "biomegatron/bc5cdr-disease",
        "biomegatron/ncbi-disease",
        "biomegatron/pubtator",
        "biomegatron/bioc",
        "biomegatron/quickstart",
    }


def test_the_page_names_all_that_is_declared() -> None:
    rows = [line for line in (PLUGIN / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    named = {kind: next(row for row in rows if row.startswith(f"| {kind} |")) for kind in ("tasks", "output formats")}
    for kind, specs in (("tasks", TASKS), ("output formats", tuple(domainlm_output_formats()))):
        names = [spec.name.removeprefix("biomegatron/") for spec in specs]
        assert [name for name in names if f"`{name}`" not in named[kind]] == []


def test_the_entry_point_names_the_hooks() -> None:
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["domainlm"] == {"biomegatron": "domainlm_biomegatron.hooks"}


def num_parameters(size: ModelSizeSpec, vocabulary: int) -> int:
    """Worked out by hand: embeddings, then for each layer attention, feed-forward and two normalisations."""
    hidden, wide = size.hidden, 4 * size.hidden
    embeddings = (vocabulary + size.max_positions + 2) * hidden
    attention = 4 * (hidden * hidden + hidden)
    feed_forward = hidden * wide + wide + wide * hidden + hidden
    return embeddings + size.layers * (attention + feed_forward + 4 * hidden) + 2 * hidden


@pytest.mark.parametrize(
    ("name", "vocabulary", "millions"),
    [
        ("1m", 4_000, 1.0),
        ("2m", 4_000, 2.2),
        ("5m", 8_000, 5.3),
        ("22m", 30_000, 22.4),
        ("110m", 30_000, 109.0),
        ("345m", 30_592, 334.0),  # 345m counts the heads of pretraining, too
        ("800m", 30_592, 748.0),
        ("1.2b", 30_592, 1273.0),
    ],
)
def test_sizes_are_what_their_names_say(name: str, vocabulary: int, millions: float) -> None:
    (size,) = (size for size in SIZES if size.name == f"biomegatron/{name}")
    assert num_parameters(size, vocabulary) / 1e6 == pytest.approx(millions, rel=0.03)
    assert size.architecture == "megatron"
    assert size.hidden % size.heads == 0


def test_vocabularies_are_the_studys() -> None:
    assert {(v.name, v.algorithm, v.size, v.cased) for v in VOCABULARIES} == {
        ("biomegatron/bio-30k", "wordpiece", 30_000, True),
        ("biomegatron/bio-50k", "wordpiece", 50_000, True),
        ("biomegatron/bio-30k-uncased", "wordpiece", 30_000, False),
        ("biomegatron/bio-50k-uncased", "wordpiece", 50_000, False),
        ("biomegatron/bert-cased", "file", None, True),
        ("biomegatron/bert-uncased", "file", None, False),
    }


def test_tasks_carry_the_studys_settings_and_say_where_data_comes_from() -> None:
    for task in TASKS:
        assert task.defaults["num_epochs"] == 30
        assert task.defaults["optimizer"] == {"learning_rate": 5e-5}
        assert "https://" in task.source
        assert "public domain" in task.source
        assert set(task.files) == {"train", "dev", "test"}
    assert {task.name: task.defaults["labelling"] for task in TASKS} == {
        "biomegatron/bc5cdr": "every_sub_token",
        "biomegatron/bc5cdr-chem": "every_sub_token",
        "biomegatron/bc5cdr-disease": "every_sub_token",
        "biomegatron/ncbi-disease": "first_sub_token",
    }


@pytest.mark.parametrize(
    ("name", "published", "tolerance"),
    [
        ("345m", 345, 0.03),
        ("800m", 800, 0.07),  # the paper gives no shape for it; this one is the family's nearest
        ("1.2b", 1_200, 0.07),
    ],
)
def test_plan_gives_the_parameters_that_the_paper_publishes(name: str, published: int, tolerance: float) -> None:
    """Shin et al. 2020, section 3, in millions, with the vocabulary that Megatron-LM pads BERT's to."""
    command = [sys.executable, "-m", "domainlm", "plan", "biomegatron/quickstart", "--json"]
    command += ["--set", f"model.size=biomegatron/{name}", "--vocabulary-size", "30592"]
    command += ["--set", "pretraining.second_objective=sentence_order", "--set", "runtime.device=cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50)
    (cell,) = json.loads(done.stdout)
    assert cell["recipe_grid"]["num_parameters"] / 1e6 == pytest.approx(published, rel=tolerance)
