"""Scores over seeds, grouped so that different ways of counting never meet in one table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from domainlm.errors import DataError
from domainlm.study.report.arms import Arm, Arms
from domainlm.study.report.fields import split_place
from domainlm.study.report.metrics import metric_facts, sort_metrics
from domainlm.study.report.question import Question
from domainlm.study.report.records import RESULTS_NAME, Row
from domainlm.study.report.units import Units
from domainlm.tasks.signature import merge_seeds

LM_STAGE = "lm-score"
MEASURE_STAGE = "measure"
"""What is counted in data and vocabularies: there is no chance in it, and nothing is trained."""
MASKED = "num_masked"
SCORED_WORDS = ("num_scored_words", "num_scored_characters")
_OF_WORDS = frozenset({"bits_per_character", "sub_token_number_bits_per_character", "unknown_character_share"})
"""Scores of language models that vocabularies can be compared by, if they are of the same words."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A score over seeds.

    Attributes:
        mean: arithmetic mean.
        deviation: sample standard deviation (divisor n - 1); None for one seed.
        by_seed: the single scores.
    """

    mean: float
    deviation: float | None
    by_seed: Mapping[int, float]

    @property
    def num_seeds(self) -> int:
        """Number of seeds behind the mean."""
        return len(self.by_seed)

    @property
    def values(self) -> Sequence[float]:
        """The single scores, by ascending seed."""
        return [self.by_seed[seed] for seed in sorted(self.by_seed)]


@dataclass(frozen=True, slots=True)
class Group:
    """Scores that may stand in one table: one stage, one split, one way of counting."""

    stage: str
    split: str
    protocol: str


@dataclass(frozen=True, slots=True)
class _Place:
    group: Group
    arm: Arm
    dataset: str
    type: str
    metric: str


class Scores:
    """All rows of a study, to be asked for means by group, arm, data set, metric and type.

    Attributes:
        num_arms: arms of the study, those without scores included.
        units: what scores were counted from, by the file that rows name.
    """

    def __init__(
        self, rows: Iterable[Row], arms: Arms, question: Question, units: Mapping[str, Units] | None = None
    ) -> None:
        self.units: Mapping[str, Units] = units or {}
        self.num_arms = len(arms)
        self._by_seed: dict[_Place, dict[int, float]] = {}
        self._rows: dict[_Place, list[Row]] = {}
        self._vocabularies: dict[Group, set[tuple[object, ...]]] = {}
        self._gold: dict[tuple[Group, str, str], set[int]] = {}
        self._signatures: dict[tuple[Group, str], dict[str, None]] = {}
        for row in rows:
            group = Group(row.stage, row.split, row.protocol)
            place = _Place(group, arms.of(row), row.dataset, row.type or "", row.metric)
            seeds = self._by_seed.setdefault(place, {})
            if row.seed in seeds:
                raise DataError(
                    f"two values for the {row.metric} of one model and seed",
                    where=RESULTS_NAME,
                    given=f"{place.arm.label}, {row.dataset} {row.split}, {row.protocol}, seed {row.seed}",
                    remedy="each score may stand there once; run the recipe again to have the file written anew",
                )
            seeds[row.seed] = row.value
            self._rows.setdefault(place, []).append(row)
            if row.signature and not row.type:
                self._signatures.setdefault((group, row.dataset), {})[row.signature] = None
            if "gold" in row.counts:
                self._gold.setdefault((group, row.dataset, row.type or ""), set()).add(row.counts["gold"])
            self._vocabularies.setdefault(group, set()).add(vocabulary_identity(row))
        self._dataset_order = {name: place for place, name in enumerate(question.datasets)}

    def task_groups(self) -> tuple[Group, ...]:
        """Groups of task scores: test before dev before any other split."""
        return self._sorted_groups(lambda group: group.stage != LM_STAGE)

    def leading_groups(self) -> tuple[Group, ...]:
        """Of the first split the groups to judge by: for each data set the protocol that its rows give first."""
        groups = self.task_groups()
        seen: set[str] = set()
        leading: list[Group] = []
        for group in groups:
            if group.split == groups[0].split and not seen.issuperset(self.datasets(group)):
                leading.append(group)
                seen.update(self.datasets(group))
        return tuple(leading)

    def signatures(self, group: Group, dataset: str) -> tuple[str, ...]:
        """How the pooled scores of a column came about; more than one where they cannot be compared."""
        return merge_seeds(self._signatures.get((group, dataset), ()))

    def lm_groups(self) -> tuple[Group, ...]:
        """Groups of language-model scores."""
        return self._sorted_groups(lambda group: group.stage == LM_STAGE)

    def num_gold(self, group: Group, dataset: str, type_: str = "") -> int | None:
        """Number of entities to find; None where the rows do not say, or do not agree."""
        said = self._gold.get((group, dataset, type_), set())
        return next(iter(said)) if len(said) == 1 else None

    def splits(self, dataset: str) -> frozenset[str]:
        """Splits on which a data set is scored."""
        return frozenset(place.group.split for place in self._by_seed if place.dataset == dataset)

    def datasets(self, group: Group) -> tuple[str, ...]:
        """Data sets scored in this group, in the order of the recipe, any others behind."""
        names = dict.fromkeys(place.dataset for place in self._by_seed if place.group == group)
        return tuple(sorted(names, key=lambda name: self._dataset_order.get(name, len(self._dataset_order))))

    def types(self, group: Group, dataset: str) -> tuple[str, ...]:
        """Entity types scored one by one, sorted by name; without the pooled score."""
        return tuple(sorted({p.type for p in self._by_seed if p.group == group and p.dataset == dataset and p.type}))

    def metrics(self, group: Group, *, by_type: bool = False) -> tuple[str, ...]:
        """Metrics of this group; the first one is the one to judge by.

        Args:
            group: the scores.
            by_type: those of single types or labels, instead of those of all together; whichever there are where the
                wanted ones are missing.
        """
        places = [place for place in self._by_seed if place.group == group]
        wanted = [place for place in places if bool(place.type) == by_type]
        return sort_metrics({place.metric for place in wanted or places})

    def arms(self, group: Group) -> tuple[Arm, ...]:
        """Arms with any score in this group, in the order of the study."""
        return tuple(sorted({place.arm for place in self._by_seed if place.group == group}))

    def is_one_vocabulary(self, group: Group) -> bool:
        """Whether all models of a group read the same sub-tokens, so that losses per sub-token can be compared.

        A learned vocabulary depends on its corpus too, so models on different corpora count as different.
        """
        return len(self._vocabularies[group]) == 1

    def is_one_text(self, group: Group, dataset: str) -> bool:
        """Whether all language models were scored on the same words and, in one vocabulary, the same masked sub-tokens.

        They are not where arms differ in held-out documents, in masking or in the length of rows, which rows do not say
        themselves: the numbers of what was scored tell it.
        """
        telling = {*SCORED_WORDS, *([MASKED] if self.is_one_vocabulary(group) else [])}
        found: dict[str, set[float]] = {}
        for place, by_seed in self._by_seed.items():
            if place.group == group and place.dataset == dataset and place.metric in telling:
                found.setdefault(place.metric, set()).update(by_seed.values())
        return all(len(values) == 1 for values in found.values())

    def is_comparable(self, group: Group, dataset: str) -> bool:
        """Whether the scores of a column came about in one way."""
        return len(self.signatures(group, dataset)) < 2 and self.is_one_text(group, dataset)

    def summary(self, group: Group, arm: Arm, dataset: str, metric: str, type_: str = "") -> Summary | None:
        """Return mean and deviation over the seeds there are; None where there is none."""
        by_seed = self._by_seed.get(_Place(group, arm, dataset, type_, metric))
        return None if by_seed is None else summarise(by_seed)

    def rows(self, group: Group, arm: Arm, dataset: str, metric: str, type_: str = "") -> tuple[Row, ...]:
        """Return the rows behind a summary, one for each seed."""
        return tuple(self._rows.get(_Place(group, arm, dataset, type_, metric), ()))

    def _sorted_groups(self, wanted: Callable[[Group], bool]) -> tuple[Group, ...]:
        groups = dict.fromkeys(place.group for place in self._by_seed if wanted(place.group))
        return tuple(sorted(groups, key=lambda group: split_place(group.split)))


def summarise(by_seed: Mapping[int, float]) -> Summary:
    """Return mean and sample standard deviation of at least one score."""
    values = list(by_seed.values())
    return Summary(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None, dict(by_seed))


def format_summary(summary: Summary, metric: str) -> str:
    """Print "71.2 ± 0.4", or "71.2" for one seed, in the metric's unit."""
    facts = metric_facts(metric)
    mean = facts.format(summary.mean)
    return mean if summary.deviation is None else f"{mean} ± {facts.format(summary.deviation)}"


def best_means(summaries: Iterable[Summary | None], metric: str) -> frozenset[str]:
    """Return the printed means that are the best of a column; nothing where fewer than two can be compared.

    Means that print alike are alike: where all of them do, none is the best.
    """
    facts = metric_facts(metric)
    means = [summary.mean for summary in summaries if summary is not None]
    if facts.higher_is_better is None or len(set(map(facts.format, means))) < 2:
        return frozenset()
    return frozenset({facts.format(max(means) if facts.higher_is_better else min(means))})


def is_of_sub_tokens(row: Row) -> bool:
    """Whether a score is about the sub-tokens of a vocabulary, so that it means something else in another one."""
    is_count = metric_facts(row.metric).unit == "count"
    return row.stage == LM_STAGE and row.metric not in _OF_WORDS and not is_count


def vocabulary_identity(row: Row) -> tuple[object, ...]:
    """What tells the sub-tokens of a row's model from those of others, as far as rows say it."""
    if row.vocabulary_id:
        return (row.vocabulary_id,)
    varied = sorted((key, value) for key, value in row.cell.items() if key.startswith(("corpus.", "vocabulary.")))
    return (row.vocabulary, row.vocabulary_size, row.corpus, *varied)
