"""Model folders: config.json, model.safetensors and, put there by the caller, tokenizer.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from domainlm.errors import ModelError, shortened
from domainlm.files import whole_file
from domainlm.model.config import ModelConfig
from domainlm.model.origin import Stored, note_origin
from domainlm.model.tensor_file import write_tensor_stream, write_tensors

_FORMAT = 1
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
_MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class FolderConfig:
    """What a model folder's config.json says.

    Attributes:
        kind: "pretraining" for a language model, else the kind of the task: "token", "sequence" or "span".
        model: shape of the encoder.
        extra: whatever else the kind needs.
    """

    kind: str
    model: ModelConfig
    extra: Mapping[str, Any] = field(default_factory=dict)


def save_model(folder: Path, module: nn.Module, config: ModelConfig, extra: Mapping[str, Any]) -> None:
    """Write model.safetensors (fp32) and, after it, config.json; each file appears whole or not at all.

    Args:
        folder: made where it is not there.
        module: the model.
        config: shape of its encoder.
        extra: "kind", and what else that kind needs.
    """
    save_tensors(folder, module.state_dict(), config, extra)


def save_tensors(
    folder: Path, tensors: Mapping[str, torch.Tensor], config: ModelConfig, extra: Mapping[str, Any]
) -> None:
    """The same from a model's tensors by name."""
    folder.mkdir(parents=True, exist_ok=True)
    full = {name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()}
    write_tensors(folder / WEIGHTS, full)
    _write_config(folder, config, extra)


def save_streamed_model(
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Iterator[torch.Tensor],
    config: ModelConfig,
    extra: Mapping[str, Any],
) -> None:
    """`save_model` of a model that is nowhere as a whole.

    Args:
        folder: made where it is not there.
        shapes: of all weights, by name.
        tensors: fp32, one at a time, in the order of `domainlm.model.tensor_file.file_order`.
        config: shape of the encoder.
        extra: as for `save_model`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tensor_stream(folder / WEIGHTS, shapes, tensors)
    _write_config(folder, config, extra)


def _write_config(folder: Path, config: ModelConfig, extra: Mapping[str, Any]) -> None:
    content = {"format": _FORMAT, **extra, "model": config.as_dict()}
    with whole_file(folder / CONFIG) as stream:
        stream.write(f"{json.dumps(content, indent=2)}\n".encode())


def read_config(folder: Path) -> FolderConfig:
    """Read config.json.

    Raises:
        ModelError: it is missing, damaged, or of a format this version does not know.
    """
    path = folder / CONFIG
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"not a model folder: there is no {CONFIG}",
            where=folder,
            remedy="name a folder that a run wrote below models/",
        ) from None
    except ValueError as error:
        raise ModelError(f"not JSON: {error}", where=path) from None
    table = content if isinstance(content, dict) else {}
    if table.get("format") != _FORMAT or not isinstance(table.get("model"), dict):
        raise ModelError(
            "not a model of domainlm",
            where=path,
            given=table.get("format"),
            allowed=f'"format": {_FORMAT}',
            remedy="make one of it: domainlm model import" if "model_type" in table else None,
        )
    extra = {key: value for key, value in table.items() if key not in ("format", "kind", "model")}
    return FolderConfig(str(table.get("kind")), _read_shape(table["model"], path), extra)


def load_weights(module: nn.Module, folder: Path, *, prefix: str = "") -> None:
    """Put a model folder's weights into `module`; without memory (meta), note where to read them.

    Args:
        module: takes the weights.
        folder: the model folder.
        prefix: take only the weights whose names begin so, without it ("encoder." for the encoder alone).

    Raises:
        ModelError: the file is missing or damaged, or weights are missing, unexpected or of another shape.
    """
    path = folder / WEIGHTS
    if any(parameter.is_meta for parameter in module.parameters()):
        _check(module.state_dict(), _stored_shapes(folder, prefix), path)
        for name, parameter in module.named_parameters():
            note_origin(parameter, Stored(path, prefix + name))
        return
    stored = read_tensors(folder)
    found = {name.removeprefix(prefix): tensor for name, tensor in stored.items() if name.startswith(prefix)}
    _check(module.state_dict(), {name: tuple(tensor.shape) for name, tensor in found.items()}, path)
    module.load_state_dict(found)


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors of a model folder by name; raises `ModelError` where the file is missing or damaged."""
    with _opening(folder) as path:
        tensors: dict[str, torch.Tensor] = load_file(path)
    return tensors


def _stored_shapes(folder: Path, prefix: str) -> dict[str, tuple[int, ...]]:
    with _opening(folder) as path, safe_open(path, framework="pt", device="cpu") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - it is no mapping
        return {name.removeprefix(prefix): tuple(file.get_slice(name).get_shape()) for name in names}


@contextmanager
def _opening(folder: Path) -> Iterator[Path]:
    """Turns what may happen while the weights are read into `ModelError`."""
    path = folder / WEIGHTS
    try:
        yield path
    except FileNotFoundError:
        raise ModelError(f"there is no {WEIGHTS}", where=folder) from None
    except SafetensorError as error:
        raise ModelError(f"damaged: {error}", where=path) from None


def _read_shape(values: Mapping[str, Any], path: Path) -> ModelConfig:
    try:
        return ModelConfig.from_dict(values)
    except ModelError as error:
        raise ModelError(error.problem, where=path, given=error.given, allowed=error.allowed) from None


def _check(wanted: Mapping[str, torch.Tensor], found: Mapping[str, tuple[int, ...]], path: Path) -> None:
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    if missing or unexpected:
        raise ModelError(
            "these weights belong to another model",
            where=path,
            given=f"missing: {_named(missing)}; unexpected: {_named(unexpected)}",
        )
    for name, shape in found.items():
        if shape != tuple(wanted[name].shape):
            raise ModelError(
                f"{name} has another shape",
                where=path,
                given=shape,
                allowed=str(tuple(wanted[name].shape)),
            )


def _named(names: list[str]) -> str:
    return shortened(names, _MAX_NAMED) or "none"
