"""Reads what a run cost in time and energy, as it leaves it in cost.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

COST_NAME = "cost.json"
Amount = Annotated[float, Field(ge=0)]


class _Record(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, allow_inf_nan=False)


class _Stage(_Record):
    kind: str
    seconds: Amount


class _Invocation(_Record):
    seconds: Amount
    joules: Annotated[Mapping[str, Amount], Field(default_factory=dict)]


class _CostFile(_Record):
    stages: Annotated[Mapping[str, _Stage], Field(default_factory=dict)]
    invocations: tuple[_Invocation, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What is known of time and energy.

    Attributes:
        seconds: by kind of stage, of the attempt that finished it.
        num_stages: by kind.
        invocations: seconds and joules of each invocation that came to its end, where joules may be empty.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    num_stages: Mapping[str, int] = field(default_factory=dict)
    invocations: tuple[tuple[float, Mapping[str, float]], ...] = ()


def read_cost(out: Path) -> Cost:
    """Return what cost.json says; nothing where it is not there or damaged."""
    try:
        found = _CostFile.model_validate_json((out / COST_NAME).read_bytes())
    except (OSError, ValidationError):
        return Cost()
    seconds: dict[str, float] = {}
    counts: dict[str, int] = {}
    for stage in found.stages.values():
        seconds[stage.kind] = seconds.get(stage.kind, 0.0) + stage.seconds
        counts[stage.kind] = counts.get(stage.kind, 0) + 1
    return Cost(seconds, counts, tuple((each.seconds, each.joules) for each in found.invocations))
