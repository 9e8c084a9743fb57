"""What is in the data of a token task: sizes, bias of the labels, lengths of entities, and what labels can express."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from domainlm.api import Entity, TaskSpec, TokenExample
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.statistics import Fact, summarise_lengths
from domainlm.tasks.token.alignment import entity_chunks
from domainlm.tasks.token.conlleval import Chunk
from domainlm.tasks.token.protocols import count_spans

if TYPE_CHECKING:
    from domainlm.vocab.vocabulary import Vocabulary

_BIAS = (
    "labels that begin an entity (B-) / all labels of words. Table 8 of Shin et al. 2020 defines no bias: this "
    "gives its 0.08, but for CoNLL-2003 (23,499 entities in 203,621 words) 0.12 where the table has 0.18"
)
_REACHABLE = (
    "share of the mentions that labels of words can express: recall of the gold labels under exact character spans. "
    "Nested and overlapping mentions, and ones that end inside a word, are out of reach"
)


def describe(task: TaskSpec, data: SplitExamples, vocabulary: Vocabulary | None) -> list[Fact]:
    """Facts of one split; see `domainlm.tasks.statistics`."""
    wanted = task.types or None
    examples: Sequence[TokenExample] = data.examples
    chunks = [entity_chunks(example, wanted, data.problems) for example in examples]
    mentions = [[each for each in example.entities if not wanted or each.type in wanted] for example in examples]
    num_words = sum(len(example.words) for example in examples)
    entities = [chunk for each in chunks for chunk in each]
    facts = [
        Fact("documents", len({example.id.rpartition(":")[0] or example.id for example in examples}), "from ids"),
        Fact("examples", len(examples), "sentences, or whole texts where the format has none"),
        Fact("words", num_words),
        *_mention_facts(mentions),
        Fact("labelled entities", len(entities), "mentions that are left once of overlapping ones the longest is kept"),
        Fact("label bias", len(entities) / max(1, num_words), _BIAS),
        Fact("share of words outside", 1 - sum(c.end - c.start for c in entities) / max(1, num_words), "labelled O"),
        Fact("share of examples with an entity", sum(map(bool, chunks)) / max(1, len(examples))),
        *summarise_lengths("entity length in words", [chunk.end - chunk.start for chunk in entities]),
        *_reachable(examples, chunks, mentions),
    ]
    return facts + _break_up_facts(task, examples, vocabulary)


def _mention_facts(mentions: Sequence[Sequence[Entity]]) -> list[Fact]:
    types = Counter(each.type for example in mentions for each in example)
    nested = sum(
        any(other != each and other.start <= each.start and each.end <= other.end for other in example)
        for example in mentions
        for each in example
    )
    by_type = [Fact(f"mentions of type {name}", count) for name, count in sorted(types.items())]
    return [
        Fact("mentions", types.total(), "as the reader gives them, nested ones too"),
        *(by_type if len(types) > 1 else []),
        Fact("nested mentions", nested, "inside another one"),
    ]


def _reachable(
    examples: Sequence[TokenExample], chunks: Sequence[Sequence[Chunk]], mentions: Sequence[Sequence[Entity]]
) -> list[Fact]:
    expressed = [
        [Entity(example.words[chunk.start][0], example.words[chunk.end - 1][1], chunk.type) for chunk in each]
        for example, each in zip(examples, chunks, strict=True)
    ]
    pooled = count_spans(mentions, expressed).counts.pooled
    return [Fact("reachable share of mentions", pooled.recall, _REACHABLE)] if pooled.gold else []


def _break_up_facts(task: TaskSpec, examples: Sequence[TokenExample], vocabulary: Vocabulary | None) -> list[Fact]:
    if vocabulary is None or not any(example.entities for example in examples):
        return []
    from domainlm.vocab.rate import break_up_rate

    found = break_up_rate(vocabulary, examples, task.types)
    return [Fact("break-up rate", found.rate, "sub-tokens per word inside mentions (Shin et al. 2020, table 3)")]
