"""Tables of scores: models down, data sets across, never two ways of counting in one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from domainlm.study.report.aggregate import MEASURE_STAGE, Group, Scores, Summary, best_means, format_summary, summarise
from domainlm.study.report.arms import Arm, Arms
from domainlm.study.report.content import NOTHING, Cell, Table
from domainlm.study.report.curves import PRETRAINING, Panel
from domainlm.study.report.marks import MARK_BELOW, Marked, mark_columns, marks_sentence
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.parts import part_sentence
from domainlm.study.report.pools import Pool
from domainlm.study.report.question import Question
from domainlm.study.report.records import CandidateRecord
from domainlm.study.report.words import join_words

FLATTERED = "An epoch chosen on dev looks better there than it is."
_CHOICES = {"best_dev": "epoch chosen on dev", "last": "last epoch"}


def score_tables(scores: Scores, question: Question, arms: Arms) -> tuple[Table, ...]:
    """Return one table for each split and protocol, test before dev."""
    tables = (_score_table(scores, group, question, arms) for group in scores.task_groups())
    return tuple(table for table in tables if len(table.head) > 1)


def type_tables(scores: Scores) -> tuple[Table, ...]:
    """Return the scores by entity type of the first split, for each data set that has more than one type."""
    return tuple(
        _type_table(scores, group, dataset)
        for group in scores.leading_groups()
        for dataset in scores.datasets(group)
        if len(scores.types(group, dataset)) > 1
    )


def lm_tables(scores: Scores) -> tuple[Table, ...]:
    """Return the language-model scores: one table for each protocol, split and corpus."""
    return tuple(
        _lm_table(scores, group, dataset) for group in scores.lm_groups() for dataset in scores.datasets(group)
    )


def candidate_table(candidates: Sequence[CandidateRecord]) -> Table:
    """Return the settings that were tried, with their scores on dev; bold are those that were chosen."""
    keys = list(dict.fromkeys(key for each in candidates for key in each.settings))
    left_out = any(each.left_out for each in candidates)
    return Table(
        caption="Settings chosen on dev, for each data set and model: mean over seeds. Bold: chosen, of equal ones the "
        "first. Test scores of the others were not looked at."
        + (" Left out of the choice are settings that lack seeds which others have, since these failed." * left_out),
        head=("data set", "model", *keys, "metric", "dev", "n"),
        rows=tuple(
            (
                Cell(each.dataset),
                Cell(each.model),
                *(Cell(str(each.settings.get(key, NOTHING))) for key in keys),
                Cell(f"{each.protocol} {metric_facts(each.metric).label}".strip()),
                Cell(metric_facts(each.metric).format(each.dev_mean), is_best=each.chosen),
                Cell(_num_seeds(each)),
            )
            for each in candidates
        ),
        num_heads=2,
    )


def _num_seeds(candidate: CandidateRecord) -> str:
    if not candidate.missing_seeds:
        return str(candidate.num_seeds)
    seeds = join_words([str(seed) for seed in candidate.missing_seeds])
    without = f"{candidate.num_seeds}, without {'seed' if len(candidate.missing_seeds) == 1 else 'seeds'} {seeds}"
    return f"{without}: left out" if candidate.left_out else without


def loss_table(panels: Sequence[Panel]) -> Table:
    """Return the loss curves in numbers: models down, phases across."""
    arms = sorted({arm for panel in panels for line in panel.lines for arm in line.arms})
    return Table(
        caption="Final training loss in nats, with the number of steps: mean over the last tenth of the steps; "
        "mean ± sample standard deviation over seeds.",
        head=("model", *(panel.dataset if panel.stage != PRETRAINING else "pretraining" for panel in panels)),
        rows=tuple((Cell(arm.label), *(_loss_cell(panel, arm) for panel in panels)) for arm in arms),
    )


def _score_table(scores: Scores, group: Group, question: Question, arms: Arms) -> Table:
    main = scores.metrics(group)[0]
    of_this_kind = question.cells_that(measure=group.stage == MEASURE_STAGE)
    asked = {arm for cell in of_this_kind if (arm := arms.of_cell(cell)) is not None}
    shown = sorted({*scores.arms(group), *asked})
    found = {name: [scores.summary(group, arm, name, main) for arm in shown] for name in scores.datasets(group)}
    columns = {name: column for name, column in found.items() if any(column)}
    counts = _seed_counts(columns.values())
    marked = mark_columns(
        {
            name: {
                (name, arm): Pool(scores.rows(group, arm, name, main), scores.units)
                for arm, summary in zip(shown, column, strict=True)
                if summary is not None
            }
            for name, column in columns.items()
        }
    )
    rows: list[tuple[Cell, ...]] = []
    for arm in shown:
        cells = (
            _score_cell(scores, group, arm, name, marked.get((name, arm)), mark_seeds=len(counts) > 1)
            for name in columns
        )
        rows.append((Cell(arm.label), *cells))
    return Table(_score_caption(scores, group, question, counts, marked.values()), ("model", *columns), tuple(rows))


def _score_cell(
    scores: Scores, group: Group, arm: Arm, dataset: str, marked: Marked | None, *, mark_seeds: bool
) -> Cell:
    main, *others = scores.metrics(group)
    summaries = {name: scores.summary(group, arm, dataset, name) for name in others}
    fine = [f"{metric_facts(name).short} {format_summary(found, name)}" for name, found in summaries.items() if found]
    summary = scores.summary(group, arm, dataset, main)
    if summary is not None and mark_seeds:
        fine.append(f"n = {summary.num_seeds}")
    if summary is None:
        return Cell(NOTHING, tuple(fine))
    is_best, is_below = (marked.is_best, marked.is_below) if marked is not None else (False, False)
    return Cell(format_summary(summary, main), tuple(fine), is_best=is_best, mark=MARK_BELOW if is_below else "")


def _score_caption(
    scores: Scores, group: Group, question: Question, counts: set[int], marked: Collection[Marked]
) -> str:
    main, *others = [metric_facts(name) for name in scores.metrics(group)]
    protocol = f"{group.protocol} {main.heading}" if group.protocol else f"{main.heading}, protocol not stated"
    choice = _choice_phrase(scores, group, question)
    what = [protocol, f"{group.split} split" if group.split else "split not stated", choice]
    beside = [f"{other.label} ({other.short})" if other.short != other.label else other.label for other in others]
    gold = [(name, scores.num_gold(group, name)) for name in scores.datasets(group)]
    sentences = [
        f"{', '.join(filter(None, what))}.",
        f"Mean ± sample standard deviation over seeds; {_seeds_phrase(counts)}{', as marked' * (len(counts) > 1)}.",
        f"With {join_words(beside)}." if beside else "",
        f"Gold standard: {join_words([f'{count:,} on {name}' for name, count in gold if count is not None])}."
        if any(count is not None for _, count in gold)
        else "",
        FLATTERED if group.split == "dev" and _CHOICES["best_dev"] in choice else "",
        part_sentence({name: scores.signatures(group, name) for name in scores.datasets(group)}),
        marks_sentence(marked),
        *(_signature_sentence(name, scores.signatures(group, name)) for name in scores.datasets(group)),
    ]
    return " ".join(filter(None, sentences))


def _signature_sentence(dataset: str, signatures: Sequence[str]) -> str:
    """Say how the scores of a column came about, and loudly where they did not in one way."""
    if len(signatures) > 1:
        return f"NOT COMPARABLE: the scores on {dataset} have different signatures: {'; '.join(signatures)}."
    return f"Signature on {dataset}: {signatures[0]}." if signatures else ""


def _choice_phrase(scores: Scores, group: Group, question: Question) -> str:
    """Say which epoch was scored, as far as the recipe says it and the results bear it out."""
    said: dict[str, str] = {}
    for name in scores.datasets(group):
        choice = question.choices.get(name, "")
        is_borne_out = choice in _CHOICES and (choice != "best_dev" or "dev" in scores.splits(name))
        said[name] = _CHOICES[choice] if is_borne_out else ""
    phrases = set(said.values())
    return phrases.pop() if len(phrases) == 1 else "; ".join(f"{what} on {name}" for name, what in said.items() if what)


def _seed_counts(columns: Iterable[Iterable[Summary | None]]) -> set[int]:
    return {summary.num_seeds for column in columns for summary in column if summary is not None}


def _seeds_phrase(counts: set[int]) -> str:
    if len(counts) > 1:
        return f"n = {min(counts)} to {max(counts)} seeds"
    count = max(counts, default=0)
    return f"n = {count} {'seed' if count == 1 else 'seeds'}"


def _type_table(scores: Scores, group: Group, dataset: str) -> Table:
    metrics = scores.metrics(group, by_type=True)
    signatures = scores.signatures(group, dataset)
    is_comparable = len(signatures) < 2
    rows = tuple(_type_rows(scores, group, dataset, metrics, marks_best=is_comparable))
    shown = ", ".join(metric_facts(name).heading for name in metrics)
    sentences = [
        f"{dataset} by entity type: {shown}; {group.protocol or 'protocol not stated'}, {group.split} split.",
        f"Mean ± sample standard deviation over seeds.{' Bold: the best mean for each type.' * is_comparable}",
        part_sentence({dataset: signatures}),
        _signature_sentence(dataset, signatures),
    ]
    return Table(
        caption=" ".join(filter(None, sentences)),
        head=("type", "model", *(metric_facts(name).label for name in metrics), "n"),
        rows=rows,
        num_heads=2,
    )


def _type_rows(
    scores: Scores, group: Group, dataset: str, metrics: Sequence[str], *, marks_best: bool
) -> Iterator[tuple[Cell, ...]]:
    for type_ in scores.types(group, dataset):
        gold = scores.num_gold(group, dataset, type_)
        type_cell = Cell(type_, () if gold is None else (f"{gold:,} gold",))
        found = [
            (arm, [scores.summary(group, arm, dataset, name, type_) for name in metrics]) for arm in scores.arms(group)
        ]
        there = [(arm, summaries) for arm, summaries in found if any(summaries)]
        columns = [[summaries[place] for _, summaries in there] if marks_best else [] for place in range(len(metrics))]
        best = [best_means(*entry) for entry in zip(columns, metrics, strict=True)]
        for place, (arm, summaries) in enumerate(there):
            cells = [_cell(*entry) for entry in zip(summaries, metrics, best, strict=True)]
            count = max(_seed_counts([summaries]))
            yield (type_cell if place == 0 else Cell(""), Cell(arm.label), *cells, Cell(str(count)))


def _cell(summary: Summary | None, metric: str, best: frozenset[str]) -> Cell:
    if summary is None:
        return Cell(NOTHING)
    return Cell(format_summary(summary, metric), is_best=metric_facts(metric).format(summary.mean) in best)


def _lm_table(scores: Scores, group: Group, dataset: str) -> Table:
    metrics = scores.metrics(group)
    is_one_text, is_one_vocabulary = scores.is_one_text(group, dataset), scores.is_one_vocabulary(group)
    is_one = is_one_text and is_one_vocabulary
    found = [(arm, [scores.summary(group, arm, dataset, name) for name in metrics]) for arm in scores.arms(group)]
    there = [(arm, summaries) for arm, summaries in found if any(summaries)]
    columns = [[summaries[place] for _, summaries in there] for place in range(len(metrics))]
    best = [best_means(column if is_one else (), name) for column, name in zip(columns, metrics, strict=True)]
    corpus = f"Corpus {dataset}; " if dataset else ""
    comparable = (
        "Bold: the best of each column."
        if is_one
        else "NOT COMPARABLE: the models were scored on different words or masks, as where held-out documents, masking "
        "or pretraining.max_tokens differ."
        if not is_one_text
        else "The models read different vocabularies or corpora: scores per sub-token cannot be compared between them; "
        "bits per character can, on one corpus, between vocabularies that are all cased or all uncased."
    )
    return Table(
        caption=f"{corpus}{group.protocol or 'protocol not stated'}; "
        f"losses in nats per masked sub-token; {_seeds_phrase(_seed_counts(columns))}. {comparable}",
        head=("model", *(metric_facts(name).heading for name in metrics)),
        rows=tuple(
            (Cell(arm.label), *(_cell(*entry) for entry in zip(summaries, metrics, best, strict=True)))
            for arm, summaries in there
        ),
    )


def _loss_cell(panel: Panel, arm: Arm) -> Cell:
    for line in panel.lines:
        if arm in line.arms:
            final = summarise(dict(enumerate(line.final_losses)))
            return Cell(format_summary(final, "loss"), (f"{line.num_steps:,} steps",))
    return Cell(NOTHING)
