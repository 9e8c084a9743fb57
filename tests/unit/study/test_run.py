"""A whole run, in small: from text and annotations to results, twice, killed, interrupted, on a full disk."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from domainlm.errors import StorageError, UserError
from domainlm.plugin import load_plugins
from domainlm.study.report.load import load_results
from domainlm.study.run import describe_run, run_recipe

RECIPE = """
name = "harbour"
seeds = [3]
[corpus]
spec = "core/text"
files = ["logs.txt"]
held_out_share = 0.2
[vocabulary]
size = 100
[model]
size = "core/tiny"
[pretraining]
num_steps = 4
num_sequences_per_step = 8
num_sequences_per_micro_batch = 4
max_tokens = 32
num_steps_per_checkpoint = 1
[finetuning]
num_epochs = 2
num_sequences_per_step = 8
num_sequences_per_micro_batch = 8
max_tokens = 32
[[tasks]]
spec = "core/conll"
name = "ships"
files = { train = ["train.tsv"], dev = ["dev.tsv"], test = ["test.tsv"] }
[runtime]
num_threads = 1
[study.axes]
"pretraining.num_steps" = [0, 4]
"""

SHIPS = ("Aurora", "Borealis", "Cormorant", "Dolphin", "Esperance", "Fulmar")
CARGO = ("grain", "timber", "salt", "wool", "copper")


def write_inputs(folder: Path) -> Path:
    """A corpus, three splits and the recipe; the same bytes at every call."""
    draw = random.Random(7)  # noqa: S311 - made-up ships are no secret
    lines = []
    for _ in range(60):
        lines += [
            f"The ship {draw.choice(SHIPS)} landed with {draw.choice(CARGO)}. Its {draw.choice(CARGO)} was dry."
            for _ in range(draw.randint(2, 4))
        ]
        lines.append("")
    (folder / "logs.txt").write_text("\n".join(lines), encoding="utf-8")
    for split, size in (("train", 24), ("dev", 8), ("test", 8)):
        sentences = (
            f"The\tO\nship\tO\n{draw.choice(SHIPS)}\tB-Ship\ncarried\tO\n{draw.choice(CARGO)}\tO\n" for _ in range(size)
        )
        (folder / f"{split}.tsv").write_text("\n".join(sentences), encoding="utf-8")
    recipe = folder / "harbour.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    return recipe


def command(recipe: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "domainlm", "run", str(recipe), "--out", str(out)]


def run_again(recipe: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(recipe, out), capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("harbour"))


@pytest.fixture(scope="module")
def finished(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of an undisturbed run."""
    out = tmp_path_factory.mktemp("undisturbed")
    ended = run_again(recipe, out)
    assert ended.returncode == 0, ended.stderr
    return out


def test_a_run_leaves_scores_report_models_and_logs(finished: Path) -> None:
    assert json.loads((finished / "artifacts" / "input-hashes.json").read_text(encoding="utf-8"))
    results = json.loads((finished / "results.json").read_text(encoding="utf-8"))
    rows = results["rows"]
    scored = {
        (row["stage"], row["dataset"], row["split"], row["metric"], row["cell"]["pretraining.num_steps"])
        for row in rows
    }
    for steps in (0, 4):
        assert ("lm-score", "core/text", "held-out", "masked_lm_loss", steps) in scored
        for split in ("dev", "test"):
            assert ("finetune", "ships", split, "f1", steps) in scored
    always = {"seed", "protocol", "parameters", "vocabulary_size", "corpus", "steps", "model"}
    assert all(always <= set(row) for row in rows)
    assert set(results["lock"]["files"]) == {"harbour.toml", "logs.txt", "train.tsv", "dev.tsv", "test.tsv"}
    assert "ships" in (finished / "report.md").read_text(encoding="utf-8")
    assert (finished / "report.html").stat().st_size > 10_000
    for curve in results["curves"]:
        lines = (finished / curve["file"]).read_text(encoding="utf-8").splitlines()
        steps = [json.loads(line)["step"] for line in lines]
        assert steps == list(range(1, len(steps) + 1))
    pretraining = next(curve for curve in results["curves"] if curve["stage"] == "pretrain")
    assert 1 < pretraining["characters_per_sub_token"] < 10
    cost = json.loads((finished / "cost.json").read_text(encoding="utf-8"))
    assert {stage["kind"] for stage in cost["stages"].values()} >= {"corpus", "pretrain", "finetune"}
    for name in ("language-model", "ships-seed-3"):
        assert (finished / "models" / "num_steps=4" / name / "model.safetensors").is_file()
    assert not list(finished.rglob("*.partial"))


def test_units_give_the_scores_that_they_belong_to(finished: Path) -> None:
    results = load_results(finished)
    told = [row for row in results.rows if row.units]
    assert {(row.split, row.protocol, row.metric) for row in told} == {
        (split, protocol, metric)
        for split in ("dev", "test")
        for protocol in ("conlleval entity", "exact character span")
        for metric in ("f1", "precision", "recall")
    }
    for row in told:
        units = results.units[row.units]
        sums, metric = units.sums[row.metric]
        assert units.protocol == "exact character span"
        assert float(metric(sums.sum(axis=0))) == pytest.approx(row.value)


