"""Plots of scores against steps, size or vocabulary, and of precision against recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from domainlm.study.report.aggregate import Summary
from domainlm.study.report.arms import Arm
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
from domainlm.study.report.trends import Trend

_AXES = {"steps": "steps of pretraining", "parameters": "parameters of the encoder", "vocabulary": "vocabulary"}


def trend_plot(title: str, metric: str, split: str, axis: str, trends: Sequence[Trend]) -> str:
    """Draw means with deviations over what was varied; a line joins models that differ in nothing else."""
    with style():
        labels = [wrapped(trend.label, LEGEND_WIDTH) for trend in trends]
        has_legend = len(trends) > 1
        num_lines = sum(label.count("\n") + 1 for label in labels) if has_legend else 0
        figure = Figure(figsize=(WIDTH_INCHES, 2.4 + 0.15 * num_lines), layout="constrained")
        axes = figure.add_subplot()
        texts = list(dict.fromkeys(str(value) for trend in trends for value, _ in trend.points))
        for trend in trends:
            places = [texts.index(str(value)) if axis == "vocabulary" else float(value) for value, _ in trend.points]
            _draw_trend(axes, places, [summary for _, summary in trend.points], trend.arm, metric)
        if axis == "vocabulary":
            axes.set_xticks(range(len(texts)), texts)
            axes.set_xlim(-0.4, len(texts) - 0.6)
        else:
            _scale_numbers(axes, sorted({float(value) for trend in trends for value, _ in trend.points}))
        facts = metric_facts(metric)
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        axes.set_xlabel(_AXES[axis])
        axes.set_ylabel(f"{split} {facts.heading}".strip())
        axes.set_title(wrapped(title, TITLE_WIDTH))
        if has_legend:
            handles = [Line2D([], [], marker=marker(trend.arm), markersize=4, **look(trend.arm)) for trend in trends]
            figure.legend(handles, labels, loc="outside lower left", handlelength=2.2)
        return to_svg(figure)


def precision_recall_plot(title: str, split: str, points: Sequence[tuple[Arm, Summary, Summary]]) -> str:
    """Draw precision against recall: a large mark for each arm's mean, small ones for seeds, grey curves of equal F1.

    Args:
        title: the data set.
        split: its split.
        points: arm, precision and recall.
    """
    with style():
        labels = [wrapped(arm.label, LEGEND_WIDTH) for arm, _, _ in points]
        num_lines = sum(label.count("\n") + 1 for label in labels)
        figure = Figure(figsize=(WIDTH_INCHES, 2.7 + 0.15 * num_lines), layout="constrained")
        axes = figure.add_subplot()
        for arm, precision, recall in points:
            shared = sorted(precision.by_seed.keys() & recall.by_seed.keys())
            xs = [100 * recall.by_seed[seed] for seed in shared]
            ys = [100 * precision.by_seed[seed] for seed in shared]
            plain: dict[str, Any] = {"linestyle": "none", "marker": marker(arm), "color": colour(arm)}
            axes.plot(xs, ys, markersize=3, alpha=0.5, **plain)
            axes.plot(
                [100 * recall.mean], [100 * precision.mean], markersize=7, markeredgecolor="white", zorder=3, **plain
            )
        axes.margins(0.18)
        axes.autoscale_view()
        _draw_equal_f1(axes)
        axes.set_xlabel(f"{split} recall (%)".strip())
        axes.set_ylabel(f"{split} precision (%)".strip())
        axes.set_title(wrapped(title, TITLE_WIDTH))
        handles = [
            Line2D([], [], linestyle="none", marker=marker(arm), color=colour(arm), markersize=6)
            for arm, _, _ in points
        ]
        figure.legend(handles, labels, loc="outside lower left", handlelength=1.2)
        return to_svg(figure)


def _draw_trend(axes: Axes, places: Sequence[float], summaries: Sequence[Summary], arm: Arm, metric: str) -> None:
    factor = 100 if metric_facts(metric).unit == "percent" else 1
    means = [factor * summary.mean for summary in summaries]
    errors = [factor * (summary.deviation or 0.0) for summary in summaries]
    axes.errorbar(
        places,
        means,
        yerr=errors,
        marker=marker(arm),
        markersize=4,
        linewidth=1.4,
        capsize=2.5,
        elinewidth=0.8,
        **look(arm),
    )


def _scale_numbers(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis where values span more than a factor of five; 0 gets a place of its own there."""
    positive = [value for value in values if value > 0]
    if positive and positive[-1] > 5 * positive[0]:
        if values[0] == 0:
            axes.set_xscale("symlog", linthresh=positive[0], linscale=0.5)
        else:
            axes.set_xscale("log")
    axes.set_xticks(_thinned(values))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()


def _thinned(values: Sequence[float], most: int = 6) -> list[float]:
    stride = max(1, -(-len(values) // most))
    return list(values[::-1][::stride][::-1])


def _short(value: float) -> str:
    """1,500,000 as 1.5m, 20,000 as 20k."""
    for limit, letter in ((1e9, "b"), (1e6, "m"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{letter}"
    return f"{value:g}"


def _draw_equal_f1(axes: Axes) -> None:
    """Grey curves along which F1 is the same, within the limits that the points have set."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    recall = np.linspace(max(left, 0.1), right, 200) / 100
    lowest, highest = (2 * x * y / max(x + y, 1e-9) for x, y in ((max(left, 0.0), max(low, 0.0)), (right, high)))
    for percent in MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(lowest, highest):
        level = float(percent) / 100
        below = 2 * recall - level
        precision = np.where(below > 0, level * recall / np.where(below > 0, below, 1.0), np.nan)
        inside = (precision * 100 >= low) & (precision * 100 <= high) & (precision <= 1)
        if inside.any():
            axes.plot(100 * recall[inside], 100 * precision[inside], color="#BBBBBB", linewidth=0.7, zorder=0)
            end = int(np.flatnonzero(inside)[-1])
            axes.annotate(
                f"F1 {100 * level:.0f}",
                (100 * recall[end], 100 * precision[end]),
                fontsize=6.5,
                color="#888888",
                ha="right",
                va="bottom",
            )
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
