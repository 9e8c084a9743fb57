"""Entity precision, recall and F1, counted as the `conlleval` script of the CoNLL-2000 shared task counts them.

Source: E. Tjong Kim Sang, conlleval, version of 2004-01-26. An entity is right only where start, end and type all
match. Precision is right / found, recall is right / gold, F1 their harmonic mean; pooled over types by adding the
counts. Tags are read leniently: `B-X` always opens an entity, `I-X` opens one after `O`, after another type and at the
start of a sentence, and the end of a sentence closes what is open. Two things the script does are left out: it reads
the type "0" as no type (a Perl truth value), and it also takes the bracket and end tags of other schemes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from domainlm.tasks.counts import Counts

OUTSIDE = "O"
PROTOCOL = "conlleval entity"
SCORER = "conlleval:1"
"""With the version of the rules below, for signatures."""


class Chunk(NamedTuple):
    """An entity in words: `start` to `end` (exclusive)."""

    start: int
    end: int
    type: str


class _Typed(Hashable, Protocol):
    """An entity of any kind of offsets."""

    @property
    def type(self) -> str:
        """Its type."""


@dataclass(frozen=True, slots=True)
class EntityCounts:
    """The counts of all types together, and of each type that gold or prediction has, sorted by name."""

    pooled: Counts = field(default_factory=Counts)
    by_type: Mapping[str, Counts] = field(default_factory=dict)


def split_tag(tag: str) -> tuple[str, str]:
    """Split `B-X` into `("B", "X")`; the type is what follows the first hyphen, and may hold further ones.

    Raises:
        ValueError: for a tag that is none of O, B, I, B-X and I-X.
    """
    prefix, _, entity_type = tag.partition("-")
    if prefix not in {"B", "I", OUTSIDE}:
        raise ValueError(f"{tag!r} is not a tag: conlleval counts O, B-TYPE and I-TYPE")
    return prefix, "" if prefix == OUTSIDE else entity_type


def chunks(tags: Sequence[str]) -> list[Chunk]:
    """The entities of one sentence, in order, none of them overlapping another."""
    found: list[Chunk] = []
    start, open_type = 0, None
    for place, tag in enumerate(tags):
        prefix, entity_type = split_tag(tag)
        if prefix == "I" and entity_type == open_type:
            continue
        if open_type is not None:
            found.append(Chunk(start, place, open_type))
        start, open_type = place, None if prefix == OUTSIDE else entity_type
    if open_type is not None:
        found.append(Chunk(start, len(tags), open_type))
    return found


def count_entities(gold: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> EntityCounts:
    """Count over sentences; each sentence is the sequence of its words' tags.

    Raises:
        ValueError: where gold and prediction have other numbers of sentences or words.
    """
    return count_sets(_paired_chunks(gold, predicted))


def count_sets(pairs: Iterable[tuple[Collection[_Typed], Collection[_Typed]]]) -> EntityCounts:
    """Count what gold and prediction have in common, text by text.

    Args:
        pairs: the gold entities and those found in one text; two are the same where they are equal.
    """
    in_gold: Counter[str] = Counter()
    found: Counter[str] = Counter()
    correct: Counter[str] = Counter()
    for gold_set, found_set in pairs:
        in_gold.update(entity.type for entity in gold_set)
        found.update(entity.type for entity in found_set)
        correct.update(entity.type for entity in set(gold_set) & set(found_set))
    by_type = {name: Counts(in_gold[name], found[name], correct[name]) for name in sorted({*in_gold, *found})}
    return EntityCounts(Counts(in_gold.total(), found.total(), correct.total()), by_type)


def _paired_chunks(
    gold: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]
) -> Iterator[tuple[list[Chunk], list[Chunk]]]:
    for gold_tags, predicted_tags in zip(gold, predicted, strict=True):
        if len(gold_tags) != len(predicted_tags):
            raise ValueError(f"{len(predicted_tags)} predicted tags for a sentence of {len(gold_tags)} words")
        yield chunks(gold_tags), chunks(predicted_tags)
