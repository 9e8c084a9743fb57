"""From annotated characters to labelled words, and back."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence

from domainlm.api import Entity, ProblemLog, TokenExample
from domainlm.tasks.token.conlleval import OUTSIDE, Chunk

SNAPPED = "entity borders moved outward to word borders"
OVERLAPPING = "entity left out: overlaps a longer one"
WORDLESS = "entity left out: covers no word"
NOT_LABELLED = "entity left out: its type is not labelled"


def entity_chunks(example: TokenExample, types: Collection[str] | None, problems: ProblemLog) -> list[Chunk]:
    """The example's entities in words, none overlapping another, in order.

    A border inside a word moves outward. Of entities that share a word the longest is kept (in words, then in
    characters, then the leftmost), so of nested ones the outermost. Whatever is moved or left out is counted.

    Args:
        example: the annotated text.
        types: the types to label; None takes every type.
        problems: told of each entity that is moved or left out, under the example's id.
    """
    wanted: list[tuple[Chunk, Entity]] = []
    for entity in example.entities:
        if types is not None and entity.type not in types:
            problems.add(NOT_LABELLED, entity.type, path=example.id)
            continue
        chunk = _snap(entity, example.words)
        if chunk is None:
            problems.add(WORDLESS, _shown(entity, example), path=example.id)
            continue
        if (entity.start, entity.end) != (example.words[chunk.start][0], example.words[chunk.end - 1][1]):
            problems.add(SNAPPED, _shown(entity, example), path=example.id)
        wanted.append((chunk, entity))
    return _without_overlaps(wanted, example, problems)


def chunk_tags(found: Iterable[Chunk], num_words: int) -> list[str]:
    """B- and I- tags of words for chunks that do not overlap; O elsewhere."""
    tags = [OUTSIDE] * num_words
    for start, end, entity_type in found:
        tags[start:end] = [f"B-{entity_type}", *[f"I-{entity_type}"] * (end - start - 1)]
    return tags


def _snap(entity: Entity, words: Sequence[tuple[int, int]]) -> Chunk | None:
    first = bisect_right(words, entity.start, key=lambda word: word[1])
    end = bisect_left(words, entity.end, key=lambda word: word[0])
    return Chunk(first, end, entity.type) if first < end and entity.start < entity.end else None


def _without_overlaps(wanted: list[tuple[Chunk, Entity]], example: TokenExample, problems: ProblemLog) -> list[Chunk]:
    kept: list[Chunk] = []
    taken: set[int] = set()
    for chunk, entity in sorted(wanted, key=_longest_first):
        covered = range(chunk.start, chunk.end)
        if taken.isdisjoint(covered):
            taken.update(covered)
            kept.append(chunk)
        else:
            problems.add(OVERLAPPING, _shown(entity, example), path=example.id)
    return sorted(kept)


def _longest_first(pair: tuple[Chunk, Entity]) -> tuple[int, int, Entity]:
    chunk, entity = pair
    return chunk.start - chunk.end, entity.start - entity.end, entity


def _shown(entity: Entity, example: TokenExample) -> str:
    return f"{entity.type} {entity.start}-{entity.end} {example.text[entity.start : entity.end]!r}"
