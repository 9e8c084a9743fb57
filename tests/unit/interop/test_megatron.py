"""Checkpoints in the layouts that Megatron-LM and NeMo document, written here from a model of transformers."""

from __future__ import annotations

import io
import tarfile
import zipfile
from argparse import Namespace
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from domainlm.cli.group import cli
from domainlm.errors import ModelError, VocabularyError
from domainlm.interop import shards
from domainlm.interop.foreign import write_pretraining_model
from domainlm.interop.importing import import_model
from domainlm.interop.read import kind_of, read_model, read_with_heads
from domainlm.interop.shards import read_shards
from domainlm.interop.sources import read_pickled
from domainlm.model.files import load_weights, read_config
from domainlm.model.pretraining import PretrainingModel
from domainlm.vocab.vocabulary import Vocabulary

if TYPE_CHECKING:
    from conftest import Rows

    MakeSource = Callable[..., tuple[Path, Any]]

HEADS, WIDTH, LAYERS = 4, 6, 3
Tensors = dict[str, torch.Tensor]


@pytest.fixture
def theirs(make_source: MakeSource) -> nn.Module:
    """A MegatronBert of transformers with 32 rows for 28 entries."""
    return make_source("megatron", "ForPreTraining", rows=32, layer_norm_eps=1e-5)[1]


