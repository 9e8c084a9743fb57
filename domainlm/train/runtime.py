"""From the recipe's `[runtime]` to the device in use."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache

from domainlm.errors import MachineError
from domainlm.model.config import ModelConfig
from domainlm.parallel.compiling import compile_problem
from domainlm.parallel.device import Device, choose_device
from domainlm.parallel.world import current_world
from domainlm.plan.operations import step_operations
from domainlm.process import is_first_rank
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.pretraining_settings import PretrainingSettings
from domainlm.recipe.schema import RuntimeSettings
from domainlm.recipe.work import work_of

_SECONDS_TO_START_A_LAYER = 0.003
_USUAL_OPERATIONS_PER_SECOND = 3e14
_SECONDS_WORTH_COMPILING = 180.0

_log = logging.getLogger(__name__)


def open_device(settings: RuntimeSettings, *, pretrains: bool = False) -> Device:
    """Choose the device, set the number of threads and check that the precision is available.

    A rank has a device of its own, and the threads that it was started with.

    Args:
        settings: what the recipe asks for.
        pretrains: whether layers may be compiled, where that is asked for or, on a GPU, works.

    Raises:
        MachineError: the device, the precision or the compilation asked for is not to be had.
    """
    world = current_world()
    if world.is_joined:
        device = choose_device("cuda" if world.device.type == "cuda" else "cpu", settings.precision)
        device = replace(device, torch_device=world.device)
    else:
        device = choose_device(settings.device, settings.precision, settings.num_threads)
        if pretrains and device.torch_device.type == "cuda" and "precision" not in settings.model_fields_set:
            _warn_of_fp32()
    compiles = pretrains and _compiles(settings, device.torch_device.type)
    return replace(device, is_deterministic=settings.deterministic, compiles=compiles)


@lru_cache(maxsize=1)
def _warn_of_fp32() -> None:
    """Say once in a run what the default costs; whoever writes "fp32" into a recipe wants it."""
    if is_first_rank():
        _log.warning(
            "products are computed in fp32 on this GPU, which is many times slower than bf16 (an H100 reaches 67 and "
            '989 TFLOP/s by its data sheet): set runtime.precision = "bf16", or "fp32" to keep it so'
        )


def _compiles(settings: RuntimeSettings, device_type: str) -> bool:
    if settings.compile is False or (settings.compile == "auto" and device_type != "cuda"):
        return False
    problem = compile_problem(device_type)
    if problem is not None and settings.compile is True:
        raise MachineError(
            f"torch.compile does not work here: {problem}",
            where="runtime.compile",
            given="true",
            remedy='install a C++ compiler, and Triton on a GPU; or use "auto" or false',
        )
    if problem is not None:
        _log.warning("layers are not compiled, which trains more slowly: %s", problem)
    return problem is None


def compiled_where_it_pays(
    device: Device, settings: RuntimeSettings, pretraining: PretrainingSettings, config: ModelConfig
) -> Device:
    """The device, with "auto" decided: layers are compiled where pretraining would take more than minutes without.

    Making kernels takes some 10 s for a size of rows, and saves a quarter of a step. How long steps take is guessed
    after what an H200 did: the operations at its usual speed or, for small models, the time to start kernels.
    """
    if not device.compiles or settings.compile is True:
        return device
    work = work_of(config, pretraining, ParallelSettings(), settings, on_gpu=True)
    to_start = config.layers * _SECONDS_TO_START_A_LAYER * work.num_micro_batches(1)
    seconds = pretraining.num_steps * max(to_start, step_operations(work) / _USUAL_OPERATIONS_PER_SECOND)
    return replace(device, compiles=seconds > _SECONDS_WORTH_COMPILING)
