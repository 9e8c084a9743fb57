"""What is in the data of a sequence task: sizes, labels and their bias, and which relations examples can reach."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from domainlm.api import TaskSpec
from domainlm.recipe.sequence_settings import SequenceSettings
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.sequence.data import LabelledData, make_examples
from domainlm.tasks.statistics import Fact, summarise_lengths
from domainlm.text.words import split_words

if TYPE_CHECKING:
    from domainlm.vocab.vocabulary import Vocabulary

_BIAS = "examples of the rarest label / of the most frequent one (minority / majority, Shin et al. 2020, table 8)"
_RELATION_BIAS = "pairs with a relation / pairs without (minority / majority, Shin et al. 2020, table 8)"
_REACHABLE = "relations of the gold standard that lie within a sentence and are the label of their pair / all of them"


def describe(task: TaskSpec, data: SplitExamples, vocabulary: Vocabulary | None) -> list[Fact]:
    """Facts of one split; see `domainlm.tasks.statistics`. None of them depends on a vocabulary."""
    del vocabulary
    made = make_examples(task, {"train": data}, SequenceSettings())
    found = made.splits["train"]
    counts = found.labels
    lengths = [len(split_words(example.text)) for example in found.examples]
    return [
        Fact("examples", len(found.examples)),
        *(Fact(f"examples of label {label}", counts[label]) for label in sorted(counts)),
        *(_relation_facts(found) if found.pairs else [Fact("label bias", _share(counts.values()), _BIAS)]),
        *summarise_lengths("text length in words", lengths),
    ]


def _share(counts: Iterable[int]) -> float:
    numbers = list(counts)
    return min(numbers) / max(numbers)


def _relation_facts(found: LabelledData) -> list[Fact]:
    num_positive = sum(bool(pair.labels) for pair in found.pairs)
    num_negative = len(found.pairs) - num_positive
    facts = [
        Fact("documents", found.num_documents),
        Fact("label bias", num_positive / max(1, num_negative), _RELATION_BIAS),
        Fact("relations", len(found.gold), "of the gold standard, those between sentences too"),
        Fact("relations within sentences", sum(len(pair.labels) for pair in found.pairs)),
    ]
    if found.gold:
        facts.append(Fact("reachable share of relations", num_positive / len(found.gold), _REACHABLE))
    return facts
