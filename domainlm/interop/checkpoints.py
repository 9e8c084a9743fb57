"""Checkpoints of this program's own pretraining as models to start from, with what the optimizer kept."""

from __future__ import annotations

from pathlib import Path

import torch

from domainlm.model.tensor_file import write_tensors
from domainlm.train.checkpoints.looking import open_checkpoint
from domainlm.train.checkpoints.manifest import Kind

_PADDED = ("encoder.embeddings.word.weight|", "masked_lm.bias|")


def read_checkpoint(folder: Path, kind: Kind = "weights") -> dict[str, torch.Tensor]:
    """The whole tensors of a checkpoint, whatever grid wrote it; raises `ModelError` where it is damaged."""
    checkpoint = open_checkpoint(folder)
    with checkpoint.tensors(kind) as reader:
        return {name: reader.read(name) for name in checkpoint.manifest.tensors(kind)}


def write_moments(checkpoint: Path, path: Path, num_rows: int) -> None:
    """Write what the optimizer kept to one file, by `PARAMETER|KEY`.

    Args:
        checkpoint: its folder.
        path: the file.
        num_rows: of the word embedding that the moments are for; added rows have moments of zero.
    """
    tensors = read_checkpoint(checkpoint, "optimizer")
    for name, tensor in tensors.items():
        if name.startswith(_PADDED) and tensor.ndim and len(tensor) < num_rows:
            tensors[name] = torch.cat([tensor, tensor.new_zeros(num_rows - len(tensor), *tensor.shape[1:])])
    write_tensors(path, tensors)
