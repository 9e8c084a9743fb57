from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
from safetensors.torch import load_file

from domainlm.api import DataError, ProblemLog, SpanExample, Split, TaskSpec
from domainlm.builtin.formats.squad import read_squad
from domainlm.errors import ModelError, RecipeError
from domainlm.parallel.device import choose_device
from domainlm.recipe.loss_settings import LossSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings, HeadSettings
from domainlm.tasks.finetune import finetune
from domainlm.tasks.models import Record
from domainlm.tasks.scores import TaskScore
from domainlm.tasks.span.answerer import Answerer
from domainlm.tasks.span.squad import match_v1, match_v2
from domainlm.train.observer import NullObserver

Files = Mapping[Split, tuple[Path, ...]]
RUNTIME = RuntimeSettings(device="cpu", num_threads=1)


def _finetune(
    task: TaskSpec, files: Files, settings: FinetuningSettings, start: Path, work: Path, seed: int = 0
) -> list[TaskScore]:
    return finetune(
        task=task, files=files, settings=settings, runtime=RUNTIME, seed=seed, start=start, work=work,
        observer=NullObserver(),
    )  # fmt: skip


def _value(scores: list[TaskScore], split: str, metric: str, kind: str = "") -> float:
    (found,) = (each for each in scores if (each.split, each.metric, each.type) == (split, metric, kind))
    return found.value


def _predictions(work: Path, split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work / f"predictions.{split}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def v1(
    tmp_path_factory: pytest.TempPathFactory, squad_task: TaskSpec, squad_files: Files,
    span_settings: FinetuningSettings, span_start: Path,
) -> tuple[Path, list[TaskScore]]:  # fmt: skip
    work = tmp_path_factory.mktemp("v1") / "run"
    return work, _finetune(squad_task, squad_files, span_settings, span_start, work)


@pytest.fixture(scope="module")
def v2(
    tmp_path_factory: pytest.TempPathFactory, squad_task: TaskSpec, squad_v2_files: Files,
    span_settings: FinetuningSettings, span_start: Path,
) -> tuple[Path, list[TaskScore]]:  # fmt: skip
    work = tmp_path_factory.mktemp("v2") / "run"
    longer = span_settings.model_copy(update={"num_epochs": 25, "minority_views": 2})
    return work, _finetune(squad_task, squad_v2_files, longer, span_start, work)


def test_it_learns_to_answer(v1: tuple[Path, list[TaskScore]]) -> None:
    _, scores = v1
    assert _value(scores, "test", "exact_match") > 0.9
    assert {each.protocol for each in scores} == {"SQuAD v1.1"}
    assert {each.counts["questions"] for each in scores} == {36}
    assert all(each.signature.startswith("squad:1|protocol:SQuAD v1.1|split:") for each in scores)


def test_scores_can_be_counted_again_from_the_predictions(v1: tuple[Path, list[TaskScore]], squad_files: Files) -> None:
    work, scores = v1
    examples = list(read_squad(squad_files["test"][0], ProblemLog()))
    records = _predictions(work, "test")
    assert [each["id"] for each in records] == [each.id for each in examples]
    for record, example in zip(records, examples, strict=True):
        assert 0 < len(record["predicted"]) <= 5
        shares = [each["score"] for each in record["predicted"]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) == pytest.approx(1.0, abs=1e-4)
        for each in record["predicted"]:
            assert example.context[each["start"] : each["end"]] == each["text"]
    matches = [match_v1(each["predicted"][0]["text"], each["gold"]) for each in records]
    assert _value(scores, "test", "f1") == pytest.approx(sum(each.f1 for each in matches) / len(matches))
    assert _value(scores, "test", "exact_match") == pytest.approx(sum(each.exact for each in matches) / len(matches))


