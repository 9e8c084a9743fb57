"""Mistakes in a run's inputs are told before anything is made."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from domainlm.errors import DataError
from domainlm.plugin import load_plugins
from domainlm.study.inputs import check_inputs
from domainlm.study.plan import PlannedRun, plan_run
from domainlm.study.run import run_recipe
from domainlm.tasks import reading

RECIPE = """
name = "harbour"
seeds = [0, 1]
corpus = { spec = "core/text", files = ["logs.txt"] }
vocabulary = { size = 60 }
model = { size = "core/tiny" }
pretraining = { num_steps = 4 }
finetuning = { max_tokens = 32 }
runtime = { device = "cpu" }
[study.axes]
"pretraining.num_steps" = [0, 4]
"finetuning.num_epochs" = [1, 2]
[[tasks]]
"""
ENTITIES = "The\tO\nVega\tB-Ship\n\nThe\tO\nLyra\tB-Ship\n"
TEXTS = "The Vega is late.\tcomplaint\nAll is well.\tpraise\n"
ANSWERED = '{"data": [{"paragraphs": [{"context": "The Vega left.", "qas": [%s]}]}]}'


def plan(folder: Path, spec: str, **splits: str) -> PlannedRun:
    (folder / "logs.txt").write_text("\n\n".join(f"Ship {number} left." for number in range(60)))
    for split, content in splits.items():
        (folder / f"{split}.txt").write_text(content)
    files = ", ".join(f'{split} = ["{split}.txt"]' for split in splits)
    recipe = folder / "harbour.toml"
    recipe.write_text(f'{RECIPE}spec = "{spec}"\nfiles = {{ {files} }}\n')
    return _plan(folder)


@pytest.mark.parametrize(
    ("spec", "splits", "message"),
    [
        ("core/conll", {"train": "The\tO\nVega\tship\n", "test": ENTITIES}, r"train\.txt:2: unknown tag"),
        ("core/conll", {"train": ENTITIES, "dev": ENTITIES, "test": ""}, r"test\.txt: is empty"),
        ("core/conll", {"train": ENTITIES, "test": "The\tO\n"}, "no entity .* in the test split"),
        (
            "core/classification-tsv",
            {"train": "The Vega is late.\tcomplaint\n", "test": TEXTS},
            "fewer than two labels",
        ),
        (
            "core/squad",
            {"train": ANSWERED % '{"question": "Who?", "answers": [{"text": "Lyra", "answer_start": 4}]}'},
            "can be trained on",
        ),
    ],
)
def test_data_that_cannot_be_trained_on_are_refused(
    tmp_path: Path, spec: str, splits: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        check_inputs(plan(tmp_path, spec, **splits))


def test_a_run_is_refused_before_it_leaves_anything(tmp_path: Path) -> None:
    plan(tmp_path, "core/conll", train="The\tO\nVega\tship\n", test=ENTITIES)
    with pytest.raises(DataError, match="unknown tag"):
        run_recipe(
            tmp_path / "harbour.toml", out=tmp_path / "out", store=None, overrides=(), plugins=load_plugins(), workers=2
        )
    assert not (tmp_path / "out").exists()


def test_each_file_is_read_once_for_all_cells_and_seeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(tmp_path, "core/conll", train=ENTITIES, test=ENTITIES)
    assert sum(stage.kind == "finetune" for stage in planned.stages()) == 8
    read: list[str] = []
    whole = reading.read_splits

    def counted(*arguments: object) -> object:
        read.append("once")
        return whole(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("domainlm.tasks.checking.read_splits", counted)
    check_inputs(planned)
    assert read == ["once"]


def test_what_is_done_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = plan(tmp_path, "core/conll", train="The\tship\n")
    monkeypatch.setattr(type(planned.store), "find", lambda *_: object())
    check_inputs(planned)


def test_a_run_with_a_trained_model_goes_on_and_says_what_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    planned = plan(tmp_path, "core/conll", train="The\tship\n")
    monkeypatch.setattr(type(planned.store), "find", lambda _, kind, __: object() if kind == "pretrain" else None)
    check_inputs(planned)
    assert "train.txt:1: unknown tag" in caplog.text


def test_what_is_no_mistake_of_the_user_is_left_to_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise gzip.BadGzipFile("not a gzipped file")

    planned = plan(tmp_path, "core/conll", train=ENTITIES, test=ENTITIES)
    monkeypatch.setattr("domainlm.study.inputs.check_data", fail)
    check_inputs(planned)
    assert "not a gzipped file" in caplog.text


def test_an_empty_file_among_those_of_a_corpus_is_refused_at_once(tmp_path: Path) -> None:
    plan(tmp_path, "core/conll", train=ENTITIES)
    recipe = tmp_path / "harbour.toml"
    (tmp_path / "more.txt.gz").write_bytes(b"")
    text = recipe.read_text().replace('["logs.txt"]', '["logs.txt", "more.txt.gz"]')
    recipe.write_text(text)
    with pytest.raises(DataError, match=r"more\.txt\.gz: is empty"):
        check_inputs(_plan(tmp_path))
    recipe.write_text(text.replace("files =", 'on_bad_input = "skip", files =', 1))
    check_inputs(_plan(tmp_path))


def _plan(folder: Path) -> PlannedRun:
    return plan_run(folder / "harbour.toml", out=folder / "out", store=None, overrides=(), plugins=load_plugins())
