"""Reads the logs of training: a JSON object for each step."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from domainlm.study.report.labels import clean

Points = tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Log:
    """What a log says.

    Attributes:
        points: (step, loss in nats), by ascending step.
        masked_lm: (step, masked-LM loss in nats per masked sub-token); empty for other training.
        num_tokens: sub-tokens trained on, padding not counted; None where the log does not say.
        note: what is to be said about it, if anything.
    """

    points: Points = ()
    masked_lm: Points = ()
    num_tokens: int | None = None
    note: str = ""


def read_log(path: Path, name: str) -> Log:
    """Return what the log at `path` says; `name` is what notes call it.

    The last line may be half-written while a run goes on, so it is passed over silently if it lacks its line end.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return Log(note=f"{clean(name)} is missing: its curve is not shown")
    by_step: dict[int, dict[str, object]] = {}
    counts: Counter[str] = Counter()
    for line in lines:
        entry = _parse(line)
        if _number(entry, "loss") is not None and _step(entry) is not None:
            by_step[_step(entry) or 0] = entry
        elif line.strip() and line.endswith(b"\n"):
            counts[_without_loss(entry)] += 1
    if not by_step:
        return Log(note=f"{clean(name)} holds no losses: its curve is not shown")
    notes = {"damaged": "damaged lines passed over", "skipped": "skipped steps, not finite"}
    told = ", ".join(f"{counts[kind]} {note}" for kind, note in notes.items() if counts[kind])
    tokens = [found for entry in by_step.values() if (found := _number(entry, "num_tokens")) is not None]
    return Log(
        points=_column(by_step, "loss"),
        masked_lm=_column(by_step, "masked_lm"),
        num_tokens=round(sum(tokens)) if len(tokens) == len(by_step) else None,
        note=f"{clean(name)}: {told}" if told else "",
    )


def _column(by_step: dict[int, dict[str, object]], key: str) -> Points:
    found = ((step, _number(entry, key)) for step, entry in sorted(by_step.items()))
    return tuple((step, value) for step, value in found if value is not None)


def _parse(line: bytes) -> dict[str, object]:
    """The object of a line; empty where there is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _without_loss(entry: dict[str, object]) -> str:
    """Why a line has none: the step was "skipped", is an "overflow" as fp16 begins with, or the line is "damaged"."""
    is_step = "step" in entry and "loss" not in entry
    return next((key for key in ("skipped", "overflow") if is_step and entry.get(key) == 1), "damaged")


def _step(entry: dict[str, object]) -> int | None:
    step = entry.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) else None


def _number(entry: dict[str, object], key: str) -> float | None:
    value = entry.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
