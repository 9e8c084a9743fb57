"""Weights on disk, as others store them: safetensors and PyTorch files, whole or in several parts; never unpickled."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from domainlm.errors import ModelError
from domainlm.model.weight_files import indexed_tensors, weight_files

_REBUILD = np.zeros(1).__reduce__()[0]
"""What a pickled array names to be rebuilt with."""
_HARMLESS: list[Any] = [
    argparse.Namespace,  # Megatron-LM's settings
    # The states of numpy's generators, which its checkpoints hold beside the weights: arrays of numbers.
    *(np.ndarray, np.dtype, type(np.dtype(np.uint32))),
    *(_REBUILD, (_REBUILD, "numpy.core.multiarray._reconstruct")),  # as numpy 2 and as numpy 1 call it
]


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a Hugging Face folder by name; `ModelError` where a file, or what an index names, is missing."""
    tensors: dict[str, torch.Tensor] = {}
    for file in weight_files(folder):
        tensors.update(_read(file))
    lacking = [name for name in indexed_tensors(folder) if name not in tensors]
    if lacking:
        raise ModelError("a tensor that the index names is in no file", where=folder, given=lacking[0])
    return tensors


def read_tensor_file(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file; `ModelError` where it is missing or damaged."""
    try:
        tensors: dict[str, torch.Tensor] = load_file(file)
    except FileNotFoundError:
        raise ModelError("there is no such file", where=file) from None
    except SafetensorError as error:
        raise ModelError(f"damaged: {error}", where=file) from None
    return tensors


def read_pickled(file: Path | IO[bytes], where: Path | str) -> Any:  # noqa: ANN401 - whatever was saved
    """The content of a PyTorch file: tensors, numbers, text and containers of them; nothing in it is run.

    Args:
        file: the file, or an open one.
        where: its name for messages.

    Raises:
        ModelError: it is damaged, or holds anything else.
    """
    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelError("there is no such file", where=where) from None
    except Exception as error:  # torch names no class of its own for damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            "not weights that can be read without running code",
            where=where,
            given=reason,
            remedy="save it as safetensors with the library that wrote it",
        ) from error


def _read(file: Path) -> Mapping[str, torch.Tensor]:
    if file.suffix == ".safetensors":
        return read_tensor_file(file)
    content = read_pickled(file, file)
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise ModelError("not a table of tensors", where=file)
    return content
