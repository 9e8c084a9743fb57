"""Scores against what was varied: steps, size of the model, vocabulary. Data for plots, and whether there is any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domainlm.api import FieldValue
from domainlm.study.report.aggregate import Group, Scores, Summary
from domainlm.study.report.arms import Arm
from domainlm.study.report.fields import field_text, field_value
from domainlm.study.report.records import Row

_HELD = ("steps", "size", "architecture", "vocabulary", "vocabulary_size", "corpus", "start")
_ABOUT = {"steps": ("steps",), "parameters": ("size",), "vocabulary": ("vocabulary", "vocabulary_size")}
"""What may differ along each axis."""
_TOLD_BY_FIELDS = frozenset(
    {"arm", "pretraining.num_steps", "model.size", "vocabulary.spec", "vocabulary.size", "corpus.spec", "start.kind"}
)


@dataclass(frozen=True, slots=True)
class Trend:
    """The scores of models that differ in one thing alone.

    Attributes:
        arm: the first of them; gives the colour.
        label: what they have in common, as far as it differs between trends.
        points: (value, mean and deviation over seeds), by ascending value; texts as the study has them.
    """

    arm: Arm
    label: str
    points: tuple[tuple[FieldValue, Summary], ...]


def find_trends(scores: Scores, group: Group, dataset: str, metric: str, axis: str) -> tuple[Trend, ...]:
    """Return the trends along "steps", "parameters" or "vocabulary"; none unless one of them has two points.

    Models stand in one trend where all that their rows say of them is the same, but for the axis itself. Where that
    leaves two models at one place, they differ in something that rows do not tell, and nothing is to be seen.
    """
    bundles: dict[tuple[str, ...], list[tuple[Arm, Row, Summary]]] = {}
    for arm in scores.arms(group):
        rows = scores.rows(group, arm, dataset, metric)
        summary = scores.summary(group, arm, dataset, metric)
        if rows and summary is not None and _value(rows[0], axis) is not None:
            bundles.setdefault(_rest(rows[0], axis), []).append((arm, rows[0], summary))
    trends = [_trend(axis, rest, members, list(bundles)) for rest, members in bundles.items()]
    is_clear = all(len(trend.points) == len(members) for trend, members in zip(trends, bundles.values(), strict=True))
    return tuple(trends) if is_clear and any(len(trend.points) > 1 for trend in trends) else ()


def _trend(
    axis: str, rest: tuple[str, ...], members: Sequence[tuple[Arm, Row, Summary]], every: Sequence[tuple[str, ...]]
) -> Trend:
    points: dict[FieldValue, Summary] = {}
    for _, row, summary in members:
        value = _value(row, axis)
        if value is not None:
            points.setdefault(value, summary)
    ordered = list(points.items())
    if axis != "vocabulary":
        ordered.sort(key=lambda point: float(point[0]))
    told = [text for place, text in enumerate(rest) if text and len({other[place] for other in every}) > 1]
    return Trend(members[0][0], ", ".join(told), tuple(ordered))


def _value(row: Row, axis: str) -> FieldValue | None:
    if axis != "vocabulary":
        value = field_value(row, axis)
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    name = str(row.vocabulary or "").rpartition("/")[2]
    return f"{name}\n{field_text('vocabulary_size', field_value(row, 'vocabulary_size'))}".strip() or None


def _rest(row: Row, axis: str) -> tuple[str, ...]:
    """All else that is known of a model; of varied keys those that no field tells."""
    fields = [_shown(row, name) if name not in _ABOUT[axis] else "" for name in _HELD]
    own = "vocabulary." if axis == "vocabulary" else " "
    varied = [
        f"{key.rpartition('.')[2]}={value}"
        for key, value in sorted(row.cell.items())
        if key not in _TOLD_BY_FIELDS and not key.startswith(own)
    ]
    return (*fields, ", ".join(varied))


def _shown(row: Row, name: str) -> str:
    text = field_text(name, field_value(row, name)).rpartition("/")[2]
    return (
        f"{text} steps"
        if name == "steps" and text
        else f"{text} entries"
        if name == "vocabulary_size" and text
        else text
    )
