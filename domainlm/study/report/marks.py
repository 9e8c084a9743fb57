"""Which means of a column are the best, and which are below them by more than chance."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from domainlm.study.report.aggregate import MEASURE_STAGE, is_of_sub_tokens, vocabulary_identity
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.pools import Pool
from domainlm.study.report.significance import LEVEL, MIN_SEEDS, Outcome, Sample, compare, holm, with_rounds_for
from domainlm.study.report.words import tests_text
from domainlm.study.same_seeds import with_most_seeds
from domainlm.tasks.signature import without_seed

MARK_BELOW = "*"
"""Stands beside means that are worse than the best of their column by more than chance."""

_Column = TypeVar("_Column", bound=Hashable)
_Entry = TypeVar("_Entry", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Marked:
    """What is known of a mean in its column.

    Attributes:
        is_best: whether it prints as the best does, which is one of those over the most seeds.
        outcome: of the test against the best; None for the best itself.
        p_value: of this test, adjusted over the table; None where nothing could be tested.
        num_pairs: over how many pairs of means; 0 where nothing could be tested.
        is_worse: whether it is worse than the best on the seeds that were tested. The best may have others, too.
        lacks_seeds: it is not over as many seeds as others of its column: of a single lucky seed it might be the best.
    """

    is_best: bool
    outcome: Outcome | None = None
    p_value: float | None = None
    num_pairs: int = 0
    is_worse: bool = False
    lacks_seeds: bool = False

    @property
    def is_below(self) -> bool:
        """Whether it is worse than the best by more than chance."""
        return self.is_worse and self.p_value is not None and self.p_value < LEVEL


@dataclass(frozen=True, slots=True)
class _Test:
    """A mean, the best of its column, and their test before all columns are known."""

    is_best: bool
    is_worse: bool
    lacks_seeds: bool
    outcome: Outcome
    first: Sample
    second: Sample
    metric: str


def mark_columns(columns: Mapping[_Column, Mapping[_Entry, Pool]]) -> dict[_Entry, Marked]:
    """Compare every mean with the best of its column; p-values are adjusted (Holm) over all columns together.

    The best was chosen by the scores that are compared: any of the means might have come out as such. So p-values are
    adjusted for all pairs of means of a column, as if each of them had been tested.

    Columns whose scores have different signatures are not compared, nor those without a better direction.
    """
    marked: dict[_Entry, Marked] = {}
    tests: list[tuple[_Entry, _Test]] = []
    num_pairs = 0
    for column in columns.values():
        metric = next(iter(column.values())).rows[0].metric
        facts = metric_facts(metric)
        if facts.higher_is_better is None or len(column) < 2 or not is_comparable(list(column.values())):
            continue
        sign = 1.0 if facts.higher_is_better else -1.0
        over_most = with_most_seeds({entry: pool.sample.by_seed for entry, pool in column.items()})
        best = max(over_most, key=lambda entry: sign * column[entry].summary.mean)
        printed = {entry: facts.format(pool.summary.mean) for entry, pool in column.items()}
        is_told_apart = len(set(printed.values())) > 1
        num_tested = 0
        for entry, pool in column.items():
            is_best = is_told_apart and entry in over_most and printed[entry] == printed[best]
            if entry == best or pool.rows[0].stage == MEASURE_STAGE:
                marked[entry] = Marked(is_best)
            else:
                sides = pool.sample, column[best].sample
                outcome = compare(*sides, metric)
                is_worse = sign * outcome.difference < 0
                tests.append((entry, _Test(is_best, is_worse, entry not in over_most, outcome, *sides, metric)))
                num_tested += outcome.p_value is not None
        num_pairs += num_tested * (num_tested + 1) // 2  # with the best one more mean than tests
    outcomes = [with_rounds_for(test.outcome, test.first, test.second, test.metric, num_pairs) for _, test in tests]
    adjusted = holm([outcome.p_value for outcome in outcomes], num_pairs)
    for (entry, test), outcome, p_value in zip(tests, outcomes, adjusted, strict=True):
        num_tested = 0 if p_value is None else num_pairs
        marked[entry] = Marked(test.is_best, outcome, p_value, num_tested, test.is_worse, test.lacks_seeds)
    return marked


def is_comparable(pools: Sequence[Pool]) -> bool:
    """Whether scores were counted in one way, seeds aside, and are of one vocabulary where that matters."""
    vocabularies = {vocabulary_identity(row) for pool in pools for row in pool.rows if is_of_sub_tokens(row)}
    signatures = {without_seed(signature) for pool in pools for signature in pool.signatures}
    return len(signatures) <= 1 and len(vocabularies) <= 1


def marks_sentence(marked: Collection[Marked]) -> str:
    """Say what bold and the mark mean, and how it was tested."""
    if not any(each.is_best for each in marked):
        return ""
    outcomes = [each.outcome for each in marked if each.outcome is not None]
    hows = {outcome.how for outcome in outcomes}
    used = tests_text(outcomes, "of the split")
    among = ", of those over its most seeds" if any(each.lacks_seeds for each in marked) else ""
    sentences = [f"Bold: the best mean of each column{among}."]
    if used:
        num_pairs = max(each.num_pairs for each in marked)
        pairs = (
            f"all {num_pairs} pairs of means in the columns of this table (Holm), the best being chosen by the scores"
        )
        sentences.append(
            f"{MARK_BELOW}: below the best by more than chance, p < {LEVEL} two-sided by {used}; "
            f"adjusted for {pairs if num_pairs > 1 else 'the one comparison of this table'}."
        )
    if "untested" in hows:
        which = "Some comparisons" if used else "Differences"
        sentences.append(
            f"{which} could not be tested: only scores by seed are known, and fewer than {MIN_SEEDS} seeds cannot give "
            f"p < {LEVEL}."
        )
    return " ".join(sentences)
