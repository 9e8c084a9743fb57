from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from safetensors.torch import load_file

from domainlm.api import DataError, ProblemLog, Split, TaskSpec, TokenExample
from domainlm.builtin.formats.conll import read_conll
from domainlm.errors import ModelError, PluginError, StorageError
from domainlm.recipe.optimizer_settings import FinetuningOptimizerSettings
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.finetune import finetune
from domainlm.tasks.scores import TaskScore
from domainlm.tasks.token.conlleval import count_entities
from domainlm.train.observer import NullObserver

Files = Mapping[Split, tuple[Path, ...]]
SETTINGS = FinetuningSettings(
    num_epochs=12,
    num_sequences_per_step=8,
    num_sequences_per_micro_batch=8,
    max_tokens=32,
    num_overlap_words=3,
    optimizer=FinetuningOptimizerSettings(learning_rate=4e-3),
)
RUNTIME = RuntimeSettings(device="cpu", num_threads=1)


def _finetune(
    task: TaskSpec,
    files: Files,
    start: Path,
    work: Path,
    settings: FinetuningSettings = SETTINGS,
    seed: int = 3,
    parallel: ParallelSettings | None = None,
) -> list[TaskScore]:
    return finetune(
        task=task,
        files=files,
        settings=settings,
        runtime=RUNTIME,
        seed=seed,
        start=start,
        work=work,
        observer=NullObserver(),
        parallel=parallel,
    )


def _contents(work: Path) -> dict[str, bytes]:
    return {str(path.relative_to(work)): path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, ship_log: TaskSpec, log_files: Files, start_folder: Path) -> Path:
    """A run that ended."""
    work = tmp_path_factory.mktemp("work") / "run"
    _finetune(ship_log, log_files, start_folder, work)
    return work


def _pooled(scores: list[TaskScore], split: str, metric: str = "f1", protocol: str = "conlleval entity") -> float:
    wanted = (split, metric, "", protocol)
    (value,) = (each.value for each in scores if (each.split, each.metric, each.type, each.protocol) == wanted)
    return value


