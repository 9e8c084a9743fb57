"""From documents with relations to examples: the pairs of mentions within a sentence, and how a pair is shown."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from domainlm.api import Entity, Mention, PairRules, ProblemLog, RelationExample, SequenceExample
from domainlm.text.sentences import joined_spans, sentence_spans

TypePair = tuple[str, str]
PairKey = tuple[str, str, str]
"""Id of the document, of the first mention and of the second one."""
LabelledPair = tuple[PairKey, str]
"""A relation: the pair and its label."""

MULTIPLE = "pair with several relations: trained on the first by name, all of them in the gold standard"
OUT_OF_REACH = "relation between sentences: in the gold standard, but no example"
OTHER_TYPES = "relation between mentions of other types: in the gold standard, but no example"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two mentions of one sentence.

    Attributes:
        document: id of the document.
        sentence: `(start, end)` of the sentence in the document's text.
        first: the first mention.
        second: the second mention.
        labels: of the relations between them, sorted; none where they are not related.
    """

    document: str
    sentence: tuple[int, int]
    first: Mention
    second: Mention
    labels: tuple[str, ...] = ()

    @property
    def key(self) -> PairKey:
        """What tells the pair from any other."""
        return self.document, self.first.id, self.second.id


def related_types(documents: Iterable[RelationExample]) -> frozenset[TypePair]:
    """The pairs of types between which there are relations."""
    found: set[TypePair] = set()
    for document in documents:
        types = {mention.id: mention.type for mention in document.mentions}
        found.update((types[relation.first], types[relation.second]) for relation in document.relations)
    return frozenset(found)


def find_pairs(document: RelationExample, types: Collection[TypePair], problems: ProblemLog | None) -> Iterator[Pair]:
    """All pairs of mentions of these types that lie in one sentence, in order of sentence, first and second mention.

    Sentences are those of `domainlm.text.sentences`, and end with their line; a mention that reaches over the end of
    one joins two. Mentions that overlap are a pair, too.

    Args:
        document: the text with its mentions and relations.
        types: (type of the first, type of the second) of mentions that may be related.
        problems: told of relations that no pair, or only part of one, stands for.
    """
    gold = {
        key: tuple(sorted(relation.label for relation in relations))
        for key, relations in groupby(sorted(document.relations), lambda each: (each.first, each.second))
    }
    reached: set[tuple[str, str]] = set()
    for sentence, mentions in _mentions_by_sentence(document):
        for first in mentions:
            for second in mentions:
                if first.id == second.id or (first.type, second.type) not in types:
                    continue
                key = first.id, second.id
                reached.add(key)
                yield Pair(document.id, sentence, first, second, gold.get(key, ()))
    if problems is not None:
        _note(document, gold.items(), reached, types, problems)


def as_example(pair: Pair, text: str, rules: PairRules, *, uses_dummies: bool) -> SequenceExample:
    """A pair as an example: the text of its sentence, the two mentions as its markers.

    Args:
        pair: the pair.
        text: its document's text.
        rules: the label of pairs without relation, and the dummies.
        uses_dummies: put dummies for the two mentions; one for both where they overlap.
    """
    start, end = pair.sentence
    sentence = text[start:end]
    spans = [(mention.start - start, mention.end - start, mention.type) for mention in (pair.first, pair.second)]
    if uses_dummies:
        sentence, spans = _with_dummies(sentence, spans, rules)
    return SequenceExample(
        id=".".join(pair.key),
        text=sentence,
        label=pair.labels[0] if pair.labels else rules.no_relation,
        markers=tuple(Entity(*span) for span in spans),
        group=pair.document,
    )


def _with_dummies(
    sentence: str, spans: Sequence[tuple[int, int, str]], rules: PairRules
) -> tuple[str, list[tuple[int, int, str]]]:
    (start, end, kind), (other_start, other_end, other_kind) = spans
    if start < other_end and other_start < end:
        place, dummy = min(start, other_start), rules.overlap_dummy
        shown = f"{sentence[:place]}{dummy}{sentence[max(end, other_end) :]}"
        return shown, [(place, place + len(dummy), kind), (place, place + len(dummy), other_kind)]
    placed: dict[tuple[int, int, str], tuple[int, int, str]] = {}
    pieces: list[str] = []
    done = length = 0
    for span in sorted(spans):
        dummy = rules.dummy(span[2])
        pieces += [sentence[done : span[0]], dummy]
        length += span[0] - done
        placed[span] = (length, length + len(dummy), span[2])
        length += len(dummy)
        done = span[1]
    return "".join([*pieces, sentence[done:]]), [placed[span] for span in spans]


def _mentions_by_sentence(document: RelationExample) -> Iterator[tuple[tuple[int, int], list[Mention]]]:
    mentioned = [(mention.start, mention.end) for mention in document.mentions]
    spans = joined_spans(sentence_spans(document.text), mentioned)
    starts = [start for start, _ in spans]
    inside: dict[int, list[Mention]] = {}
    for mention in document.mentions:
        number = bisect_right(starts, mention.start) - 1
        if number >= 0 and mention.end <= spans[number][1]:
            inside.setdefault(number, []).append(mention)
    for number in sorted(inside):
        yield spans[number], inside[number]


def _note(
    document: RelationExample,
    gold: Iterable[tuple[tuple[str, str], tuple[str, ...]]],
    reached: Collection[tuple[str, str]],
    types: Collection[TypePair],
    problems: ProblemLog,
) -> None:
    type_of = {mention.id: mention.type for mention in document.mentions}
    for (first, second), labels in gold:
        detail = f"{', '.join(labels)} from {first} to {second}"
        if (type_of[first], type_of[second]) not in types:
            problems.add(OTHER_TYPES, detail, path=document.id)
        elif (first, second) not in reached:
            problems.add(OUT_OF_REACH, detail, path=document.id)
        elif len(labels) > 1:
            problems.add(MULTIPLE, detail, path=document.id)
