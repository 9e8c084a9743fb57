"""The plots of a report, in sections: only those that the data has something to show for."""

from __future__ import annotations

from collections.abc import Sequence

from domainlm.study.report.aggregate import Group, Scores
from domainlm.study.report.content import Figure, FigureGroup, Section
from domainlm.study.report.curves import PRETRAINING, Panel
from domainlm.study.report.figures import Ranked, loss_plot, score_plot, score_span
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.tables import loss_table
from domainlm.study.report.trend_figures import precision_recall_plot, trend_plot
from domainlm.study.report.trends import find_trends

_TRENDS = {"steps": "steps of pretraining", "parameters": "size of the model", "vocabulary": "vocabulary"}


def loss_section(panels: Sequence[Panel], in_bits: Panel | None) -> Section | None:
    """Return the losses by step; those of pretraining also in bits per character, where that is known."""
    if not panels:
        return None
    by_kind: dict[tuple[str, bool], list[Panel]] = {}
    for panel in panels:
        by_kind.setdefault((panel.stage, panel.is_held_out), []).append(panel)
    groups = tuple(_loss_figures(alike) for alike in by_kind.values())
    bits = (_bits_figures(in_bits),) if in_bits is not None else ()
    trained = [panel for panel in panels if not panel.is_held_out]
    tables = (loss_table(trained),) if trained else ()
    return Section("Loss while training", figures=(*bits, *groups), tables=tables)


def _loss_figures(panels: Sequence[Panel]) -> FigureGroup:
    """Draw panels of one kind."""
    is_pretraining, is_held_out = panels[0].stage == PRETRAINING, panels[0].is_held_out
    what = "Pretraining loss by step" if is_pretraining else "Fine-tuning loss by step, for each data set"
    where = "The numbers are in the table of losses."
    if is_held_out:
        what = "Masked-LM loss on held-out text while pretraining, by step"
        where = "The last numbers are in the table of language-model scores."
    seeds = " Thin lines are single seeds, thick lines their means." if max(p.max_seeds for p in panels) > 1 else ""
    widths = sorted({panel.width for panel in panels} - {1})
    width = f" Each point is the mean of {' or '.join(map(str, widths))} steps." if widths else ""
    figures = tuple(
        Figure(
            alternative=f"{what}{f': {panel.dataset}' if panel.dataset else ''}. "
            f"Lines: {', '.join(line.label for line in panel.lines)}. {where}",
            svg=loss_plot(panel),
        )
        for panel in panels
    )
    return FigureGroup(f"{what}.{seeds}{width}", figures)


def score_plot_section(scores: Scores) -> Section | None:
    """Return the scores of each seed."""
    figures = tuple(filter(None, (_score_figures(scores, group) for group in scores.leading_groups())))
    return Section("Scores by seed", figures=figures) if figures else None


def _score_figures(scores: Scores, group: Group) -> FigureGroup | None:
    metric = scores.metrics(group)[0]
    facts = metric_facts(metric)
    columns = {name: ranked for name in scores.datasets(group) if (ranked := _ranked(scores, group, name, metric))}
    if facts.unit != "percent" or not columns:
        return None
    span = score_span(list(columns.values()))
    figures = tuple(
        Figure(
            alternative=f"{group.split} {facts.label} on {name}, one point for each seed. "
            "The numbers are in the table of scores.",
            svg=score_plot(name, metric, group.split, ranked, span),
        )
        for name, ranked in columns.items()
    )
    return FigureGroup(
        f"{group.protocol or 'Protocol not stated'}, {group.split} {facts.label}: one point for each seed, "
        "a bar at the mean, mean ± sample standard deviation above it. "
        f"Every axis is {span:.0f} points wide.",
        figures,
    )


def _ranked(scores: Scores, group: Group, dataset: str, metric: str) -> Ranked:
    found = ((arm, scores.summary(group, arm, dataset, metric)) for arm in scores.arms(group))
    return [(arm, summary) for arm, summary in found if summary is not None]


def trend_section(scores: Scores) -> Section | None:
    """Return scores by steps, size and vocabulary, and precision against recall."""
    groups = scores.leading_groups()
    trends = [_trend_figures(scores, group, axis) for axis in _TRENDS for group in groups]
    figures = tuple(filter(None, (*trends, *(_precision_recall_figures(scores, group) for group in groups))))
    return Section("Scores by what was varied", figures=figures) if figures else None


def _bits_figures(panel: Panel) -> FigureGroup:
    width = f" Each point is the mean of {panel.width} steps." if panel.width > 1 else ""
    figure = Figure(
        alternative="Masked-LM loss of pretraining by step, in bits per character of its text. "
        f"Lines: {', '.join(line.label for line in panel.lines)}.",
        svg=loss_plot(panel),
    )
    return FigureGroup(
        "Masked-LM loss of pretraining by step, in bits per character: the loss per masked sub-token over the "
        "characters of a sub-token of the training text, so that vocabularies can be compared. It is no score on "
        f"held-out text: single sub-tokens are masked, and their neighbours in a word may be seen.{width}",
        (figure,),
    )


def _trend_figures(scores: Scores, group: Group, axis: str) -> FigureGroup | None:
    metric = scores.metrics(group)[0]
    facts = metric_facts(metric)
    found = {name: find_trends(scores, group, name, metric, axis) for name in scores.datasets(group)}
    figures = tuple(
        Figure(
            alternative=f"{group.split} {facts.label} on {name} by {_TRENDS[axis]}. The numbers are in the tables.",
            svg=trend_plot(name, metric, group.split, axis, trends),
        )
        for name, trends in found.items()
        if trends
    )
    if not figures:
        return None
    return FigureGroup(
        f"{group.protocol or 'Protocol not stated'}, {group.split} {facts.label} by {_TRENDS[axis]}: means over seeds, "
        "bars of one sample standard deviation where there are several. A line joins models that differ in nothing "
        "else.",
        figures,
    )


def _precision_recall_figures(scores: Scores, group: Group) -> FigureGroup | None:
    if not {"precision", "recall"} <= set(scores.metrics(group)):
        return None
    figures: list[Figure] = []
    for name in scores.datasets(group):
        both = [
            (arm, precision, recall)
            for arm in scores.arms(group)
            if (precision := scores.summary(group, arm, name, "precision")) is not None
            and (recall := scores.summary(group, arm, name, "recall")) is not None
        ]
        if len(both) > 1:
            words = f"{group.split} precision against recall on {name}. The numbers are in the table of scores."
            figures.append(Figure(words, precision_recall_plot(name, group.split, both)))
    if not figures:
        return None
    return FigureGroup(
        f"{group.protocol or 'Protocol not stated'}, {group.split} precision against recall: large marks are "
        "means over seeds, small ones single seeds; F1 is the same along a grey curve. Axes do not start at 0.",
        tuple(figures),
    )
