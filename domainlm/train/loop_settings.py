"""How a phase of training goes: its steps, its optimizer, its checkpoints."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from domainlm.recipe.optimizer_settings import OptimizerSettings, ScheduleSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How a phase is trained.

    Attributes:
        phase: "pretrain" or "finetune": for progress and `StepInfo`.
        num_steps: optimizer steps of the whole phase.
        optimizer: AdamW's settings.
        schedule: the learning rate over the steps.
        seed: of the dropout. (The order of the data is the source's affair.)
        num_steps_per_checkpoint: a checkpoint every so many steps, and one after the last.
        num_checkpoints_kept: only the last so many are kept,
        num_steps_per_kept_checkpoint: and those of every so many steps.
        checkpoints_in_background: training goes on while they are written, and what is written is copied first.
        num_bad_steps_until_stop: so many steps in a row whose loss or gradient is not finite end the run.
        last_step: end after so many steps already, to go on another time; None for the whole phase.
    """

    phase: str
    num_steps: int
    optimizer: OptimizerSettings
    schedule: ScheduleSettings
    seed: int
    num_steps_per_checkpoint: int
    num_checkpoints_kept: int = 1
    num_steps_per_kept_checkpoint: int | None = None
    checkpoints_in_background: bool = True
    num_bad_steps_until_stop: int = 3
    last_step: int | None = None

    @property
    def end(self) -> int:
        """Steps to be done when the run ends."""
        return self.num_steps if self.last_step is None else min(self.last_step, self.num_steps)

    def identity(self) -> str:
        """Says which run a checkpoint belongs to; how often it is saved and where it pauses does not matter."""
        facts = {
            "phase": self.phase,
            "num_steps": self.num_steps,
            "optimizer": self.optimizer.model_dump(),
            "schedule": self.schedule.model_dump(),
            "seed": self.seed,
            "num_bad_steps_until_stop": self.num_bad_steps_until_stop,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
