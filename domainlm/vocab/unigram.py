"""Learning a Unigram vocabulary (Kudo 2018), and the tokenisers that use one.

A word is cut in the way that makes the product of its pieces' probabilities largest. The pieces are found as by
SentencePiece: all frequent substrings to begin with, then by turns expectation maximisation of their probabilities and
removal of those whose absence costs the text least. Unlike there, a substring counts as often as it occurs in the text,
not in the list of its different words, so that punctuation marks and words that occur in no other word are candidates.
All is computed here, with numpy alone and in a fixed order: the trainer of the `tokenizers` library adds up in an order
that differs between processes and gives other scores in each.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.decoders import Metaspace as MetaspaceDecoder
from tokenizers.models import Unigram
from tokenizers.pre_tokenizers import BertPreTokenizer, Metaspace
from tokenizers.pre_tokenizers import Sequence as PreTokenizers

from domainlm.api import VocabularySettings
from domainlm.progress import Bar
from domainlm.vocab.bert import (
    MAX_WORD_CHARACTERS,
    SPECIAL_TOKENS,
    UNK,
    add_special_tokens,
    bert_normalizer,
    serialise,
)
from domainlm.vocab.counts import MAX_CHARACTERS, count_words, frequent_characters
from domainlm.vocab.lattice import Lattices, Scores, best_without_itself
from domainlm.vocab.sizes import check_alphabet, check_enough
from domainlm.vocab.substrings import Substrings, Words, find_substrings

WORD_MARK = "\u2581"
"""Stands before every word, as in SentencePiece."""

MAX_PIECE_CHARACTERS = 24
"""Longest piece, the word mark included (SentencePiece: 16, which is short for technical terms)."""

MAX_WORDS = 300_000
"""Only the most frequent words are learned from: they hold nearly all of a text, and they bound the memory."""

_KEPT_PER_ROUND = 0.75
_SPARE = 1.1
"""Removal stops at this many times the pieces wanted; the least probable of the rest go at the end."""
_LEAST_COUNT = 0.5
_DECIMALS = 6


def learn_unigram(sentences: Iterable[str], settings: VocabularySettings) -> str:
    """Learn a vocabulary; the same sentences, in any order, give the same text in every process on one machine.

    The entries are [PAD] [UNK] [CLS] [SEP] [MASK], then the pieces, the most probable first. All characters of the text
    that are frequent enough are among them, and the word mark by itself.

    Args:
        sentences: the text, read once.
        settings: size, casing, and the least number of times that a piece must occur.

    Returns:
        The text of a tokenizer.json.

    Raises:
        VocabularyError: where the text gives fewer entries than asked for, or its characters alone more.
    """
    counts = count_words(sentences, cased=settings.cased, max_word_characters=MAX_WORD_CHARACTERS)
    characters = frequent_characters(counts, settings.min_frequency, MAX_CHARACTERS)
    required = [WORD_MARK, *(character for character in characters if character != WORD_MARK)]
    check_alphabet(settings, len(SPECIAL_TOKENS) + len(required))
    words = Words.of(_marked(counts, set(required) - {WORD_MARK}))
    substrings = find_substrings(words, max_length=MAX_PIECE_CHARACTERS, min_frequency=settings.min_frequency)
    unseen = sorted(set(required) - {words.text(place, 1) for place in substrings.places[: _num_single(substrings)]})
    num_wanted = settings.size - len(SPECIAL_TOKENS) - len(unseen)
    check_enough(settings, settings.size - num_wanted + len(substrings))
    pieces = _choose_pieces(words, substrings, num_wanted)
    lowest = min(pieces.values())
    pieces.update(dict.fromkeys(unseen, lowest))
    ordered = sorted(pieces.items(), key=lambda entry: (-entry[1], entry[0]))
    return serialise(build_tokenizer(ordered, cased=settings.cased))


def build_tokenizer(pieces: Sequence[tuple[str, float]], *, cased: bool) -> Tokenizer:
    """A Unigram tokeniser of BERT's words: the special tokens, then these pieces with their log-probabilities."""
    entries = [(name, 0.0) for name in SPECIAL_TOKENS] + list(pieces)
    tokenizer = Tokenizer(Unigram(entries, unk_id=SPECIAL_TOKENS.index(UNK)))
    tokenizer.normalizer = bert_normalizer(cased=cased)
    tokenizer.pre_tokenizer = PreTokenizers([BertPreTokenizer(), Metaspace(replacement=WORD_MARK)])
    tokenizer.decoder = MetaspaceDecoder(replacement=WORD_MARK)
    add_special_tokens(tokenizer)
    return tokenizer


