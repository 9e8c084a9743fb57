"""Models without memory know where their numbers come from, and any part of them can be read alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm.errors import ModelError
from domainlm.model.config import ModelConfig
from domainlm.model.encoder import Encoder
from domainlm.model.files import load_weights, save_model, save_streamed_model
from domainlm.model.initialise import initialise
from domainlm.model.origin import origin_of
from domainlm.model.pretraining import PretrainingModel
from domainlm.model.tensor_file import file_order

MakeConfig = Callable[..., ModelConfig]
PART = (slice(3, 7), slice(0, 5))


def _built(config: ModelConfig, device: str) -> PretrainingModel:
    with torch.device(device):
        model = PretrainingModel(config, sentence_order=True)
    initialise(model, 4)
    return model


def test_a_part_that_is_drawn_is_part_of_the_whole(make_config: MakeConfig) -> None:
    whole, bare = (_built(make_config(), device) for device in ("cpu", "meta"))
    for (name, parameter), (_, empty) in zip(whole.named_parameters(), bare.named_parameters(), strict=True):
        slices = PART[: parameter.ndim]
        assert empty.is_meta
        assert torch.equal(origin_of(empty).read(slices), parameter[slices]), name
        assert torch.equal(origin_of(empty).read(()), parameter), name


def test_a_part_that_is_stored_is_read_alone(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config()
    whole = _built(config, "cpu")
    save_model(tmp_path, whole, config, {"kind": "pretraining"})
    with torch.device("meta"):
        encoder = Encoder(config)
    load_weights(encoder, tmp_path, prefix="encoder.")
    for name, empty in encoder.named_parameters():
        expected = whole.encoder.get_parameter(name)
        assert torch.equal(origin_of(empty).read(PART[: empty.ndim]), expected[PART[: empty.ndim]]), name


def test_the_weights_of_another_model_are_refused_before_any_is_read(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config()
    save_model(tmp_path, _built(config, "cpu"), config, {"kind": "pretraining"})
    with torch.device("meta"):
        other: Any = PretrainingModel(make_config(hidden=2 * config.hidden), sentence_order=True)
    with pytest.raises(ModelError, match="has another shape"):
        load_weights(other, tmp_path)


def test_a_model_that_is_nowhere_whole_is_written_to_the_same_bytes(make_config: MakeConfig, tmp_path: Path) -> None:
    config, extra = make_config(), {"kind": "pretraining"}
    save_model(tmp_path / "whole", _built(config, "cpu"), config, extra)
    parameters = dict(_built(config, "meta").named_parameters())
    shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
    tensors = (origin_of(parameters[name]).read(()) for name in file_order(shapes))
    save_streamed_model(tmp_path / "streamed", shapes, tensors, config, extra)
    for file in (tmp_path / "whole").iterdir():
        assert (tmp_path / "streamed" / file.name).read_bytes() == file.read_bytes()