def joined(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, version: float) -> torch.Tensor:
    """Row by row, as Megatron-LM's checkpoint versions lay them out."""
    rows = []
    if version == 0:  # all queries, all keys, all values
        rows = [*query, *key, *value]
    elif version == 1.0:  # for each head and each place in it: query, key, value
        for head in range(len(query) // WIDTH):
            for place in range(WIDTH):
                rows += [part[head * WIDTH + place] for part in (query, key, value)]
    else:  # for each head: its query, its key, its value
        for head in range(len(query) // WIDTH):
            for part in (query, key, value):
                rows += [*part[head * WIDTH : (head + 1) * WIDTH]]
    return torch.stack(rows)


def megatron_model(
    model: nn.Module, rank: int, degree: int, stage: int, num_stages: int, version: float, *, new_names: bool
) -> dict[str, Any]:
    """What one rank saves, from a MegatronBertForPreTraining."""
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def rows(name: str) -> torch.Tensor:
        return state[name].chunk(degree, 0)[rank]

    def columns(name: str) -> torch.Tensor:
        return state[name].chunk(degree, 1)[rank]

    encoder: Tensors = {}
    per_stage = len(model.bert.encoder.layer) // num_stages  # type: ignore[union-attr,arg-type]
    attention = "self_attention" if new_names else "attention"
    norm = "norm" if new_names else "layernorm"
    for local in range(per_stage):
        theirs, ours = f"bert.encoder.layer.{stage * per_stage + local}.", f"layers.{local}."
        for part in ("weight", "bias"):
            encoder[f"{ours}input_{norm}.{part}"] = state[f"{theirs}attention.ln.{part}"]
            projections = [rows(f"{theirs}attention.self.{each}.{part}") for each in ("query", "key", "value")]
            encoder[f"{ours}{attention}.query_key_value.{part}"] = joined(*projections, version)
            encoder[f"{ours}post_attention_{norm}.{part}"] = state[f"{theirs}ln.{part}"]
            encoder[f"{ours}mlp.dense_h_to_4h.{part}"] = rows(f"{theirs}intermediate.dense.{part}")
        encoder[f"{ours}{attention}.dense.weight"] = columns(f"{theirs}attention.output.dense.weight")
        encoder[f"{ours}{attention}.dense.bias"] = state[f"{theirs}attention.output.dense.bias"]
        encoder[f"{ours}mlp.dense_4h_to_h.weight"] = columns(f"{theirs}output.dense.weight")
        encoder[f"{ours}mlp.dense_4h_to_h.bias"] = state[f"{theirs}output.dense.bias"]
    language_model: dict[str, Any] = {"encoder" if new_names else "transformer": encoder}
    saved: dict[str, Any] = {"language_model": language_model}
    if stage == 0:
        language_model["embedding"] = {
            "word_embeddings": {"weight": rows("bert.embeddings.word_embeddings.weight")},
            "position_embeddings": {"weight": state["bert.embeddings.position_embeddings.weight"]},
            "tokentype_embeddings": {"weight": state["bert.embeddings.token_type_embeddings.weight"]},
        }
    if stage == num_stages - 1:
        for part in ("weight", "bias"):
            encoder[f"final_{norm}.{part}"] = state[f"bert.encoder.ln.{part}"]
        language_model["pooler"] = {f"dense.{part}": state[f"bert.pooler.dense.{part}"] for part in ("weight", "bias")}
        saved["lm_head"] = {
            "bias": rows("cls.predictions.bias"),
            **{f"dense.{part}": state[f"cls.predictions.transform.dense.{part}"] for part in ("weight", "bias")},
            **{f"{norm}.{part}": state[f"cls.predictions.transform.LayerNorm.{part}"] for part in ("weight", "bias")},
        }
        saved["binary_head"] = {part: state[f"cls.seq_relationship.{part}"] for part in ("weight", "bias")}
        if num_stages > 1:
            saved["word_embeddings_for_head"] = {"weight": rows("bert.embeddings.word_embeddings.weight")}
    return saved


def checkpoint(
    model: nn.Module, rank: int = 0, degree: int = 1, stage: int = 0, num_stages: int = 1, version: float = 3.0
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "iteration": 1000,
        "model": megatron_model(model, rank, degree, stage, num_stages, version, new_names=version >= 2.0),
        "rng_state": {"np_rng_state": np.random.RandomState(1).get_state(), "torch_rng_state": torch.get_rng_state()},
    }
    if version:
        content["checkpoint_version"] = version
        content["args"] = Namespace(num_attention_heads=HEADS, hidden_dropout=0.2, layernorm_epsilon=1e-5)
    return content


def saved(content: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def write_folder(folder: Path, model: nn.Module, degree: int, num_stages: int, version: float) -> Path:
    for rank in range(degree):
        for stage in range(num_stages):
            name = f"mp_rank_{rank:02d}" + (f"_{stage:03d}" if num_stages > 1 else "")
            place = folder / "iter_0001000" / name
            place.mkdir(parents=True)
            content = checkpoint(model, rank, degree, stage, num_stages, version)
            (place / "model_optim_rng.pt").write_bytes(saved(content))
    (folder / "latest_checkpointed_iteration.txt").write_text("1000", encoding="utf-8")
    stale = folder / "iter_0000500" / "mp_rank_00"
    stale.mkdir(parents=True)
    (stale / "model_optim_rng.pt").write_bytes(b"of an earlier step")
    return folder


@torch.no_grad()
def check_equal(
    source: Path, theirs: nn.Module, rows: Rows, vocabulary_file: Path, folder: Path, heads: int | None = None
) -> None:
    """The logits of both heads and the states, within 1e-5."""
    foreign = read_model(source, heads=heads)
    assert foreign.unexpected == ()
    _, taken = write_pretraining_model(foreign, Vocabulary.load(vocabulary_file), folder)
    assert taken.initialised == ()
    config = read_config(folder).model
    assert (config.vocabulary_size, config.padded_vocabulary_size) == (28, 32)
    assert config.layers == len(theirs.bert.encoder.layer)  # type: ignore[union-attr,arg-type]
    model = PretrainingModel(config, sentence_order=True).eval()
    load_weights(model, folder)
    states = model.encoder(*rows.ours)
    expected = theirs(**rows.theirs)
    words = model.masked_lm(states, model.encoder.embeddings.word.weight)
    assert model.sentence_order is not None
    assert float((rows.real(words) - rows.real(expected.prediction_logits)[:, :28]).abs().max()) <= 1e-5
    assert float((model.sentence_order(states) - expected.seq_relationship_logits).abs().max()) <= 1e-5


@pytest.mark.parametrize("version", [0, 1.0, 2.0, 3.0])
@pytest.mark.parametrize(("degree", "num_stages"), [(1, 1), (2, 1), (1, 3), (2, 3), (4, 1)])
def test_every_layout_and_grid_gives_the_same_scores(
    version: float, degree: int, num_stages: int, theirs: nn.Module, rows: Rows, vocabulary_file: Path, tmp_path: Path
) -> None:
    source = write_folder(tmp_path / "checkpoint", theirs, degree, num_stages, version)
    assert kind_of(source) == "megatron"
    check_equal(source, theirs, rows, vocabulary_file, tmp_path / "ours", heads=None if version else HEADS)


@pytest.mark.parametrize("degree", [1, 2])
def test_the_chunks_of_an_interleaved_pipeline_are_put_in_order(
    degree: int, make_source: MakeSource, rows: Rows, vocabulary_file: Path, tmp_path: Path
) -> None:
    """Two stages of two chunks: the first stage has layers 0 and 2, the second one 1 and 3."""
    _, theirs = make_source("megatron", "ForPreTraining", rows=32, layer_norm_eps=1e-5, num_hidden_layers=4)
    source = tmp_path / "interleaved"
    for rank, stage in product(range(degree), range(2)):
        content = checkpoint(theirs, rank, degree, stage, 4)
        del content["model"]
        for chunk in range(2):
            content[f"model{chunk}"] = megatron_model(theirs, rank, degree, stage + 2 * chunk, 4, 3.0, new_names=True)
        place = source / "iter_0001000" / f"mp_rank_{rank:02d}_{stage:03d}"
        place.mkdir(parents=True)
        (place / "model_optim_rng.pt").write_bytes(saved(content))
    check_equal(source, theirs, rows, vocabulary_file, tmp_path / "ours")
    content["args"].num_layers = 6
    for file in source.rglob("*.pt"):
        file.write_bytes(saved(torch.load(file, weights_only=False) | {"args": content["args"]}))
    with pytest.raises(ModelError, match=r"not all layers are in the checkpoint(.|\n)*given:   4\n  allowed: 6"):
        read_model(source)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("apply_residual_connection_post_layernorm", True, "normalises before its products"),
        ("apply_layernorm_1p", True, "usual layer normalisation"),
        ("normalization", "RMSNorm", "usual layer normalisation"),
        ("squared_relu", True, "only GELU"),
        ("position_embedding_type", "rope", "absolute positions"),
        ("untie_embeddings_and_output_weights", True, "the word embedding is the decoder"),
    ],
)
def test_what_would_be_computed_otherwise_is_refused(
    key: str, value: object, said: str, theirs: nn.Module, tmp_path: Path
) -> None:
    content = checkpoint(theirs)
    usual = {"normalization": "LayerNorm", "position_embedding_type": "learned_absolute", "num_experts": None}
    content["args"] = Namespace(**vars(content["args"]), **usual)
    (tmp_path / "usual.pt").write_bytes(saved(content))
    assert read_model(tmp_path / "usual.pt").notes == ()
    setattr(content["args"], key, value)
    (tmp_path / "other.pt").write_bytes(saved(content | {"args": vars(content["args"])}))
    with pytest.raises(ModelError, match=f"other.pt: {key}: this model cannot be computed: (.*){said}"):
        read_model(tmp_path / "other.pt")


def test_a_decoder_of_its_own_is_refused(theirs: nn.Module, tmp_path: Path) -> None:
    source = write_folder(tmp_path / "checkpoint", theirs, 2, 3, 3.0)
    content = checkpoint(theirs, 1, 2, 2, 3)
    content["model"]["word_embeddings_for_head"]["weight"] += 0.5
    (source / "iter_0001000" / "mp_rank_01_002" / "model_optim_rng.pt").write_bytes(saved(content))
    with pytest.raises(ModelError, match="the word embedding is the decoder here"):
        read_model(source)


@pytest.mark.parametrize(("key", "found"), [("layernorm_epsilon", 2e-6), ("norm_epsilon", 2e-6), ("other", 1e-5)])
def test_the_epsilon_has_two_names(key: str, found: float, theirs: nn.Module, tmp_path: Path) -> None:
    content = checkpoint(theirs) | {"args": {"num_attention_heads": HEADS, key: 2e-6, "hidden_dropout": "${dropout}"}}
    (tmp_path / "model.pt").write_bytes(saved(content))
    config = read_model(tmp_path / "model.pt").config
    assert (config.epsilon, config.dropout) == (found, 0.1)


def test_quantised_weights_are_refused(theirs: nn.Module, vocabulary_file: Path, tmp_path: Path) -> None:
    content = checkpoint(theirs)
    layers = content["model"]["language_model"]["encoder"]
    layers["layers.0.self_attention.dense.weight"] = layers["layers.0.self_attention.dense.weight"].to(torch.int8)
    (tmp_path / "model.pt").write_bytes(saved(content))
    with pytest.raises(ModelError, match=r"attention\.output\.weight holds quantised weights(.|\n)*given:   int8"):
        write_pretraining_model(read_model(tmp_path / "model.pt"), Vocabulary.load(vocabulary_file), tmp_path / "ours")


def test_a_release_archive_is_read_in_place(
    theirs: nn.Module, rows: Rows, vocabulary_file: Path, tmp_path: Path
) -> None:
    source = tmp_path / "bert.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("latest_checkpointed_iteration.txt", "release")
        archive.writestr("release/mp_rank_00/model_optim_rng.pt", saved(checkpoint(theirs)))
        archive.writestr("../../outside.txt", "written nowhere")
    check_equal(source, theirs, rows, vocabulary_file, tmp_path / "ours")
    assert not list(tmp_path.parent.glob("outside.txt"))


def test_an_archive_with_its_vocabulary_is_read_once(
    theirs: nn.Module, vocabulary_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, lacking, read = tmp_path / "bert.zip", tmp_path / "lacking.pt", list[str]()
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("mp_rank_00/model_optim_rng.pt", saved(checkpoint(theirs)))
        archive.write(vocabulary_file, "vocab.txt")
    lacking.write_bytes(saved(checkpoint(theirs)))
    monkeypatch.setattr(
        shards, "read_pickled", lambda file, where: read.append(str(where)) or read_pickled(file, where)
    )
    import_model(source, tmp_path / "ours")
    assert len(read) == 1
    found = CliRunner().invoke(cli, ["model", "compare", str(source), str(tmp_path / "ours")])
    assert (found.exit_code, len(read)) == (0, 2), found.output
    with pytest.raises(VocabularyError, match="--vocabulary"):
        import_model(lacking, tmp_path / "none")
    assert len(read) == 3
    lacking.write_bytes(saved({"model": {}}))
    with pytest.raises(ModelError):
        read_with_heads(lacking)
    assert len(read) == 4


def test_the_file_of_a_single_rank_is_read(
    theirs: nn.Module, rows: Rows, vocabulary_file: Path, tmp_path: Path
) -> None:
    source = tmp_path / "model_optim_rng.pt"
    source.write_bytes(saved(checkpoint(theirs, version=1.0)))
    check_equal(source, theirs, rows, vocabulary_file, tmp_path / "ours")


@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("degree", [1, 2])
def test_a_nemo_archive_comes_with_its_settings_and_vocabulary(
    legacy: bool, degree: int, theirs: nn.Module, rows: Rows, vocabulary_file: Path, tmp_path: Path
) -> None:
    source = tmp_path / "bert.nemo"
    settings = (
        f"num_attention_heads: {HEADS}\nlayernorm_epsilon: 1e-05\nmegatron_legacy: {legacy}\n"
        "tokenizer:\n  num_attention_heads: 1\n"
    )
    members = {"./model_config.yaml": settings.encode(), "./4f_vocab.txt": vocabulary_file.read_bytes()}
    for rank in range(degree):
        tensors = megatron_model(theirs, rank, degree, 0, 1, 0 if legacy else 2.0, new_names=False)
        flat = {f"model.{name}": tensor for name, tensor in flatten(tensors)}
        place = f"./mp_rank_{rank:02d}/" if degree > 1 else "./"
        members[f"{place}model_weights.ckpt"] = saved(flat)
    with tarfile.open(source, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        escape = tarfile.TarInfo("../model_weights.ckpt")
        escape.type, escape.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(escape)
    check_equal(source, theirs, rows, vocabulary_file, tmp_path / "ours")
    config, taken = import_model(source, tmp_path / "again")
    assert config.vocabulary_size == 28
    assert taken.initialised == ()


def flatten(table: dict[str, Any], prefix: str = "") -> list[tuple[str, torch.Tensor]]:
    found = []
    for key, value in table.items():
        found += flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return found


def test_what_is_wrong_with_a_checkpoint_is_said(theirs: nn.Module, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "checkpoint", theirs, 2, 1, 3.0)
    rank = folder / "iter_0001000" / "mp_rank_01" / "model_optim_rng.pt"
    content = checkpoint(theirs, 1, 2)
    content["model"]["language_model"]["pooler"]["dense.bias"] += 1.0
    rank.write_bytes(saved(content))
    with pytest.raises(ModelError, match=r"different copies of sentence_order\.pooler\.bias"):
        read_model(folder)
    del content["model"]["lm_head"]["bias"]
    rank.write_bytes(saved(content))
    with pytest.raises(ModelError, match=r"different copies|lacks masked_lm\.bias"):
        read_model(folder)
    rank.unlink()
    rank = folder / "iter_0001000" / "mp_rank_02" / "model_optim_rng.pt"
    rank.parent.mkdir()
    rank.write_bytes(saved(content))
    with pytest.raises(ModelError, match="tensor rank 1, pipeline stage 0 is missing"):
        read_model(folder)


def test_heads_must_be_known(theirs: nn.Module, tmp_path: Path) -> None:
    source = tmp_path / "old.pt"
    source.write_bytes(saved(checkpoint(theirs, version=0)))
    with pytest.raises(ModelError, match="--heads"):
        read_model(source)
    source.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(ModelError):
        read_model(source)
    source.write_bytes(saved({"model": {"lm_head": {}}, "args": Namespace(num_attention_heads=4)}))
    with pytest.raises(ModelError, match="not a checkpoint of BERT"):
        read_model(source)
    with pytest.raises(ModelError, match="no such file"):
        read_shards(tmp_path / "nowhere.pt")


def core_model(model: nn.Module, rank: int, degree: int, *, norms_within: bool) -> Tensors:
    """The same as Megatron-Core's BertModel saves it: flat, its normalisations fused into the products or not."""
    usual = megatron_model(model, rank, degree, 0, 1, 3.0, new_names=True)
    language_model = usual["language_model"]
    saved_tensors: Tensors = {f"lm_head.dense.{part}": usual["lm_head"][f"dense.{part}"] for part in ("weight", "bias")}
    for part in ("weight", "bias"):
        saved_tensors[f"lm_head.layer_norm.{part}"] = usual["lm_head"][f"norm.{part}"]
        saved_tensors[f"pooler.dense.{part}"] = language_model["pooler"][f"dense.{part}"]
        saved_tensors[f"binary_head.{part}"] = usual["binary_head"][part]
    saved_tensors["output_layer.bias"] = usual["lm_head"]["bias"]
    saved_tensors["output_layer.weight"] = language_model["embedding"]["word_embeddings"]["weight"]
    for name, table in language_model["embedding"].items():
        saved_tensors[f"embedding.{name}.weight"] = table["weight"]
    names = {
        "self_attention.query_key_value.": "self_attention.linear_qkv.",
        "self_attention.dense.": "self_attention.linear_proj.",
        "mlp.dense_h_to_4h.": "mlp.linear_fc1.",
        "mlp.dense_4h_to_h.": "mlp.linear_fc2.",
        "input_norm.": "self_attention.linear_qkv.layer_norm_" if norms_within else "input_layernorm.",
        "post_attention_norm.": "mlp.linear_fc1.layer_norm_" if norms_within else "pre_mlp_layernorm.",
        "final_norm.": "final_layernorm.",
    }
    for name, tensor in language_model["encoder"].items():
        for before, after in names.items():
            if before in name:
                saved_tensors[f"encoder.{name.replace(before, after)}"] = tensor
                break
    return saved_tensors


@pytest.mark.parametrize("norms_within", [True, False])
@pytest.mark.parametrize("degree", [1, 2])
def test_the_names_of_megatron_core_come_in(
    norms_within: bool, degree: int, theirs: nn.Module, rows: Rows, vocabulary_file: Path, tmp_path: Path
) -> None:
    source = tmp_path / "core"
    for rank in range(degree):
        place = source / "iter_0001000" / f"mp_rank_{rank:02d}"
        place.mkdir(parents=True)
        content = {
            "model": core_model(theirs, rank, degree, norms_within=norms_within),
            "args": Namespace(num_attention_heads=HEADS, hidden_dropout=0.2, layernorm_epsilon=1e-5),
        }
        (place / "model_optim_rng.pt").write_bytes(saved(content))
    (source / "latest_checkpointed_iteration.txt").write_text("1000", encoding="utf-8")
    check_equal(source, theirs, rows, vocabulary_file, tmp_path / "ours")


def test_the_fused_gelu_is_told(theirs: nn.Module, tmp_path: Path) -> None:
    source, content = tmp_path / "fused.pt", checkpoint(theirs)
    content["args"].bias_gelu_fusion = True
    source.write_bytes(saved(content))
    assert read_model(source).notes == (
        "GELU is computed exactly; bias_gelu_fusion approximated it by tanh, which differs by less than 0.0005",
    )
    points = torch.linspace(-8, 8, 100_001)
    exact = torch.nn.functional.gelu(points)
    assert 0.0004 < float((torch.nn.functional.gelu(points, approximate="tanh") - exact).abs().max()) < 0.0005


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (Path("trap-was-run"),))

    monkeypatch.chdir(tmp_path)
    source = tmp_path / "trap.pt"
    source.write_bytes(saved({"model": {}, "args": Trap()}))
    with pytest.raises(ModelError, match="without running code"):
        read_model(source)
    assert not (tmp_path / "trap-was-run").exists()
