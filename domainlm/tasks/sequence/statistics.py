"""What is in the data of a sequence task: labels and their bias, lengths, and relations that examples stand for."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from domainlm.api import TaskSpec
from domainlm.recipe.sequence_settings import SequenceSettings
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.sequence.data import LabelledData, label_split, type_pairs_of
from domainlm.tasks.statistics import Fact, summarise_lengths
from domainlm.text.words import split_words

if TYPE_CHECKING:
    from domainlm.vocab.vocabulary import Vocabulary

_BIAS = (
    "examples of the labels that are scored / all others: minority / majority labels, as table 8 of Shin et al. 2020 "
    "counts them. Its 0.27 is that of a file of 19,461 lines, the first a header, with 4,154 examples of scored labels"
)
_REACHABLE = "share of all relations that one label for each pair of mentions in one sentence can find"


def describe(task: TaskSpec, data: SplitExamples, vocabulary: Vocabulary | None) -> list[Fact]:
    """Facts of one split; see `domainlm.tasks.statistics`."""
    labelled = label_split(task, "test", data, type_pairs_of(task, data), SequenceSettings())
    texts = [text for example in labelled.examples for text in (example.text, example.second_text) if text is not None]
    labels = labelled.labels
    facts = [
        *([Fact("documents", labelled.num_documents)] if labelled.pairs else []),
        Fact("examples", len(labelled.examples), "pairs of mentions in one sentence" if labelled.pairs else ""),
        *(Fact(f"examples of label {label}", count) for label, count in sorted(labels.items())),
        *_bias(task, labels),
        *(_relation_facts(labelled) if labelled.pairs else []),
        *summarise_lengths("text length in words", [len(split_words(text)) for text in dict.fromkeys(texts)]),
    ]
    if vocabulary is not None:
        rows = vocabulary.encode_batch(list(dict.fromkeys(texts)))
        facts += summarise_lengths("text length in sub-tokens", [len(row) for row in rows])
    return facts


def _bias(task: TaskSpec, labels: Counter[str]) -> list[Fact]:
    no_relation = task.pairs.no_relation if task.pairs else None
    scored = task.scored_types or [label for label in labels if label != no_relation]
    num_scored = sum(labels[label] for label in scored)
    others = labels.total() - num_scored
    return [Fact("label bias", num_scored / others, _BIAS)] if others else []


def _relation_facts(data: LabelledData) -> list[Fact]:
    relations = Counter(label for _, label in data.gold)
    reached = sum(len(pair.labels) for pair in data.pairs)
    examples = sum(bool(pair.labels) for pair in data.pairs)
    overlapping = sum(pair.first.start < pair.second.end and pair.second.start < pair.first.end for pair in data.pairs)
    facts = [
        Fact("relations", relations.total(), "each once"),
        *(Fact(f"relations of label {label}", count) for label, count in sorted(relations.items())),
        Fact("relations within a sentence", reached),
        Fact("examples of mentions that overlap", overlapping),
        Fact("mentions in examples", len(set(chain.from_iterable(_mentions(data)))), "each once"),
    ]
    return (
        [*facts, Fact("reachable share of relations", examples / relations.total(), _REACHABLE)] if relations else facts
    )


def _mentions(data: LabelledData) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    return [((pair.document, pair.first.id), (pair.document, pair.second.id)) for pair in data.pairs]
