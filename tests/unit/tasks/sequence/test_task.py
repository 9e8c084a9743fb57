"""Sequence tasks from files to scores, predictions, and a model that says the same."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import f1_score

from domainlm.api import DataError, Mention, RelationExample, Split, TaskSpec
from domainlm.builtin.specs import domainlm_tasks
from domainlm.errors import ModelError
from domainlm.recipe.optimizer_settings import FinetuningOptimizerSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.sequence_settings import SequenceSettings
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.tasks.finetune import finetune
from domainlm.tasks.load import Classifier, load
from domainlm.tasks.models import Record
from domainlm.tasks.scores import TaskScore
from domainlm.train.observer import NullObserver

RUNTIME = RuntimeSettings(device="cpu", num_threads=1)
Files = Mapping[Split, tuple[Path, ...]]
SPECS = {spec.name: spec for spec in domainlm_tasks()}
VERBS = {"left": "left", "came to": "came", "is far from": "none"}


def _settings(sequence: SequenceSettings | None = None) -> FinetuningSettings:
    return FinetuningSettings(
        num_epochs=8,
        num_sequences_per_step=8,
        num_sequences_per_micro_batch=8,
        max_tokens=48,
        optimizer=FinetuningOptimizerSettings(learning_rate=4e-3),
        sequence=sequence or SequenceSettings(),
    )


def _run(spec: TaskSpec, files: Files, start: Path, work: Path, settings: FinetuningSettings) -> list[TaskScore]:
    return finetune(
        task=spec,
        files=files,
        settings=settings,
        runtime=RUNTIME,
        seed=1,
        start=start,
        work=work,
        observer=NullObserver(),
    )


def _document(number: int, choose: random.Random) -> dict[str, Any]:
    verb = choose.choice(list(VERBS))
    ship, port = choose.choice(["Vega", "Lyra", "Argo"]), choose.choice(["Oslo", "Kiel", "Dover"])
    text = f"the {ship} {verb} {port} ."
    start = text.index(ship), text.index(port)
    entities = [
        {"id": "s", "start": start[0], "end": start[0] + len(ship), "type": "ship"},
        {"id": "p", "start": start[1], "end": start[1] + len(port), "type": "port"},
    ]
    label = VERBS[verb]
    relations = [] if label == "none" else [{"first": "s", "second": "p", "label": label}]
    return {"id": f"log-{number}", "text": text, "entities": entities, "relations": relations}


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("relations")
    choose = random.Random(5)  # noqa: S311 - test data
    files: dict[Split, tuple[Path, ...]] = {}
    sizes: dict[Split, int] = {"train": 96, "dev": 16, "test": 30}
    for split, size in sizes.items():
        path = folder / f"{split}.jsonl"
        path.write_text("".join(f"{json.dumps(_document(number, choose))}\n" for number in range(size)))
        files[split] = (path,)
    return files


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Whether the second text names the ship of the first."""
    folder = tmp_path_factory.mktemp("pairs")
    choose = random.Random(6)  # noqa: S311 - test data
    files: dict[Split, tuple[Path, ...]] = {}
    sizes: dict[Split, int] = {"train": 60, "test": 20}
    for split, size in sizes.items():
        path = folder / f"{split}.tsv"
        rows = [(choose.choice("ab"), choose.choice("xy")) for _ in range(size)]
        path.write_text("".join(f"the {one} left\ton day {other}\t{other}\n" for one, other in rows))
        files[split] = (path,)
    return files


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, documents: Files, start_folder: Path) -> Path:
    work = tmp_path_factory.mktemp("work")
    _run(SPECS["core/relations-jsonl"], documents, start_folder, work, _settings())
    return work


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _scores(work: Path, split: str = "test") -> dict[tuple[str, str], float]:
    scores = json.loads((work / "scores.json").read_text())["scores"]
    return {
        (each["protocol"], each["metric"]): each["value"]
        for each in scores
        if each["split"] == split and not each["type"]
    }