def _marked(counts: Mapping[str, int], characters: set[str]) -> dict[str, int]:
    """The most frequent words that these characters can write, each behind the word mark, sorted."""
    usable = [word for word in counts if characters.issuperset(word)]
    usable.sort(key=lambda word: (-counts[word], word))
    return {WORD_MARK + word: counts[word] for word in sorted(usable[:MAX_WORDS])}


def _num_single(substrings: Substrings) -> int:
    return substrings.first_of_length[1]


def _choose_pieces(words: Words, substrings: Substrings, num_wanted: int) -> dict[str, float]:
    """The pieces with their log-probabilities."""
    lattices = Lattices(words, substrings)
    num_single = _num_single(substrings)
    scores = _first_scores(substrings)
    num_enough = max(int(num_wanted * _SPARE), num_single)
    num_pieces = len(scores)
    num_rounds = max(math.ceil(math.log(num_pieces / num_enough, 1 / _KEPT_PER_ROUND)), 0) + 1
    with Bar(desc="unigram", total=num_rounds, unit=" rounds", disable=None) as bar:
        while True:
            for _ in range(2):
                scores = _maximised(lattices.expectation(scores).counts, scores, num_single, num_wanted)
            num_pieces = int(np.isfinite(scores).sum())
            bar.update()
            bar.set_postfix_str(f"{num_pieces:,} pieces")
            if num_pieces <= num_enough:
                break
            num_kept = max(num_enough, int(num_pieces * _KEPT_PER_ROUND))
            scores = _pruned(lattices, substrings, scores, num_kept)
    chosen = _highest(scores, num_single, num_wanted)
    lengths = substrings.lengths
    return {words.text(int(substrings.places[i]), int(lengths[i])): float(scores[i]) for i in chosen.tolist()}


def _first_scores(substrings: Substrings) -> Scores:
    """Longer substrings are favoured at the start: by frequency times length."""
    weights = substrings.frequencies * substrings.lengths
    return np.log(weights) - math.log(weights.sum())


def _maximised(counts: Scores, before: Scores, num_single: int, num_wanted: int) -> Scores:
    """Scores for expected counts, with a Dirichlet prior that favours few pieces; pieces hardly used are removed.

    Single characters stay, whatever their count, and so do as many pieces as are wanted.
    """
    counts = np.where(np.isfinite(before), counts, -1.0)
    counts[:num_single] = np.maximum(counts[:num_single], _LEAST_COUNT)
    kept = counts >= _LEAST_COUNT
    if kept.sum() < num_wanted:
        kept[_highest(counts, num_single, num_wanted)] = True
        counts = np.maximum(counts, _LEAST_COUNT)
    scores = np.full(len(counts), -np.inf)
    # Rounded, so that the last bits, in which processors may differ, decide nothing that follows.
    scores[kept] = np.round(_digamma(counts[kept]) - _digamma(counts[kept].sum()), _DECIMALS)
    return scores


def _pruned(lattices: Lattices, substrings: Substrings, scores: Scores, num_kept: int) -> Scores:
    """Scores with those of the pieces removed without which the text loses least likelihood."""
    num_single = _num_single(substrings)
    used = lattices.best_counts(scores)
    removable = num_single + np.flatnonzero(np.isfinite(scores[num_single:]))
    loss = np.full(len(scores), -np.inf)
    loss[removable] = used[removable] * (scores[removable] - best_without_itself(substrings, scores)[removable])
    kept = _highest(loss, num_single, num_kept)
    pruned = np.full(len(scores), -np.inf)
    pruned[kept] = scores[kept]
    return pruned


def _highest(values: Scores, num_single: int, number: int) -> NDArray[np.int64]:
    """All single characters, which come first, and those with the highest values; of equals the first."""
    ranked = num_single + np.argsort(-values[num_single:], kind="stable")
    return np.concatenate([np.arange(num_single), ranked[: max(number - num_single, 0)]])


def _digamma(x: Scores | float) -> Scores:
    """Derivative of the logarithm of the gamma function, for positive numbers (Abramowitz and Stegun 6.3.5, 6.3.18)."""
    x = np.asarray(x, dtype=np.float64)
    shift = np.zeros_like(x)
    for _ in range(6):
        small = x < 6.0
        shift = np.where(small, shift - 1.0 / x, shift)
        x = np.where(small, x + 1.0, x)
    inverse = 1.0 / (x * x)
    series = inverse * (1 / 12 - inverse * (1 / 120 - inverse * (1 / 252 - inverse * (1 / 240 - inverse / 132))))
    result: Scores = shift + np.log(x) - 0.5 / x - series
    return result
