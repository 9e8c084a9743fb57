"""Checks of what readers of sequence tasks yield."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from domainlm.api import RelationExample, SequenceExample, TaskSpec
from domainlm.testing.failure import CheckError


def check_sequence_example(example: object, spec: TaskSpec, where: str) -> None:
    """Check a text with its label, or a document with its relations.

    Raises:
        CheckError: the first rule that is broken.
    """
    if isinstance(example, RelationExample):
        _check_document(example, spec, where)
    elif isinstance(example, SequenceExample):
        _check_text(example, spec, where)
    else:
        raise CheckError(
            "the reader must give SequenceExamples or RelationExamples", where=where, given=repr(example)[:200]
        )


def count_labels(examples: Iterable[SequenceExample | RelationExample]) -> dict[str, int]:
    """How many examples, or relations, have each label."""
    labels: Counter[str] = Counter()
    for example in examples:
        if isinstance(example, RelationExample):
            labels.update(relation.label for relation in example.relations)
        else:
            labels[example.label] += 1
    return dict(sorted(labels.items()))


def _check_text(example: SequenceExample, spec: TaskSpec, where: str) -> None:
    if not example.text.strip():
        raise CheckError("the text is empty", where=where)
    _check_label(example.label, spec, where)
    if len(example.markers) > 2:
        raise CheckError("more than two markers", where=where, given=example.markers)
    _check_spans(example.text, ((each.start, each.end) for each in example.markers), where)


def _check_document(example: RelationExample, spec: TaskSpec, where: str) -> None:
    if spec.pairs is None:
        raise CheckError("documents with relations need rules for pairs", where=where, remedy="set TaskSpec.pairs")
    ids = {mention.id for mention in example.mentions}
    if len(ids) < len(example.mentions):
        raise CheckError("two mentions of one document have one id", where=where)
    _check_spans(example.text, ((each.start, each.end) for each in example.mentions), where)
    if list(example.relations) != sorted(set(example.relations)):
        raise CheckError("relations must be sorted, each once", where=where, given=example.relations)
    for relation in example.relations:
        if relation.first == relation.second or not {relation.first, relation.second} <= ids:
            raise CheckError("a relation needs two different mentions of its document", where=where, given=relation)
        _check_label(relation.label, spec, where)


def _check_label(label: str, spec: TaskSpec, where: str) -> None:
    if not label.strip():
        raise CheckError("a label is empty", where=where)
    if spec.types and label not in spec.types:
        raise CheckError("an undeclared label", where=where, given=label, allowed=spec.types)


def _check_spans(text: str, spans: Iterable[tuple[int, int]], where: str) -> None:
    for start, end in spans:
        if not 0 <= start < end <= len(text):
            raise CheckError(
                "a mention lies outside the text", where=where, given=(start, end), allowed=f"0 to {len(text)}"
            )
        if text[start:end] != text[start:end].strip():
            raise CheckError("a mention begins or ends with a blank", where=where, given=repr(text[start:end]))
