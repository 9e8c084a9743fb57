"""What a run would do: its stages, what is done, and what training costs, from speed measured before."""

from __future__ import annotations

from domainlm.recipe.cell_grid import model_config
from domainlm.study.duration import duration
from domainlm.study.graph import CellStages
from domainlm.study.plan import PlannedRun
from domainlm.study.speed import Estimate, estimate, read_speeds
from domainlm.study.stages.finetune import FinetuneStage
from domainlm.study.stages.language_model import PretrainStage


def describe(planned: PlannedRun) -> str:
    """A line for each stage, then the sum of what is to be trained."""
    stages = planned.stages()
    done = {stage.key for stage in stages if planned.store.find(stage.kind, stage.key) is not None}
    estimates = _estimates(planned)
    lines = []
    for number, stage in enumerate(stages, start=1):
        state = "done" if stage.key in done else "to do"
        cost = f"  ({cost_text(estimates[stage.key])})" if stage.key in estimates and state == "to do" else ""
        lines.append(f"{number:4}  {state:6} {stage.kind:10} {stage.key[:12]}  {stage.label}{cost}")
    to_make = {stage.key for stage in stages} - done
    left = [found for key, found in estimates.items() if key in to_make]
    return "\n".join([*lines, f"to train: {_sum_text(left)}"])


def cost_text(found: Estimate) -> str:
    """Tokens, operations and time of one stage."""
    if found.slots is None or found.operations is None:
        return found.basis
    cost = f"{found.slots:,} tokens, {found.operations:.2g} FLOPs"
    return (
        f"{cost}, time {found.basis}" if found.seconds is None else f"{cost}, {duration(found.seconds)}, {found.basis}"
    )


def _sum_text(left: list[Estimate]) -> str:
    if not left:
        return "nothing"
    slots = sum(each.slots or 0 for each in left)
    operations = sum(each.operations or 0.0 for each in left)
    timed = [each.seconds for each in left if each.seconds is not None]
    text = f"{slots:,} tokens, {operations:.2g} FLOPs, {duration(sum(timed)) if timed else 'time unknown'}"
    uncounted = sum(each.slots is None for each in left)
    untimed = len(left) - len(timed) - uncounted
    rest = [f"{uncounted} of unknown length" if uncounted else "", f"{untimed} at unknown speed" if untimed else ""]
    return f"{len(left)} stage(s): {text}" + "".join(f"; {part} left out" for part in rest if part)


def _estimates(planned: PlannedRun) -> dict[str, Estimate]:
    speeds = read_speeds(planned.store.root)
    found: dict[str, Estimate] = {}
    for cell in planned.graph.cells:
        for stage in trained(cell):
            if stage.key not in found:
                config = model_config(cell.definition.recipe, cell.resolved.size, cell.resolved.vocabulary)
                found[stage.key] = estimate(stage, config, speeds)
    return found


def trained(cell: CellStages) -> list[PretrainStage | FinetuneStage]:
    """The stages of a cell that train."""
    return [*([cell.pretraining] if cell.pretraining is not None else []), *cell.finetuning]