def test_relations_are_learned_and_scored_as_the_predictions_say(work: Path) -> None:
    records = _lines(work / "predictions.test.jsonl")
    gold, found = [each["gold"] for each in records], [each["predicted"] for each in records]
    scores = _scores(work)

    assert len(records) == 30
    assert scores["scored labels", "f1"] > 0.75
    assert scores["scored labels", "f1"] == pytest.approx(
        f1_score(gold, found, labels=["came", "left"], average="micro")
    )
    assert scores["all gold relations", "f1"] == scores["scored labels", "f1"]  # all lie within sentences
    for record in records:
        assert record["predicted"] == max(record["probabilities"], key=record["probabilities"].get)
        assert all(record["text"][each["start"]].isupper() for each in record["markers"])


def test_facts_of_the_data_are_noted(work: Path) -> None:
    facts = json.loads((work / "scores.json").read_text())["data"]["test"]
    labels = facts["num_examples_by_label"]

    assert facts["num_examples"] == facts["num_documents"] == facts["num_rows"] == 30
    assert facts["num_relations_within_sentences"] == labels["came"] + labels["left"]
    assert facts["bias"] == pytest.approx((labels["came"] + labels["left"]) / labels["none"])


@pytest.mark.parametrize(
    "sequence",
    [
        SequenceSettings(mentions="markers", head_reads="first_and_mentions"),
        SequenceSettings(mentions="dummies"),
        SequenceSettings(mentions="plain"),
    ],
    ids=lambda each: f"{each.mentions}-{each.head_reads}",
)
def test_every_way_of_showing_mentions_can_be_learned(
    tmp_path: Path, documents: Files, start_folder: Path, sequence: SequenceSettings
) -> None:
    settings = _settings(sequence)
    _run(SPECS["core/relations-jsonl"], documents, start_folder, tmp_path / "run", settings)
    record = _lines(tmp_path / "run" / "predictions.test.jsonl")[0]

    assert _scores(tmp_path / "run")["scored labels", "f1"] > 0.6
    assert ("@SHIP$" in record["text"]) == (sequence.mentions == "dummies")


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, work: Path, documents: Files, start_folder: Path) -> None:
    _run(SPECS["core/relations-jsonl"], documents, start_folder, tmp_path / "run", _settings())

    for name in ("scores.json", "predictions.test.jsonl", "model/model.safetensors", "model/config.json"):
        assert (tmp_path / "run" / name).read_bytes() == (work / name).read_bytes()


def test_a_loaded_model_finds_the_relations_of_the_predictions(work: Path, documents: Files) -> None:
    model = load(work / "model", RUNTIME)
    records = [Record(each["id"], each) for each in _lines(documents["test"][0])]
    found = list(model.predict(iter(records)))

    assert [each["id"] for each in found] == [record.id for record in records]
    for each, line in zip(found, _lines(work / "predictions.test.jsonl"), strict=True):
        relations: Any = each["relations"]
        assert each["num_pairs"] == 1
        assert [relation["label"] for relation in relations] == (
            [] if line["predicted"] == "none" else [line["predicted"]]
        )
        for relation in relations:
            assert relation["score"] == pytest.approx(line["probabilities"][relation["label"]], abs=1e-4)
            first = relation["first"]
            assert first["type"] == "ship"
            assert line["text"][first["start"] : first["end"]] in {"Vega", "Lyra", "Argo"}


def test_relations_from_python(work: Path) -> None:
    model = load(work / "model", RUNTIME)
    text = "the Vega left Oslo .\nthe Lyra stays"
    mentions = (Mention("v", 4, 8, "ship"), Mention("o", 14, 18, "port"), Mention("l", 25, 29, "ship"))
    related, nothing = model.relate([RelationExample("a", text, mentions), RelationExample("b", "", ())])

    assert [(each.first.id, each.label, each.second.id) for each in related.relations] == [("v", "left", "o")]
    assert (related.num_pairs, nothing.num_pairs, nothing.relations) == (1, 0, ())
    with pytest.raises(ModelError, match="does not label texts"):
        model.classify([text])