def test_it_learns_when_there_is_no_answer(v2: tuple[Path, list[TaskScore]], squad_v2_files: Files) -> None:
    work, scores = v2
    assert {each.protocol for each in scores} == {"SQuAD v2.0"}
    assert _value(scores, "test", "f1") > 0.9
    assert _value(scores, "test", "f1", "NoAns") > 0.9
    records = _predictions(work, "test")
    threshold = json.loads((work / "model" / "config.json").read_text())["no_answer_threshold"]
    for record in records:
        assert record["is_answered"] == (record["no_answer_margin"] <= threshold + 1e-5)
    matches = [match_v2(each["predicted"][0]["text"] if each["is_answered"] else "", each["gold"]) for each in records]
    for kind, chosen in (("", [True, False]), ("HasAns", [True]), ("NoAns", [False])):
        of_kind = [match for match, each in zip(matches, records, strict=True) if bool(each["gold"]) in chosen]
        assert _value(scores, "test", "f1", kind) == pytest.approx(sum(each.f1 for each in of_kind) / len(of_kind))
    counts = {each.type: each.counts["questions"] for each in scores if each.split == "test"}
    assert counts[""] == counts["HasAns"] + counts["NoAns"] == 36
    del squad_v2_files


def test_an_answerer_says_what_the_predictions_say(v2: tuple[Path, list[TaskScore]], squad_v2_files: Files) -> None:
    work, _ = v2
    answerer = Answerer.load(work / "model", choose_device("cpu", "fp32"))
    examples = list(read_squad(squad_v2_files["test"][0], ProblemLog()))
    found = answerer.answer_all((each.question, each.context) for each in examples)
    for answered, record in zip(found, _predictions(work, "test"), strict=True):
        assert [each.text for each in answered.answers] == [each["text"] for each in record["predicted"]]
        assert [each.score for each in answered.answers] == pytest.approx(
            [each["score"] for each in record["predicted"]], abs=1e-4
        )
        assert answered.is_answered == record["is_answered"]


@pytest.mark.parametrize("context", ["", " \n\t", "\ud800", "Vega " * 200, "漢字\u0301 👍", "[SEP] the Vega [CLS]"])
def test_any_text_can_be_asked(v1: tuple[Path, list[TaskScore]], context: str) -> None:
    answerer = Answerer.load(v1[0] / "model", choose_device("cpu", "fp32"))
    for question in ("which ship ?", "", "which " * 300):
        answered = answerer.answer(question, context)
        assert answered.is_answered == bool(answered.answers)
        for each in answered.answers:
            assert context[each.start : each.end] == each.text != ""


def test_contexts_of_one_question_are_ranked_together(v1: tuple[Path, list[TaskScore]]) -> None:
    answerer = Answerer.load(v1[0] / "model", choose_device("cpu", "fp32"))
    contexts = ["the Vega left Oslo .", "the Argo left Porto .", "the Vega left Dover ."]
    ranked = answerer.rank("which ship ?", contexts)
    assert [each.text for each in ranked[:2]] == ["Vega", "Argo"]
    alone = [answerer.answer("which ship ?", context).answers for context in contexts]
    shares = [each.score for answers in alone for each in answers if each.text == "Vega"]
    assert ranked[0].score == pytest.approx(sum(shares))


