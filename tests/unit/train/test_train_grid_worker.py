"""A rank of a grid beside a process by itself, as far as one process can tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from domainlm.model.config import ModelConfig
from domainlm.model.initialise import initialise
from domainlm.model.pretraining import PretrainingModel
from domainlm.parallel.device import Device
from domainlm.parallel.heartbeat import HeartbeatWriter
from domainlm.parallel.rank_model import RankModel, build_rank_model
from domainlm.parallel.replica import GridOptions
from domainlm.parallel.seeds import Seeds
from domainlm.parallel.stage_module import StageModule
from domainlm.parallel.stages import Division
from domainlm.parallel.world import current_world
from domainlm.recipe.optimizer_settings import OptimizerSettings
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.train import grid
from domainlm.train.grid import build_grid_worker, save_grid_model
from domainlm.train.grid_worker import GridWorker
from domainlm.train.pretraining import PretrainingBatch, PretrainingObjective
from domainlm.train.worker import OneProcess

CONFIG = ModelConfig(
    layers=2,
    hidden=16,
    heads=2,
    feed_forward=32,
    max_positions=16,
    architecture="megatron",
    dropout=0.0,
    vocabulary_size=40,
    padded_vocabulary_size=40,
)
# One row of two samples, of five and of four tokens, with three slots of padding.
PACKED = PretrainingBatch(
    tokens=torch.tensor([[2, 7, 8, 9, 3, 2, 11, 12, 3, 0, 0, 0]]),
    token_types=torch.tensor([[0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0]]),
    lengths=torch.tensor([9]),
    masked_positions=torch.tensor([2, 6]),
    masked_labels=torch.tensor([20, 21]),
    is_swapped=torch.tensor([1, 0]),
    positions=torch.tensor([[0, 1, 2, 3, 4, 0, 1, 2, 3, 0, 0, 0]]),
    samples=torch.tensor([[0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2]]),
    firsts=torch.tensor([0, 5]),
    num_tokens=9,
)


def build() -> PretrainingModel:
    model = PretrainingModel(CONFIG, sentence_order=True)
    initialise(model, 3)
    return model


def held(*num_layers: int) -> RankModel:
    return build_rank_model(build, Division(num_layers, 1), current_world())


@pytest.mark.parametrize("max_norm", [0.0, 0.1, 1e6])
def test_gradients_are_clipped_as_in_one_process(max_norm: float, cpu: Device) -> None:
    """0 leaves them as they are."""
    settings = OptimizerSettings(learning_rate=0.1, max_gradient_norm=max_norm, weight_decay=0.0)
    model, part = build(), held(2)
    alone = OneProcess(model, PretrainingObjective(), settings, cpu, 0)
    worker = GridWorker(part, PretrainingObjective(), settings, cpu, seed=0, options=GridOptions())
    assert worker.gradients(0, [PACKED]).norm == pytest.approx(alone.gradients(0, [PACKED]).norm, rel=1e-5)
    expected = dict(model.named_parameters())
    for name, parameter in part.module.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, expected[name].grad, rtol=1e-4, atol=1e-7)


def test_reading_the_numbers_of_a_step_counts_as_waiting(
    cpu: Device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """On GPUs that is where ranks stand while another one hangs."""
    writer, seen = HeartbeatWriter(tmp_path, 0, 1, hang_seconds=45.0), list[bool]()
    total_norm = torch.nn.utils.get_total_norm

    def noting(*arguments: Any) -> torch.Tensor:  # noqa: ANN401 - torch's own
        seen.append(writer._is_waiting)
        return total_norm(*arguments)

    monkeypatch.setattr(torch.nn.utils, "get_total_norm", noting)
    worker = GridWorker(held(2), PretrainingObjective(), OptimizerSettings(), cpu, seed=0, options=GridOptions())
    with writer.beating():
        worker.gradients(0, [PACKED])
        assert seen == [True]
        assert not writer._is_waiting


def test_samples_of_a_row_are_apart_in_every_stage(cpu: Device) -> None:
    part = held(1, 1)
    objective = PretrainingObjective("next_sentence")
    stages = [StageModule(part, stage, objective, cpu, Seeds(0, 0, torch.device("cpu"))) for stage in range(2)]

    def losses(batch: PretrainingBatch) -> dict[str, float]:
        received = None
        for stage in stages:
            stage.begin(0, [batch], {"masked_lm": 1, "next_sentence": 1})
            received = stage.run(0, received)
        return {part: float(value) for part, value in stages[-1].sums.items()}

    found = losses(PACKED)
    whole = objective.loss_sums(build(), PACKED)
    assert found == pytest.approx({part: float(value.detach()) for part, value in whole.items()})
    # What stands in the second sample changes nothing in the first: only the first one's masked word is asked for here.
    first = replace(PACKED, masked_positions=torch.tensor([2]), masked_labels=torch.tensor([20]))
    tokens = PACKED.tokens.clone()
    tokens[0, 6:8] = torch.tensor([30, 31])
    assert losses(replace(first, tokens=tokens))["masked_lm"] == losses(first)["masked_lm"]
    together = replace(first, samples=None, positions=None, firsts=None, is_swapped=torch.tensor([1]))
    assert losses(replace(together, tokens=tokens))["masked_lm"] != losses(together)["masked_lm"]


@pytest.mark.parametrize("is_joined", [False, True])
def test_freed_memory_is_given_back_only_where_ranks_share_a_machine(
    is_joined: bool, cpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr("domainlm.train.grid._LARGE_BYTES", 0)
    monkeypatch.setattr("domainlm.train.grid.give_freed_memory_back", lambda: calls.append("given"))
    monkeypatch.setattr("domainlm.parallel.world.World.is_joined", is_joined)
    build_grid_worker(
        build,
        PretrainingObjective(),
        config=CONFIG,
        phase=PretrainingSettings(num_steps=1, max_tokens=16),
        parallel=ParallelSettings(),
        runtime=RuntimeSettings(precision="bf16_weights"),
        device=replace(cpu, precision="bf16_weights"),
        seed=0,
    )
    assert calls == ["given"] * is_joined


def test_writing_a_large_model_is_no_hanging_rank(
    tmp_path: Path, cpu: Device, granted: Callable[[], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = GridWorker(held(2), PretrainingObjective(), OptimizerSettings(), cpu, seed=0, options=GridOptions())
    seen, real = list[bool](), grid.save_streamed_model

    def slow(*arguments: Any) -> None:  # noqa: ANN401
        seen.append(granted())
        real(*arguments)

    monkeypatch.setattr(grid, "save_streamed_model", slow)
    save_grid_model(worker, tmp_path / "model", CONFIG, {})

    assert seen == [True]
    assert (tmp_path / "model" / "config.json").is_file()