def test_it_learns_and_leaves_what_it_says(
    work: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    names = {path.name for path in work.iterdir()}
    assert names == {
        "model", "metrics.jsonl", "predictions.dev.jsonl", "predictions.test.jsonl", "run.json", "scores.json",
    }  # fmt: skip
    scores = _finetune(ship_log, log_files, start_folder, work)  # returns what the finished run found
    assert _pooled(scores, "dev") > 0.9
    assert _pooled(scores, "test") > 0.9
    assert {each.type for each in scores} == {"", "place", "ship"}
    assert {each.protocol for each in scores} == {"conlleval entity", "strict IOB2 entity", "exact character span"}
    assert scores[0].protocol == "conlleval entity"
    # No mention is nested, moved or broken, so characters and words say the same.
    assert _pooled(scores, "test", protocol="exact character span") == _pooled(scores, "test")
    signatures = {each.signature for each in scores if each.split == "test" and not each.type}
    assert len(signatures) == 3
    assert all("|labels:place,ship|split:test|data:" in each and each.endswith("|seeds:3") for each in signatures)


def test_scores_on_a_part_of_a_split_say_so(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    settings = SETTINGS.model_copy(update={"num_epochs": 1, "max_scored_examples": 2})
    scores = _finetune(ship_log, log_files, start_folder, tmp_path, settings)
    for split in ("dev", "test"):
        num_all = len(list(read_conll(log_files[split][0], ProblemLog())))
        assert num_all > 2
        signatures = [each.signature for each in scores if each.split == split]
        assert signatures
        assert all(f"|split:{split}|scored:2/{num_all}|data:" in each for each in signatures)


def test_scores_can_be_counted_again_from_the_predictions(
    work: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    scores = _finetune(ship_log, log_files, start_folder, work)
    for split in ("dev", "test"):
        examples = list(read_conll(log_files[split][0], ProblemLog()))
        records = [json.loads(line) for line in (work / f"predictions.{split}.jsonl").read_text().splitlines()]
        assert [(each["id"], each["text"]) for each in records] == [(each.id, each.text) for each in examples]
        assert all(0.0 < each["score"] <= 1.0 for record in records for each in record["predicted"])
        tags = {
            key: [_tags(example, record[key]) for example, record in zip(examples, records, strict=True)]
            for key in ("gold", "predicted")
        }
        assert tags["gold"] == [
            _tags(each, [{"start": e.start, "end": e.end, "type": e.type} for e in each.entities]) for each in examples
        ]
        counts = count_entities(tags["gold"], tags["predicted"])
        assert _pooled(scores, split, "f1") == counts.pooled.f1
        assert _pooled(scores, split, "recall") == counts.pooled.recall
        conlleval = [each for each in scores if each.split == split and each.protocol == "conlleval entity"]
        by_type = {each.type: dict(each.counts) for each in conlleval if each.type}
        assert by_type == {
            name: {"gold": each.gold, "found": each.found, "correct": each.correct}
            for name, each in counts.by_type.items()
        }


def _tags(example: TokenExample, entities: list[dict[str, Any]]) -> list[str]:
    tags = ["O"] * len(example.words)
    for entity in entities:
        inside = [
            n for n, (start, end) in enumerate(example.words) if entity["start"] <= start and end <= entity["end"]
        ]
        for number in inside:
            tags[number] = f"{'B' if number == inside[0] else 'I'}-{entity['type']}"
    return tags


def test_the_earliest_best_epoch_on_dev_is_chosen(work: Path) -> None:
    content = json.loads((work / "scores.json").read_text())
    lines = [json.loads(line) for line in (work / "metrics.jsonl").read_text().splitlines()]
    on_dev = [line["dev_f1"] for line in lines if "dev_f1" in line]
    assert len(on_dev) == SETTINGS.num_epochs
    assert content["choice"] == {
        "epoch": on_dev.index(max(on_dev)) + 1,
        "num_epochs": SETTINGS.num_epochs,
        "by": "best f1 on dev",
    }
    assert _pooled([TaskScore.from_dict(each) for each in content["scores"]], "dev") == max(on_dev)


def test_sizes_of_the_data_are_noted(work: Path, log_files: Files) -> None:
    data = json.loads((work / "scores.json").read_text())["data"]
    for split, facts in data.items():
        examples = list(read_conll(log_files[split][0], ProblemLog()))
        assert facts["num_examples"] == len(examples)
        assert facts["num_words"] == sum(len(each.words) for each in examples)
        assert sum(facts["num_entities"].values()) == sum(len(each.entities) for each in examples)


def test_the_same_call_gives_the_same_bytes(
    work: Path, tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    _finetune(ship_log, log_files, start_folder, tmp_path / "again")
    assert _contents(tmp_path / "again") == _contents(work)


def test_another_seed_gives_another_model(
    work: Path, tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    _finetune(ship_log, log_files, start_folder, tmp_path, SETTINGS.model_copy(update={"num_epochs": 1}), seed=4)
    assert _contents(tmp_path)["model/model.safetensors"] != _contents(work)["model/model.safetensors"]


def test_every_word_is_scored_whatever_the_limit(
    work: Path, tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    settings = SETTINGS.model_copy(update={"num_epochs": 1, "max_tokens": 16, "num_overlap_words": 2})
    scores = _finetune(ship_log, log_files, start_folder, tmp_path, settings)
    whole = _finetune(ship_log, log_files, start_folder, work)
    assert [dict(each.counts)["gold"] for each in scores] == [dict(each.counts)["gold"] for each in whole]
    data = json.loads((tmp_path / "scores.json").read_text())["data"]
    assert data["test"]["num_rows"] > data["test"]["num_examples"]


def test_every_sub_token_can_be_trained(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    settings = SETTINGS.model_copy(update={"labelling": "every_sub_token"})
    scores = _finetune(ship_log, log_files, start_folder, tmp_path, settings)
    assert _pooled(scores, "test") > 0.9
    # This small model does not always go on inside a word, which the words' scores do not show.
    assert 0.2 < _pooled(scores, "test", protocol="sub-token entity") < _pooled(scores, "test")
    counts = {each.protocol: each.counts["gold"] for each in scores if each.split == "test" and not each.type}
    assert len(set(counts.values())) == 1
    assert list(counts)[2] == "sub-token entity"


def test_bfloat16(tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path) -> None:
    scores = finetune(
        task=ship_log,
        files=log_files,
        settings=SETTINGS,
        runtime=RuntimeSettings(device="cpu", num_threads=1, precision="bf16"),
        seed=3,
        start=start_folder,
        work=tmp_path,
        observer=NullObserver(),
    )
    assert _pooled(scores, "test") > 0.9


# Kills itself at a given moment; the next run of it must go on from there.
KILLED_RUN = """
import os, signal, sys
from pathlib import Path
from domainlm.api import TaskSpec
from domainlm.builtin.formats.conll import read_conll
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks import finetune as module

work, start, settings, moment, *files = sys.argv[1:]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Observer:
    def step_ended(self, info):
        if moment == f"step {info.step}":
            die()
    def checkpoint_saved(self, info):
        if moment == f"checkpoint {info.step}":
            die()

original = module.write_json_lines
def write_json_lines(path, records):
    original(path, records)
    if moment == path.name:
        die()
module.write_json_lines = write_json_lines
module._MIN_STEPS_PER_CHECKPOINT = 1  # a checkpoint each epoch, of 19 steps

module.finetune(
    task=TaskSpec(name="test/ship-log", description="ships and places", kind="token", read=read_conll),
    files={split: (Path(file),) for split, file in zip(("train", "dev", "test"), files)},
    settings=FinetuningSettings.model_validate_json(settings),
    runtime=RuntimeSettings(device="cpu", num_threads=1),
    seed=3, start=Path(start), work=Path(work), observer=Observer(),
)
"""


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_with_the_same_bytes(
    work: Path, tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    files = [str(log_files[split][0]) for split in ("train", "dev", "test")]
    killed = tmp_path / "killed"
    moments = ["step 40", "checkpoint 57", "step 228", "checkpoint 228", "predictions.dev.jsonl"]
    for moment in moments:
        arguments = [str(killed), str(start_folder), SETTINGS.model_dump_json(), moment, *files]
        result = subprocess.run([sys.executable, "-c", KILLED_RUN, *arguments], check=False)
        assert result.returncode == -9, moment
        assert not (killed / "scores.json").exists()
    _finetune(ship_log, log_files, start_folder, killed)
    assert _contents(killed) == _contents(work)


def test_without_dev_the_last_epoch_is_kept_and_it_is_said(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files: Files = {"train": log_files["train"], "dev": (), "test": log_files["test"]}
    settings = SETTINGS.model_copy(update={"num_epochs": 2})
    scores = _finetune(ship_log, files, start_folder, tmp_path, settings)
    assert {each.split for each in scores} == {"test"}
    assert json.loads((tmp_path / "scores.json").read_text())["choice"] == {
        "epoch": 2,
        "num_epochs": 2,
        "by": "last: there is no dev split",
    }
    assert "no dev split" in caplog.text
    assert not (tmp_path / "predictions.dev.jsonl").exists()


def test_the_last_epoch_when_asked_for(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    settings = SETTINGS.model_copy(update={"num_epochs": 2, "choose": "last"})
    scores = _finetune(ship_log, log_files, start_folder, tmp_path, settings)
    assert {each.split for each in scores} == {"dev", "test"}
    assert json.loads((tmp_path / "scores.json").read_text())["choice"]["by"] == "as asked"
    assert "dev_f1" not in (tmp_path / "metrics.jsonl").read_text()


def test_a_folder_of_another_run_is_refused(
    work: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    before = _contents(work)
    with pytest.raises(StorageError, match="holds another run") as caught:
        _finetune(ship_log, log_files, start_folder, work, seed=4)
    assert caught.value.given == "other seed"
    assert _contents(work) == before


def test_types_that_the_task_does_not_name_are_left_out_and_counted(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    settings = SETTINGS.model_copy(update={"num_epochs": 1})
    _finetune(replace(ship_log, types=("ship",)), log_files, start_folder, tmp_path, settings)
    content = json.loads((tmp_path / "scores.json").read_text())
    assert {each["type"] for each in content["scores"]} == {"", "ship"}
    places = sum(line.endswith("B-place") for line in log_files["test"][0].read_text().splitlines())
    assert content["problems"]["test"]["counts"]["entity left out: its type is not labelled"] == places
    predictions = (tmp_path / "predictions.test.jsonl").read_text()
    assert '"type": "ship"' in predictions
    assert '"type": "place"' not in predictions


def test_types_that_training_lacks_count_as_missed(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    test = tmp_path / "test.tsv"
    test.write_text(log_files["test"][0].read_text() + "\nthe\tO\nIris\tB-storm\n")
    files: Files = {"train": log_files["train"], "test": (test,)}
    settings = SETTINGS.model_copy(update={"num_epochs": 1})
    scores = _finetune(ship_log, files, start_folder, tmp_path / "run", settings)
    storms = {each.protocol: dict(each.counts) for each in scores if each.type == "storm"}
    assert len(storms) == 3
    assert all(counts == {"gold": 1, "found": 0, "correct": 0} for counts in storms.values())
    problems = json.loads((tmp_path / "run" / "scores.json").read_text())["problems"]["test"]
    assert problems["counts"]["entity of a type that the training split lacks: counted as missed"] == 1


def test_no_entity_of_the_wanted_types(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    with pytest.raises(DataError, match="no entity that test/ship-log labels in the train split") as caught:
        _finetune(replace(ship_log, types=("Ship",)), log_files, start_folder, tmp_path)
    assert caught.value.given == "place, ship"
    assert caught.value.allowed == ("Ship",)
    assert not (tmp_path / "checkpoints").exists()


def test_an_empty_training_split(tmp_path: Path, ship_log: TaskSpec, start_folder: Path) -> None:
    with pytest.raises(DataError, match="no training files"):
        _finetune(ship_log, {"train": ()}, start_folder, tmp_path)

    def read_nothing(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
        problems.add("line without a tag", "left out", path=path)
        return iter(())

    file = tmp_path / "train.tsv"
    file.touch()
    with pytest.raises(DataError, match="no example") as caught:
        _finetune(replace(ship_log, read=read_nothing), {"train": (file,)}, start_folder, tmp_path)
    assert caught.value.given == "1 x line without a tag"


@pytest.mark.parametrize("words", [((4, 2),), ((0, 3), (2, 5)), ((0, 99),), ((1, 1),)])
def test_a_reader_that_breaks_its_rules_is_named(
    tmp_path: Path, ship_log: TaskSpec, start_folder: Path, words: tuple[tuple[int, int], ...]
) -> None:
    file = tmp_path / "train.tsv"
    file.touch()

    def read(path: Path, problems: ProblemLog) -> Iterator[TokenExample]:
        return iter([TokenExample("log:1", "the Vega", words)])

    with pytest.raises(PluginError, match=r"test/ship-log@1, .*: the reader gave an example that is not sound"):
        _finetune(replace(ship_log, read=read), {"train": (file,)}, start_folder, tmp_path)


def test_a_start_with_another_vocabulary_is_refused(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    start = tmp_path / "start"
    shutil.copytree(start_folder, start)
    for file in ("tokenizer.json", "vocab.txt"):
        (start / file).unlink(missing_ok=True)
    (start / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nship\n")
    with pytest.raises(ModelError, match="the vocabulary of another model"):
        _finetune(ship_log, log_files, start, tmp_path / "work")


def test_more_tokens_than_the_model_has_positions(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    with pytest.raises(ModelError, match=r"finetuning\.max_tokens is larger than the model allows"):
        _finetune(ship_log, log_files, start_folder, tmp_path / "work", SETTINGS.model_copy(update={"max_tokens": 49}))
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("recomputes", ["off", "every_layer"])  # by a worker on a grid of one rank
def test_training_stops_when_patience_is_at_its_end(
    tmp_path: Path,
    ship_log: TaskSpec,
    log_files: Files,
    start_folder: Path,
    recomputes: Literal["off", "every_layer"],
) -> None:
    settings = SETTINGS.model_copy(update={"num_epochs": 30, "patience": 2})
    parallel = ParallelSettings(activation_checkpointing=recomputes)
    _finetune(ship_log, log_files, start_folder, tmp_path, settings, parallel=parallel)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    on_dev = [line["dev_f1"] for line in lines if "dev_f1" in line]
    best = on_dev.index(max(on_dev))
    assert len(on_dev) == best + 1 + 2 < 30
    content = json.loads((tmp_path / "scores.json").read_text())
    assert content["choice"]["epoch"] == best + 1
    assert _pooled([TaskScore.from_dict(each) for each in content["scores"]], "dev") == max(on_dev)


def test_frozen_parts_stay_as_they_were_and_rare_labels_are_seen_again(
    tmp_path: Path, ship_log: TaskSpec, log_files: Files, start_folder: Path
) -> None:
    changes = {"num_epochs": 1, "freezes_embeddings": True, "num_frozen_layers": 1, "minority_views": 2}
    _finetune(ship_log, log_files, start_folder, tmp_path, SETTINGS.model_copy(update=changes))
    before, after = load_file(start_folder / "model.safetensors"), load_file(tmp_path / "model" / "model.safetensors")
    frozen = [name for name in after if name.startswith(("encoder.embeddings.", "encoder.layers.0."))]
    assert frozen
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not torch.equal(
        before["encoder.layers.1.attention.output.weight"], after["encoder.layers.1.attention.output.weight"]
    )
    examples = list(read_conll(log_files["train"][0], ProblemLog()))
    num_rows = sum(2 if each.entities else 1 for each in examples)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == -(-num_rows // 8)
