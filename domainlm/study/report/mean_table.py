"""The table of means over data sets, and the sentence that says who is ahead."""

from __future__ import annotations

from collections.abc import Sequence

from domainlm.study.report.aggregate import format_summary
from domainlm.study.report.content import NOTHING, Cell, Table
from domainlm.study.report.means import ArmMean, Means
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.parts import part_sentence
from domainlm.study.report.significance import LEVEL, MIN_SEEDS, Outcome
from domainlm.study.report.words import join_words, p_text, signed, tests_text
from domainlm.tasks.significance import MIN_UNITS

_UNTESTED = (
    f"Where no p stands, only scores by seed are known, and fewer than {MIN_SEEDS} seeds cannot give p < {LEVEL}"
)


def mean_table(means: Means) -> Table:
    """Return the means: arms down, then how far each is from the first arm."""
    metric = means.columns[0].metric
    printed = [metric_facts(metric).format(entry.summary.mean) for entry in means.entries]
    best = max(printed, key=float) if len(set(printed)) > 1 else ""
    rows = [
        (
            Cell(entry.arm.label),
            Cell(format_summary(entry.summary, metric), is_best=text == best),
            *_against_first(entry.outcome, entry.p_value, metric),
            Cell(str(entry.summary.num_seeds)),
        )
        for entry, text in zip(means.entries, printed, strict=True)
    ]
    head = ("model", "mean (%)", f"against {means.entries[0].arm.label}", "95 % interval", "p", "n")
    return Table(_caption(means, marks_best=bool(best)), head, tuple(rows))


def mean_sentence(means: Means) -> str:
    """Say which arm has the highest mean, and whether it is ahead of the first by more than chance."""
    first, best = means.entries[0], means.best
    metric, split = means.columns[0].metric, means.columns[0].group.split
    what = f"Averaged over the {len(means.columns)} data sets, {split} scores"
    if best is first or best.outcome is None:
        return f"{what} are highest with {first.arm.label}: {format_summary(first.summary, metric)}."
    points = metric_facts(metric).format(abs(best.outcome.difference))
    # Where the arms share no seed, the highest mean may be below the first arm's on the seeds that these two share.
    side = "above" if best.outcome.difference >= 0 else "on the seeds of both below"
    ahead = f"{points} points {side} {first.arm.label}{_chance(best, first)}"
    return f"{what} are highest with {best.arm.label}: {format_summary(best.summary, metric)}, {ahead}."


def _chance(entry: ArmMean, baseline: ArmMean) -> str:
    """Whether the difference is beyond chance, and of how many pretrainings this is said."""
    if entry.p_value is None:
        return " (not tested)"
    num_pretrained = entry.is_pretrained + baseline.is_pretrained
    of = ("", "; one pretraining", "; one pretraining each")[num_pretrained]
    return f" ({'beyond' if entry.p_value < LEVEL else 'within'} chance, p {_relation(entry.p_value)}{of})"


def _relation(p_value: float) -> str:
    text = p_text(p_value)
    return f"< {text[1:]}" if text.startswith("<") else f"= {text}"


def _against_first(outcome: Outcome | None, p_value: float | None, metric: str) -> Sequence[Cell]:
    if outcome is None:
        return (Cell(NOTHING), Cell(NOTHING), Cell(NOTHING))
    return (
        Cell(signed(outcome.difference, metric)),
        Cell(_interval(outcome, metric)),
        Cell(NOTHING if p_value is None else p_text(p_value)),
    )


def _interval(outcome: Outcome, metric: str) -> str:
    if outcome.interval is None:
        return NOTHING
    own = _own_difference(outcome, metric)
    return " to ".join(signed(each, metric) for each in outcome.interval) + (f" around {own}" if own else "")


def _own_difference(outcome: Outcome, metric: str) -> str:
    """The difference that the interval is of, where it prints otherwise than that of the scores."""
    own = "" if outcome.of_units is None else signed(outcome.of_units, metric)
    return "" if own == signed(outcome.difference, metric) else own


def _caption(means: Means, *, marks_best: bool) -> str:
    scored = [
        f"{metric_facts(column.metric).label} on {column.dataset} ({column.group.protocol or 'protocol not stated'})"
        for column in means.columns
    ]
    outcomes = [entry.outcome for entry in means.entries if entry.outcome is not None]
    hows = {outcome.how for outcome in outcomes}
    split = means.columns[0].group.split
    sentences = [
        f"Mean over data sets, each weighing the same{f', {split} split' if split else ''}: {join_words(scored)}.",
        part_sentence(means.signatures),
        "Mean ± sample standard deviation over the seeds that all data sets and models have (n)."
        if means.shares_seeds
        else "Mean ± sample standard deviation over the model's own seeds (n): no seed is common to all models. "
        "Differences are over the seeds that both have, where there are any.",
        f"Seeds left out, since a data set or a model lacks them: {', '.join(map(str, means.seeds_left_out))}."
        if means.seeds_left_out
        else "",
        "Bold: the best mean." if marks_best else "",
        "Differences are in points. p: two-sided, adjusted for the comparisons of this table (Holm), by "
        f"{tests_text(outcomes, 'within each data set')}."
        if hows - {"untested"}
        else "",
        "Interval: 95 % bootstrap over the same units." if any(outcome.interval for outcome in outcomes) else "",
        f"No interval where a data set has fewer than {MIN_UNITS} units."
        if any(outcome.how == "units" and outcome.interval is None for outcome in outcomes)
        else "",
        "Where it stands around a difference of its own, that is the one of the scores that p is counted from."
        if any(_own_difference(outcome, means.columns[0].metric) for outcome in outcomes)
        else "",
        f"{_UNTESTED}." if "untested" in hows else "",
        f"Left out for lack of scores: {join_words([arm.label for arm in means.left_out])}." if means.left_out else "",
    ]
    return " ".join(filter(None, sentences))