def test_pairs_of_texts(tmp_path: Path, pairs: Files, start_folder: Path) -> None:
    scores = _run(SPECS["core/classification-tsv"], pairs, start_folder, tmp_path / "run", _settings())
    (accuracy,) = (each for each in scores if each.metric == "accuracy")
    assert accuracy.value > 0.9
    assert accuracy.counts == {"examples": 20, "correct": round(20 * accuracy.value)}
    assert accuracy.signature.startswith("labels:1|protocol:all labels|labels:x,y|split:test|data:")

    model = load(tmp_path / "run" / "model", RUNTIME)
    assert isinstance(model, Classifier)
    assert model.labels == ("x", "y")
    texts = [("the a left", "on day x"), ("the b left", "on day y")] * 40
    found = list(model.classify(iter(texts)))
    lines = _lines(tmp_path / "run" / "predictions.test.jsonl")
    by_text = {(each["text"], each["second_text"]): each["predicted"] for each in lines}
    assert [each.label for each in found[:2]] == [by_text[text] for text in texts[:2]]
    assert all(sum(each.probabilities.values()) == pytest.approx(1.0, abs=1e-5) for each in found)
    with pytest.raises(DataError, match="reads pairs of texts"):
        list(model.classify(["alone"]))
    with pytest.raises(ModelError, match="does not label pairs of mentions"):
        model.relate([])
    (cut,) = model.classify([("long " * 100, "half \ud83d")])
    assert cut.is_cut


def test_labels_that_only_the_test_has_count_as_missed(tmp_path: Path, pairs: Files, start_folder: Path) -> None:
    test = tmp_path / "test.tsv"
    test.write_text("the a left\ton day x\tx\nthe b left\ton day z\tz\n")
    files = {"train": pairs["train"], "test": (test,)}
    scores = _run(SPECS["core/classification-tsv"], files, start_folder, tmp_path / "run", _settings())

    (missed,) = (each for each in scores if (each.metric, each.type) == ("recall", "z"))
    assert (missed.value, missed.counts) == (0.0, {"gold": 1, "found": 0, "correct": 0})


@pytest.mark.parametrize(
    ("content", "settings", "problem"),
    [
        ("a\tx\nb\tx\n", _settings(), "fewer than two labels"),
        ("a\tx\nb\ty\n", _settings(SequenceSettings(head_reads="first_and_mentions")), "needs two mentions"),
    ],
)
def test_what_cannot_be_learned_is_said(
    tmp_path: Path, start_folder: Path, content: str, settings: FinetuningSettings, problem: str
) -> None:
    path = tmp_path / "train.tsv"
    path.write_text(content)
    with pytest.raises(DataError, match=problem):
        _run(SPECS["core/classification-tsv"], {"train": (path,)}, start_folder, tmp_path / "run", settings)


def test_records_with_wrong_mentions_are_named(work: Path) -> None:
    model = load(work / "model", RUNTIME)
    for entities in (
        "x",
        [3],
        [{"start": 0, "end": 99, "type": "ship"}],
        [{"start": 0, "end": 2, "type": "s", "id": 1}] * 2,
    ):
        with pytest.raises(DataError) as caught:
            list(model.predict([Record(1, {"text": "the Vega", "entities": entities}, "in.jsonl:1")]))
        assert caught.value.where == "in.jsonl:1"


@pytest.mark.parametrize(("key", "value"), [("labels", 3), ("marks", [[1]]), ("pairs", {}), ("head", {"layers": 1})])
def test_a_config_that_lacks_something(work: Path, tmp_path: Path, key: str, value: object) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in (work / "model").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    config = json.loads((folder / "config.json").read_text()) | {key: value}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"config\.json"):
        load(folder)
