"""Loss curves for plotting: thinned to means over equal stretches of steps, averaged over seeds, put into numbers."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from domainlm.study.report.arms import Arm, Arms
from domainlm.study.report.records import Curve

PRETRAINING = "pretrain"
_HELD_OUT = "held-out"
_MAX_POINTS = 100
_NICE_WIDTHS = tuple(digit * 10**power for power in range(12) for digit in (1, 2, 5))

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Line:
    """The curves of one arm, or of several arms that share a phase.

    Attributes:
        arms: the arms that this phase belongs to; the first one gives the colour.
        by_seed: thinned (step, loss in nats) points of each seed.
        mean: their mean, as far as all seeds reach.
        num_steps: last step logged, of the longest seed.
        final_losses: for each seed, the mean loss over the last tenth of its steps.
    """

    arms: tuple[Arm, ...]
    by_seed: Mapping[int, Points]
    mean: Points
    num_steps: int
    final_losses: tuple[float, ...]

    @property
    def label(self) -> str:
        """Names of the arms."""
        return " / ".join(arm.label for arm in self.arms)


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot of losses: pretraining, or fine-tuning on one data set, or pretraining as seen on one held-out text.

    Attributes:
        stage: "pretrain" or "finetune".
        dataset: name of the data set or of the held-out text; empty for the training losses of pretraining.
        lines: one for each arm, in the order of the study.
        width: each point is the mean over so many steps.
        axis: what the losses are.
        is_held_out: whether they are losses on held-out text, not those that are trained on.
    """

    stage: str
    dataset: str
    lines: tuple[Line, ...]
    width: int
    axis: str = "training loss (nats)"
    is_held_out: bool = False

    @property
    def max_seeds(self) -> int:
        """Most seeds behind one line."""
        return max(len(line.by_seed) for line in self.lines)


def loss_panels(curves: Sequence[Curve], arms: Arms, datasets: Sequence[str]) -> tuple[Panel, ...]:
    """Sort the curves into panels: pretraining first, then its losses on held-out text, then fine-tuning as given."""
    by_panel: dict[tuple[str, bool, str], list[Curve]] = {}
    for curve in curves:
        is_held_out = _is_held_out(curve)
        name = "" if curve.record.stage == PRETRAINING and not is_held_out else curve.record.dataset
        by_panel.setdefault((curve.record.stage, is_held_out, name), []).append(curve)
    order = {name: place for place, name in enumerate(datasets)}
    keys = sorted(by_panel, key=lambda key: (key[0] != PRETRAINING, key[1], order.get(key[2], len(order))))
    return tuple(_panel(stage, dataset, by_panel[stage, of, dataset], arms) for stage, of, dataset in keys)


def bits_panel(curves: Sequence[Curve], arms: Arms) -> Panel | None:
    """Return the masked-LM losses of pretraining in bits per character of its text, comparable between vocabularies.

    A loss per masked sub-token, in bits, divided by the characters of a sub-token. None unless that is known of all.
    """
    pretraining = [curve for curve in curves if curve.record.stage == PRETRAINING and not _is_held_out(curve)]
    converted = [
        replace(curve, points=tuple((step, loss / length / math.log(2)) for step, loss in curve.log.masked_lm))
        for curve in pretraining
        if (length := curve.record.characters_per_sub_token) is not None and curve.log.masked_lm
    ]
    if not converted or len(converted) < len(pretraining):
        return None
    return replace(_panel(PRETRAINING, "", converted, arms), axis="loss (bits per character)")


def thin(points: Sequence[tuple[int, float]], width: int) -> Points:
    """Return mean step and mean loss of each stretch of `width` steps; steps count from 1."""
    stretches: dict[int, list[tuple[int, float]]] = {}
    for step, loss in points:
        stretches.setdefault((step - 1) // width, []).append((step, loss))
    return tuple(
        (statistics.fmean(step for step, _ in stretch), statistics.fmean(loss for _, loss in stretch))
        for _, stretch in sorted(stretches.items())
    )


def _panel(stage: str, dataset: str, curves: Sequence[Curve], arms: Arms) -> Panel:
    last = max(curve.points[-1][0] for curve in curves)
    is_sparse = max(len(curve.points) for curve in curves) <= _MAX_POINTS  # as where a loss is measured now and then
    width = 1 if is_sparse else next(width for width in _NICE_WIDTHS if last <= width * _MAX_POINTS)
    files_of: dict[Arm, dict[int, Curve]] = {}
    for curve in curves:
        files_of.setdefault(arms.of(curve.record), {})[curve.record.seed] = curve
    sharing: dict[tuple[str, ...], list[Arm]] = {}
    for arm in sorted(files_of):
        files = tuple(sorted(curve.record.file for curve in files_of[arm].values()))
        sharing.setdefault(files, []).append(arm)
    lines = tuple(_line(tuple(sharers), files_of[sharers[0]], width) for sharers in sharing.values())
    panel = Panel(stage, dataset, lines, width)
    return replace(panel, axis="held-out loss (nats)", is_held_out=True) if _is_held_out(curves[0]) else panel


def _is_held_out(curve: Curve) -> bool:
    return curve.record.split == _HELD_OUT


def _line(arms: tuple[Arm, ...], by_seed: Mapping[int, Curve], width: int) -> Line:
    points = {seed: curve.points for seed, curve in sorted(by_seed.items())}
    reach = min(seed_points[-1][0] for seed_points in points.values())
    pooled = [point for seed_points in points.values() for point in seed_points if point[0] <= reach]
    return Line(
        arms=arms,
        by_seed={seed: thin(seed_points, width) for seed, seed_points in points.items()},
        mean=thin(pooled, width),
        num_steps=max(seed_points[-1][0] for seed_points in points.values()),
        final_losses=tuple(_final_loss(seed_points) for seed_points in points.values()),
    )


def _final_loss(points: Sequence[tuple[int, float]]) -> float:
    last = points[-1][0]
    return statistics.fmean(loss for step, loss in points if step > 0.9 * last or step == last)
