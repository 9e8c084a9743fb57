"""Learning a WordPiece vocabulary.

The pieces are found by the `tokenizers` library, whose WordPiece trainer merges the most frequent pair of neighbouring
pieces until the vocabulary is full (Sennrich et al. 2016), not the pair that raises the likelihood most (Schuster and
Nakajima 2012). Left to itself the trainer gives another vocabulary in every process: it numbers the pieces `##x` in the
order of a randomly seeded hash map, and decides between equally frequent pairs by these numbers. So the words are
counted here, in order, and the trainer is given every single-character piece, numbered, as if they were special tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import BertPreTokenizer, WhitespaceSplit
from tokenizers.trainers import WordPieceTrainer

from domainlm.api import VocabularySettings
from domainlm.errors import VocabularyError
from domainlm.vocab.wordpiece import (
    CONTINUATION_PREFIX,
    MAX_WORD_CHARACTERS,
    SPECIAL_TOKENS,
    UNK,
    bert_normalizer,
    build_tokenizer,
    serialise,
)

MAX_CHARACTERS = 1000
"""No more than so many different characters, the most frequent ones, become entries. A word with any other character,
or with one seen less than `min_frequency` times, is [UNK]."""

_MAX_CHARACTERS_FED = 2**31 - 1
"""The library counts pairs in 32-bit integers and does not notice when they run over (tokenizers issue 1170)."""

_WORDS_PER_LINE = 1000


def learn_wordpiece(sentences: Iterable[str], settings: VocabularySettings) -> str:
    """Learn a vocabulary; the same sentences, in any order, give the same text in every process.

    The entries are, in this order: [PAD] [UNK] [CLS] [SEP] [MASK]; the characters; the characters that occur inside
    words, with `##`; the merged pieces, the most frequent first. Memory grows with the number of different words.

    Args:
        sentences: the text, read once.
        settings: size, casing, and the least number of times that a piece must occur.

    Returns:
        The text of a tokenizer.json.

    Raises:
        VocabularyError: where the text gives fewer entries than asked for, or its characters alone more.
    """
    words = count_words(sentences, cased=settings.cased)
    base = [*SPECIAL_TOKENS, *_single_characters(words, settings.min_frequency)]
    if len(base) > settings.size:
        raise VocabularyError(
            "the vocabulary is smaller than the alphabet of its corpus",
            where="vocabulary.size",
            given=settings.size,
            allowed=f"at least {len(base):,}: {len(SPECIAL_TOKENS)} special tokens and the single characters",
            remedy="raise vocabulary.size, or raise vocabulary.min_frequency to leave out rare characters",
        )
    entries = _train(words, base, settings)
    if len(entries) < settings.size:
        raise VocabularyError(
            f"the corpus gives only {len(entries):,} entries",
            where="vocabulary.size",
            given=settings.size,
            allowed=f"at most {len(entries):,} with pieces seen at least {settings.min_frequency} times",
            remedy="lower vocabulary.size, lower vocabulary.min_frequency, or take more text",
        )
    return serialise(build_tokenizer(entries, cased=settings.cased))


def count_words(sentences: Iterable[str], *, cased: bool) -> dict[str, int]:
    """How often each word occurs, words being what BERT's normaliser and pre-tokeniser make of the text; sorted."""
    normalizer, pre_tokenizer = bert_normalizer(cased=cased), BertPreTokenizer()
    runs: Counter[str] = Counter()
    for sentence in sentences:
        runs.update(sentence.split())
    words: Counter[str] = Counter()
    for run, count in runs.items():  # cutting each different run once is much faster than cutting all the text
        for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(run)):
            words[word] += count
    return {word: words[word] for word in sorted(words) if len(word) <= MAX_WORD_CHARACTERS}


def _single_characters(words: dict[str, int], min_frequency: int) -> list[str]:
    """Entries of one character, those that start words first."""
    counts: Counter[str] = Counter()
    inside: set[str] = set()
    for word, count in words.items():
        for character in word:
            counts[character] += count
        inside.update(word[1:])
    by_count = sorted(counts, key=lambda character: (-counts[character], character))[:MAX_CHARACTERS]
    kept = sorted(character for character in by_count if counts[character] >= min_frequency)
    return kept + [CONTINUATION_PREFIX + character for character in kept if character in inside]


def _train(words: dict[str, int], base: Sequence[str], settings: VocabularySettings) -> list[str]:
    """All entries in order: `base`, then the merged pieces."""
    kept = {entry for entry in base if len(entry) == 1}
    usable = {word: count for word, count in words.items() if kept.issuperset(word)}
    counts = _within_limit(usable, _MAX_CHARACTERS_FED)
    tokenizer = Tokenizer(WordPiece(unk_token=UNK))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    trainer = WordPieceTrainer(
        vocab_size=settings.size,
        min_frequency=settings.min_frequency,
        special_tokens=list(base),
        show_progress=False,
        continuing_subword_prefix=CONTINUATION_PREFIX,
    )
    tokenizer.train_from_iterator(_lines(counts), trainer)
    ids = tokenizer.get_vocab(with_added_tokens=True)
    return sorted(ids, key=lambda entry: ids[entry])


def _within_limit(counts: dict[str, int], limit: int) -> dict[str, int]:
    """Divide the counts, rounding up, by the smallest whole number that brings the characters counted below `limit`."""
    divisor = 1
    while sum(len(word) * -(-count // divisor) for word, count in counts.items()) > limit:
        divisor += 1
    return {word: -(-count // divisor) for word, count in counts.items()}


def _lines(counts: dict[str, int]) -> Iterator[str]:
    """Text in which each word occurs as often as counted: the library takes no counts."""
    for word, count in counts.items():
        line = " ".join([word] * min(count, _WORDS_PER_LINE))
        for _ in range(count // _WORDS_PER_LINE):
            yield line
        if rest := count % _WORDS_PER_LINE:
            yield " ".join([word] * rest)
