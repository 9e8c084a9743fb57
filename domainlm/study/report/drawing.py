"""What all plots share: style, colours, labels, and SVG that is the same for the same input."""

from __future__ import annotations

import io
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from domainlm.study.report.arms import Arm

# Okabe and Ito's palette (Color Universal Design, 2008) without yellow, which is too pale on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#4D4D4D")
_DASHES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D")
WIDTH_INCHES = 3.6
_MAX_LABEL = 66
_LABEL_WIDTH = 22
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

LEGEND_WIDTH = 44
TITLE_WIDTH = 36


def colour(arm: Arm) -> str:
    """Return the colour of an arm."""
    return COLOURS[arm.place % len(COLOURS)]


def marker(arm: Arm) -> str:
    """Return the marker of an arm: another one where the colours begin again."""
    return MARKERS[arm.place // len(COLOURS) % len(MARKERS)]


def look(arm: Arm) -> dict[str, Any]:
    """Colour and dashes of an arm's lines."""
    return {"color": colour(arm), "linestyle": _DASHES[arm.place // len(COLOURS) % len(_DASHES)]}


def _shortened(label: str) -> str:
    """Cut a long label in its middle: what tells two of them apart is often at the end."""
    half = _MAX_LABEL // 2
    return label if len(label) <= _MAX_LABEL else f"{label[:half]}…{label[1 - half :]}"


def wrapped(label: str, width: int = _LABEL_WIDTH) -> str:
    """Break a label into lines; a very long one is cut."""
    return textwrap.fill(_shortened(label), width)


@contextmanager
def style() -> Iterator[None]:
    """Draw in our own style whatever the user's matplotlibrc says; a glyph the font lacks is drawn as a box."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def to_svg(figure: Figure) -> str:
    """Return a finished figure as SVG text without date."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
