"""Plans as tables for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from domainlm.cli.table import echo_table
from domainlm.study.duration import duration

if TYPE_CHECKING:
    from domainlm.cli.plan import PlannedCell
    from domainlm.plan.plan import Plan

_GIB = 2**30
_MIB = 2**20
_GIGA = 1e9
_MEGA = 1e6
_TERA = 1e12


def echo_plans(cells: Sequence[PlannedCell]) -> None:
    """Print each cell: the step, the choice and its reason, and a column for each grid."""
    for number, cell in enumerate(cells):
        if number:
            click.echo()
        _echo_cell(cell)


def _echo_cell(cell: PlannedCell) -> None:
    work, config = cell.work, cell.work.config
    click.echo(
        f"{cell.label}: {cell.size}, {config.layers} layers x {config.hidden:,}, {config.heads} heads, "
        f"vocabulary {config.vocabulary_size:,} (padded to {config.padded_vocabulary_size:,})"
    )
    click.echo(
        f"a step: {work.num_sequences_per_step:,} sequences of {work.max_tokens}, micro-batches of "
        f"{work.num_sequences_per_micro_batch}, {work.precision}, {work.attention} attention, "
        f"counted for {'GPUs' if cell.on_gpu else 'CPUs'}"
    )
    memory = "" if cell.memory_bytes is None else f" of {cell.memory_bytes / _GIB:,.0f} GiB"
    devices = f"{cell.num_devices} device{'s' if cell.num_devices > 1 else ''}{memory}"
    grid = "none" if cell.chosen is None else str(cell.chosen.degrees)
    click.echo(f"chosen for {devices}: {grid}\n  {cell.reason}\n")
    plans = [plan for plan in (cell.given, cell.chosen) if plan is not None]
    names = [name for name, plan in (("the recipe's", cell.given), ("chosen", cell.chosen)) if plan is not None]
    if cell.given is not None and cell.chosen is not None and cell.given.degrees == cell.chosen.degrees:
        plans, names = plans[:1], ["the recipe's, chosen"]
    if plans:
        rows = [[name, *(text(plan) for plan in plans)] for name, text in _lines(cell)]
        echo_table(["grid", *names], rows, numbers=range(1, len(plans) + 1))


def _lines(cell: PlannedCell) -> list[tuple[str, Callable[[Plan], str]]]:
    num_steps, plans = cell.num_steps, [plan for plan in (cell.given, cell.chosen) if plan is not None]
    lines: list[tuple[str, Callable[[Plan], str]]] = [
        ("data x pipeline x tensor", _product),
        ("parameters", lambda plan: f"{plan.num_parameters:,}"),
        ("parameters of the fullest rank", lambda plan: f"{plan.fullest.num_parameters:,}"),
        ("  weights", lambda plan: _size(plan.fullest.weights)),
        ("  gradients", lambda plan: _size(plan.fullest.gradients)),
        ("  optimizer", lambda plan: _size(plan.fullest.optimizer)),
        ("  activations", lambda plan: _size(plan.fullest.activations)),
        ("  working", lambda plan: _size(plan.fullest.working)),
        *([("  received", lambda plan: _size(plan.fullest.received))] if any(map(_receives, plans)) else []),
        ("  memory", lambda plan: _size(plan.fullest.total)),
        *([("host memory for checkpoints", _copied)] if cell.copies_checkpoints else []),
        ("layers of each stage", lambda plan: " ".join(map(str, plan.layers_per_stage))),
        ("micro-batches of a replica", lambda plan: f"{plan.num_micro_batches:,}"),
        ("waiting for other stages", lambda plan: f"{plan.bubble:.1%}"),
        ("tokens per step", lambda plan: f"{plan.num_tokens_per_step:,}"),
        ("operations per step", lambda plan: f"{plan.operations_per_step / _TERA:,.3g} T"),
        ("  recomputed", lambda plan: f"{plan.recomputed_operations_per_step / _TERA:,.3g} T"),
        ("sent per step: data", lambda plan: _sent(plan.communication.data)),
        ("  pipeline", lambda plan: _sent(plan.communication.pipeline)),
        ("  tensor", lambda plan: _sent(plan.communication.tensor)),
        ("steps", lambda _: f"{num_steps:,}"),
        ("tokens", lambda plan: f"{num_steps * plan.num_tokens_per_step:,}"),
    ]
    if any(plan.seconds_per_step is not None for plan in plans):
        lines += [
            ("time per step, sending left out", lambda plan: f"{plan.seconds_per_step or 0:,.3g} s"),
            ("time in all", lambda plan: duration((plan.seconds_per_step or 0) * num_steps)),
        ]
    return lines


def _receives(plan: Plan) -> bool:
    return plan.fullest.received > 0


def _product(plan: Plan) -> str:
    degrees = plan.degrees
    return f"{degrees.data} x {degrees.pipeline} x {degrees.tensor}"


def _copied(plan: Plan) -> str:
    return _size(max(rank.checkpoint for rank in plan.memory))


def _size(num_bytes: float) -> str:
    return f"{num_bytes / _GIB:,.2f} GiB" if num_bytes >= _GIB / 10 else f"{num_bytes / _MIB:,.2f} MiB"


def _sent(num_bytes: float) -> str:
    return f"{num_bytes / _GIGA:,.2f} GB" if num_bytes >= _GIGA / 10 else f"{num_bytes / _MEGA:,.2f} MB"