def test_a_second_run_computes_nothing_and_changes_nothing(recipe: Path, finished: Path) -> None:
    before = (finished / "results.json").read_bytes()
    plugins = load_plugins()
    summary = run_recipe(recipe, out=finished, store=None, overrides=(), plugins=plugins)
    described = describe_run(recipe, out=finished, store=None, overrides=(), plugins=plugins)
    assert summary.status == "complete"
    assert summary.num_stages_cached == len(described.splitlines()) - 2
    assert "to do" not in described
    assert described.endswith("to train: nothing")
    assert (finished / "results.json").read_bytes() == before


def test_cells_share_what_they_have_in_common(recipe: Path, tmp_path: Path) -> None:
    described = describe_run(recipe, out=tmp_path, store=None, overrides=(), plugins=load_plugins())
    kinds = [line.split()[3] for line in described.splitlines()[1:-1]]
    assert sorted(kinds) == sorted(
        ["corpus", "vocabulary", "encode", "start", "pretrain", "lm-score", "lm-score", "finetune", "finetune"]
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_anywhere_and_started_again_gives_the_same_results(recipe: Path, finished: Path, tmp_path: Path) -> None:
    """Each life ends a moment after some stage has begun, each time a later one."""
    draw = random.Random(1)  # noqa: S311 - moments, no secrets
    num_kills = 0
    for num_begun in (1, 4, 5, 8):
        process = subprocess.Popen(command(recipe, tmp_path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while len(list(tmp_path.glob("artifacts/*/*.lock"))) < num_begun and process.poll() is None:
            time.sleep(0.002)
        time.sleep(draw.uniform(0.0, 0.2))
        num_kills += process.poll() is None
        process.kill()
        process.wait()
    ended = run_again(recipe, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert num_kills > 2
    assert (tmp_path / "results.json").read_bytes() == (finished / "results.json").read_bytes()
    for log in (finished / "logs").iterdir():
        assert (tmp_path / "logs" / log.name).read_bytes() == log.read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_ctrl_c_says_how_to_go_on_and_a_second_run_does(recipe: Path, finished: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(command(recipe, tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("artifacts/pretrain/*.partial/metrics.jsonl")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to go on" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "results.json").exists()
    assert run_again(recipe, tmp_path).returncode == 0
    assert (tmp_path / "results.json").read_bytes() == (finished / "results.json").read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_full_disk_is_one_clear_error_and_a_second_run_goes_on(recipe: Path, finished: Path, tmp_path: Path) -> None:
    limited = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)); "
        "from domainlm.cli.main import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = [sys.executable, "-c", limited, "run", str(recipe), "--out", str(tmp_path)]
    ended = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=100)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "larger than this system allows" in ended.stderr
    assert run_again(recipe, tmp_path).returncode == 0
    assert (tmp_path / "results.json").read_bytes() == (finished / "results.json").read_bytes()


def test_two_runs_may_not_write_into_one_folder(recipe: Path, tmp_path: Path) -> None:
    from filelock import FileLock

    with FileLock(tmp_path / ".lock"), pytest.raises(StorageError, match="another run is writing here"):
        run_recipe(recipe, out=tmp_path, store=None, overrides=(), plugins=load_plugins())


def test_a_refused_recipe_leaves_no_folder(recipe: Path, tmp_path: Path) -> None:
    overrides = ('corpus.files=["lost.txt"]',)
    with pytest.raises(UserError, match="no such file"):
        run_recipe(recipe, out=tmp_path / "out", store=None, overrides=overrides, plugins=load_plugins())
    assert not (tmp_path / "out").exists()


def test_a_task_without_a_split_to_score_leaves_a_run_complete(
    recipe: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    overrides = ('study.axes={"pretraining.num_steps"=[0]}', "tasks.0.files.dev=[]", "tasks.0.files.test=[]")
    run_recipe(recipe, out=tmp_path, store=None, overrides=overrides, plugins=load_plugins())
    assert "tasks.0 (ships) has neither dev nor test: nothing will be scored" in caplog.messages
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["unscored"] == ["ships"]
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "The recipe names no split to score of ships: neither dev nor test." in report
    assert "This run is not complete" not in report


def test_the_results_of_another_recipe_are_not_overwritten(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / ".recipe.json").write_text('{"name": "other"}', encoding="utf-8")
    with pytest.raises(StorageError, match="holds the results of the recipe 'other'"):
        run_recipe(recipe, out=tmp_path, store=None, overrides=(), plugins=load_plugins())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_clear_error(recipe: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="permission denied"):
            run_recipe(recipe, out=tmp_path / "out", store=None, overrides=(), plugins=load_plugins())
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.slow
def test_settings_are_chosen_on_dev(recipe: Path, tmp_path: Path) -> None:
    """Two learning rates are tried for each model; the report compares models, and says what was chosen."""
    overrides = (
        'study.axes={"pretraining.num_steps"=[0], "finetuning.optimizer.learning_rate"=[1e-6, 1e-2]}',
        'study.select=["finetuning.optimizer.learning_rate"]',
    )
    run_recipe(recipe, out=tmp_path, store=None, overrides=overrides, plugins=load_plugins())
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert all("finetuning.optimizer.learning_rate" not in row["cell"] for row in results["rows"])
    (chosen,) = (each for each in results["candidates"] if each["chosen"])
    assert chosen["dev_mean"] == max(each["dev_mean"] for each in results["candidates"])
    scored = [row for row in results["rows"] if row["stage"] == "finetune"]
    assert all(row["settings"] == chosen["settings"] for row in scored)
    assert "Settings chosen on dev" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "Signature on ships: conlleval:1" in (tmp_path / "report.md").read_text(encoding="utf-8")
