"""The break-up rate: into how many sub-tokens a vocabulary breaks the words that a task is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from domainlm.api import Entity, TokenExample
from domainlm.errors import DataError
from domainlm.vocab.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class BreakUpRate:
    """Sub-tokens per word inside entities.

    Attributes:
        num_entities: mentions counted.
        num_words: words of these mentions, each occurrence counted.
        num_sub_tokens: sub-tokens of these words.
        rate: `num_sub_tokens / num_words`.
    """

    num_entities: int
    num_words: int
    num_sub_tokens: int

    @property
    def rate(self) -> float:
        """Sub-tokens per word; 1.0 where every word is an entry of the vocabulary."""
        return self.num_sub_tokens / self.num_words


def break_up_rate(vocabulary: Vocabulary, examples: Iterable[TokenExample], types: Sequence[str] = ()) -> BreakUpRate:
    """Measure a vocabulary on the entities of a data set (Shin et al. 2020, table 3, does so on training sets).

    The words are the data set's own (`TokenExample.words`), each encoded by itself without special tokens; a word
    counts once for every mention that it overlaps, and repeated mentions count each time.

    Args:
        vocabulary: what breaks the words.
        examples: annotated text, read once.
        types: entity types to count; all where empty.

    Raises:
        DataError: where no entity of these types holds a word.
    """
    words: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for example in examples:
        for entity in example.entities:
            seen[entity.type] += 1
            if not types or entity.type in types:
                words.update(_words_of(example, entity))
    if not words:
        raise DataError(
            "no entity to measure the vocabulary on",
            given=f"types {', '.join(types)}" if types else None,
            allowed=sorted(seen) if types else None,
        )
    pieces = vocabulary.encode_words(list(words))
    num_sub_tokens = sum(len(ids) * count for ids, count in zip(pieces, words.values(), strict=True))
    num_entities = sum(count for kind, count in seen.items() if not types or kind in types)
    return BreakUpRate(num_entities, words.total(), num_sub_tokens)


def _words_of(example: TokenExample, entity: Entity) -> Iterator[str]:
    for start, end in example.words:
        if start < entity.end and end > entity.start:
            yield example.text[start:end]
