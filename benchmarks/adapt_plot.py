"""The plot of the real experiment: what each arm gained on the tasks, and on domain and general text."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]

_PROTOCOLS = ("conlleval entity", "scored labels")
"""What the table of means counts by."""
_MARKERS = "osD^"
_FARTHEST_LOSS = 4.0
"""Points of F1; an arm that loses more gets a number in place of its marks, so that the others can be told apart."""
_TEXTS = {"core/text": ("domain text", "tab:blue"), "core/text (general text)": ("general text", "0.5")}


def f1_by_seed(rows: Sequence[Row]) -> dict[str, dict[str, dict[int, float]]]:
    """F1 on test in percent, by arm, data set and seed."""
    found: dict[str, dict[str, dict[int, float]]] = {}
    for row in rows:
        if (row["stage"], row["split"], row["metric"]) == ("finetune", "test", "f1") and row["protocol"] in _PROTOCOLS:
            of_arm = found.setdefault(row["arm"], {})
            of_arm.setdefault(row["dataset"], {})[row["seed"]] = 100 * row["value"]
    return found


def gains(scores: Mapping[str, Mapping[str, Mapping[int, float]]], base: str) -> dict[str, dict[str, list[float]]]:
    """F1 above that of `base`, by arm and data set, for each seed that both have of all data sets, in their order."""
    found: dict[str, dict[str, list[float]]] = {}
    for arm, of_arm in scores.items():
        datasets = [dataset for dataset in of_arm if dataset in scores[base]]
        seeds = [set(each[dataset]) for each in (of_arm, scores[base]) for dataset in datasets]
        common = sorted(set.intersection(*seeds)) if seeds else []
        if arm != base and common:
            found[arm] = {
                dataset: [of_arm[dataset][seed] - scores[base][dataset][seed] for seed in common]
                for dataset in datasets
            }
    return found


def bits_at_end(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Bits per character after the last step that was scored, by arm and text; not for arms without training."""
    found: dict[str, dict[str, tuple[int, float]]] = {}
    for row in rows:
        if (row["stage"], row["metric"]) == ("lm-score", "bits_per_character") and row["steps"]:
            of_arm = found.setdefault(row["arm"], {})
            of_arm[row["dataset"]] = max(of_arm.get(row["dataset"], (0, 0.0)), (row["steps"], row["value"]))
    return {arm: {text: value for text, (_, value) in of_arm.items()} for arm, of_arm in sorted(found.items())}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Two panels, one below the other: F1 above the first arm's, and bits per character."""
    from matplotlib.figure import Figure

    scores, bits = f1_by_seed(rows), bits_at_end(rows)
    base = min(scores)
    gained = gains(scores, base)
    figure = Figure(figsize=(8.0, 1.8 + 0.34 * (len(gained) + len(bits))), layout="constrained")
    above, below = figure.subplots(2, height_ratios=[len(gained) + 1, len(bits)])
    _draw_gains(above, gained, base)
    _draw_bits(below, bits)
    for axes, arms in ((above, list(gained)), (below, list(bits))):
        axes.set_yticks(range(len(arms)), arms)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(arms) - 0.4, -0.6)
        axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
    figure.savefig(path)


def _draw_gains(axes: Axes, gained: Mapping[str, Mapping[str, Sequence[float]]], base: str) -> None:
    """A mark for each data set, a line for their mean with its lowest and highest seed."""
    datasets = list(dict.fromkeys(dataset for of_arm in gained.values() for dataset in of_arm))
    for place, of_arm in enumerate(gained.values()):
        by_seed = [statistics.fmean(each) for each in zip(*of_arm.values(), strict=True)]
        mean = statistics.fmean(by_seed)
        if mean < -_FARTHEST_LOSS:
            axes.text(-_FARTHEST_LOSS, place, f"◂ {mean:.1f}".replace("-", "−"), va="center")
            continue
        axes.plot([min(by_seed), max(by_seed)], [place, place], color="tab:blue", linewidth=6, alpha=0.35)
        axes.plot(mean, place, "|", color="tab:blue", markersize=16, markeredgewidth=3)
        for marker, dataset in zip(_MARKERS, datasets, strict=False):
            if of_arm.get(dataset):
                axes.plot(statistics.fmean(of_arm[dataset]), place, marker, markersize=5, color="0.3", mfc="white")
    for marker, dataset in zip(_MARKERS, datasets, strict=False):
        axes.plot([], [], marker, markersize=5, color="0.3", mfc="white", label=dataset)
    axes.plot([], [], "|", color="tab:blue", markersize=10, markeredgewidth=3, label="mean of them")
    axes.plot([], [], color="tab:blue", linewidth=6, alpha=0.35, label="its seeds")
    axes.axvline(0.0, color="0.6", linewidth=1)
    axes.set_xlim(left=-_FARTHEST_LOSS - 0.2)
    axes.set_title(f"F1 above that of {base}, in points", loc="left", fontsize="medium")


def _draw_bits(axes: Axes, bits: Mapping[str, Mapping[str, float]]) -> None:
    """A dot for each kind of text."""
    for text, (label, colour) in _TEXTS.items():
        places = [place for place, of_arm in enumerate(bits.values()) if text in of_arm]
        values = [of_arm[text] for of_arm in bits.values() if text in of_arm]
        axes.plot(values, places, "o", color=colour, label=label)
    axes.set_title("Bits per character of held-out text (lower is better)", loc="left", fontsize="medium")
