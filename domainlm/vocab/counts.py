"""Counting the words of a text, and choosing the characters that a vocabulary can write."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from tokenizers.normalizers import BertNormalizer, Normalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, PreTokenizer

from domainlm.vocab.bert import bert_normalizer

MAX_CHARACTERS = 1000
"""No more than so many different characters, the most frequent ones, become entries of their own."""

MAX_CHARACTERS_FED = 2**31 - 1
"""The library's trainers count pairs in 32-bit integers and do not notice an overflow (tokenizers issue 1170)."""

_MAX_RUNS = 2**19
"""Runs between white space that are counted before they are cut into words. There are many more of them than words."""

_ASCII_WORD = re.compile("[0-9A-Za-z]+|[^0-9A-Za-z]")
_WORDS_PER_LINE = 1000


class WordCutter:
    """Cuts runs between white space into words: each different run once, which is much faster than all the text.

    Args:
        normalizer: what is done to a run first; nothing where None.
        pre_tokenizer: what cuts it then; nothing where None.
    """

    def __init__(self, normalizer: Normalizer | None, pre_tokenizer: PreTokenizer | None) -> None:
        self._normalizer = normalizer
        self._pre_tokenizer = pre_tokenizer
        self._is_bert = isinstance(normalizer, BertNormalizer) and isinstance(pre_tokenizer, BertPreTokenizer)
        self._lowers = isinstance(normalizer, BertNormalizer) and bool(normalizer.lowercase)

    @classmethod
    def of_bert(cls, *, cased: bool) -> WordCutter:
        """BERT's words, with or without capitals and accents."""
        return cls(bert_normalizer(cased=cased), BertPreTokenizer())

    def add(self, runs: Mapping[str, int], words: Counter[str]) -> None:
        """Add the words of the runs, which are as often as these are counted."""
        for run, count in runs.items():
            for word in self._cut(run):
                words[word] += count

    def _cut(self, run: str) -> list[str]:
        if self._is_bert and run.isascii() and run.isprintable():  # most runs, without the library's cost for each call
            return _ASCII_WORD.findall(run.lower() if self._lowers else run)
        text = run if self._normalizer is None else self._normalizer.normalize_str(run)
        if self._pre_tokenizer is None:
            return [text] if text else []
        return [word for word, _ in self._pre_tokenizer.pre_tokenize_str(text)]


def count_words(
    sentences: Iterable[str], *, cased: bool, max_word_characters: int | None = None, max_runs: int = _MAX_RUNS
) -> dict[str, int]:
    """How often each word occurs, words being what BERT's normaliser and pre-tokeniser make of the text; sorted.

    Memory grows with the number of different words, not with the text.

    Args:
        sentences: the text, read once.
        cased: keep capitals and accents.
        max_word_characters: leave out longer words.
        max_runs: a bound of the memory used besides the words; the result does not depend on it.
    """
    words = count_cut_words(sentences, WordCutter.of_bert(cased=cased), max_runs)
    return {
        word: count for word, count in words.items() if max_word_characters is None or len(word) <= max_word_characters
    }


def count_cut_words(sentences: Iterable[str], cutter: WordCutter, max_runs: int = _MAX_RUNS) -> dict[str, int]:
    """How often each word occurs that a cutter makes of a text; sorted."""
    runs: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for sentence in sentences:
        runs.update(sentence.split())
        if len(runs) > max_runs:
            cutter.add(runs, words)
            runs.clear()
    cutter.add(runs, words)
    return {word: words[word] for word in sorted(words)}


def frequent_characters(words: Mapping[str, int], min_frequency: int, max_characters: int) -> list[str]:
    """The most frequent characters, none seen less than `min_frequency` times, by code point."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    by_count = sorted(counts, key=lambda character: (-counts[character], character))[:max_characters]
    return sorted(character for character in by_count if counts[character] >= min_frequency)


def within_limit(counts: Mapping[str, int], limit: int, size: Callable[[str], int] = len) -> dict[str, int]:
    """Divide the counts, rounding up, by the smallest whole number that keeps the total size within `limit`.

    Args:
        counts: how often each word occurs.
        limit: of the sizes of all words, each counted as often as it occurs.
        size: of a word; its characters where not given.
    """
    divisor = 1
    while sum(size(word) * -(-count // divisor) for word, count in counts.items()) > limit:
        divisor += 1
    return {word: -(-count // divisor) for word, count in counts.items()}


def repeated(counts: Mapping[str, int]) -> Iterator[str]:
    """Text in which each word occurs as often as counted: the library's trainers take no counts."""
    for word, count in counts.items():
        line = " ".join([word] * min(count, _WORDS_PER_LINE))
        for _ in range(count // _WORDS_PER_LINE):
            yield line
        if rest := count % _WORDS_PER_LINE:
            yield " ".join([word] * rest)
