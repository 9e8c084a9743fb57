"""The ways in which entities are counted. Scores of different ways are not comparable, and each carries its name.

- "conlleval entity": words, tags read leniently. The first, by which epochs are chosen.
- "strict IOB2 entity": words, and a predicted entity must begin with B-; an I- that follows nothing of its type is
  nothing. As seqeval with mode="strict" and scheme=IOB2 (Nakayama 2018).
- "sub-token entity": conlleval over the labels of all sub-tokens, each of which is labelled for itself. Only of models
  that are trained so. Scores of Shin et al. 2020 are of this kind, as Alrowili and Shanker 2021 report from its author;
  on words the same predictions score some two points otherwise.
- "exact character span": the predicted mentions' characters against every annotated mention, also those that labels of
  words cannot express: nested and overlapping ones, and ones that end inside a word.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from domainlm.api import Entity
from domainlm.tasks.token.conlleval import (
    OUTSIDE,
    PROTOCOL,
    SCORER,
    Chunk,
    EntityCounts,
    count_entities,
    count_sets,
    split_tag,
)

_STRICT = ("strict IOB2 entity", "strict-iob2:1")
_SUB_TOKEN = ("sub-token entity", "conlleval:1")
CHARACTER_SPAN = "exact character span"
_SPAN = (CHARACTER_SPAN, "character-span:1")


class ProtocolCounts(NamedTuple):
    """What one protocol counts."""

    protocol: str
    scorer: str
    counts: EntityCounts


def count_words(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Iterator[ProtocolCounts]:
    """The protocols on tags of words."""
    yield ProtocolCounts(PROTOCOL, SCORER, count_entities(gold, predicted))
    pairs = ((strict_chunks(one), strict_chunks(other)) for one, other in zip(gold, predicted, strict=True))
    yield ProtocolCounts(*_STRICT, count_sets(pairs))


def count_sub_tokens(gold: Iterable[Sequence[str]], predicted: Iterable[Sequence[str]]) -> ProtocolCounts:
    """The protocol on tags of sub-tokens; see `spread_tags` for those of the gold standard."""
    return ProtocolCounts(*_SUB_TOKEN, count_entities(gold, predicted))


def count_spans(gold: Iterable[Sequence[Entity]], predicted: Iterable[Sequence[Entity]]) -> ProtocolCounts:
    """The protocol on characters."""
    pairs: Iterable[tuple[Collection[Entity], Collection[Entity]]] = zip(gold, predicted, strict=True)
    return ProtocolCounts(*_SPAN, count_sets(pairs))


def strict_chunks(tags: Sequence[str]) -> list[Chunk]:
    """The entities of one sentence in strict IOB2: `B-X` and the `I-X` that follow it at once."""
    found: list[Chunk] = []
    start, open_type = 0, None
    for place, tag in enumerate([*tags, OUTSIDE]):
        prefix, entity_type = split_tag(tag)
        if prefix == "I" and entity_type == open_type:
            continue
        if open_type is not None:
            found.append(Chunk(start, place, open_type))
        start, open_type = place, entity_type if prefix == "B" else None
    return found


def spread_tags(tags: Sequence[str], num_sub_tokens: Sequence[int]) -> list[str]:
    """Tags of sub-tokens from those of words: all of a word's get its tag, but B- only the first and I- the others."""
    spread: list[str] = []
    for tag, number in zip(tags, num_sub_tokens, strict=True):
        inside = f"I{tag[1:]}" if tag.startswith("B") else tag
        spread += [tag, *[inside] * (number - 1)]
    return spread
