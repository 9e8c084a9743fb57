"""Plots as SVG: the same input gives the same bytes, and an arm has the same colour in every plot.

Each plot is narrow (one column of a paper, or a phone); the page puts them side by side where there is room.
"""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from domainlm.study.report.aggregate import Summary, format_summary
from domainlm.study.report.arms import Arm
from domainlm.study.report.curves import PRETRAINING, Line, Panel
from domainlm.study.report.metrics import metric_facts

# Okabe and Ito's palette (Color Universal Design, 2008) without yellow, which is too pale on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#4D4D4D")
_DASHES = ("-", "--", ":", "-.")
_MARKERS = ("o", "s", "^", "D")
_WIDTH_INCHES = 3.6
_MAX_LABEL = 66
_LABEL_WIDTH = 22
_LEGEND_WIDTH = 44
_TITLE_WIDTH = 36
_MIN_SPAN = 4.0
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "domainlm",
    "svg.fonttype": "path",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
}

Ranked = Sequence[tuple[Arm, Summary]]


def colour(arm: Arm) -> str:
    """Return the colour of an arm."""
    return _COLOURS[arm.place % len(_COLOURS)]


def score_span(columns: Sequence[Ranked]) -> float:
    """Return how many points every score plot shows, so that a distance means the same in all of them."""
    widths = [max(values) - min(values) for values in map(_percents, columns) if values]
    return max([_MIN_SPAN, *(1.3 * width for width in widths)])


def score_plot(title: str, metric: str, split: str, scores: Ranked, span: float) -> str:
    """Draw one point per seed and a bar at the mean for each arm; `span` is the width of the axis in points."""
    with _style():
        labels = [_wrapped(arm.label) for arm, _ in scores]
        row_lines = max(2, *(label.count("\n") + 1 for label in labels))
        figure = Figure(figsize=(_WIDTH_INCHES, 0.95 + 0.17 * row_lines * len(labels)), layout="constrained")
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
        axes.set_title(_wrapped(title, _TITLE_WIDTH))
        return _svg(figure)


def loss_plot(panel: Panel) -> str:
    """Draw the losses of a panel: thin lines for single seeds, a thick one for their mean."""
    with _style():
        labels = [_wrapped(line.label, _LEGEND_WIDTH) for line in panel.lines]
        num_lines = sum(label.count("\n") + 1 for label in labels)
        figure = Figure(figsize=(_WIDTH_INCHES, 2.3 + 0.15 * num_lines), layout="constrained")
        axes = figure.add_subplot()
        for line in panel.lines:
            _draw_line(axes, line)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("training loss (nats)")
        axes.set_title(
            "Pretraining" if panel.stage == PRETRAINING else _wrapped(panel.dataset or panel.stage, _TITLE_WIDTH)
        )
        handles = [Line2D([], [], linewidth=1.6, **_look(line.arms[0])) for line in panel.lines]
        figure.legend(handles, labels, loc="outside lower left", handlelength=2.2)
        return _svg(figure)


def _draw_score(axes: Axes, row: int, arm: Arm, summary: Summary, metric: str) -> None:
    values = [100 * value for value in summary.values]
    mean = 100 * summary.mean
    axes.plot(
        values,
        [row] * len(values),
        linestyle="none",
        marker=_MARKERS[arm.place // len(_COLOURS) % len(_MARKERS)],
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
    look = _look(line.arms[0])
    if len(line.by_seed) > 1:
        for points in line.by_seed.values():
            axes.plot(*zip(*points, strict=True), linewidth=0.6, alpha=0.45, **look)
    marker = "o" if len(line.mean) == 1 else ""
    axes.plot(*zip(*line.mean, strict=True), linewidth=1.6, marker=marker, markersize=3, **look)


def _look(arm: Arm) -> dict[str, Any]:
    return {"color": colour(arm), "linestyle": _DASHES[arm.place // len(_COLOURS) % len(_DASHES)]}


def _percents(scores: Ranked) -> list[float]:
    return [100 * value for _, summary in scores for value in summary.values]


def _limits(values: Sequence[float], span: float) -> tuple[float, float]:
    """Centre the values in a window of `span` points that does not leave 0 to 100 by more than a small margin."""
    middle = (min(values) + max(values)) / 2
    low = max(0.0, min(middle - span / 2, 100.0 + 0.05 * span - span))
    return low, low + span


def _shortened(label: str) -> str:
    """Cut a long label in its middle: what tells two of them apart is often at the end."""
    half = _MAX_LABEL // 2
    return label if len(label) <= _MAX_LABEL else f"{label[:half]}…{label[1 - half :]}"


def _wrapped(label: str, width: int = _LABEL_WIDTH) -> str:
    return textwrap.fill(_shortened(label), width)


@contextmanager
def _style() -> Iterator[None]:
    """Draw in our own style whatever the user's matplotlibrc says; a glyph the font lacks is drawn as a box."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
