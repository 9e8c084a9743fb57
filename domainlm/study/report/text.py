"""The answer in a sentence or two, made from the scores; it claims nothing that the numbers do not carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from domainlm.study.report.aggregate import Group, Scores, Summary, format_summary, summarise
from domainlm.study.report.arms import Arm
from domainlm.study.report.mean_table import mean_sentence
from domainlm.study.report.means import Means
from domainlm.study.report.metrics import Metric, metric_facts
from domainlm.study.report.words import join_words

_MAX_ARMS_LISTED = 3


@dataclass(frozen=True, slots=True)
class _Contest:
    """The scores of the arms on one data set, best first; that says nothing unless they were counted in one way."""

    place: str
    metric: str
    ranked: tuple[tuple[Arm, Summary], ...]
    is_comparable: bool = True
    seeds: str = ""


def answer(scores: Scores, means: Means | None = None) -> tuple[str, ...]:
    """Return the sentences that answer the recipe's question, from test scores, or the next best thing there is."""
    groups = scores.leading_groups() or scores.lm_groups()
    chosen = [group for group in groups if group.split == groups[0].split]
    if groups and not scores.task_groups():
        chosen = [group for group in chosen if scores.is_one_vocabulary(group)]
        return tuple(sentence for group in chosen for sentence in _levels(scores, group)) or (
            "There are no task scores, and the language-model scores are of different vocabularies: see their table.",
        )
    sentences = [] if means is None else [mean_sentence(means)]
    for group in chosen:
        found = [*_levels(scores, group), *_difference_sentence(_contests(scores, group))]
        sentences += [f"{sentence[:-1]} ({group.protocol})." for sentence in found] if len(chosen) > 1 else found
    return tuple(sentences) or ("There are no scores yet.",)


def _levels(scores: Scores, group: Group) -> list[str]:
    is_only_arm = scores.num_arms == 1
    return [_level_sentence(contest, group.split, name_arm=not is_only_arm) for contest in _contests(scores, group)]


def _contests(scores: Scores, group: Group) -> list[_Contest]:
    metric = scores.metrics(group)[0]
    sign = -1.0 if metric_facts(metric).higher_is_better is False else 1.0
    contests: list[_Contest] = []
    for dataset in scores.datasets(group):
        found = [(arm, scores.summary(group, arm, dataset, metric)) for arm in scores.arms(group)]
        there = [(arm, summary) for arm, summary in found if summary is not None]
        if there:
            ranked = sorted(there, key=lambda pair: (-sign * pair[1].mean, pair[0]))
            contests.append(_Contest(dataset, metric, tuple(ranked), scores.is_comparable(group, dataset)))
    return contests


def _level_sentence(contest: _Contest, split: str, *, name_arm: bool) -> str:
    """Say the score of each arm; of many arms, the best and the worst."""
    facts = metric_facts(contest.metric)
    what = f"{split} {facts.label}".strip()
    where = f"On {contest.place}, " if contest.place else ""
    ranked = contest.ranked
    if not contest.is_comparable:
        sentence = f"{what} cannot be compared between the models: see their table"
    elif not name_arm:
        sentence = f"{what} is {_number(ranked[0][1], contest.metric)}{_seeds(ranked[0][1])}"
    elif len(ranked) > 1 and _is_tie(ranked[0][1], ranked[-1][1]):
        sentence = f"{what} is {_number(ranked[0][1], contest.metric)} with every model{_seeds(ranked[0][1])}"
    elif len(ranked) <= _MAX_ARMS_LISTED:
        sentence = f"{what} is {join_words(_arm_phrases(ranked, contest.metric))}"
    else:
        first, last = _arm_phrases((ranked[0], ranked[-1]), contest.metric)
        sentence = f"{what} runs from {last} to {first} over {len(ranked)} models"
    return _capitalised(f"{where}{sentence}.")


def _arm_phrases(ranked: Sequence[tuple[Arm, Summary]], metric: str) -> list[str]:
    same = len({summary.num_seeds for _, summary in ranked}) == 1
    phrases: list[str] = []
    for place, (arm, summary) in enumerate(ranked):
        seeds = _seeds(summary) if place == 0 or not same else ""
        phrases.append(f"{_number(summary, metric)}{seeds} with {arm.label}")
    return phrases


def _number(summary: Summary, metric: str) -> str:
    unit = " nats" if metric_facts(metric).unit == "nats" else ""
    return f"{format_summary(summary, metric)}{unit}"


def _seeds(summary: Summary) -> str:
    return f" (n = {summary.num_seeds})"


def _difference_sentence(contests: Sequence[_Contest]) -> list[str]:
    """Say by how much one of two arms is ahead, and whether the seeds of the two overlap."""
    pairs = [_of_shared_seeds(contest) for contest in contests if len(contest.ranked) == 2 and contest.is_comparable]
    pairs = [pair for pair in pairs if pair.ranked]
    pairs = [pair for pair in pairs if not _is_tie(pair.ranked[0][1], pair.ranked[1][1])]
    if not pairs or any(len(contest.ranked) > 2 for contest in contests):
        return []
    facts = metric_facts(pairs[0].metric)
    direction = "lower" if facts.higher_is_better is False else "higher"
    clauses: list[str] = []
    for (better, worse), same in groupby(pairs, key=lambda pair: (pair.ranked[0][0], pair.ranked[1][0])):
        gaps = join_words([_gap(contest, facts) for contest in same])
        clauses.append(f"with {better.label}, {facts.label} is {direction} than with {worse.label} {gaps}")
    return [_capitalised("; ".join(clauses) + ".")]


def _of_shared_seeds(contest: _Contest) -> _Contest:
    """The two arms on the seeds that both have: a mean over a lucky seed may be above one over five."""
    seeds = [summary.by_seed.keys() for _, summary in contest.ranked]
    shared = sorted(seeds[0] & seeds[1])
    if seeds[0] == seeds[1]:
        return contest
    found = [(arm, summarise({seed: each.by_seed[seed] for seed in shared})) for arm, each in contest.ranked if shared]
    sign = -1.0 if metric_facts(contest.metric).higher_is_better is False else 1.0
    ranked = sorted(found, key=lambda pair: -sign * pair[1].mean)
    return replace(contest, ranked=tuple(ranked), seeds=" over the seeds of both")


def _is_tie(one: Summary, other: Summary) -> bool:
    """Whether both have the same scores, not only the same mean."""
    return sorted(one.values) == sorted(other.values)


def _gap(contest: _Contest, facts: Metric) -> str:
    (_, better), (_, worse) = contest.ranked
    unit = {"percent": " points", "nats": " nats", "bits": " bits"}.get(facts.unit, "")
    place = f"{f' on {contest.place}' if contest.place else ''}{contest.seeds}"
    return f"by {facts.format(abs(better.mean - worse.mean))}{unit}{place}{_overlap(better, worse, facts)}"


def _overlap(better: Summary, worse: Summary, facts: Metric) -> str:
    if better.num_seeds < 2 or worse.num_seeds < 2:
        return ""
    low, high = (better, worse) if facts.higher_is_better is False else (worse, better)
    apart = max(low.values) < min(high.values)
    return " (the seeds do not overlap)" if apart else " (the seeds overlap)"


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
