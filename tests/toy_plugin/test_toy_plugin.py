"""A real plugin, about something else, installed and used the way a user does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import domainlm

_SOURCE = Path(__file__).parent
_CORE = Path(domainlm.__file__).parents[1]

Domainlm = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip installed the plugin, without network."""
    folder = tmp_path_factory.mktemp("site")
    copy = tmp_path_factory.mktemp("source") / "toy_plugin"
    shutil.copytree(_SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__", "test_*", "*.egg-info", "build"))
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet"]
    # tox constrains builds in an environment of their own; this one builds with what is here.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
    ended = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), str(copy)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture(scope="module")
def domainlm_command(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Domainlm:
    """Run `python -m domainlm` in a folder of its own, with the plugin installed."""
    folder = tmp_path_factory.mktemp("work")

    def call(*arguments: str, stdin: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(site), str(_CORE)])
        return subprocess.run(
            [sys.executable, "-m", "domainlm", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return call


@pytest.fixture(scope="module")
def finished(domainlm_command: Domainlm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of the plugin's recipe, with what its observers heard in watch.jsonl."""
    out = tmp_path_factory.mktemp("finished")
    watch = out / "watch.jsonl"
    ended = domainlm_command("run", "harbour/first-watch", "--out", str(out), HARBOUR_WATCH=str(watch))
    assert ended.returncode == 0, ended.stderr
    return out


def _one_line(text: str) -> str:
    """Without what other plugins' names do to the width of columns."""
    return " ".join(text.split())


def _sound(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_plugin_is_listed_with_its_version_and_what_it_gives(domainlm_command: Domainlm) -> None:
    plugins = json.loads(_sound(domainlm_command("plugins", "list", "--json")))

    ours = next(plugin for plugin in plugins if plugin["distribution"] == "domainlm-harbour")
    assert ours["version"] == "0.3.0"
    assert ours["status"] == "loaded"
    assert {spec["kind"]: spec["name"] for spec in ours["specs"]} == {
        "corpus": "harbour/logbooks",
        "vocabulary": "harbour/letters",
        "model size": "harbour/dinghy",
        "task": "harbour/arrivals",
        "recipe": "harbour/first-watch",
    }
    assert ours["commands"] == ["logbook"]
    assert "domainlm_run_ended" in ours["hooks"]


def test_its_command_stands_beside_those_of_the_core(domainlm_command: Domainlm, tmp_path: Path) -> None:
    log = tmp_path / "port.log"
    log.write_text(
        "== 1871-04-02 Vega ==\nFog until noon.\n\n== 1871-04-03 Tern ==\nRain.\n\n== 1871-04-04 Vega ==\nClear.\n",
        encoding="utf-8",
    )

    assert "logbook Count the days that ships were logged." in _one_line(_sound(domainlm_command("--help")))
    assert _sound(domainlm_command("logbook", str(log))) == "Tern: 1\nVega: 2\n"


def test_a_user_error_of_its_command_is_printed_like_the_cores(domainlm_command: Domainlm) -> None:
    ended = domainlm_command("logbook", "lost.log")

    assert ended.returncode == 2
    assert ended.stderr.startswith("error: lost.log: ")
    assert "Traceback" not in ended.stderr


def test_switched_off_it_is_gone(domainlm_command: Domainlm) -> None:
    ended = domainlm_command("logbook", "port.log", DOMAINLM_DISABLE_PLUGINS="domainlm-harbour")

    assert ended.returncode == 2
    assert "no such command: logbook" in ended.stderr


def test_its_recipe_is_listed_and_sound(domainlm_command: Domainlm) -> None:
    assert "harbour/first-watch domainlm-harbour 0.3.0" in _one_line(_sound(domainlm_command("recipe", "list")))
    assert "first-watch: sound; 2 cell(s), tasks: arrivals" in _sound(
        domainlm_command("recipe", "check", "harbour/first-watch")
    )


def test_it_passes_the_kit_for_plugin_authors(site: Path) -> None:
    code = "from domainlm.testing import check_plugin; print(check_plugin('domainlm_harbour.plugin').skipped)"
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(_CORE)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert _sound(ended) == "()\n"


def test_its_recipe_runs_from_corpus_to_report(finished: Path) -> None:
    rows = json.loads((finished / "results.json").read_text(encoding="utf-8"))["rows"]

    scored = {
        (row["model"], row["split"]) for row in rows if row["task"] == "harbour/arrivals" and row["metric"] == "f1"
    }
    assert {split for _, split in scored} == {"dev", "test"}
    assert len({model for model, _ in scored}) == 2
    assert "first-watch" in (finished / "report.html").read_text(encoding="utf-8")


def test_its_observers_heard_of_every_stage_and_the_end(finished: Path) -> None:
    heard = [json.loads(line) for line in (finished / "watch.jsonl").read_text(encoding="utf-8").splitlines()]

    assert {"corpus", "vocabulary", "pretrain", "finetune"} <= {line.get("kind") for line in heard}
    assert not any(line.get("cached") for line in heard)
    assert heard[-1] == {"heard": "run_ended", "name": "first-watch", "status": "complete"}


def test_run_again_computes_nothing_and_gives_the_same(domainlm_command: Domainlm, finished: Path) -> None:
    before = (finished / "results.json").read_bytes()
    watch = finished / "second-watch.jsonl"

    _sound(domainlm_command("run", "harbour/first-watch", "--out", str(finished), HARBOUR_WATCH=str(watch)))

    heard = [json.loads(line) for line in watch.read_text(encoding="utf-8").splitlines()]
    assert all(line["cached"] for line in heard if line["heard"] == "stage_ended")
    assert (finished / "results.json").read_bytes() == before


def test_a_dry_run_tells_what_is_done_and_what_is_not(domainlm_command: Domainlm, finished: Path) -> None:
    options = ("harbour/first-watch", "--out", str(finished), "--dry-run")

    done = _sound(domainlm_command("run", *options))
    longer = _sound(domainlm_command("run", *options, "--set", 'study.axes."pretraining.num_steps"=[0, 6]'))

    assert "to do" not in done
    assert "done" in longer
    assert "to do" in longer


def test_the_report_can_be_written_again(domainlm_command: Domainlm, finished: Path) -> None:
    (finished / "report.md").unlink()

    _sound(domainlm_command("report", str(finished)))

    assert (finished / "report.md").is_file()


def test_the_model_it_leaves_tags_text(domainlm_command: Domainlm, finished: Path) -> None:
    configs = sorted(finished.glob("models/**/config.json"))
    model = next(path.parent for path in configs if json.loads(path.read_text(encoding="utf-8"))["kind"] == "token")
    text = "The Vega left Oslo with timber."

    record = json.loads(_sound(domainlm_command("predict", str(model), stdin=json.dumps({"id": "n1", "text": text}))))

    assert (record["id"], record["text"]) == ("n1", text)
    assert all(text[mention["start"] : mention["end"]] == mention["text"] for mention in record["entities"])


def test_a_wrong_setting_is_named_with_the_nearest_key(domainlm_command: Domainlm) -> None:
    ended = domainlm_command("run", "harbour/first-watch", "--set", "pretraining.num_step=3")

    assert ended.returncode == 2
    assert "nearest: num_steps" in ended.stderr
    assert "Traceback" not in ended.stderr
