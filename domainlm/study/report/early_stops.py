"""Pretrainings that ended early by a dev score: which cells are not there for that, and why, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from domainlm.recipe.scored_steps import SCORED_STEPS
from domainlm.study.report.arms import short_label
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.question import chosen_on_dev
from domainlm.study.report.records import EarlyStopRecord, Results, Scalar
from domainlm.study.report.words import join_words


def cells_not_made(results: Results) -> tuple[Mapping[str, Scalar], ...]:
    """Return the cells that the recipe names and that an early stop left out, as rows would name them."""
    chosen = chosen_on_dev(results.recipe)
    there = [row.cell for row in results.rows]
    cells: list[Mapping[str, Scalar]] = []
    for stop in results.early_stops:
        compared = {key: value for key, value in stop.cell.items() if key not in chosen}
        cells += [{**compared, SCORED_STEPS: step} for step in stop.steps_not_made]
    # Of settings that are chosen on dev one may have ended where another went on.
    return tuple(cell for cell in cells if cell not in there)


def early_stop_sentences(results: Results) -> Iterator[str]:
    """Say of each pretraining that ended early where it did, and why; and of each what was not looked at, and why."""
    for stop in results.early_stops:
        if stop.steps_not_made:
            yield _sentence(stop)
        if stop.missing_seeds:
            yield _left_out(stop)


def _left_out(stop: EarlyStopRecord) -> str:
    steps = [
        f"step {step} (no {'seed' if len(seeds) == 1 else 'seeds'} {join_words([str(seed) for seed in seeds])})"
        for step, seeds in stop.missing_seeds.items()
    ]
    of_model = f" of {short_label(stop.cell)}" if stop.cell else ""
    return (
        f"Whether pretraining{of_model} was to end early was decided without {join_words(steps)}, since means over "
        "other seeds cannot be compared."
    )


def _sentence(stop: EarlyStopRecord) -> str:
    facts = metric_facts(stop.metric)
    best = next((score.value for score in stop.dev_scores if score.step == stop.best_step), None)
    value = "" if best is None else f" ({facts.format(best)})"
    later = [score.step for score in stop.dev_scores if score.step > stop.best_step]
    after = f" and no better after {_steps(later)}" if later else ""
    of_model = f" of {short_label(stop.cell)}" if stop.cell else ""
    return (
        f"Pretraining{of_model} was ended early: {facts.label} of {stop.task} on dev was best after step "
        f"{stop.best_step}{value}{after}, so there is no model of {_steps(stop.steps_not_made)}."
    )


def _steps(steps: tuple[int, ...] | list[int]) -> str:
    return f"{'step' if len(steps) == 1 else 'steps'} {join_words([str(step) for step in steps])}"
