"""What is in the data of a span task: sizes, answers and their lengths, bias, and what can be answered at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from domainlm.api import SpanExample, TaskSpec
from domainlm.tasks.reading import SplitExamples
from domainlm.tasks.span.alignment import encode_texts
from domainlm.tasks.span.features import answer_spans
from domainlm.tasks.span.squad import match_v2
from domainlm.tasks.statistics import Fact, summarise_lengths
from domainlm.text.words import split_words

if TYPE_CHECKING:
    from domainlm.vocab.vocabulary import Vocabulary

_VERBATIM = "share of the questions, impossible ones left out, whose answer stands in one of their contexts"
_BIAS = (
    "examples with the rarest answer / examples with the most frequent one, texts lower-cased, an example counted once "
    "for each of its different answers. Shin et al. 2020 say of the bias of their table 8 that it is min / max repeats "
    "of one answer for questions, and no more"
)
_WHOLE = (
    "share of the questions that a model with this vocabulary can answer exactly, since answers are made of whole "
    "sub-tokens; compared as SQuAD v2.0 does"
)


def describe(task: TaskSpec, data: SplitExamples, vocabulary: Vocabulary | None) -> list[Fact]:
    """Facts of one split; see `domainlm.tasks.statistics`."""
    del task
    examples: Sequence[SpanExample] = data.examples
    groups: dict[str, list[SpanExample]] = {}
    for example in examples:
        groups.setdefault(example.group or example.id, []).append(example)
    possible = [group for group in groups.values() if any(each.gold for each in group)]
    num_verbatim = sum(any(each.answers for each in group) for group in possible)
    contexts = {example.context for example in examples if example.context}
    return [
        Fact("questions", len(groups), "groups of contexts, or examples where they have none"),
        Fact("examples", len(examples), "a question with one context"),
        Fact("contexts", len(contexts), "different ones"),
        Fact("impossible questions", len(groups) - len(possible)),
        Fact("answers", sum(len(example.answers) for example in examples), "in their places, repeated ones too"),
        Fact("examples with several places", sum(len(set(example.answers)) > 1 for example in examples)),
        Fact("examples without a place", sum(bool(each.gold) and not each.answers for each in examples), "not trained"),
        Fact("questions answered verbatim", num_verbatim),
        Fact("share of questions answered verbatim", num_verbatim / max(1, len(possible)), _VERBATIM),
        *_bias(examples),
        *summarise_lengths("answer length in words", _answer_lengths(examples)),
        *summarise_lengths("context length in words", [len(split_words(context)) for context in contexts]),
        *_whole_sub_tokens(possible, vocabulary),
    ]


def _bias(examples: Sequence[SpanExample]) -> list[Fact]:
    repeats: Counter[str] = Counter()
    for example in examples:
        repeats.update({answer.text.lower() for answer in example.answers})
    if not repeats:
        return []
    least, most = min(repeats.values()), max(repeats.values())
    return [Fact("repeats of the most frequent answer", most), Fact("label bias", least / most, _BIAS)]


def _answer_lengths(examples: Sequence[SpanExample]) -> list[int]:
    return [len(split_words(answer.text)) for example in examples for answer in set(example.answers)]


def _whole_sub_tokens(groups: Sequence[Sequence[SpanExample]], vocabulary: Vocabulary | None) -> list[Fact]:
    if vocabulary is None or not groups:
        return []
    contexts = encode_texts((each.context for group in groups for each in group), vocabulary)

    def is_reached(example: SpanExample) -> bool:
        context = contexts[example.context]
        places = [context.characters(span) for span in answer_spans(example, context)]
        return any(match_v2(example.context[start:end], example.gold).exact == 1.0 for start, end in places)

    num_reached = sum(any(map(is_reached, group)) for group in groups)
    return [Fact("reachable share of questions", num_reached / len(groups), _WHOLE)]
