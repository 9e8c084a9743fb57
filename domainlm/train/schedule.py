"""The learning rate over the steps of a phase."""

from __future__ import annotations

import math

from domainlm.recipe.optimizer_settings import ScheduleSettings


def learning_rate(step: int, num_steps: int, peak: float, settings: ScheduleSettings) -> float:
    """The rate of the step that follows `step` done ones.

    It rises linearly over the first `warmup_share` of the steps, the first step having the first fraction of the
    peak rather than zero, and then falls, to reach `final_share` of the peak one step after the last.

    Args:
        step: steps done before, from 0.
        num_steps: steps of the phase.
        peak: the highest rate.
        settings: shares and form.
    """
    num_warmup = math.ceil(settings.warmup_share * num_steps)
    if step < num_warmup:
        return peak * (step + 1) / num_warmup
    if settings.decay == "constant":
        return peak
    progress = (step - num_warmup) / max(1, num_steps - num_warmup)
    share = 1.0 - progress if settings.decay == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))
    return peak * (settings.final_share + (1.0 - settings.final_share) * share)
