"""The section on what a publication found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from domainlm.api import Claim, Conditions
from domainlm.study.report.content import NOTHING, Cell, Section, Table
from domainlm.study.report.fields import field_text, heading
from domainlm.study.report.findings import Judged, Untested, judge_findings
from domainlm.study.report.labels import clean
from domainlm.study.report.metrics import metric_facts
from domainlm.study.report.records import Results
from domainlm.study.report.significance import LEVEL, MIN_SEEDS
from domainlm.study.report.words import join_words, p_text, signed, tests_text

_STATES = {
    "held": "as found",
    "chance": "as found, within chance",
    "untested": "as found, untested",
    "tie": "no difference",
    "opposite_untested": "not so, untested",
    "opposite_chance": "not so, within chance",
    "opposite": "not so",
}

_REASONS: Mapping[Untested, str] = {
    "seeds": f"for which only scores by seed are known, since fewer than {MIN_SEEDS} seeds cannot give p < {LEVEL}",
    "pooled": "in which a side pools several models",
    "equality": "of a claim that models are equal, which no such test can show",
}


def finding_section(results: Results, where: Conditions) -> Section | None:
    """Return each finding with its verdict, and every comparison in numbers; None where the reference has none."""
    judged = judge_findings(results, where)
    if not judged or results.reference is None:
        return None
    items = tuple(f"{number}. {_sentence(one)}: {one.verdict}." for number, one in enumerate(judged, start=1))
    table = Table(
        caption=_caption(judged),
        head=("finding", "on", "metric", "claim", "first", "second", "difference", "p", "here"),
        rows=tuple(_rows(judged)),
        num_heads=4,
    )
    return Section(
        "What the reference found: held or not held at this scale",
        paragraphs=(
            f"Findings of {results.reference.source}; verdicts are computed from the scores of this run alone.",
            *items,
        ),
        tables=(table,) if table.rows else (),
    )


def _caption(judged: Sequence[Judged]) -> str:
    comparisons = [each for one in judged for each in one.comparisons]
    tested = tests_text([each.outcome for each in comparisons if each.p_value is not None], "of the split")
    met = {each.untested for each in comparisons}
    untested = [text for reason, text in _REASONS.items() if reason in met]
    sentences = [
        "The comparisons behind the verdicts, by the numbers of the list above.",
        "Difference: first less second, in the unit of the metric (points for per cent).",
        f"p: two-sided, adjusted over all comparisons of this table (Holm), by {tested}. Such tests say nothing of "
        "other data, and a difference within chance is no proof of equality."
        if tested
        else "",
        f"Untested are comparisons {join_words(untested)}." if untested else "",
    ]
    return " ".join(filter(None, sentences))


def _sentence(judged: Judged) -> str:
    source = f" ({judged.finding.source})" if judged.finding.source else ""
    return f"“{clean(judged.finding.statement).rstrip('.')}”{source}"


def _rows(judged: tuple[Judged, ...]) -> Iterator[tuple[Cell, ...]]:
    for number, one in enumerate(judged, start=1):
        for place, each in enumerate(one.comparisons):
            facts = metric_facts(each.claim.metric)
            yield (
                Cell(str(number) if place == 0 else ""),
                Cell(each.place or NOTHING),
                Cell(facts.label),
                Cell(_claim(each.claim)),
                Cell(facts.format(each.first)),
                Cell(facts.format(each.second)),
                Cell(signed(each.difference, each.claim.metric)),
                Cell(NOTHING if each.p_value is None else p_text(each.p_value)),
                Cell(_STATES[each.state], is_best=each.state == "held"),
            )


def _claim(claim: Claim) -> str:
    first = _side(claim.first, claim)
    second = _side(claim.second, claim) if isinstance(claim.second, Mapping) else f"{claim.second:g}"
    within = f" within {100 * claim.within:g} %" if claim.relation == "equal" else ""
    sentence = f"{first} {claim.relation}{' to' if claim.relation == 'equal' else ' than'} {second}{within}"
    if claim.exceeds is None:
        return sentence
    one, other = (_side(side, claim) for side in claim.exceeds)
    return f"{sentence}, by more than {one} than {other}"


def _side(conditions: Conditions, claim: Claim) -> str:
    """The values that tell a side from others."""
    parts = []
    for name, wanted in conditions.items():
        values = wanted if isinstance(wanted, tuple) else (wanted,)
        if name not in claim.each:
            text = " or ".join(field_text(name, value) for value in values)
            parts.append(text if all(isinstance(value, str) for value in values) else f"{heading(name)} {text}")
    return clean(", ".join(parts)) or "ours"
