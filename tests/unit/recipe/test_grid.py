"""Grids of recipes: what is at hand, what is chosen, and what is refused with arithmetic and remedy."""

from __future__ import annotations

import logging
import subprocess
from types import SimpleNamespace

import pytest

from domainlm.errors import MachineError, RecipeError
from domainlm.model.config import ModelConfig
from domainlm.plan.parameters import num_parameters
from domainlm.plan.work import Degrees, Work
from domainlm.recipe import devices as devices_module
from domainlm.recipe import memory
from domainlm.recipe.devices import Devices, devices_at_hand
from domainlm.recipe.grid import resolve_grid
from domainlm.recipe.memory import check_memory
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.task_settings import FinetuningSettings
from domainlm.recipe.work import schedule_of, work_of

CONFIG = ModelConfig(
    layers=4,
    hidden=64,
    heads=4,
    feed_forward=256,
    max_positions=128,
    architecture="megatron",
    dropout=0.1,
    vocabulary_size=1000,
    padded_vocabulary_size=1024,
)
CPU = Devices(kind="cpu", number=1)
FOUR_GPUS = Devices(kind="cuda", number=4, memory_bytes=80 * 2**30)
LAUNCHED = Devices(kind="cpu", number=8, is_launched=True)


def works(settings: ParallelSettings | None = None) -> list[tuple[str, Work]]:
    phase = PretrainingSettings(num_steps=1, num_sequences_per_step=16, num_sequences_per_micro_batch=2)
    work = work_of(CONFIG, phase, settings or ParallelSettings(), RuntimeSettings(), on_gpu=False)
    return [("pretraining", work)]


def test_auto_takes_the_gpus_as_replicas() -> None:
    grid = resolve_grid(ParallelSettings(data="auto"), works(), FOUR_GPUS)
    assert grid.degrees == Degrees(data=4)
    assert "replicas talk least" in grid.reason
    both = resolve_grid(ParallelSettings(data="auto", tensor=2), works(), FOUR_GPUS)
    assert both.degrees == Degrees(data=2, tensor=2)


def test_a_cpu_is_one_device() -> None:
    grid = resolve_grid(ParallelSettings(data="auto", pipeline="auto", tensor="auto"), works(), CPU)
    assert (grid.degrees, grid.reason) == (Degrees(), "one device is at hand")


def test_given_degrees_need_no_reason() -> None:
    grid = resolve_grid(ParallelSettings(data=2, pipeline=2), works(), FOUR_GPUS)
    assert (grid.degrees, grid.reason) == (Degrees(data=2, pipeline=2), "")


