"""Model folders."""

from __future__ import annotations

import errno
import json
import resource
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.model.files import load_weights, read_config, save_model
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.model.tensor_file import write_tensors

MakeConfig = Callable[..., ModelConfig]


@pytest.fixture
def saved(make_config: MakeConfig, tmp_path: Path) -> tuple[Path, PretrainingModel]:
    model = PretrainingModel(make_config(), sentence_order=True)
    initialise(model, 3)
    save_model(tmp_path / "model", model, make_config(), {"kind": "pretraining", "sentence_order": True})
    return tmp_path / "model", model


def test_a_folder_gives_back_what_was_saved(saved: tuple[Path, PretrainingModel], make_config: MakeConfig) -> None:
    folder, model = saved
    config = read_config(folder)
    loaded = PretrainingModel(config.model, sentence_order=True)
    load_weights(loaded, folder)

    assert (config.kind, config.model, config.extra) == ("pretraining", make_config(), {"sentence_order": True})
    for name, weight in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], weight), name
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_a_part_can_be_loaded(saved: tuple[Path, PretrainingModel], make_config: MakeConfig) -> None:
    folder, model = saved
    encoder = Encoder(make_config())
    load_weights(encoder, folder, prefix="encoder.")

    assert torch.equal(encoder.embeddings.word.weight, model.encoder.embeddings.word.weight)


def test_weights_are_written_as_fp32(make_config: MakeConfig, tmp_path: Path) -> None:
    save_model(tmp_path, Encoder(make_config()).bfloat16(), make_config(), {"kind": "encoder"})

    assert {tensor.dtype for tensor in load_file(tmp_path / "model.safetensors").values()} == {torch.float32}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "not a model folder"),
        ("{", "not JSON"),
        ("[]", "not a model of domainlm"),
        ('{"format": 2, "kind": "token", "model": {}}', '(?s)given:   2.*allowed: "format": 1'),
        ('{"format": 1, "kind": "token"}', "not a model of domainlm"),
        ('{"format": 1, "kind": "token", "model": {"layerz": 1}}', "(?s)unknown key 'layerz'.*layers"),
    ],
)
def test_a_bad_config_is_named(tmp_path: Path, content: str | None, says: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=says) as caught:
        read_config(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_weights_of_another_model_are_named(saved: tuple[Path, PretrainingModel], make_config: MakeConfig) -> None:
    folder, _ = saved
    with pytest.raises(ModelError, match=r"missing: none; unexpected: sentence_order\.\S+"):
        load_weights(PretrainingModel(make_config(), sentence_order=False), folder)
    with pytest.raises(ModelError, match=r"missing: layers\.2\.\S+, .* and 7 more; unexpected: none"):
        load_weights(Encoder(make_config(layers=3)), folder, prefix="encoder.")
    with pytest.raises(ModelError, match=r"(?s)word\.weight has another shape.*\(64, 32\).*\(128, 32\)"):
        load_weights(Encoder(make_config(padded_vocabulary_size=128)), folder, prefix="encoder.")


@pytest.mark.parametrize("damage", ["missing", "truncated", "no safetensors"])
def test_unreadable_weights_are_named(
    saved: tuple[Path, PretrainingModel], make_config: MakeConfig, damage: str
) -> None:
    folder, model = saved
    path = folder / "model.safetensors"
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100] if damage == "truncated" else b"not what it says" * 99)
    with pytest.raises(ModelError, match=str(folder)):
        load_weights(model, folder)


def test_the_same_tensors_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    tensors = {
        "b": torch.arange(6.0).reshape(2, 3),
        "a": torch.tensor([1, 2], dtype=torch.int64),
        "ü": torch.tensor(True),
        "c": torch.ones(3, dtype=torch.bfloat16),
        "empty": torch.zeros(0, 4),
        "transposed": torch.arange(6.0).reshape(2, 3).t(),
    }
    first = write_tensors(tmp_path / "first", tensors)
    second = write_tensors(tmp_path / "second", dict(reversed(tensors.items())))

    assert first == second
    assert first.num_bytes == (tmp_path / "first").stat().st_size
    read = load_file(tmp_path / "first")
    assert set(read) == set(tensors)
    for name, tensor in tensors.items():
        assert torch.equal(read[name], tensor), name
        assert read[name].dtype == tensor.dtype


def test_a_disk_that_fills_up_leaves_the_old_folder(
    saved: tuple[Path, PretrainingModel], make_config: MakeConfig
) -> None:
    folder, model = saved
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with torch.no_grad():
        model.masked_lm.bias.add_(1.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            save_model(folder, model, make_config(), {"kind": "pretraining"})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert caught.value.errno == errno.EFBIG
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert json.loads(before["config.json"])["sentence_order"] is True
