"""Tables and plots of benchmarks/pretraining.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_HEADER = (
    "size",
    "length",
    "contender",
    "real tokens/s",
    "lowest to highest",
    "of the best transformers",
    "GFLOP/s",
    "of the peak",
    "real share of slots",
    "training memory, MB",
    "peak of the process, MB",
)


def report(content: dict[str, Any]) -> str:
    """Tables for people."""
    machine, settings = content["machine"], content["settings"]
    lines = [
        f"# A step of pretraining, {machine['date']}",
        "",
        f"{settings['data']}; {settings['precision']}, dropout {settings['dropout']},",
        f"about {settings['tokens']:,} slots a step, {settings['threads']} threads,",
        f"{settings['turns']} turns of {settings['steps']} steps.",
        f"{machine['cores']} cores of {machine['cpu']}; load {machine['load_at_start']} before the first run.",
        *([f"GPU: {machine['gpu']}."] if "gpu" in machine else []),
        settings["note"],
        f"Python {machine['python']}, {', '.join(f'{name} {found}' for name, found in machine['packages'].items())}.",
        "`benchmarks/pretraining.py` says what each contender does. Without dropout, the losses of all agree to 1e-3.",
        "",
        f"| {' | '.join(_HEADER)} |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in content["rows"]:
        tokens = row["tokens_per_second"]
        process = f"{row['peak_megabytes']:,.0f}" if row["peak_megabytes"] else "not measured"
        times = tokens["median"] / _best_of_theirs(content, row)
        lines.append(
            f"| {row['size']} | {row['length']} | {row['contender']} | {tokens['median']:,.0f} "
            f"| {tokens['lowest']:,.0f} to {tokens['highest']:,.0f} | {times:.2f}x "
            f"| {row['operations_per_second'] / 1e9:,.0f} | {row['share_of_peak']:.0%} "
            f"| {row['real_share_of_slots']:.0%} | {row['training_megabytes']:,.0f} | {process} |"
        )
    return "\n".join([*lines, "", f"![tokens per second]({content['plot']})", ""])


def _best_of_theirs(content: dict[str, Any], row: dict[str, Any]) -> float:
    return max(
        each["tokens_per_second"]["median"]
        for each in content["rows"]
        if (each["size"], each["length"]) == (row["size"], row["length"])
        and (each["contender"].startswith("transformers") or len(content["contenders"]) == 1)
    )


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Bars of tokens per second, a group for each size and length."""
    from matplotlib.figure import Figure

    groups = list(dict.fromkeys((row["size"], row["length"]) for row in rows))
    names = list(dict.fromkeys(row["contender"] for row in rows))
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    for number, name in enumerate(names):
        found = {(row["size"], row["length"]): row["tokens_per_second"] for row in rows if row["contender"] == name}
        middles = [found[group]["median"] for group in groups]
        below = [found[group]["median"] - found[group]["lowest"] for group in groups]
        above = [found[group]["highest"] - found[group]["median"] for group in groups]
        places = [place + number * 0.8 / len(names) for place in range(len(groups))]
        axes.bar(places, middles, 0.8 / len(names), yerr=(below, above), label=name)
    axes.set_xticks([place + 0.4 - 0.4 / len(names) for place in range(len(groups))])
    axes.set_xticklabels([f"{size}, {length}" for size, length in groups])
    axes.set_ylabel("real tokens per second")
    axes.legend()
    figure.savefig(path)


def plot_curves(losses: dict[str, list[float]], path: Path) -> None:
    """A line for each contender, the first one broad lest another on top hide it, and the differences."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes, below = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    for number, (name, found) in enumerate(losses.items()):
        axes.plot(found, label=name, linewidth=1 if number else 4, alpha=1.0 if number else 0.4)
    first, *others = losses.values()
    for found in others:
        below.plot([theirs - ours for ours, theirs in zip(first, found, strict=True)], color="black", linewidth=0.8)
    below.set_xlabel("step")
    below.set_ylabel("difference")
    axes.set_ylabel("loss in nats")
    axes.legend()
    figure.savefig(path)
