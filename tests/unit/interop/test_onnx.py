from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from domainlm.cli.group import cli
from domainlm.cli.state import CliState
from domainlm.errors import MachineError, ModelError
from domainlm.interop import onnx
from domainlm.interop.onnx import export_onnx
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.model.files import save_model
from domainlm.plugin import load_plugins
from domainlm.vocab.vocabulary import Vocabulary

IS_THERE = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript"))
needs_onnx = pytest.mark.skipif(not IS_THERE, reason='needs the extra "onnx"')


class TaskModel(torch.nn.Module):
    def __init__(self, config: ModelConfig, width: int, num_layers: int) -> None:
        super().__init__()
        self.encoder = Encoder(config)
        self.head = torch.nn.Module()
        if num_layers == 2:
            self.head.dense = torch.nn.Linear(width, 16)
        self.head.output = torch.nn.Linear(16 if num_layers == 2 else width, 3)


def save(
    folder: Path,
    vocabulary_file: Path,
    architecture: str,
    kind: str,
    width: int,
    num_layers: int,
    activation: str = "gelu",
) -> TaskModel:
    config = ModelConfig(
        layers=2,
        hidden=24,
        heads=4,
        feed_forward=40,
        max_positions=32,
        architecture=architecture,  # type: ignore[arg-type]
        dropout=0.1,
        vocabulary_size=28,
        padded_vocabulary_size=32,
    )
    torch.manual_seed(2)
    model = TaskModel(config, width, num_layers).eval()
    save_model(folder, model, config, {"kind": kind, "head": {"activation": activation}})
    Vocabulary.load(vocabulary_file).save_tokenizer(folder / "tokenizer.json")
    return model


@torch.no_grad()
def test_what_is_written_computes_what_the_model_does(vocabulary_file: Path, tmp_path: Path) -> None:
    """Without the extra too, so that no change of the encoder passes it by."""
    model = save(tmp_path / "ours", vocabulary_file, "megatron", "token", 24, 1)
    written = onnx._Computed(model.encoder, model.head.output, first_only=False).eval()
    ids = torch.randint(5, 28, (3, 9), generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([9, 4, 1])
    mask = (torch.arange(9) < lengths[:, None]).long()
    found = written(ids, torch.zeros_like(ids), mask)
    expected = model.head.output(model.encoder(ids, torch.zeros_like(ids), lengths))
    assert (found - expected)[mask.bool()].abs().max() <= 1e-5


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["bert", "megatron"])
@pytest.mark.parametrize(("kind", "num_layers"), [("token", 1), ("token", 2), ("sequence", 1), ("pretraining", 0)])
@torch.no_grad()
def test_onnxruntime_computes_the_same(
    architecture: str, kind: str, num_layers: int, vocabulary_file: Path, tmp_path: Path
) -> None:
    import onnxruntime

    model = save(tmp_path / "ours", vocabulary_file, architecture, kind, 24, num_layers)
    if kind == "pretraining":
        save_model(tmp_path / "ours", model_of(model.encoder), read(tmp_path / "ours"), {"kind": kind})
    assert export_onnx(tmp_path / "ours", tmp_path / "onnx") <= 1e-5
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    ids = torch.randint(5, 28, (5, 17), generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([17, 9, 1, 4, 12])
    mask = (torch.arange(17) < lengths[:, None]).long()
    feed = {"input_ids": ids, "token_type_ids": torch.zeros_like(ids), "attention_mask": mask}
    (found,) = session.run(None, {name: tensor.numpy() for name, tensor in feed.items()})
    states = model.encoder(ids, feed["token_type_ids"], lengths)
    if kind != "pretraining":
        if num_layers == 2:
            states = torch.nn.functional.gelu(model.head.dense(states))
        states = model.head.output(states[:, 0] if kind == "sequence" else states)
    expected = states.numpy()
    real = mask.numpy().astype(bool) if expected.ndim == 3 else np.ones(5, bool)
    assert found.shape == expected.shape
    assert np.abs(found[real] - expected[real]).max() <= 1e-5


def model_of(encoder: Encoder) -> torch.nn.Module:
    module = torch.nn.Module()
    module.encoder = encoder
    return module


def read(folder: Path) -> ModelConfig:
    from domainlm.model.files import read_config

    return read_config(folder).model


@needs_onnx
@torch.no_grad()
def test_a_head_behind_a_pooler_has_its_tanh(vocabulary_file: Path, tmp_path: Path) -> None:
    import onnxruntime

    model = save(tmp_path / "ours", vocabulary_file, "bert", "sequence", 24, 2, "tanh")
    export_onnx(tmp_path / "ours", tmp_path / "onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx" / "model.onnx"), providers=["CPUExecutionProvider"])
    ids = torch.randint(5, 28, (3, 9), generator=torch.Generator().manual_seed(1))
    feed = {"input_ids": ids, "token_type_ids": torch.zeros_like(ids), "attention_mask": torch.ones_like(ids)}
    (found,) = session.run(None, {name: tensor.numpy() for name, tensor in feed.items()})
    states = model.encoder(ids, feed["token_type_ids"], torch.full((3,), 9))[:, 0]
    assert np.abs(found - model.head.output(model.head.dense(states).tanh()).numpy()).max() <= 1e-5


@needs_onnx
@pytest.mark.parametrize("num_layers", [1, 2])
def test_a_head_of_several_places_is_refused(num_layers: int, vocabulary_file: Path, tmp_path: Path) -> None:
    save(tmp_path / "ours", vocabulary_file, "bert", "sequence", 72, num_layers)
    with pytest.raises(ModelError, match="several places"):
        export_onnx(tmp_path / "ours", tmp_path / "onnx")


@needs_onnx
def test_the_command_says_how_close_it_is(vocabulary_file: Path, tmp_path: Path) -> None:
    save(tmp_path / "ours", vocabulary_file, "bert", "token", 24, 1)
    state = CliState()
    state.all_plugins = load_plugins()
    arguments = ["model", "export", "--format", "onnx", str(tmp_path / "ours"), str(tmp_path / "onnx")]
    ended = CliRunner().invoke(cli, arguments, obj=state)
    assert ended.exit_code == 0, ended.output
    assert "model.onnx: onnxruntime's numbers differ by" in ended.output
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == ["model.onnx", "tokenizer.json"]


@pytest.mark.skipif(IS_THERE, reason='the extra "onnx" is installed')
def test_without_the_extra_it_says_what_to_install(vocabulary_file: Path, tmp_path: Path) -> None:
    save(tmp_path / "ours", vocabulary_file, "bert", "token", 24, 1)
    with pytest.raises(MachineError, match=r"domainlm\[onnx\]"):
        export_onnx(tmp_path / "ours", tmp_path / "onnx")
