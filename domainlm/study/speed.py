"""How fast training stages went here, kept in the store by device, number format and shape of the model.

Time is that of the steps alone, without the first of an attempt, in which libraries warm up. Operations are those of
the mathematics (`domainlm.plan.operations`), counted over all slots, padding too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from domainlm.api import StepInfo
from domainlm.files import read_json, write_json
from domainlm.model.config import ModelConfig
from domainlm.plan.operations import step_operations
from domainlm.recipe.work import work_of
from domainlm.study.stage import Stage
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.study.stages.language_model import PretrainStage
from domainlm.study.store import Store

SPEED_FILE = "measured-speed.json"
Speed = dict[str, Any]
_PLACE = ("device", "precision", "num_threads", "world_size")


@dataclass(slots=True)
class Pace:
    """What was measured of one attempt: steps, sub-tokens and seconds after its first step."""

    steps: int = 0
    tokens: int = 0
    seconds: float = 0.0
    num_steps: int = 0
    _has_begun: bool = False

    def add(self, info: StepInfo) -> None:
        """Count a step."""
        self.num_steps = info.num_steps
        if self._has_begun:
            self.steps += 1
            self.tokens += info.num_tokens
            self.seconds += info.seconds
        self._has_begun = True


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training stage will cost.

    Attributes:
        slots: sub-tokens, padding too; None where the number of steps is not known beforehand.
        operations: floating-point operations; likewise.
        seconds: None where nothing comparable was measured.
        basis: what `seconds` goes by, in words.
    """

    slots: int | None
    operations: float | None
    seconds: float | None
    basis: str


def remember_speed(root: Path, stage: Stage, store: Store, pace: Pace) -> Speed | None:
    """Add what was measured to the store's file; None where the stage does not train or made fewer than two steps."""
    if not isinstance(stage, PretrainStage | FinetuneStage) or not pace.steps or pace.seconds <= 0.0:
        return None
    config = _config_of(stage, store)
    if config is None:
        return None
    operations = _operations(stage, config)
    speed = {
        **_place(stage),
        "kind": stage.kind,
        "shape": _shape(config),
        "max_tokens": stage.settings.max_tokens,
        "tokens_per_second": pace.tokens / pace.seconds,
        "flops_per_second": operations * pace.steps / pace.seconds,
        "steps": pace.steps,
        "num_steps": pace.num_steps,
        "work": _work_key(stage),
    }
    path = root / SPEED_FILE
    with FileLock(f"{path}.lock"):
        kept = [each for each in read_speeds(root) if _same(each) != _same(speed)]
        write_json(path, [*kept, speed])
    return {key: speed[key] for key in ("tokens_per_second", "flops_per_second", "steps")}


def read_speeds(root: Path) -> list[Speed]:
    """What was measured so far, oldest first."""
    try:
        found = read_json(root / SPEED_FILE)
    except (OSError, ValueError):
        return []
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def estimate(stage: PretrainStage | FinetuneStage, config: ModelConfig, speeds: list[Speed]) -> Estimate:
    """What a stage will cost, from what was measured on this kind of device in this number format."""
    num_steps = _num_steps(stage, speeds)
    if num_steps is None:
        return Estimate(None, None, None, "unknown: the number of steps shows when the data is read")
    slots = num_steps * stage.settings.num_sequences_per_step * stage.settings.max_tokens
    operations = float(num_steps * _operations(stage, config))
    place, shape = _place(stage), _shape(config)
    here = [each for each in speeds if all(each.get(key) == place[key] for key in _PLACE)]
    if not here:
        return Estimate(slots, operations, None, "unknown: nothing was measured on this device in this precision")
    exact = [each for each in here if (each["kind"], each["shape"]) == (stage.kind, shape)]
    best = exact[-1] if exact else min(here, key=lambda each: _distance(each, stage.kind, config))
    basis = "measured" if exact else f"speed of {best['kind']} of {best['shape']}"
    return Estimate(slots, operations, operations / best["flops_per_second"], basis)


def _num_steps(stage: PretrainStage | FinetuneStage, speeds: list[Speed]) -> int | None:
    if isinstance(stage, PretrainStage):
        return stage.settings.last_step - (0 if stage.earlier is None else stage.earlier.settings.last_step)
    key = _work_key(stage)
    return next((each["num_steps"] for each in reversed(speeds) if each.get("work") == key), None)


def _operations(stage: PretrainStage | FinetuneStage, config: ModelConfig) -> int:
    on_gpu = stage.hardware.get("device") == "cuda"
    return step_operations(work_of(config, stage.settings, stage.parallel, stage.runtime, on_gpu=on_gpu))


def _config_of(stage: Stage, store: Store) -> ModelConfig | None:
    """The shape of the model that the stage starts from, as its start said when it was made."""
    for below in stage.with_inputs():
        if below.kind == "start":
            artifact = store.find(below.kind, below.key)
            if artifact is not None and "model" in artifact.manifest["facts"]:
                return ModelConfig(**artifact.manifest["facts"]["model"])
    return None


def _place(stage: PretrainStage | FinetuneStage) -> dict[str, Any]:
    hardware: Mapping[str, Any] = stage.hardware
    return {
        "device": f"{hardware.get('device')} {hardware.get('device_name')}",
        "precision": hardware.get("precision"),
        "num_threads": hardware.get("num_threads"),
        "world_size": stage.ranks.degrees.world_size,
    }


def _shape(config: ModelConfig) -> str:
    return f"{config.layers} x {config.hidden}, {config.padded_vocabulary_size} entries"


def _work_key(stage: PretrainStage | FinetuneStage) -> str:
    """The same for stages of as many steps: of fine-tuning, the data, its settings and the vocabulary."""
    if isinstance(stage, PretrainStage):
        return ""
    files = sorted(file.sha256 for files in stage.files.values() for file in files)
    sample = [below.key for role, below in stage.inputs.items() if role == "sample"]
    vocabulary = [below.key for below in stage.with_inputs() if below.kind == "vocabulary"]
    settings = stage.settings
    sizes = (settings.num_epochs, settings.num_sequences_per_step, settings.max_tokens, settings.num_overlap_words)
    return repr((stage.spec.reference, files, sample, vocabulary[-1:], sizes))


def _same(speed: Speed) -> tuple[Any, ...]:
    """Of measurements that agree in this the last one is kept."""
    return tuple(speed.get(key) for key in (*_PLACE, "kind", "shape", "max_tokens", "work"))


def _distance(speed: Speed, kind: str, config: ModelConfig) -> tuple[float, bool]:
    """How far a measurement is from a model: by the size of its layers; the same kind of training goes first."""
    layers, hidden = (int(part) for part in speed["shape"].split(",")[0].split(" x "))
    size = layers * hidden * hidden / (config.layers * config.hidden * config.hidden)
    return abs(math.log(size)), speed["kind"] != kind
