"""Plots as SVG: the same input gives the same bytes, and an arm has the same colour in every plot.

Each plot is narrow (one column of a paper, or a phone); the page puts them side by side where there is room.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from domainlm.study.report.aggregate import Summary, format_summary
from domainlm.study.report.arms import Arm
from domainlm.study.report.curves import PRETRAINING, Line, Panel
from domainlm.study.report.drawing import (
    LEGEND_WIDTH,
    TITLE_WIDTH,
    WIDTH_INCHES,
    colour,
    look,
    marker,
    style,
    to_svg,
    wrapped,
)
from domainlm.study.report.metrics import metric_facts

_MIN_SPAN = 4.0

Ranked = Sequence[tuple[Arm, Summary]]


def score_span(columns: Sequence[Ranked]) -> float:
    """Return how many points every score plot shows, so that a distance means the same in all of them."""
    widths = [max(values) - min(values) for values in map(_percents, columns) if values]
    return max([_MIN_SPAN, *(1.3 * width for width in widths)])


def score_plot(title: str, metric: str, split: str, scores: Ranked, span: float) -> str:
    """Draw one point per seed and a bar at the mean for each arm; `span` is the width of the axis in points."""
    with style():
        labels = [wrapped(arm.label) for arm, _ in scores]
        row_lines = max(2, *(label.count("\n") + 1 for label in labels))
        figure = Figure(figsize=(WIDTH_INCHES, 0.95 + 0.17 * row_lines * len(labels)), layout="constrained")
        axes = figure.add_subplot()
        for row, (arm, summary) in enumerate(scores):
            _draw_score(axes, row, arm, summary, metric)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.45, -0.6)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        low, high = _limits(_percents(scores), span)
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        cut = "" if low == 0.0 else "; axis cut, not from 0"
        axes.set_xlabel(f"{split} {metric_facts(metric).label} (%{cut})".strip())
        axes.set_title(wrapped(title, TITLE_WIDTH))
        return to_svg(figure)


def loss_plot(panel: Panel) -> str:
    """Draw the losses of a panel: thin lines for single seeds, a thick one for their mean."""
    with style():
        labels = [wrapped(line.label, LEGEND_WIDTH) for line in panel.lines]
        num_lines = sum(label.count("\n") + 1 for label in labels)
        figure = Figure(figsize=(WIDTH_INCHES, 2.3 + 0.15 * num_lines), layout="constrained")
        axes = figure.add_subplot()
        for line in panel.lines:
            _draw_line(axes, line)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("optimizer step")
        axes.set_ylabel(panel.axis)
        axes.set_title(
            "Pretraining"
            if panel.stage == PRETRAINING and not panel.is_held_out
            else wrapped(panel.dataset or panel.stage, TITLE_WIDTH)
        )
        handles = [Line2D([], [], linewidth=1.6, **look(line.arms[0])) for line in panel.lines]
        figure.legend(handles, labels, loc="outside lower left", handlelength=2.2)
        return to_svg(figure)


def _draw_score(axes: Axes, row: int, arm: Arm, summary: Summary, metric: str) -> None:
    values = [100 * value for value in summary.values]
    mean = 100 * summary.mean
    axes.plot(
        values,
        [row] * len(values),
        linestyle="none",
        marker=marker(arm),
        markersize=5.0,
        markerfacecolor="white",
        markeredgecolor=colour(arm),
        markeredgewidth=1.2,
        zorder=3,
    )
    axes.plot([mean, mean], [row - 0.24, row + 0.24], color=colour(arm), linewidth=2.2, zorder=2)
    axes.annotate(
        format_summary(summary, metric),
        (mean, row - 0.24),
        xytext=(0, 1.5),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=7.0,
        color="#333333",
    )


def _draw_line(axes: Axes, line: Line) -> None:
    shown = look(line.arms[0])
    if len(line.by_seed) > 1:
        for points in line.by_seed.values():
            axes.plot(*zip(*points, strict=True), linewidth=0.6, alpha=0.45, **shown)
    marker = "o" if len(line.mean) == 1 else ""
    axes.plot(*zip(*line.mean, strict=True), linewidth=1.6, marker=marker, markersize=3, **shown)


def _percents(scores: Ranked) -> list[float]:
    return [100 * value for _, summary in scores for value in summary.values]


def _limits(values: Sequence[float], span: float) -> tuple[float, float]:
    """Centre the values in a window of `span` points that does not leave 0 to 100 by more than a small margin."""
    middle = (min(values) + max(values)) / 2
    low = max(0.0, min(middle - span / 2, 100.0 + 0.05 * span - span))
    return low, low + span
