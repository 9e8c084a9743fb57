"""Plots of comparisons: a bar for each contender, with the lowest and the highest of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_WIDTH = 8.0
_INCHES_PER_BAR, _INCHES_PER_PANEL = 0.3, 0.7
_OURS, _THEIRS = "tab:blue", "0.6"


class Panel(NamedTuple):
    """Bars that share an axis.

    Attributes:
        title: what is compared.
        unit: of the bars' lengths.
        bars: median, lowest and highest by contender (`measuring.middle`).
    """

    title: str
    unit: str
    bars: Mapping[str, Mapping[str, float]]


def draw(panels: list[Panel], path: Path) -> None:
    """One panel below the other; bars whose name says domainlm are blue."""
    from matplotlib.figure import Figure

    sizes = [len(panel.bars) for panel in panels]
    height = sum(sizes) * _INCHES_PER_BAR + len(panels) * _INCHES_PER_PANEL
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    rows = figure.subplots(len(panels), squeeze=False, height_ratios=[size + 1 for size in sizes])
    for axes, panel in zip(rows[:, 0], panels, strict=True):
        names, values = list(panel.bars), list(panel.bars.values())
        middles = [each["median"] for each in values]
        spread = [
            [each["median"] - each["lowest"] for each in values],
            [each["highest"] - each["median"] for each in values],
        ]
        colours = [_OURS if "domainlm" in name else _THEIRS for name in names]
        axes.barh(range(len(names)), middles, xerr=spread, color=colours, capsize=2)
        for place, value in enumerate(values):
            axes.text(value["highest"], place, f"  {_readable(value['median'])}", va="center")
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xlim(0, 1.15 * max(each["highest"] for each in values))
        axes.set_title(panel.title, loc="left", fontsize="medium")
        axes.set_xlabel(panel.unit)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def _readable(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
