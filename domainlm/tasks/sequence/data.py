"""The examples of a sequence task, the same for texts and for documents with relations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from domainlm.api import DataError, ProblemLog, RelationExample, SequenceExample, Split, TaskSpec
from domainlm.recipe.sequence_settings import SequenceSettings
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.sequence.pairs import LabelledPair, Pair, TypePair, as_example, find_pairs, related_types

_NO_LABEL = "example without a label: left out"
_NOT_ASKED = "example of a label that the task does not name: left out of training, counted as missed elsewhere"
_NOT_ASKED_RELATION = "relation of a label that the task does not name: counts as none"


@dataclass(frozen=True, slots=True)
class LabelledData:
    """The examples of one split.

    Attributes:
        examples: each with its label.
        pairs: for relations, the pair that each example stands for; else empty.
        gold: every relation, whether or not an example stands for it.
        num_documents: for relations, the documents they are from.
    """

    examples: Sequence[SequenceExample]
    pairs: Sequence[Pair] = ()
    gold: frozenset[LabelledPair] = frozenset()
    num_documents: int = 0

    @property
    def labels(self) -> Counter[str]:
        """How many examples have each label."""
        return Counter(example.label for example in self.examples)


@dataclass(frozen=True, slots=True)
class SequenceData:
    """All splits of one data set.

    Attributes:
        splits: the examples.
        labels: what is told apart; in the order of the spec, or sorted by name.
        scored: the labels that precision, recall and F1 are about.
        type_pairs: for relations, the types of mentions that may be related.
    """

    splits: Mapping[Split, LabelledData]
    labels: tuple[str, ...]
    scored: tuple[str, ...]
    type_pairs: tuple[TypePair, ...] = ()


def make_examples(spec: TaskSpec, splits: Mapping[Split, SplitExamples], settings: SequenceSettings) -> SequenceData:
    """Turn what a reader gave into labelled examples.

    Args:
        spec: names the labels, those that are scored, and the rules for pairs.
        splits: what was read; what is left out is counted in their problems.
        settings: how mentions are shown.

    Raises:
        DataError: texts and documents with relations are mixed, documents come without rules for pairs, or the
            training split has fewer than two labels.
    """
    types = type_pairs_of(spec, *splits.values())
    found = {split: label_split(spec, split, data, types, settings) for split, data in splits.items()}
    labels = spec.types or tuple(sorted(found["train"].labels))
    if len(found["train"].labels) < 2:
        raise DataError(
            "nothing to tell apart: the training split has fewer than two labels",
            where=splits["train"].where,
            given=", ".join(found["train"].labels) or "no example",
            allowed=spec.types or "examples of two labels at least",
            remedy="check that these are the right files, and that labels are spelled as the task spells them",
        )
    known = dict.fromkeys([*labels, *(label for data in found.values() for label in data.labels)])
    missing = [label for label in spec.scored_types if label not in known]
    if missing:
        raise DataError(
            "no split has an example of a label that is to be scored",
            where=splits["train"].where,
            given=missing[0],
            allowed=tuple(known),
            remedy=f"check how {spec.name} spells it under scored_types; where it may be missing, types must name it",
        )
    no_relation = spec.pairs.no_relation if types is not None and spec.pairs else None
    scored = spec.scored_types or tuple(label for label in labels if label != no_relation)
    return SequenceData(found, labels, scored, types or ())


def type_pairs_of(spec: TaskSpec, first: SplitExamples, *others: SplitExamples) -> tuple[TypePair, ...] | None:
    """The types of mentions that may be related: the spec's, or those related in the first split; None for texts.

    Raises:
        DataError: texts and documents with relations are mixed, or documents come without rules for pairs.
    """
    kinds = {isinstance(example, RelationExample) for data in (first, *others) for example in data.examples}
    if len(kinds) > 1 or (kinds == {True} and spec.pairs is None):
        raise DataError(
            "documents with relations need rules for pairs, and must not be mixed with texts",
            where=spec.name,
            remedy="give the task spec pairs=PairRules(...), and let its reader yield RelationExample only",
        )
    if kinds != {True} or spec.pairs is None:
        return None
    return spec.pairs.type_pairs or tuple(sorted(related_types(first.examples)))


def label_split(
    spec: TaskSpec,
    split: Split,
    data: SplitExamples,
    types: tuple[TypePair, ...] | None,
    settings: SequenceSettings,
) -> LabelledData:
    """The labelled examples of one split; `types` are those of mentions that may be related, None for texts."""
    if types is None:
        return _of_texts(spec, split, data)
    return _of_documents(spec, data, types, settings)


def _of_texts(spec: TaskSpec, split: Split, data: SplitExamples) -> LabelledData:
    kept: list[SequenceExample] = []
    for example in data.examples:
        if not example.label:
            data.problems.add(_NO_LABEL, example.text[:80], path=example.id)
            continue
        if spec.types and example.label not in spec.types:
            data.problems.add(_NOT_ASKED, example.label, path=example.id)
            if split == "train":
                continue
        kept.append(example)
    if not kept:
        raise DataError("no example with a label", where=data.where, given=data.problems.summary() or None)
    return LabelledData(kept)


def _of_documents(
    spec: TaskSpec, data: SplitExamples, types: Collection[TypePair], settings: SequenceSettings
) -> LabelledData:
    assert spec.pairs is not None
    documents = [_with_asked(document, spec.types, data.problems) for document in data.examples]
    texts = {document.id: document.text for document in documents}
    if len(texts) < len(documents):
        raise DataError("two documents have one id", where=data.where, remedy="give every document an id of its own")
    pairs = [pair for document in documents for pair in find_pairs(document, types, data.problems)]
    if not pairs:
        raise DataError(
            "no sentence with two mentions that may be related",
            where=data.where,
            given=data.problems.summary() or None,
            allowed=[f"{first} and {second}" for first, second in types],
        )
    examples = [
        as_example(pair, texts[pair.document], spec.pairs, uses_dummies=settings.mentions == "dummies")
        for pair in pairs
    ]
    return LabelledData(examples, pairs, _gold(documents), len(documents))


def _with_asked(document: RelationExample, labels: Collection[str], problems: ProblemLog) -> RelationExample:
    if not labels:
        return document
    asked = tuple(relation for relation in document.relations if relation.label in labels)
    for relation in document.relations:
        if relation.label not in labels:
            problems.add(_NOT_ASKED_RELATION, relation.label, path=document.id)
    return RelationExample(document.id, document.text, document.mentions, asked)


def _gold(documents: Iterable[RelationExample]) -> frozenset[LabelledPair]:
    return frozenset(
        ((document.id, relation.first, relation.second), relation.label)
        for document in documents
        for relation in document.relations
    )
