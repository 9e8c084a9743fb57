"""What a run cost: sub-tokens, time, energy. Tokens come from the logs, the others from cost.json where it is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from domainlm.study.duration import duration
from domainlm.study.report.content import NOTHING, Cell, Table
from domainlm.study.report.cost_file import Cost
from domainlm.study.report.records import CurveRecord, Results

_NOT_KNOWN = "not known"


def cost_table(results: Results) -> Table:
    """Return stages, sub-tokens and time by kind of stage."""
    tokens, cost = dict(_tokens(results)), results.cost
    kinds = list(dict.fromkeys([*cost.seconds, *tokens]))
    return Table(
        caption="What it took, each stage counted once however many models share it. Sub-tokens: those trained on, "
        "padding not counted, from the logs. Time: of the attempt that finished a stage; one that was interrupted and "
        "went on took longer.",
        head=("stages", "number", "sub-tokens trained on", "time"),
        rows=tuple(
            (
                Cell(kind),
                Cell(str(cost.num_stages[kind]) if kind in cost.num_stages else NOTHING),
                Cell(_tokens_text(tokens.get(kind, ()))),
                Cell(duration(cost.seconds[kind]) if kind in cost.seconds else _NOT_KNOWN),
            )
            for kind in kinds
        ),
    )


def cost_sentences(cost: Cost) -> Iterator[str]:
    """Say how long all took, and how much energy."""
    if not cost.invocations:
        yield "Time of the whole run: not known. Energy: not known."
        return
    seconds = sum(each for each, _ in cost.invocations)
    count = len(cost.invocations)
    runs = "" if count == 1 else f" in {count} invocations that came to their end"
    yield f"Time of the whole run: {duration(seconds)}{runs}."
    known = [joules for _, joules in cost.invocations if joules]
    if len(known) < count:
        yield "Energy: not known; this machine does not let it be read."
        return
    by_source = {name: sum(joules.get(name, 0.0) for joules in known) for joules in known for name in joules}
    parts = " and ".join(f"{value / 3.6e6:.4g} kWh by {name}" for name, value in by_source.items())
    yield f"Energy: {parts}, as counted by this machine (RAPL, NVML) for all that ran on it meanwhile."


def _tokens(results: Results) -> Iterator[tuple[str, tuple[int | None, ...]]]:
    """Sub-tokens by kind of stage: one number for each log, which several models may share."""
    by_file: dict[str, tuple[CurveRecord, int | None]] = {}
    for curve in results.curves:
        by_file[curve.record.file] = (curve.record, curve.log.num_tokens)
    kinds = dict.fromkeys(record.stage for record, _ in by_file.values())
    for kind in kinds:
        yield kind, tuple(count for record, count in by_file.values() if record.stage == kind)


def _tokens_text(counts: Iterable[int | None]) -> str:
    known = [count for count in counts if count is not None]
    return f"{sum(known):,}" if known else NOTHING
