"""Studies as their users see them: failed cells, several workers, what a dry run says, status and comparison."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(300)

RECIPE = """
name = "harbour"
seeds = [3]
[corpus]
spec = "core/text"
files = ["logs.txt"]
held_out_share = 0.2
leak_guard = { enabled = false }
[vocabulary]
size = 80
[model]
size = "core/tiny"
[pretraining]
num_steps = 4
num_sequences_per_step = 4
num_sequences_per_micro_batch = 4
max_tokens = 32
[finetuning]
num_epochs = 2
num_sequences_per_step = 8
num_sequences_per_micro_batch = 8
max_tokens = 32
[[tasks]]
spec = "core/conll"
name = "ships"
files = { train = ["train.tsv"], dev = ["dev.tsv"], test = ["dev.tsv"] }
[runtime]
device = "cpu"
num_threads = 1
[[study.arms]]
name = "none"
set = { "pretraining.num_steps" = 0 }
[[study.arms]]
name = "short"
set = {}
"""
SHIPS = ("Aurora", "Borealis", "Cormorant", "Dolphin")


def write_inputs(folder: Path) -> Path:
    draw = random.Random(7)  # noqa: S311 - made-up ships are no secret
    lines = [f"The ship {draw.choice(SHIPS)} landed on day {day}. It was dry.\n" for day in range(40)]
    (folder / "logs.txt").write_text("\n".join(lines), encoding="utf-8")
    for split, size in (("train", 24), ("dev", 8)):
        sentences = (f"The\tO\nship\tO\n{draw.choice(SHIPS)}\tB-Ship\n" for _ in range(size))
        (folder / f"{split}.tsv").write_text("\n".join(sentences), encoding="utf-8")
    recipe = folder / "harbour.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return recipe


def domainlm(*arguments: object, code: int = 0) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "domainlm", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=200,
    )
    assert ended.returncode == code, ended.stdout
    return ended.stdout


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("harbour"))


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a run in which this process made every stage."""
    out = tmp_path_factory.mktemp("alone")
    domainlm("run", recipe, "--out", out)
    return out