@pytest.mark.parametrize(
    ("settings", "devices", "message"),
    [
        (ParallelSettings(tensor=3), CPU, r"on data 1 x pipeline 1 x tensor 3: parallel\.tensor(.|\n)*4 / 3"),
        (ParallelSettings(data=8), FOUR_GPUS, r"more ranks than this machine has GPUs(.|\n)*8 ranks(.|\n)*at most 4"),
        (ParallelSettings(data=2), LAUNCHED, r"as many ranks as were launched(.|\n)*2 ranks(.|\n)*8 ranks"),
        (ParallelSettings(data=3), CPU, r"parallel\.data(.|\n)*16 sequences / \(data 3 x 2"),
        (ParallelSettings(data="auto", tensor=3), FOUR_GPUS, "no grid can run this step"),
    ],
)
def test_what_cannot_run_is_refused(settings: ParallelSettings, devices: Devices, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        resolve_grid(settings, works(settings), devices)


def test_every_phase_is_checked() -> None:
    tuning = FinetuningSettings(num_sequences_per_step=2, num_sequences_per_micro_batch=2)
    work = work_of(CONFIG, tuning, ParallelSettings(), RuntimeSettings(), on_gpu=False)
    with pytest.raises(RecipeError, match=r"finetuning of foods on data 2(.|\n)*num_sequences_per_micro_batch = 1"):
        resolve_grid(ParallelSettings(data=2), [*works(), ("finetuning of foods", work)], FOUR_GPUS)


def test_auto_takes_a_grid_that_every_phase_can_run() -> None:
    """Four replicas would do for pretraining, but a step of fine-tuning has two sequences."""
    tuning = FinetuningSettings(num_sequences_per_step=2, num_sequences_per_micro_batch=1)
    work = work_of(CONFIG, tuning, ParallelSettings(), RuntimeSettings(), on_gpu=False)
    grid = resolve_grid(ParallelSettings(data="auto"), [*works(), ("finetuning of foods", work)], FOUR_GPUS)
    assert grid.degrees == Degrees(data=2)


def test_more_ranks_than_cores_is_right_but_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        resolve_grid(ParallelSettings(tensor=4, pipeline=4, data=2), _small(), CPU)
    cores = len(devices_module.os.sched_getaffinity(0))
    assert ("32 ranks share" in caplog.text) == (cores < 32)


def _small() -> list[tuple[str, Work]]:
    phase = PretrainingSettings(num_steps=1, num_sequences_per_step=16, num_sequences_per_micro_batch=1)
    return [("pretraining", work_of(CONFIG, phase, ParallelSettings(), RuntimeSettings(), on_gpu=False))]


def test_launched_ranks_are_counted() -> None:
    torchrun = {"RANK": "3", "WORLD_SIZE": "8", "MASTER_ADDR": "node1", "MASTER_PORT": "29500"}
    assert devices_at_hand("cpu", torchrun) == LAUNCHED
    assert devices_at_hand("cpu", {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8"}) == LAUNCHED
    assert devices_at_hand("cpu", {**torchrun, "RANK": "0", "WORLD_SIZE": "1"}) == CPU


def test_a_world_size_alone_launches_nothing() -> None:
    assert devices_at_hand("cpu", {"WORLD_SIZE": "2"}) == CPU


def test_gpus_are_counted_as_the_driver_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices_module.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(
        devices_module.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout="81559\n81559\n40000\n81559\n")
    )
    found = devices_at_hand("auto", {})
    assert (found.kind, found.number, found.memory_bytes) == ("cuda", 4, 40000 * 2**20)
    assert devices_at_hand("auto", {"CUDA_VISIBLE_DEVICES": "0,1"}).number == 2
    assert devices_at_hand("auto", {"CUDA_VISIBLE_DEVICES": ""}) == CPU
    assert devices_at_hand("cpu", {}) == CPU


def test_a_driver_that_does_not_answer_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 20)

    monkeypatch.setattr(devices_module.shutil, "which", lambda _: "/usr/bin/nvidia-smi")
    monkeypatch.setattr(devices_module.subprocess, "run", fail)
    assert devices_at_hand("auto", {}) == CPU


@pytest.mark.parametrize(
    ("settings", "schedule"),
    [
        (ParallelSettings(), "1f1b"),
        (ParallelSettings(engine="async_pipe"), "gpipe"),
        (ParallelSettings(num_stages_per_rank=2), "interleaved"),
        (ParallelSettings(schedule="gpipe"), "gpipe"),
    ],
)
def test_the_schedule_that_is_left_open(settings: ParallelSettings, schedule: str) -> None:
    assert schedule_of(settings) == schedule


def test_every_objective_about_pairs_has_its_head() -> None:
    heads = {}
    for objective in ("sentence_order", "next_sentence", "none"):
        phase = PretrainingSettings.model_validate({"num_steps": 1, "second_objective": objective})
        work = work_of(CONFIG, phase, ParallelSettings(), RuntimeSettings(), on_gpu=False)
        heads[objective] = num_parameters(CONFIG, sentence_order=work.sentence_order)
    # Pooler and classifier: 64 x 64 + 64 and 2 x 64 + 2.
    assert heads["sentence_order"] == heads["next_sentence"] == heads["none"] + 4_290


def test_all_ranks_of_a_machine_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    (_, work), *_ = works()
    monkeypatch.setattr(memory, "total_memory", lambda: 24 * 2**20)
    check_memory(work, Degrees(), "model.size", "harbour/dinghy")
    with pytest.raises(MachineError, match="needs about"):
        check_memory(work, Degrees(data=4), "model.size", "harbour/dinghy")
