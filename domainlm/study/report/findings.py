"""What a publication found, looked at again in our numbers: held, held in part, or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from domainlm.api import Claim, Conditions, Finding
from domainlm.study.report.aggregate import MEASURE_STAGE
from domainlm.study.report.fields import field_text, field_value, leading_rows, meets
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.pools import Pool
from domainlm.study.report.records import Results, Row
from domainlm.study.report.significance import (
    LEVEL,
    Outcome,
    Sample,
    compare,
    holm,
    shared_seeds,
    sign_flip,
    with_rounds_for,
)

State = Literal["held", "chance", "untested", "tie", "opposite_untested", "opposite_chance", "opposite"]
Untested = Literal["", "equality", "pooled", "seeds"]

_AGREEING: tuple[State, ...] = ("held", "chance", "untested")
_CLEAR: tuple[State, ...] = ("held", "opposite")
_TESTED: tuple[State, ...] = (*_CLEAR, "chance", "opposite_chance")
_REASONS: Mapping[Untested, str] = {
    "seeds": "too few seeds to test",
    "pooled": "pooled over several models: not tested",
    "equality": "equality is not tested",
}
_CHOOSING = ("split", "protocol")


@dataclass(frozen=True, slots=True)
class Comparison:
    """A claim in one place: on one data set, say.

    Attributes:
        claim: what is claimed.
        place: values of the fields that the claim is made for each of.
        first: mean of the first side, in the unit of results.json, over the seeds that all sides have.
        second: of the second side; a number is in the same unit.
        difference: first less second; where the claim is that one difference exceeds another, by how much it does.
        agrees: whether the numbers are as claimed, chance or not.
        p_value: adjusted over all comparisons of the report (Holm); None where nothing could be tested.
        is_exact: whether the numbers are counts, in which there is no chance.
        outcome: what was found and how it was tested.
        untested: why there is no p-value where there is chance in the numbers: the claim is that they are equal, a side
            has several scores of a seed, or there are too few seeds.
    """

    claim: Claim
    place: str
    first: float
    second: float
    difference: float
    agrees: bool
    p_value: float | None
    is_exact: bool
    outcome: Outcome
    untested: Untested = ""
    samples: tuple[Sample, ...] = ()

    @property
    def state(self) -> State:
        """What the comparison says of the claim."""
        if self.difference == 0 and not self.agrees:
            return "tie"
        if self.is_exact or (self.p_value is not None and self.p_value < LEVEL):
            return "held" if self.agrees else "opposite"
        if self.p_value is None:
            return "untested" if self.agrees else "opposite_untested"
        return "chance" if self.agrees else "opposite_chance"


@dataclass(frozen=True, slots=True)
class Judged:
    """A finding and what our numbers say of it."""

    finding: Finding
    comparisons: tuple[Comparison, ...]
    num_unmeasured: int

    @property
    def verdict(self) -> str:
        """The verdict in a few words."""
        states = [each.state for each in self.comparisons]
        rest = f"; {self.num_unmeasured} of its claims were not measured" if self.num_unmeasured else ""
        if not states:
            return "not measured here"
        if all(state == "tie" for state in states):
            return f"undecided: there is no difference in any comparison{rest}"
        agreeing = sum(state in _AGREEING for state in states)
        if agreeing == len(states):
            held = "held"
        elif agreeing == 0:
            held = "not held"
        else:
            return f"held in part: {agreeing} of {len(states)} comparisons agree{self._certainty}{rest}"
        certainty = self._certainty
        of_what = "in direction" if any(each.claim.relation != "equal" for each in self.comparisons) else "in numbers"
        return f"{held} {of_what}{certainty}{rest}" if certainty else f"{held}{rest}"

    @property
    def _certainty(self) -> str:
        """How much of it is beyond chance, the same for what agrees and what does not; empty where all of it is."""
        states = [each.state for each in self.comparisons if not each.is_exact]
        clear = sum(state in _CLEAR for state in states)
        if clear == len(states):
            return ""
        reasons = {each.untested for each in self.comparisons if not each.is_exact}
        said = [text for reason, text in _REASONS.items() if reason in reasons]
        if any(state in _TESTED for state in states):
            said = [f"beyond chance in {clear} of {len(states)} comparisons"]
        return "".join(f"; {text}" for text in said)


def judge_findings(results: Results, where: Conditions) -> tuple[Judged, ...]:
    """Look at every finding of the reference again; `where` are the main table's own conditions on rows."""
    findings = results.reference.findings if results.reference is not None else ()
    judged = [_judge(finding, results, where) for finding in findings]
    num_tests = sum(each.p_value is not None for one in judged for each in one.comparisons)
    judged = [replace(one, comparisons=tuple(_retested(each, num_tests) for each in one.comparisons)) for one in judged]
    adjusted = iter(holm([each.p_value for one in judged for each in one.comparisons]))
    return tuple(
        replace(one, comparisons=tuple(replace(each, p_value=next(adjusted)) for each in one.comparisons))
        for one in judged
    )


