"""What the recipe asks for and the results do not hold: a run in the middle, a cell that failed."""

from __future__ import annotations

from collections.abc import Iterator

from domainlm.study.report.aggregate import LM_STAGE, MEASURE_STAGE
from domainlm.study.report.arms import Arm, Arms, short_label
from domainlm.study.report.question import Question
from domainlm.study.report.records import FailureRecord, Results
from domainlm.study.report.words import join_words


def find_missing(results: Results, question: Question, arms: Arms) -> tuple[str, ...]:
    """Return one line for each gap."""
    failed = [_failure_line(failure, arms) for failure in results.failures]
    if not results.rows:
        return (*failed, "No scores yet: nothing has been measured.")
    not_measured = tuple(_missing_measures(results, question, arms))
    if all(question.is_measured):
        return (*failed, *not_measured)
    asked = [arms.of_cell(cell) for cell in question.cells_that(measure=False)]
    expected = [arm for arm in asked if arm is not None] or list(arms)
    scores, language_models = _missing_scores(results, question, arms, expected), _missing_lm(results, question, arms)
    return (*failed, *scores, *language_models, *not_measured)


def _failure_line(failure: FailureRecord, arms: Arms) -> str:
    seed = "" if failure.seed is None else f", seed {failure.seed}"
    dataset = f" on {failure.dataset}" if failure.dataset else ""
    tried = f", {short_label(failure.settings)}" if failure.settings else ""
    return f"Failed: {failure.stage}{dataset} with {arms.of(failure).label}{tried}{seed}: {failure.error}"


def _missing_scores(results: Results, question: Question, arms: Arms, expected: list[Arm]) -> Iterator[str]:
    there = {(arms.of(row), row.dataset, row.seed) for row in results.rows if row.stage != LM_STAGE}
    datasets = [name for name in question.datasets if name not in results.unscored]
    for arm in expected:
        gaps: list[str] = []
        own = [name for name in datasets if any(one[:2] == (arm, name) for one in there)]
        for dataset in datasets if question.has_one_set_of_tasks else own:
            seeds = [seed for seed in question.seeds if (arm, dataset, seed) not in there]
            if seeds and len(seeds) == len(question.seeds):
                gaps.append(dataset)
            elif seeds:
                gaps.append(f"{dataset} for {_seeds(seeds)}")
        if gaps:
            yield f"With {arm.label}: no scores on {'; '.join(gaps)}."


def _missing_measures(results: Results, question: Question, arms: Arms) -> Iterator[str]:
    there = {arms.of(row) for row in results.rows if row.stage == MEASURE_STAGE}
    for arm in (arms.of_cell(cell) for cell in question.cells_that(measure=True)):
        if arm is not None and arm not in there:
            yield f"With {arm.label}: nothing was measured."


def _seeds(seeds: list[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {join_words([str(seed) for seed in seeds])}"


def _missing_lm(results: Results, question: Question, arms: Arms) -> Iterator[str]:
    there = {arms.of(row) for row in results.rows if row.stage == LM_STAGE}
    for cell, num_steps, is_measured in zip(question.cells, question.num_steps, question.is_measured, strict=True):
        if is_measured:
            continue
        arm = arms.of_cell(cell)
        is_missing = arm not in there if arm is not None else not there
        if is_missing and num_steps != 0:
            yield f"With {arm.label}: no language-model scores." if arm is not None else "No language-model scores."
