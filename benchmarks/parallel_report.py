"""The table of benchmarks/parallel.py."""

from __future__ import annotations

from typing import Any

from bars import Panel

_HEADER = (
    "grid",
    "micro-batches",
    "tokens/s",
    "lowest to highest",
    "of one rank",
    "of one rank, 8 micro-batches",
    "state of the fullest rank, MB",
    "of one rank's",
    "optimizer alone, of one rank's",
    "plan says, MB",
    "peak memory of a rank, MB",
)


def report(content: dict[str, Any]) -> str:
    """A table for people."""
    machine, settings = content["machine"], content["settings"]
    packages = ", ".join(f"{name} {found}" for name, found in machine["packages"].items())
    rows = {row["case"]: row for row in content["rows"]}
    best, alike = rows["one rank"], rows["one rank, 8 micro-batches"]
    lines = [
        f"# Parallel training on two cores, {machine['date']}",
        "",
        f"{settings['layers']} layers x {settings['hidden']}, vocabulary {settings['vocabulary']:,},",
        f"{settings['sequences']} sequences of {settings['max_tokens']} in a step, {settings['precision']},",
        f"dropout {settings['dropout']},",
        f"{settings['turns']} turns of {settings['steps']} steps; {settings['threads']} threads in all.",
        f"{machine['cores']} cores of {machine['cpu']}; load {machine['load_at_start']} before the first run.",
        f"Python {machine['python']}, {packages}. {settings['note']}",
        "",
        f"| {' | '.join(_HEADER)} |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in rows.items():
        tokens, state = row["tokens_per_second"], max(_state(each) for each in row["bytes_per_rank"])
        optimizer = max(each["optimizer"] for each in row["bytes_per_rank"])
        planned = max(_state(each) for each in row["planned_bytes_per_stage"])
        lines.append(
            f"| {name} | {row['micro_batches']} | {tokens['median']:,.0f} "
            f"| {tokens['lowest']:,.0f} to {tokens['highest']:,.0f} "
            f"| {tokens['median'] / best['tokens_per_second']['median']:.2f} "
            f"| {tokens['median'] / alike['tokens_per_second']['median']:.2f} "
            f"| {state / 1e6:,.1f} | {state / _state(best['bytes_per_rank'][0]):.3f} "
            f"| {optimizer / best['bytes_per_rank'][0]['optimizer']:.3f} | {planned / 1e6:,.1f} "
            f"| {', '.join(f'{peak:,.0f}' for peak in row['peak_megabytes_per_rank'])} |"
        )
    return "\n".join([*lines, "", "State is weights, gradients and optimizer. The losses of all cases agree.", ""])


def panels(content: dict[str, Any]) -> list[Panel]:
    """Speed of every case."""
    bars = {row["case"]: row["tokens_per_second"] for row in content["rows"]}
    return [Panel("Two ranks of one thread, one rank of two", "tokens per second", bars)]


def _state(kinds: dict[str, int]) -> int:
    return sum(kinds.values())
