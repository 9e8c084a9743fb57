"""Puts the report together, in the order in which a reader asks: answer, scores, curves, what was run, problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domainlm.api import TableLayout
from domainlm.recipe.toml_text import dump_toml
from domainlm.study.report.aggregate import Scores
from domainlm.study.report.arms import Arms
from domainlm.study.report.content import Report, Section
from domainlm.study.report.cost import cost_sentences, cost_table
from domainlm.study.report.curves import bits_panel, loss_panels
from domainlm.study.report.early_stops import cells_not_made, early_stop_sentences
from domainlm.study.report.figure_sections import loss_section, score_plot_section, trend_section
from domainlm.study.report.finding_tables import finding_section
from domainlm.study.report.main_table import MainTable, layout_of
from domainlm.study.report.mean_table import mean_table
from domainlm.study.report.means import find_means
from domainlm.study.report.missing import find_missing
from domainlm.study.report.provenance import lock_tables, model_facts
from domainlm.study.report.question import Question, read_question
from domainlm.study.report.records import Results
from domainlm.study.report.tables import candidate_table, lm_tables, score_tables, type_tables
from domainlm.study.report.text import answer
from domainlm.study.report.words import join_words

_MAX_EXAMPLES = 3


def build_report(results: Results) -> Report:
    """Return the whole report, ready to be written in any format.

    Raises:
        DataError: two rows give one score.
    """
    question = read_question(results.recipe, cells_not_made(results))
    arms = Arms(results, question)
    scores = Scores(results.rows, arms, question, results.units)
    means = find_means(scores)
    layout = layout_of(results)
    panels = loss_panels(results.curves, arms, question.datasets)
    sections = (
        _main_section(results, layout),
        finding_section(results, layout.where if layout is not None else {}),
        Section("Mean over data sets", tables=(mean_table(means),)) if means is not None else None,
        _task_section(scores, question, arms, results.unscored),
        Section("Settings", tables=(candidate_table(results.candidates),)) if results.candidates else None,
        _lm_section(scores),
        loss_section(panels, bits_panel(results.curves, arms)),
        score_plot_section(scores),
        trend_section(scores),
        _run_section(results, question, arms),
        _problem_section(results),
    )
    return Report(
        title=question.title,
        question=question.paragraphs,
        answer=answer(scores, means),
        missing=find_missing(results, question, arms),
        sections=tuple(section for section in sections if section is not None),
    )


def _main_section(results: Results, layout: TableLayout | None) -> Section | None:
    """The table that the recipe or the publication asks for; None where neither does, or nothing would be in it."""
    if layout is None:
        return None
    table = MainTable(results, layout).build()
    return Section("Results", tables=(table,)) if table.rows else None


def _task_section(scores: Scores, question: Question, arms: Arms, unscored: Sequence[str]) -> Section:
    tables = (*score_tables(scores, question, arms), *type_tables(scores))
    if tables or (unscored and set(question.datasets) <= {*unscored}):
        reason = ""
    else:
        reason = "No task has been scored yet." if question.datasets else "The recipe names no tasks."
    names = f"The recipe names no split to score of {join_words(unscored)}: neither dev nor test." if unscored else ""
    return Section("Task scores", paragraphs=tuple(filter(None, (reason, names))), tables=tables)


def _lm_section(scores: Scores) -> Section | None:
    tables = lm_tables(scores)
    return Section("Language-model scores", tables=tables) if tables else None


def _run_section(results: Results, question: Question, arms: Arms) -> Section:
    sentence, differences = model_facts(results.rows, arms)
    costs = cost_table(results)
    seeds = f"Fine-tuning seeds: {', '.join(map(str, question.seeds))}." if question.seeds else ""
    hashes = "Hashes are shortened here; results.json has them whole." if results.lock else ""
    return Section(
        "What was run",
        paragraphs=tuple(
            filter(None, (sentence, seeds, *early_stop_sentences(results), *cost_sentences(results.cost), hashes))
        ),
        tables=(*([differences] if differences else []), *([costs] if costs.rows else []), *lock_tables(results.lock)),
        code=dump_toml(results.recipe) if results.recipe else "",
    )


def _problem_section(results: Results) -> Section | None:
    items = (*_problem_items(results), *results.notes)
    return Section("Problems noted on the way", items=items) if items else None


def _problem_items(results: Results) -> Iterator[str]:
    for problem in results.problems:
        counts = ", ".join(f"{count:,} x {kind}" for kind, count in sorted(problem.counts.items()))
        where = f" ({problem.where})" if problem.where else ""
        examples = [f"{example.where}: {example.detail}" for example in problem.examples[:_MAX_EXAMPLES]]
        shown = f". For example {'; '.join(examples)}" if examples else ""
        yield f"{problem.stage}{where}: {counts}{shown}"