def _retested(comparison: Comparison, num_tests: int) -> Comparison:
    """With a p-value of as many rounds as all comparisons of the report ask for."""
    if comparison.p_value is None or len(comparison.samples) != 2:
        return comparison
    outcome = with_rounds_for(comparison.outcome, *comparison.samples, comparison.claim.metric, num_tests)
    return replace(comparison, p_value=outcome.p_value, outcome=outcome)


def _judge(finding: Finding, results: Results, where: Conditions) -> Judged:
    by_claim = [list(_comparisons(claim, results, where)) for claim in finding.claims]
    return Judged(finding, tuple(each for found in by_claim for each in found), sum(not found for found in by_claim))


def _comparisons(claim: Claim, results: Results, where: Conditions) -> Iterator[Comparison]:
    sides = [_by_place(_rows(claim, side, results, where), side, claim.each, results) for side in _sides(claim)]
    for place in sides[0]:
        if all(place in side for side in sides[1:]):
            yield _compare(claim, ", ".join(filter(None, place)), [side[place] for side in sides])


def _rows(claim: Claim, side: Conditions, results: Results, where: Conditions) -> list[Row]:
    """The rows that count for a side: of the split and protocol that it names, else the table's, else the first."""
    chosen = {name: wanted for each in (where, side) for name, wanted in each.items() if name in _CHOOSING}
    return leading_rows(results.rows, chosen, (claim.metric,))


def _sides(claim: Claim) -> list[Conditions]:
    second = [claim.second] if isinstance(claim.second, Mapping) else []
    return [claim.first, *second, *(claim.exceeds or ())]


def _by_place(
    rows: Sequence[Row], conditions: Conditions, each: Sequence[str], results: Results
) -> dict[tuple[str, ...], Pool]:
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        if meets(row, conditions):
            found.setdefault(tuple(field_text(name, field_value(row, name)) for name in each), []).append(row)
    return {place: Pool(tuple(pooled), results.units) for place, pooled in found.items()}


def _compare(claim: Claim, place: str, pools: Sequence[Pool]) -> Comparison:
    first, *others = _means(pools)
    is_exact = all(row.stage == MEASURE_STAGE for pool in pools for row in pool.rows)
    if not isinstance(claim.second, Mapping):
        second = claim.second / 100 if metric_facts(claim.metric).unit == "percent" else float(claim.second)
        outcome = Outcome(first - second, _p_value_of_number(pools[0], second), "seeds")
    elif claim.exceeds is None:
        second = others[0]
        can_test = pools[0].is_one_model and pools[1].is_one_model and not is_exact and claim.relation != "equal"
        outcome = (
            compare(pools[0].sample, pools[1].sample, claim.metric)
            if can_test
            else Outcome(first - second, None, "untested")
        )
    else:
        second = others[0]
        outcome = _excess(claim, pools)
    agrees = _agrees(claim, outcome.difference, second)
    # That two models are equal is not shown by a difference within chance, nor is a margin tested here.
    p_value = None if is_exact or claim.relation == "equal" else outcome.p_value
    untested = _untested(claim, pools) if p_value is None and not is_exact else ""
    samples = tuple(pool.sample for pool in pools)
    difference = outcome.difference
    return Comparison(claim, place, first, second, difference, agrees, p_value, is_exact, outcome, untested, samples)


def _untested(claim: Claim, pools: Sequence[Pool]) -> Untested:
    if claim.relation == "equal":
        return "equality"
    return "seeds" if all(pool.is_one_model for pool in pools) else "pooled"


def _agrees(claim: Claim, difference: float, second: float) -> bool:
    if claim.relation == "equal":
        return abs(difference) <= claim.within * abs(second) + 1e-12
    if claim.exceeds is not None:
        return difference > 0
    return difference > 0 if claim.relation == "higher" else difference < 0


def _excess(claim: Claim, pools: Sequence[Pool]) -> Outcome:
    """By how much the first difference exceeds the second, both in the direction of the claim."""
    sign = 1.0 if claim.relation == "higher" else -1.0
    means = _means(pools)
    excess = sign * (means[0] - means[1] - (means[2] - means[3]))
    if not all(pool.is_one_model for pool in pools):
        return Outcome(excess, None, "untested")
    shared = shared_seeds([pool.sample for pool in pools])
    one, other, third, fourth = (pool.sample.by_seed for pool in pools)
    p_value = sign_flip([one[seed] - other[seed] - (third[seed] - fourth[seed]) for seed in shared])
    return Outcome(excess, p_value, "seeds" if p_value is not None else "untested", num_pairs=len(shared))


def _means(pools: Sequence[Pool]) -> list[float]:
    """The means of all sides, over the seeds that all of them have, or over all seeds where they share none."""
    samples = [pool.sample for pool in pools]
    shared = shared_seeds(samples) if all(pool.is_one_model for pool in pools) else []
    return [sample.of_seeds(shared).mean for sample in samples] if shared else [pool.mean for pool in pools]


def _p_value_of_number(pool: Pool, number: float) -> float | None:
    return sign_flip([row.value - number for row in pool.rows]) if pool.is_one_model else None
