"""What `domainlm plan` says of each rank's memory is what the ranks of a grid hold, to the byte."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from domainlm.parallel.grid import Grid
from domainlm.plan.memory import buffer_bytes, memory_of
from domainlm.plan.work import Degrees
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.work import work_of
from domainlm.testing import run_on_ranks

_FILE = Path(__file__).with_name("planning.py")
_KINDS = ("weights", "gradients", "optimizer")


@pytest.fixture(scope="module")
def planning() -> ModuleType:
    spec = importlib.util.spec_from_file_location("planning", _FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("parallel", "precision"),
    [
        ({"pipeline": 2, "tensor": 2}, "fp32"),
        ({"data": 2, "tensor": 2}, "bf16_weights"),
        ({"data": 2, "shard_optimizer": True}, "fp32"),
        ({"pipeline": 2, "num_stages_per_rank": 2}, "fp16"),
        ({"pipeline": 2, "divide_vocabulary": True}, "fp32"),
        ({"pipeline": 2, "tensor": 2, "divide_vocabulary": True}, "bf16_weights"),
    ],
)
def test_every_rank_holds_what_is_planned(planning: ModuleType, parallel: dict[str, Any], precision: str) -> None:
    settings = ParallelSettings(**parallel)
    degrees = Degrees(**{key: parallel.get(key, 1) for key in ("data", "pipeline", "tensor")})
    grid = Grid.of(degrees)
    runtime = RuntimeSettings.model_validate({"precision": precision})
    work = work_of(planning.config(), planning.PHASE, settings, runtime, on_gpu=False)
    planned = memory_of(work, degrees)

    counted = run_on_ranks(f"{_FILE}:count", grid, parallel, precision)

    for stage, memory in enumerate(planned):
        of_stage = [found for found in counted if found["stage"] == stage]
        assert len(of_stage) == degrees.data * degrees.tensor
        most = {kind: max(found[kind] for found in of_stage) for kind in _KINDS}
        assert most == {kind: getattr(memory, kind) for kind in _KINDS}
        assert {found["buffers"] for found in of_stage} == {buffer_bytes(work, degrees, stage)}
