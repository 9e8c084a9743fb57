"""The one list of settings that recipes may state, `domainlm plan` works with and the trainer does not follow yet.

Whoever teaches the trainer one of them removes it here, and nowhere else. When the list is empty, this module goes.
"""

from __future__ import annotations

from typing import Literal

from domainlm.errors import RecipeError
from domainlm.plan.work import Degrees
from domainlm.recipe.parallel_settings import ParallelSettings
from domainlm.recipe.schema import RuntimeSettings

_AT_DEFAULT = (
    "engine",
    "schedule",
    "num_stages_per_rank",
    "layers_per_stage",
    "activation_checkpointing",
    "shard_optimizer",
)
"""Keys of [parallel] that have no effect yet: to be left at their defaults."""
_DEFAULTS = ParallelSettings()


def check_parallel(settings: ParallelSettings, where: str = "parallel") -> None:
    """Raise `RecipeError` for what the trainer does not follow yet, degrees aside."""
    for key in _AT_DEFAULT:
        if getattr(settings, key) != getattr(_DEFAULTS, key):
            raise _refusal(f"{where}.{key}", getattr(settings, key), str(getattr(_DEFAULTS, key)))


def check_degrees(degrees: Degrees, where: str = "parallel") -> None:
    """Raise `RecipeError` for a grid of several ranks, given or chosen."""
    if degrees.world_size != 1:
        raise _refusal(where, str(degrees), str(Degrees()))


def precision_in_use(settings: RuntimeSettings, where: str = "runtime") -> Literal["fp32", "bf16"]:
    """The precision, where it is one that the trainer computes in; raises `RecipeError` otherwise."""
    if settings.precision == "fp32" or settings.precision == "bf16":  # noqa: PLR1714 - narrows the type
        return settings.precision
    raise _refusal(f"{where}.precision", settings.precision, "fp32, bf16")


def _refusal(where: str, given: object, allowed: str) -> RecipeError:
    return RecipeError(
        "training does not follow this setting yet",
        where=where,
        given=given,
        allowed=allowed,
        remedy="leave it out; `domainlm plan` works with it",
    )
