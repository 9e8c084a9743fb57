"""Folders of task models that are odd, damaged or were changed since, and those of whom only the encoder is wanted."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file

import domainlm
from domainlm.cli.group import cli
from domainlm.cli.state import CliState
from domainlm.errors import DataError, ModelError
from domainlm.interop.export import export_huggingface
from domainlm.interop.importing import import_model
from domainlm.interop.read import read_model
from domainlm.model.files import read_config, save_model
from domainlm.plugin import load_plugins
from domainlm.recipe.task_settings import HeadSettings
from domainlm.tasks.sequence.classifier import Classifier
from domainlm.tasks.sequence.model import SequenceModel
from domainlm.tasks.start import open_start, take_weights
from domainlm.tasks.token.head import TokenModel
from domainlm.tasks.token.tagger import Tagger
from domainlm.vocab.vocabulary import Vocabulary

if TYPE_CHECKING:
    from conftest import Rows

    MakeSource = Callable[..., tuple[Path, Any]]

transformers = pytest.importorskip("transformers", reason="the folders are those of package transformers")
LABELS = ("no", "yes", "maybe")
FROM_LANGUAGE_MODEL = {"masked_lm.bias", "masked_lm.dense.weight", "masked_lm.dense.bias"} | {
    "masked_lm.norm.weight",
    "masked_lm.norm.bias",
}


def named(*names: str) -> dict[str, dict[Any, Any]]:
    """The settings of a configuration that name labels."""
    return {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}


def edit(folder: Path, *removed: str, **changes: object) -> None:
    path = folder / "config.json"
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if key not in removed}), "utf-8")


def call(*arguments: str, stdin: str = "") -> Result:
    state = CliState()
    state.all_plugins = load_plugins()
    return CliRunner().invoke(cli, arguments, obj=state, input=stdin)


@pytest.fixture
def tagger(make_source: MakeSource) -> Path:
    return make_source("bert", "ForTokenClassification", **named("O", "B-Ship", "I-Ship"))[0]


@pytest.fixture
def classifier(make_source: MakeSource) -> Path:
    return make_source("bert", "ForSequenceClassification", **named(*LABELS))[0]


def refusal(folder: Path, out: Path) -> ModelError:
    with pytest.raises(ModelError) as raised:
        import_model(folder, out)
    assert not out.exists()
    assert "--encoder-only" in str(raised.value.remedy)
    import_model(folder, out, encoder_only=True)
    assert read_config(out).kind == "pretraining"
    return raised.value


def test_values_of_a_head_that_are_not_finite_are_refused(tagger: Path, tmp_path: Path) -> None:
    tensors = load_file(tagger / "model.safetensors")
    tensors["classifier.weight"][0, 0] = torch.nan
    save_file(tensors, tagger / "model.safetensors")
    with pytest.raises(ModelError, match=r"head\.output\.weight holds values that are not finite"):
        import_model(tagger, tmp_path / "ours")


def test_labels_that_are_not_those_of_the_head_are_refused(tagger: Path, tmp_path: Path) -> None:
    edit(tagger, id2label={"0": "O", "1": "B-Ship"})
    error = refusal(tagger, tmp_path / "ours")
    assert (error.where, error.given) == (f"{tagger / 'config.json'}: id2label", "2 labels")
    assert error.allowed == "3, one for each row of classifier.weight"


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ({"0": "O", "2": "B-Ship", "3": "I-Ship"}, "numbered"),
        ({"O": 0, "B-Ship": 1, "I-Ship": 2}, "numbered"),
        (["O", "B-Ship", "I-Ship"], "numbered"),
        ({}, "numbered"),
        ({"0": "O", "1": "O", "2": "B-Ship"}, "the same name"),
    ],
)
def test_labels_that_cannot_be_told_are_refused(labels: object, problem: str, tagger: Path, tmp_path: Path) -> None:
    edit(tagger, id2label=labels)
    error = refusal(tagger, tmp_path / "ours")
    assert problem in error.problem
    assert error.where == f"{tagger / 'config.json'}: id2label"


def test_missing_labels_are_two_as_for_the_library(tagger: Path, make_source: MakeSource, tmp_path: Path) -> None:
    edit(tagger, "id2label", "label2id")
    assert refusal(tagger, tmp_path / "ours").given == "2 labels"
    source, _ = make_source("bert", "ForSequenceClassification")
    assert "id2label" not in json.loads((source / "config.json").read_text())
    _, taken = import_model(source, tmp_path / "two")
    model = domainlm.load(tmp_path / "two")
    assert isinstance(model, Classifier)
    assert model.labels == ("LABEL_0", "LABEL_1")
    assert taken.notes[-1].startswith("this model does not name its labels; write their names into id2label of ")


@pytest.mark.parametrize("lost", ["classifier.weight", "classifier.bias", "bert.pooler.dense.weight"])
def test_a_head_that_is_missing_is_refused(lost: str, classifier: Path, tmp_path: Path) -> None:
    tensors = load_file(classifier / "model.safetensors")
    del tensors[lost]
    save_file(tensors, classifier / "model.safetensors")
    error = refusal(classifier, tmp_path / "ours")
    assert error.given == f"no {lost.removeprefix('bert.')}"


def test_a_head_of_a_wrong_width_is_refused(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("megatron", "ForQuestionAnswering", num_labels=3)
    error = refusal(source, tmp_path / "ours")
    assert (error.given, error.allowed) == ((3, 24), "(2, 24)")


def test_a_head_without_a_class_is_refused(classifier: Path, tmp_path: Path) -> None:
    edit(classifier, "architectures")
    error = refusal(classifier, tmp_path / "ours")
    assert error.where == f"{classifier / 'config.json'}: architectures"
    assert error.allowed == [f"BertFor{each}" for each in ("TokenClassification", "QuestionAnswering")] + [
        "BertForSequenceClassification"
    ]


@pytest.mark.parametrize(
    ("changes", "place", "given"),
    [
        ({"problem_type": "regression"}, "problem_type", "regression"),
        ({"problem_type": "multi_label_classification"}, "problem_type", "multi_label_classification"),
        ({"id2label": {"0": "LABEL_0"}}, "id2label", "1 label"),
        ({"classifier_dropout": "much"}, "classifier_dropout", "'much'"),
    ],
)
def test_heads_that_choose_no_label_are_refused(
    changes: dict[str, object], place: str, given: str, classifier: Path, tmp_path: Path
) -> None:
    edit(classifier, **changes)
    error = refusal(classifier, tmp_path / "ours")
    assert (error.where, error.given) == (f"{classifier / 'config.json'}: {place}", given)


def test_only_answers_have_a_threshold(tagger: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="only a model that answers questions") as raised:
        import_model(tagger, tmp_path / "ours", no_answer_threshold=0.0)
    assert raised.value.given == 'a model of kind "token"'


def test_a_class_of_another_purpose_comes_in_as_an_encoder(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert", "ForMultipleChoice")
    _, taken = import_model(source, tmp_path / "ours")
    assert read_config(tmp_path / "ours").kind == "pretraining"
    assert {"classifier.weight", "classifier.bias"} < set(taken.unexpected)


@pytest.mark.parametrize("wish", ["encoder_only", "sentence_order"])
def test_the_encoder_alone_makes_a_language_model(wish: str, tagger: Path, tmp_path: Path) -> None:
    is_asked = {name: name == wish for name in ("encoder_only", "sentence_order")}
    _, taken = import_model(
        tagger,
        tmp_path / "ours",
        encoder_only=is_asked["encoder_only"],
        sentence_order=is_asked["sentence_order"] or None,
    )
    assert set(taken.unexpected) == {"classifier.weight", "classifier.bias"}
    assert set(taken.initialised) >= FROM_LANGUAGE_MODEL
    assert read_config(tmp_path / "ours").kind == "pretraining"


def test_a_start_reads_the_encoder(classifier: Path) -> None:
    foreign = read_model(classifier, "huggingface")
    assert foreign.own is None
    assert set(foreign.unexpected) == {"classifier.weight", "classifier.bias"}
    assert "sentence_order.pooler.weight" in foreign.tensors  # for a start whose second objective wants one


@pytest.mark.parametrize("task", ["ForSequenceClassification", "ForTokenClassification"])
def test_what_this_program_exported_gives_its_encoder_too(task: str, make_source: MakeSource, tmp_path: Path) -> None:
    source, theirs = make_source("megatron", task, **named("O", "B-Ship", "I-Ship"))
    import_model(source, tmp_path / "ours")
    export_huggingface(tmp_path / "ours", tmp_path / "theirs")
    _, taken = import_model(tmp_path / "theirs", tmp_path / "alone", encoder_only=True)
    assert {"classifier.weight", "classifier.bias"} <= set(taken.unexpected)
    words = load_file(tmp_path / "alone" / "model.safetensors")["encoder.embeddings.word.weight"]
    assert torch.equal(words, theirs.bert.embeddings.word_embeddings.weight)


@pytest.mark.parametrize("task", ["ForTokenClassification", "ForMaskedLM"])
def test_an_untied_decoder_matters_where_there_is_one(task: str, make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert", task, **named("O", "B-Ship", "I-Ship"))
    settings = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(settings | {"tie_word_embeddings": False}))
    if task == "ForTokenClassification":
        import_model(source, tmp_path / "ours")
        assert read_config(tmp_path / "ours").kind == "token"
    else:
        with pytest.raises(ModelError, match="tie_word_embeddings: this model cannot be computed"):
            import_model(source, tmp_path / "ours")


def one_layer(folder: Path, vocabulary_file: Path, source: Path) -> None:
    """Write a classifier of this program, with a head of one layer."""
    found = read_config(source)
    model = SequenceModel(found.model, 3, HeadSettings(), 1)
    torch.nn.init.normal_(model.head.output.weight)
    extra = json.loads((source / "config.json").read_text()) | {"head": {"num_fc_layers": 1, "dropout": 0.1}}
    save_model(folder, model, found.model, {key: extra[key] for key in extra if key not in ("format", "model")})
    Vocabulary.load(vocabulary_file).save_tokenizer(folder / "tokenizer.json")


@torch.no_grad()
def test_a_pooler_that_stands_for_none_goes_and_one_that_was_trained_stays(
    classifier: Path, vocabulary_file: Path, rows: Rows, tmp_path: Path
) -> None:
    import_model(classifier, tmp_path / "shape")
    one_layer(tmp_path / "ours", vocabulary_file, tmp_path / "shape")
    export_huggingface(tmp_path / "ours", tmp_path / "theirs")
    (tmp_path / "theirs" / "domainlm.json").rename(tmp_path / "domainlm.json")
    import_model(tmp_path / "theirs", tmp_path / "back")
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("ours", "back"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)

    (tmp_path / "domainlm.json").rename(tmp_path / "theirs" / "domainlm.json")
    tensors = load_file(tmp_path / "theirs" / "model.safetensors")
    tensors["bert.pooler.dense.weight"] += 0.1 * torch.randn(24, 24, generator=torch.Generator().manual_seed(1))
    save_file(tensors, tmp_path / "theirs" / "model.safetensors", {"format": "pt"})
    import_model(tmp_path / "theirs", tmp_path / "further")
    theirs = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "theirs").eval()
    model: Any = domainlm.load(tmp_path / "further")._model
    expected = theirs(**rows.theirs).logits
    assert float((model.head(model.encoder(*rows.ours)[:, 0]) - expected).abs().max()) <= 1e-5 * float(
        expected.abs().max()
    )


def test_what_was_saved_over_an_export_since_counts(tagger: Path, make_source: MakeSource, tmp_path: Path) -> None:
    import_model(tagger, tmp_path / "ours")
    export_huggingface(tmp_path / "ours", tmp_path / "theirs")
    edit(tmp_path / "theirs", id2label={"0": "B-Port", "1": "I-Port", "2": "O"})
    import_model(tmp_path / "theirs", tmp_path / "renamed")
    model = domainlm.load(tmp_path / "renamed")
    assert isinstance(model, Tagger)
    assert model.types == ("Port",)
    other, _ = make_source("bert", "ForQuestionAnswering")
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(other / name, tmp_path / "theirs" / name)
    import_model(tmp_path / "theirs", tmp_path / "replaced")
    assert domainlm.load(tmp_path / "replaced").kind == "span"


def test_a_fine_tuning_takes_no_head_whose_labels_mean_something_else(
    tagger: Path, classifier: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import_model(tagger, tmp_path / "ours")
    start = open_start(tmp_path / "ours", 16)
    model = TokenModel(start.config, 3, HeadSettings())
    with caplog.at_level(logging.WARNING):
        take_weights(model, start, 0, kind="token", head=HeadSettings(), types=["Ship"])
    assert "other types" in caplog.text
    import_model(classifier, tmp_path / "texts")
    start, two = open_start(tmp_path / "texts", 16), HeadSettings(num_fc_layers=2, fc_hidden=24)
    with caplog.at_level(logging.WARNING):
        take_weights(SequenceModel(start.config, 3, two, 1), start, 0, kind="sequence", head=two, labels=[*LABELS])
    assert "other head.activation" in caplog.text


def test_the_tokenisers_limit_is_heeded(classifier: Path, tmp_path: Path) -> None:
    settings = classifier / "tokenizer_config.json"
    for limit, expected in ((20, 20), (10**30, 32), (3, 32), (float("inf"), 32)):
        settings.write_text(json.dumps({"model_max_length": limit}), "utf-8")
        import_model(classifier, tmp_path / str(limit))
        assert read_config(tmp_path / str(limit)).extra["max_tokens"] == expected


def test_the_command_line_says_what_was_taken_and_predicts(tagger: Path, classifier: Path, tmp_path: Path) -> None:
    ended = call("model", "import", str(tagger), str(tmp_path / "ours"))
    assert ended.output.splitlines()[0] == "finds Ship; a word's label is that of its first sub-token"
    assert call("model", "compare", str(tagger), str(tmp_path / "ours")).exit_code == 0
    found = json.loads(call("model", "inspect", str(tagger), "--json").output)
    assert (found["kind"], found["heads"], found["unexpected"]) == ("token", ["head"], [])
    assert call("model", "import", str(classifier), str(tmp_path / "texts")).exit_code == 0
    ended = call("predict", str(tmp_path / "texts"), stdin="the ship\nthe ship\ta pilot\n")
    records = [json.loads(line) for line in ended.output.splitlines()]
    assert [record.get("second_text") for record in records] == [None, "a pilot"]
    assert isinstance(call("predict", str(tmp_path / "texts"), stdin="a\tb\tc\n").exception, DataError)
    edit(classifier, problem_type="regression")
    found = json.loads(call("model", "inspect", str(classifier), "--json").output)
    assert found["notes"][-1].startswith("the head cannot be used here: ")
    error = call("predict", str(classifier), stdin="a\n").exception
    assert isinstance(error, ModelError)
    assert error.remedy == "make one of it: domainlm model import"