def test_rows_name_their_arms(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    assert [(row["arm"], row["cell"], row["steps"]) for row in results["rows"][:1]] == [("none", {"arm": "none"}, 0)]
    assert {row["arm"] for row in results["rows"]} == {"none", "short"}
    assert results["failures"] == []
    assert "This run is not complete" not in (finished / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_several_workers_give_the_same_bytes(recipe: Path, finished: Path, tmp_path: Path) -> None:
    told = domainlm("run", recipe, "--out", tmp_path, "--workers", 2)
    # not report.md: it tells how long this run took
    assert (tmp_path / "results.json").read_bytes() == (finished / "results.json").read_bytes()
    models = [path.relative_to(finished) for path in finished.glob("models/*/*/model.safetensors")]
    assert len(models) == 4
    assert all((tmp_path / name).read_bytes() == (finished / name).read_bytes() for name in models)
    assert len(re.findall(r"\[\d+/\d+\] \S+: .*: started", told)) == len(list(tmp_path.glob("workers/*.log"))) == 9


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_jobs_of_a_cluster_give_the_same_bytes(recipe: Path, finished: Path, tmp_path: Path) -> None:
    """With submitit's own executor for one machine."""
    if find_spec("submitit") is None:
        pytest.skip("needs submitit, the extra slurm")
    local = ("--set", 'runtime.slurm={cluster="local", num_cpus=1, max_jobs=2}')
    domainlm("run", recipe, "--out", tmp_path, "--workers", "slurm", *local)
    assert (tmp_path / "results.json").read_bytes() == (finished / "results.json").read_bytes()


def test_without_a_cluster_one_clear_error(recipe: Path, tmp_path: Path) -> None:
    told = domainlm("run", recipe, "--out", tmp_path, "--workers", "slurm", code=2)
    assert "submitit is not installed" in told or "no jobs can be submitted from here" in told
    assert "Traceback" not in told
    assert "neither a number" in domainlm("run", recipe, "--workers", "many", code=2)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_cell_is_told_and_tried_again(recipe: Path, finished: Path, tmp_path: Path, workers: int) -> None:
    """The training file of a task is damaged once a model is pretrained, then mended: all else is done once."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    copy = write_inputs(folder)
    good = (folder / "train.tsv").read_bytes()
    out = tmp_path / "out"
    domainlm("run", copy, "--out", out, "--only", "arm=short")
    (folder / "train.tsv").write_bytes(b"\xff\xfe no text")
    told = domainlm("run", copy, "--out", out, "--workers", workers, code=2)
    assert told.index("ships: ") < told.index("[1/9]")  # said before anything is made, and not waited for
    assert told.count("error: ") >= 1
    assert "2 of 9 stages failed" in told
    assert "Traceback" not in told
    results = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert [(entry["stage"], entry["dataset"], entry["arm"]) for entry in results["failures"]] == [
        ("finetune", "ships", "none"),
        ("finetune", "ships", "short"),
    ]
    assert all("train.tsv" in entry["error"] for entry in results["failures"])
    assert {row["stage"] for row in results["rows"]} == {"lm-score"}
    assert "Failed: finetune on ships with short" in (out / "report.md").read_text(encoding="utf-8")
    states = json.loads(domainlm("study", "status", out, "--json"))
    assert [state["state"] for state in states if state["kind"] == "finetune"] == ["failed", "failed"]
    assert {state["state"] for state in states if state["kind"] != "finetune"} == {"done"}

    again = domainlm("run", copy, "--out", out, code=2)
    assert (again.count("(done before)"), "2 of 9 stages failed" in again) == (7, True)

    (folder / "train.tsv").write_bytes(good)
    told = domainlm("run", copy, "--out", out)
    assert told.count("(done before)") == 8  # the fine-tuning of "short" was done with this very file
    assert (out / "results.json").read_bytes() == (finished / "results.json").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_needs_a_failed_stage_is_left_out(recipe: Path, tmp_path: Path) -> None:
    """One arm's corpus cannot be read: the other arm goes on."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    copy = write_inputs(folder)
    (folder / "bad.txt").write_bytes(b"\xff\xfe\xff")
    bad = f'study.arms.1.set={{"corpus.files"=["{folder}/bad.txt"]}}'
    told = domainlm("run", copy, "--out", tmp_path / "out", "--set", bad, code=2)
    results = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert {row["arm"] for row in results["rows"]} == {"none"}
    assert [(entry["stage"], entry["arm"]) for entry in results["failures"]] == [("corpus", "short")]
    assert "1 of 13 stages failed, and 6 that need them were not made" in told


def test_a_dry_run_tells_tokens_operations_and_time(recipe: Path, finished: Path, tmp_path: Path) -> None:
    fresh = domainlm("run", recipe, "--out", tmp_path, "--dry-run")
    assert "512 tokens" in fresh  # 4 steps of 4 sequences of 32
    assert "unknown: nothing was measured" in fresh
    more = domainlm(
        "run", recipe, "--out", finished, "--dry-run", "--set", 'study.arms.1.set={"pretraining.num_steps"=1000}'
    )
    (line,) = [line for line in more.splitlines() if " pretrain " in line]
    assert re.search(r"128,000 tokens, \S+ FLOPs, .*, measured", line)
    speeds = json.loads((finished / "artifacts" / "measured-speed.json").read_text(encoding="utf-8"))
    pretraining = [speed for speed in speeds if speed["kind"] == "pretrain"]
    assert pretraining[0]["steps"] == 3  # the first of four is not counted
    done = domainlm("run", recipe, "--out", finished, "--dry-run")
    assert "to train: nothing" in done


def test_status_shows_what_is_done(recipe: Path, finished: Path, tmp_path: Path) -> None:
    assert "9 done" in domainlm("study", "status", finished)
    assert "9 to do" in domainlm("study", "status", recipe, "--out", tmp_path)
    assert "no run has begun here" in domainlm("study", "status", tmp_path, code=2)


def test_a_run_is_compared_with_one_of_other_settings(finished: Path, tmp_path: Path) -> None:
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    results["recipe"]["finetuning"]["num_epochs"] = 3
    changed = [row for row in results["rows"] if (row["metric"], row["split"], row.get("type")) == ("f1", "test", "")]
    changed[0]["value"] = 0.25
    changed[1]["signature"] = "counted otherwise"
    (tmp_path / "results.json").write_text(json.dumps(results), encoding="utf-8")
    found = json.loads(domainlm("study", "compare", finished, tmp_path, "--json"))
    assert found["settings"] == [["finetuning.num_epochs", 2, 3]]
    scores = [entry for entry in found["scores"] if (entry["metric"], entry["split"]) == ("f1", "test")]
    assert scores[0]["difference"] == pytest.approx(0.25 - scores[0]["first"])
    assert "not comparable" in domainlm("study", "compare", finished, tmp_path)
    assert "the settings are the same" in domainlm("study", "compare", finished, finished)