def test_a_model_of_the_kind_brings_its_head(
    v1: tuple[Path, list[TaskScore]], squad_task: TaskSpec, squad_files: Files, span_settings: FinetuningSettings,
    tmp_path: Path,
) -> None:  # fmt: skip
    before = load_file(v1[0] / "model" / "model.safetensors")
    hardly = span_settings.model_copy(
        update={"num_epochs": 1, "optimizer": span_settings.optimizer.model_copy(update={"learning_rate": 1e-12})}
    )
    _finetune(squad_task, squad_files, hardly, v1[0] / "model", tmp_path / "same")
    after = load_file(tmp_path / "same" / "model" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all((before[name] - after[name]).abs().max() < 1e-6 for name in before)

    other = hardly.model_copy(update={"head": HeadSettings(num_fc_layers=1)})
    _finetune(squad_task, squad_files, other, v1[0] / "model", tmp_path / "other")
    after = load_file(tmp_path / "other" / "model" / "model.safetensors")
    assert all((before[name] - after[name]).abs().max() < 1e-6 for name in before if name.startswith("encoder."))
    assert after["head.output.weight"].shape == (2, 32)
    assert "head.dense.weight" not in after


def test_questions_with_several_contexts_are_scored_by_rank(
    squad_task: TaskSpec, squad_files: Files, v1: tuple[Path, list[TaskScore]], span_settings: FinetuningSettings,
    tmp_path: Path,
) -> None:  # fmt: skip
    def read(path: Path, problems: ProblemLog) -> Any:  # noqa: ANN401
        yield from read_squad(path, problems)
        if path.name == "test.json":
            for number, ship in enumerate(("Vega", "Argo", "VEGA")):
                context = "" if ship == "VEGA" else f"the {ship} left Oslo ."
                yield SpanExample(f"g:{number}", "which ship ?", context, accepted=("argo", "none"), group="g")
            yield SpanExample("h:1", "which ship ?", "", accepted=("Vega",), group="h")

    task = TaskSpec(name="test/groups", description="groups", kind="span", read=read)
    settings = span_settings.model_copy(update={"num_epochs": 1})
    scores = _finetune(task, squad_files, settings, v1[0] / "model", tmp_path / "run")
    of_test = {each.metric: each for each in scores if each.split == "test"}
    assert {each.protocol for each in of_test.values()} == {"factoid@5"}
    assert of_test.keys() == {"mrr", "strict_accuracy", "lenient_accuracy"}
    records = {each["id"]: each for each in _predictions(tmp_path / "run", "test")}
    assert of_test["mrr"].counts["questions"] == len(records) == 36 + 2
    assert records["g"]["gold"] == ["argo", "none"]
    assert {each["text"] for each in records["g"]["predicted"][:2]} == {"Vega", "Argo"}
    assert records["h"]["predicted"] == []
    ranks = [
        next((n for n, a in enumerate(e["predicted"], 1) if a["text"].lower() in {g.lower() for g in e["gold"]}), None)
        for e in records.values()
    ]
    assert of_test["mrr"].value == pytest.approx(sum(1 / rank for rank in ranks if rank) / len(ranks))


def test_other_losses_and_data_without_answers_are_refused(
    squad_task: TaskSpec, squad_files: Files, span_settings: FinetuningSettings, span_start: Path, tmp_path: Path
) -> None:
    dice = span_settings.model_copy(update={"loss": LossSettings(kind="dice")})
    with pytest.raises(RecipeError, match="cross-entropy alone"):
        _finetune(squad_task, squad_files, dice, span_start, tmp_path / "dice")

    def read(path: Path, problems: ProblemLog) -> Any:  # noqa: ANN401
        for each in read_squad(path, problems):
            yield SpanExample(each.id, each.question, each.context, accepted=("elsewhere",))

    task = TaskSpec(name="test/nothing", description="nothing", kind="span", read=read)
    with pytest.raises(DataError, match="no question of test/nothing can be trained on"):
        _finetune(task, squad_files, span_settings, span_start, tmp_path / "nothing")


def test_a_group_of_one_is_answered_as_the_record_by_itself(v2: tuple[Path, list[TaskScore]]) -> None:
    """By the threshold of a model that was trained to give no answer."""
    answerer = Answerer.load(v2[0] / "model", choose_device("cpu", "fp32"))
    fields = [
        {"question": question, "context": context}
        for question in ("which ship ?", "which cargo ?")
        for context in ("the Vega left Oslo with salt .", "the Vega left Oslo .")
    ]
    alone = [each["is_answered"] for each in answerer.predict(Record(str(n), each) for n, each in enumerate(fields))]
    grouped = answerer.predict(Record(str(n), each | {"group": f"g{n}"}) for n, each in enumerate(fields))
    assert alone == [each["is_answered"] for each in grouped] == [True, True, True, False]


@pytest.mark.parametrize("precision", ["bf16_weights", "fp16"])
def test_answers_are_found_by_the_model_that_grids_train(
    precision: Literal["bf16_weights", "fp16"], squad_task: TaskSpec, squad_files: Files,
    span_settings: FinetuningSettings, span_start: Path, tmp_path: Path,
) -> None:  # fmt: skip
    runtime = RUNTIME.model_copy(update={"precision": precision})
    scores = finetune(
        task=squad_task, files=squad_files, settings=span_settings.model_copy(update={"num_epochs": 2}),
        runtime=runtime, seed=0, start=span_start, work=tmp_path, observer=NullObserver(),
    )  # fmt: skip
    assert {(each.split, each.counts["questions"]) for each in scores} == {("dev", 36), ("test", 36)}
    assert len(_predictions(tmp_path, "test")) == 36


def test_records_are_answered_alone_or_as_groups(v1: tuple[Path, list[TaskScore]]) -> None:
    from domainlm.tasks.load import load

    model = load(v1[0] / "model", RUNTIME)
    texts = ["the Vega left Oslo .", "the Argo left Porto .", "the Vega left Dover ."]
    fields = [{"question": "which ship ?", "context": text} for text in texts]
    records = [
        Record("one", fields[1]),
        *(Record(str(number), each | {"group": "g"}) for number, each in enumerate(fields)),
        Record("two", fields[2]),
        Record("three", fields[0] | {"group": "h"}),
    ]
    found = list(model.predict(records))
    assert [each["id"] for each in found] == ["one", "g", "two", "h"]
    assert [each["answers"][0]["text"] for each in found] == ["Argo", "Vega", "Vega", "Vega"]
    assert found[0]["answers"][0].keys() == {"text", "start", "end", "score"}
    ranked = model.rank("which ship ?", texts)
    assert [each["score"] for each in found[1]["answers"]] == pytest.approx([each.score for each in ranked], abs=1e-6)
    with pytest.raises(DataError, match=r'(?s)no "context".*given:   question'):
        list(model.predict([Record("one", {"question": "which ship ?"}, "asked.jsonl:1")]))
    with pytest.raises(ModelError, match=r"does not label words(.|\n)*answer\(\)"):
        model.tag(["text"])


def test_groups_are_text_or_numbers_and_hold_one_question(v1: tuple[Path, list[TaskScore]]) -> None:
    answerer = Answerer.load(v1[0] / "model", choose_device("cpu", "fp32"))
    first = {"question": "which ship ?", "context": "the Vega left Oslo ."}
    second = first | {"context": "the Argo left Porto ."}

    def answered(*fields: dict[str, object]) -> list[dict[str, Any]]:
        records = [Record(number, each, f"asked.jsonl:{number}") for number, each in enumerate(fields, 1)]
        return list(answerer.predict(records))

    found = answered(first | {"group": 0}, second | {"group": 0}, first | {"group": None}, second | {"group": ""})
    assert [(each["id"], "start" in each["answers"][0]) for each in found] == [(0, False), (3, True), (4, True)]
    with pytest.raises(DataError, match=r"(?s)asked.jsonl:2: a group must be text or a whole number.*\['g'\]"):
        answered(first, second | {"group": ["g"]})
    with pytest.raises(DataError, match=r"(?s)asked.jsonl:2: another question .*which port \?.*which ship \?"):
        answered(first | {"group": "g"}, second | {"group": "g", "question": "which port ?"})


def test_an_answering_model_is_told_to_do_what_it_can_by_the_command(
    v1: tuple[Path, list[TaskScore]], tmp_path: Path
) -> None:
    from click.testing import CliRunner

    from domainlm.cli.group import cli
    from domainlm.cli.state import CliState
    from domainlm.plugin import load_plugins

    state = CliState()
    state.all_plugins = load_plugins(candidates=[])
    asked = tmp_path / "asked.txt"
    asked.write_text("which port ?\tthe Vega left Oslo .\n")
    arguments = ["predict", str(v1[0] / "model"), "--input", str(asked), "-q"]
    ended = CliRunner().invoke(cli, arguments, obj=state)
    assert ended.exit_code == 0, ended.output
    (line,) = ended.output.splitlines()
    assert json.loads(line)["answers"][0] == {
        "start": 14,
        "end": 18,
        "text": "Oslo",
        "score": pytest.approx(1, abs=0.2),
    }
