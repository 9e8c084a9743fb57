"""Going on from what another training left: its last checkpoint, or the optimizer's moments."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from safetensors import safe_open

from domainlm.model.files import CONFIG
from domainlm.parallel.shards import Shard
from domainlm.parallel.state_names import names_by_parameter
from domainlm.train.checkpoints.runs import CHECKPOINTS

METRICS, MODEL = "metrics.jsonl", "model"
"""What a training leaves in its folder, beside its checkpoints."""


def take_over_run(earlier: Path, work: Path) -> None:
    """Copy the checkpoints and the metrics of a run that ended earlier, for the same run to go on.

    Args:
        earlier: its folder.
        work: the folder to go on in; left alone where it holds checkpoints of its own, or the finished model.
    """
    target = work / CHECKPOINTS
    is_finished = (work / MODEL / CONFIG).is_file()
    if target.is_dir() or is_finished or not (earlier / CHECKPOINTS).is_dir():
        return
    work.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(earlier / METRICS, work / METRICS)
    partial = work / f".{CHECKPOINTS}.tmp"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(earlier / CHECKPOINTS, partial)
    partial.rename(target)


def carried_moments(path: Path, weights: Iterable[Shard]) -> Iterator[tuple[str, torch.Tensor]]:
    """What an optimizer kept of these weights, by `PARAMETER|KEY`: the same pieces; parameters it lacks are left out.

    Args:
        path: a safetensors file of whole tensors with such names.
        weights: the pieces that are here.
    """
    with safe_open(path, framework="pt", device="cpu") as file:
        names = names_by_parameter(file.keys())
        for shard in weights:
            for name in names.get(shard.name, ()):
                stored = file.get_slice(name)
                is_alike = tuple(stored.get_shape()) == shard.global_shape
                yield name, stored[shard.slices] if is_alike and shard.global_shape else file.get_tensor(name)
